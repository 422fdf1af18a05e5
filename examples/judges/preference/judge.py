"""A pairwise judge as an openevals evaluator."""

from openevals.llm import create_llm_as_judge

PAIRWISE = """Two assistants answered the same question.

Question: {question}

[Answer A]
{answer_a}
[/Answer A]

[Answer B]
{answer_b}
[/Answer B]

Prefer the answer that explains more with fewer words. Length alone is no merit, and neither is the order.
Say A, B or tie.
"""

preferred = create_llm_as_judge(
    prompt=PAIRWISE,
    system="You compare answers, and you have no favourites.",
    feedback_key="preferred",
    model="openai:gpt-4o-mini",
)
