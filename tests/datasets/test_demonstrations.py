"""The user's own demonstrations: read from the criteria file, shown in every step, and never a measured row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords

import polyjudge
from polyjudge.datasets.criteria import rubric_from, rubric_to
from polyjudge.errors import ConfigError, CriteriaError
from polyjudge.llm.request import Request
from polyjudge.settings.config import RunConfig
from polyjudge.testing.asking import instructions_for, said
from polyjudge.workflows.assemble import split_of

CONTENT: dict[str, Any] = {
    "task": "Judge the letter.",
    "inputs": {"letter": "Letter"},
    "document": "writer",
    "id": "id",
    "criteria": [{"name": "clarity", "scale": [1, 5]}, {"name": "tone", "scale": {"labels": ["cold", "warm"]}}],
}
WRITTEN = {"inputs": {"letter": "A letter of mine."}, "ratings": {"clarity": 2, "tone": "warm"}}
ROWS = [
    {
        "id": f"r{n}",
        "letter": f"Letter {n}.",
        "writer": n // 2,
        "clarity": n % 5 + 1,
        "tone": ("cold", "warm")[n % 2],
    }
    for n in range(40)
]
CONFIG = RunConfig(model="script/m")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYJUDGE_CACHE", str(tmp_path / "cache"))


def content(*demonstrations: Any, **more: Any) -> dict[str, Any]:
    return {**CONTENT, "demonstrations": list(demonstrations), **more}


def test_a_rubric_with_demonstrations_is_written_and_read_alike() -> None:
    rubric = rubric_from(content("r3", 7, WRITTEN), "criteria.yaml")
    assert rubric.demonstrations[:2] == ("r3", "7")
    assert rubric_from(rubric_to(rubric), "criteria.yaml") == rubric
    assert rubric_from(CONTENT, "criteria.yaml").demonstrations == ()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"inputs": {}, "ratings": {}}, r"demonstrations\[1\]: expected the inputs \['letter'\]"),
        ({**WRITTEN, "ratings": {"clarity": 9}}, r"demonstrations\[1\]: .*9"),
        ({**WRITTEN, "ratings": {"warmth": 2}}, r"demonstrations\[1\]: expected .* ratings of \['clarity', 'tone'\]"),
        ({"letter": "A"}, r"demonstrations\[1\]: expected id, inputs and ratings"),
        (True, r"demonstrations\[1\]: expected"),
    ],
)
def test_an_error_names_the_demonstration(entry: Any, words: str) -> None:
    with pytest.raises(CriteriaError, match=words):
        rubric_from(content("r3", entry), "criteria.yaml")


@pytest.mark.parametrize("shown", ["r3", {**WRITTEN, "inputs": {"letter": "Letter 3."}}])
def test_the_documents_of_demonstrations_are_training_rows_under_every_seed(shown: Any) -> None:
    dataset = polyjudge.load_dataset(ROWS, content(shown))
    for seed in range(12):
        parts = split_of(CONFIG.model_copy(update={"split_seed": seed}), dataset)
        assert {"r2", "r3"} <= {example.id for example in parts.train}
        assert len({example.id for part in (parts.train, parts.validation, parts.test) for example in part}) == 40


def test_a_row_that_the_users_own_split_measures_is_refused() -> None:
    parts = ["train", "validation", "test"]
    rows = [{**row, "part": parts[(n // 2) % 3]} for n, row in enumerate(ROWS)]
    dataset = polyjudge.load_dataset(rows, content("r3", split="part"))
    with pytest.raises(ConfigError, match="row 'r2' is a validation row by the data's own split"):
        split_of(CONFIG, dataset)
    assert split_of(CONFIG, polyjudge.load_dataset(rows, content("r0", split="part"))).by == "given"


def test_an_id_without_a_row_is_refused_with_the_nearest_before_any_call() -> None:
    script = polyjudge.Scripted(lambda request: "")
    options = keywords(model="script/m", backends={"script/m": script}, steps=1)
    with pytest.raises(ConfigError, match=r"demonstrations\[0\]: no rated row of .* has the id 'r333'"):
        polyjudge.optimize(ROWS, criteria=content("r333"), **options)
    assert script.calls == 0


def test_every_step_shows_them_and_the_judge_file_keeps_them(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: Request) -> str:
        if request.role == "judge":
            asked.append(said(request))
            return '{"clarity": 4, "tone": "warm"}'
        if request.role == "optimizer":
            return instructions_for(request, lambda name: f"Rate {name} with care.")
        return "It is fine."

    backends = {"script/m": polyjudge.Scripted(answer)}
    options = keywords(
        model="script/m", backends=backends, steps=2, batch=2, gate="accuracy", layout="joint", no_cache=True
    )
    done = polyjudge.optimize(ROWS, criteria=content("r3", WRITTEN), output=tmp_path / "run", **options)
    assert all("Letter 3." in text and "A letter of mine." in text for text in asked)
    assert all('Human ratings: {"clarity": 2, "tone": "warm"}' in text for text in asked)
    assert [shown.inputs["letter"] for shown in done.judge.demonstrations] == ["Letter 3.", "A letter of mine."]
    assert "r3" not in {row for step in done.steps for row in step.batch}
    before = len(asked)
    scores = polyjudge.score(tmp_path / "run" / "judge.yaml", [{"letter": "New."}], backends=backends)
    assert [row["clarity"] for row in scores] == [4.0]
    assert "Letter 3." in asked[before]
