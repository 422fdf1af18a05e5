"""The judges under examples/judges: brought in as they are, shown word for word, fitted, scored and reported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import polyjudge
from polyjudge import Settings
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.judge.render import rating_messages
from polyjudge.llm.backends.scripted import Scripted
from polyjudge.llm.request import Request
from polyjudge.results.judge_file import read_judge
from polyjudge.testing.asking import instructions_for
from polyjudge.workflows.prompt import lines

EXAMPLES = Path(__file__).parents[2] / "examples" / "judges"
JUDGES = {
    "rag-faithfulness": {"prompt": "prompt.json"},
    "support-replies": {"source": "metrics.py", "form": "deepeval"},
    "safety": {"source": "judge.py", "form": "mlflow"},
    "preference": {"source": "judge.py", "form": "openevals"},
    "conversation": {"source": "promptfooconfig.yaml", "form": "promptfoo"},
}


@pytest.fixture(params=JUDGES)
def example(request: pytest.FixtureRequest, place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of an example, in the working folder."""
    shutil.copytree(EXAMPLES / request.param, place / "example")
    monkeypatch.chdir(place / "example")
    return str(request.param)


def test_it_is_brought_in_without_editing(example: str) -> None:
    draft = polyjudge.init("ratings.csv", **JUDGES[example])
    assert draft.refused == ""
    assert draft.text == Path("criteria.yaml").read_text("utf-8")


def test_what_is_sent_is_kept_word_for_word(example: str) -> None:
    found = polyjudge.check("ratings.csv", criteria="criteria.yaml", show=1)
    assert "\n".join(lines(found.shown[0])) + "\n" == Path("sent.txt").read_text("utf-8")


def scripted(request: Request) -> str:
    """A judge that answers as promptfoo asks, with a reason, and writers that write something."""
    if request.role == "optimizer":
        return instructions_for(request, lambda name: "Ask whether the user has to come back. {{ conversation }}")
    if request.role != "judge":
        return "It should look at how the conversation ends."
    length = len(request.messages[-1].content)
    return json.dumps({"reason": "It ends so.", "score": 1 + length % 5})


def test_it_is_fitted_scored_reported_and_exported(example: str) -> None:
    by_hand = example == "conversation"
    model = "scripted/by-hand" if by_hand else "simulated/default"
    run = polyjudge.optimize(
        "ratings.csv",
        criteria="criteria.yaml",
        model=model,
        output="run",
        settings=Settings(steps=1, gate="none"),
        backends={model: Scripted(scripted)} if by_hand else None,
    )
    initial, fitted = read_judge("run/judge.initial.yaml"), read_judge("run/judge.yaml")
    assert initial.rubric.template == fitted.rubric.template == run.judge.rubric.template
    row = polyjudge.load_dataset("ratings.csv", "criteria.yaml").examples[0]
    again = JudgePrompt.initial(fitted.rubric).revise(initial.prompt.instructions)
    assert rating_messages(again, row) == rating_messages(initial.prompt, row)
    assert fitted.prompt.instructions != initial.prompt.instructions
    scores = polyjudge.score(
        "run/judge.yaml",
        "ratings.csv",
        output="scores.csv",
        backends={model: Scripted(scripted)} if by_hand else None,
    )
    assert scores.unscored == 0
    assert polyjudge.report("run").exists()
    assert polyjudge.export("run/judge.yaml", to="messages").startswith("{")
