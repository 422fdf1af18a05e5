"""A bound on the calls of a run's steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.commands import polyjudge
from tests.rated import FIVE, JUDGE, Recorder, by_chance, rated

from polyjudge.llm.request import Abilities
from polyjudge.results.result import Run
from polyjudge.settings.given import Settings
from polyjudge.workflows.check import check
from polyjudge.workflows.optimize import optimize

DATA = rated({"a": FIVE, "b": FIVE}, documents=30)


def run(folder: Path, optimizer: str, most: int | None, **settings: object) -> tuple[Run, Recorder]:
    judge = Recorder(by_chance(DATA), Abilities(schema=True))
    found = optimize(
        DATA.rows,
        criteria=DATA.criteria,
        model=JUDGE,
        backends={JUDGE: judge.backend},
        optimizer=optimizer,
        layout="separate" if settings.get("mode") == "ST" else "joint",
        settings=Settings(step_calls=most, **({"steps": 8, "rungs": "words", "confirm": False} | settings)),
        output=folder,
    )
    return found, judge


@pytest.mark.parametrize("optimizer", ["textgrad", "opro", "rubric", "demonstrations"])
@pytest.mark.parametrize("mode", [None, "ST"])
def test_the_calls_of_the_steps_stay_below_the_bound_and_a_run_goes_to_its_end(
    optimizer: str, mode: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mode and optimizer == "demonstrations":
        pytest.skip("demonstrations has no mode ST")
    monkeypatch.chdir(tmp_path)
    found, judge = run(tmp_path / "run", optimizer, 120, mode=mode, candidates=1)
    test = found.outcome.rows * (2 if mode else 1) * 2
    assert len(judge.asked) <= 120 + test
    ended = [step for step in found.steps if "calls of the steps are used" in step.reason]
    assert ended
    assert all(step.status == "failed" for step in ended)
    assert max(step.index for step in found.steps) == 8
    assert run(tmp_path / "run", optimizer, 120, mode=mode, candidates=1)[0].steps == found.steps


def test_the_same_bound_ends_at_the_same_step_with_a_full_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, _ = run(tmp_path / "first", "textgrad", 120)
    again, judge = run(tmp_path / "again", "textgrad", 120)
    assert again.steps == first.steps
    assert judge.asked == []


def test_no_bound_changes_nothing_and_a_wide_one_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    free, _ = run(tmp_path / "free", "textgrad", None, steps=2)
    wide, _ = run(tmp_path / "wide", "textgrad", 100_000, steps=2)
    assert free.steps == wide.steps


def test_check_plans_no_more_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    judge = Recorder(by_chance(DATA), Abilities(schema=True))
    keywords = {"criteria": DATA.criteria, "model": JUDGE, "backends": {JUDGE: judge.backend}, "layout": "joint"}
    planned = check(DATA.rows, settings=Settings(step_calls=300, steps=50, rungs="words", confirm=False), **keywords)
    assert planned.calls <= 300 + 2 * planned.parts["test"][0]


def test_the_preset_of_the_paper_has_no_such_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("simulated/default", "--model", "simulated/default", "--preset", "paper", "--step-calls", "100")
    ended = polyjudge("check", *words)
    assert ended.code == 2
    assert "step_calls" in ended.err
