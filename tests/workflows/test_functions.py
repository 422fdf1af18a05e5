"""Functions where a model's name goes, through the verbs: asked, cached, resumed and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.commands import criteria_yaml, rated_csv

import polyjudge
from polyjudge.errors import ConfigError, ModelError
from polyjudge.templates.instruction_parser import marked
from polyjudge.workflows.events import Event, Noted

RATED = '{"clarity": 4, "warmth": 2}'


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYJUDGE_CACHE", str(tmp_path / "cache"))


def files(folder: Path) -> dict[str, Any]:
    (folder / "letters.csv").write_text(rated_csv(), "utf-8")
    (folder / "criteria.yaml").write_text(criteria_yaml(), "utf-8")
    return {"data": folder / "letters.csv", "criteria": folder / "criteria.yaml"}


def judge(messages: list[dict[str, str]]) -> str:
    return RATED


async def write(messages: list[dict[str, str]]) -> str:
    return marked("Rate from 1 to 5; be fair.")


OPTIONS = {"mode": "SSS", "steps": 1, "batch": 2, "gate": "mae"}


def test_a_run_with_functions_as_judge_and_writer_is_resumed_scored_and_loaded(tmp_path: Path) -> None:
    def fit(folder: str) -> Any:
        options = keywords(**files(tmp_path), **OPTIONS, optimizer_model=write)
        return polyjudge.optimize(model=judge, output=tmp_path / folder, **options)

    done = fit("run")
    assert done.judge.model.startswith("function/judge-")
    assert done.steps[1].status in ("accepted", "rejected")
    again = fit("other")
    assert sum(account.sent for account in again.accounts) == 0, "all answers come from the cache"
    path = tmp_path / "run" / "judge.yaml"
    scores = polyjudge.score(path, tmp_path / "letters.csv", model=judge)
    assert {row["clarity"] for row in scores} == {4.0}
    with polyjudge.load(path, backends={done.judge.model: judge}) as loaded:  # type: ignore[dict-item]
        assert loaded(**{column: "Hello." for column, _ in loaded.file.rubric.inputs}) == {"clarity": 4, "warmth": 2}
    with pytest.raises(ModelError, match="is a function of a Python program"):
        polyjudge.score(path, tmp_path / "letters.csv")


def test_a_study_takes_functions_beside_names(tmp_path: Path) -> None:
    named = polyjudge.FunctionModel(judge, name="one")
    content = {
        "study": {
            "data": [{"name": "x", "data": str(tmp_path / "letters.csv"), "criteria": str(tmp_path / "criteria.yaml")}]
        },
        "axes": {"mode": ["SSS"]},
    }
    files(tmp_path)
    result = polyjudge.study(
        content,
        model=[named, polyjudge.FunctionModel(judge, name="two")],
        settings=polyjudge.Settings(steps=0, optimizer_model=write),
        output=tmp_path / "study",
    )
    assert not result.failed
    assert len(result.cells) == 2


def test_an_optimizer_object_may_hold_a_function(tmp_path: Path) -> None:
    writer: Any = write
    optimizer = polyjudge.TextGrad(mode="SSS", model=writer)
    options = keywords(**files(tmp_path), **{name: OPTIONS[name] for name in ("steps", "batch", "gate")})
    done = polyjudge.optimize(model=judge, optimizer=optimizer, output=tmp_path / "run", **options)
    assert any(account.model.startswith("function/write-") for account in done.accounts)


def test_what_has_no_identity_is_said(tmp_path: Path) -> None:
    client, events = object(), list[Event]()

    def ask(messages: list[dict[str, str]]) -> str:
        return RATED if client else ""

    options = keywords(**files(tmp_path), **OPTIONS)
    polyjudge.optimize(model=ask, output=tmp_path / "run", observer=events.append, **options)
    notes = [event.text for event in events if isinstance(event, Noted)]
    assert sum("function/ask refers to objects without a digest" in note for note in notes) == 1


def test_what_is_neither_a_name_nor_a_function_is_refused(tmp_path: Path) -> None:
    wrong: Any = 4
    with pytest.raises(ConfigError, match="4 is no function"):
        polyjudge.check(model=wrong, **files(tmp_path))
