"""The metrics of a support team, as they stand in its DeepEval tests."""

from deepeval.metrics import GEval
from deepeval.metrics.g_eval import Rubric
from deepeval.test_case import SingleTurnParams

SHOWN = [SingleTurnParams.INPUT, SingleTurnParams.ACTUAL_OUTPUT]

helpfulness = GEval(
    name="Helpfulness",
    criteria="Does the reply solve the problem of the ticket?",
    evaluation_steps=[
        "Find out what the customer needs.",
        "Check whether the reply gives it, or says exactly what happens next and when.",
        "Sympathy alone solves nothing.",
    ],
    rubric=[
        Rubric(score_range=(1, 1), expected_outcome="The customer is no further than before."),
        Rubric(score_range=(3, 3), expected_outcome="A next step is named, without a date."),
        Rubric(score_range=(5, 5), expected_outcome="The problem is solved, or will be by a named time."),
    ],
    evaluation_params=SHOWN,
)

tone = GEval(
    name="Tone",
    criteria="Judge whether the reply is friendly and respectful. A reply that blames the customer is never above 2.",
    rubric=[
        Rubric(score_range=(1, 1), expected_outcome="Rude or blaming."),
        Rubric(score_range=(5, 5), expected_outcome="Warm, and it takes the problem seriously."),
    ],
    evaluation_params=SHOWN,
)
