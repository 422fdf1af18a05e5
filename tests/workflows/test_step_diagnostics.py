"""Step diagnostics: they change nothing in a run, ask what they planned, and stand in the order of the steps."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, Recorder, by_chance, rated

import polyjudge
from polyjudge import codec
from polyjudge.diagnosis.records import StepDiagnostics
from polyjudge.errors import ConfigError
from polyjudge.llm.request import Request
from polyjudge.workflows.events import Event

DATA = rated({"clarity": FIVE, "warmth": FIVE})
MODES = ("ST", "SSS", "SSC", "SCC", "CCC")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def marking(mark: str = "7"):
    """Answers by chance, and one mark for whatever is to be rated."""
    chance = by_chance(DATA)

    def answer(request: Request) -> str:
        return mark if request.role == "diagnostic" else chance(request)

    return answer


def fitted(recorder: Recorder, output: str = "run", **options: Any) -> polyjudge.Run:
    given = {"model": JUDGE, "steps": 2, "batch": 2, "backends": {JUDGE: recorder.backend}} | options
    return polyjudge.optimize(DATA.rows, criteria=DATA.criteria, output=output, **keywords(**given))


def diagnostics_of(run: polyjudge.Run) -> list[StepDiagnostics]:
    lines = (run.path / "diagnostics.jsonl").read_text("utf-8").splitlines()
    return [codec.record(StepDiagnostics, line, "diagnostics.jsonl") for line in lines]


@pytest.mark.parametrize("mode", MODES)
def test_meters_change_nothing_in_a_run(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = fitted(Recorder(marking()), "plain", mode=mode)
    monkeypatch.setenv("POLYJUDGE_CACHE", "other")
    watched = fitted(Recorder(marking()), "watched", mode=mode, diagnostics=True)
    for name in ("config.json", "steps.jsonl", "archive.json"):
        assert (plain.path / name).read_bytes() == (watched.path / name).read_bytes()
    assert not (plain.path / "diagnostics.jsonl").exists()
    assert [one.step for one in diagnostics_of(watched)] == [step.index for step in watched.steps if step.index]


@pytest.mark.parametrize("mode", MODES)
def test_every_criterion_has_both_marks_in_every_step_and_the_plan_counts_them(mode: str) -> None:
    recorder = Recorder(marking())
    planned = polyjudge.check(
        DATA.rows,
        criteria=DATA.criteria,
        model=JUDGE,
        backends={JUDGE: recorder.backend},
        settings=polyjudge.Settings(steps=2, batch=2, mode=mode, diagnostics=True),
    )
    run = fitted(recorder, mode=mode, diagnostics=True)
    found = [(one.step, r.name, r.criterion) for one in diagnostics_of(run) for r in one.ratings]
    expected = [(s, n, c) for s in (1, 2) for n in ("specificity", "adherence") for c in DATA.names]
    assert sorted(found) == sorted(expected)
    assert all(r.score == 7 for one in diagnostics_of(run) for r in one.ratings)
    joint = mode in ("SCC", "CCC")
    assert {len(r.group) for one in diagnostics_of(run) for r in one.ratings} == {2 if joint else 1}
    asked = len(recorder.of("diagnostic"))
    assert next(role.calls for role in planned.roles if role.role == "diagnostic") == asked == len(expected)


def test_specificity_is_asked_about_all_criteria_also_where_each_is_fitted_alone() -> None:
    recorder = Recorder(marking())
    fitted(recorder, mode="ST", diagnostics=True, steps=1)
    asked = [request.messages[0].content for request in recorder.of("diagnostic")]
    assert sum("<other_criteria>\n- " in text for text in asked) == len(DATA.names)


def test_a_replay_asks_nothing_and_a_run_without_meters_may_get_them_later() -> None:
    fitted(Recorder(marking()), diagnostics=False)
    late = Recorder(marking())
    run = fitted(late, diagnostics=True)
    assert {request.role for request in late.asked} == {"diagnostic"}
    before = (run.path / "diagnostics.jsonl").read_bytes()
    again = Recorder(marking("3"))
    fitted(again, diagnostics=True)
    assert not again.asked
    assert (run.path / "diagnostics.jsonl").read_bytes() == before


def test_an_unreadable_mark_is_missing_and_ends_nothing() -> None:
    run = fitted(Recorder(marking("rather specific, I think")), diagnostics=True)
    scores = [rating.score for one in diagnostics_of(run) for rating in one.ratings]
    assert scores
    assert all(map(math.isnan, scores))


def test_another_model_may_rate_and_belongs_to_the_folder_no_more_than_the_meters_do() -> None:
    rater = Recorder(marking("2"), identity="there")
    writer = Recorder(marking())
    backends = {JUDGE: writer.backend, "test/rater": rater.backend}
    run = fitted(writer, diagnostics=True, diagnostic_model="test/rater", backends=backends)
    assert {one.model for one in diagnostics_of(run)} == {"test/rater"}
    assert not writer.of("diagnostic")
    assert {request.role for request in rater.asked} == {"diagnostic"}
    fitted(Recorder(marking()))


def test_a_diagnostic_model_that_nobody_asks_is_refused() -> None:
    with pytest.raises(ConfigError, match="--diagnostics"):
        fitted(Recorder(marking()), diagnostic_model="test/rater")


def test_an_observer_is_told_of_every_step_s_meters() -> None:
    seen: list[Event] = []
    run = fitted(Recorder(marking()), diagnostics=True, observer=seen.append)
    assert [event for event in seen if isinstance(event, StepDiagnostics)] == diagnostics_of(run)
