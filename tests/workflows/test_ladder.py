"""The ladder: each rung is measured once on the test rows, and judge.yaml scores as the run did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import polyjudge
from polyjudge.errors import ConfigError
from polyjudge.settings.merged import resolve

WORLD = "simulated/default"
SETTINGS = polyjudge.Settings(
    steps=2,
    batch=2,
    limit=160,
    rungs="configure,words,jury,calibrate",
    members=3,
    confirm=False,
)


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[polyjudge.Run, polyjudge.MemoryStore]:
    store = polyjudge.MemoryStore()
    output = tmp_path_factory.mktemp("ladder") / "run"
    return polyjudge.optimize(WORLD, model=WORLD, output=output, store=store, settings=SETTINGS), store


def test_every_rung_stands_in_the_outcome(climbed: tuple[polyjudge.Run, polyjudge.MemoryStore]) -> None:
    run, _ = climbed
    rungs = run.outcome.rungs
    assert [rung.name for rung in rungs] == ["baseline", "configure", "words", "jury", "calibrate"]
    assert (rungs[0].judge, rungs[0].gain, rungs[0].calls_a_row) == ("json, joint", 0.0, 1)
    assert rungs[-1].gain == pytest.approx(run.outcome.mean.difference)
    assert rungs[-1].agreement == pytest.approx(run.outcome.mean.fitted)
    assert all(rung.gain_low <= rung.gain <= rung.gain_high for rung in rungs)
    assert all(rung.calls > 0 for rung in rungs[1:])
    assert rungs[-1].calls_a_row == sum(
        len((member.judge.layout == "joint" and [0]) or run.judge.rubric.names) for member in run.judge.panel
    )
    assert "constant answer" in rungs[-1].note
    result = json.loads((run.path / "result.json").read_text("utf-8"))
    assert [rung["name"] for rung in result["outcome"]["rungs"]] == [rung.name for rung in rungs]
    assert "calibrate" in (run.path / "summary.md").read_text("utf-8")
    assert 'id="ladder"' in (run.path / "report.html").read_text("utf-8")


def test_the_judge_file_scores_as_the_run_did(climbed: tuple[polyjudge.Run, polyjudge.MemoryStore]) -> None:
    run, store = climbed
    assert any(run.judge.calibration)
    kept = [json.loads(line) for line in (run.path / "predictions.jsonl").read_text("utf-8").splitlines()]
    by_id = {row["id"]: row for row in kept}
    data = polyjudge.load_dataset(WORLD, limit=160)
    test = [example for example in data.examples if example.id in by_id]
    for file, key in (("judge.yaml", "fitted"), ("judge.initial.yaml", "initial")):
        scored = polyjudge.score(run.path / file, [dict(example.inputs) for example in test], store=store)
        for example, row in zip(test, scored, strict=True):
            assert {name: row[name] for name in by_id[example.id][key]} == by_id[example.id][key]


def test_a_replay_reaches_the_same_judge(climbed: tuple[polyjudge.Run, polyjudge.MemoryStore], tmp_path: Path) -> None:
    run, store = climbed
    again = polyjudge.optimize(WORLD, model=WORLD, output=tmp_path / "again", store=store, settings=SETTINGS)
    assert not again.paid
    for name in ("judge.yaml", "judge.initial.yaml", "steps.jsonl", "predictions.jsonl"):
        assert (again.path / name).read_bytes() == (run.path / name).read_bytes()


def test_rungs_are_left_out_and_ordered(tmp_path: Path) -> None:
    settings = polyjudge.Settings(steps=1, limit=160, rungs=["words", "configure"], confirm=False)
    run = polyjudge.optimize(
        WORLD, model=WORLD, output=tmp_path / "run", settings=settings, store=polyjudge.MemoryStore()
    )
    assert [rung.name for rung in run.outcome.rungs] == ["baseline", "words", "configure"]
    assert run.outcome.rungs[1].judge == "json, joint"
    settings = polyjudge.Settings(limit=160, rungs="configure")
    run = polyjudge.optimize(
        WORLD, model=WORLD, output=tmp_path / "one", settings=settings, store=polyjudge.MemoryStore()
    )
    assert [rung.name for rung in run.outcome.rungs] == ["baseline", "configure"]
    assert [step.index for step in run.steps] == [0]


@pytest.mark.parametrize("rungs", ["jury,words", "calibrate,jury", "words,words", "climb"])
def test_an_order_without_meaning_is_refused(rungs: str) -> None:
    with pytest.raises(ConfigError, match="rung"):
        resolve({"rungs": rungs}, environment={})


def test_useless_instructions_that_passed_the_gate_are_taken_back(tmp_path: Path) -> None:
    settings = polyjudge.Settings(steps=3, batch=2, limit=240, rungs="words", gate_rule="point", seed=2)
    run = polyjudge.optimize(
        "simulated/null",
        model="simulated/null",
        output=tmp_path / "run",
        store=polyjudge.MemoryStore(),
        settings=settings,
    )
    assert any(step.status == "accepted" for step in run.steps), "else nothing is tested"
    data = polyjudge.load_dataset("simulated/null", limit=240)
    assert run.judge.rubric.criteria == data.rubric.criteria
    assert run.outcome.mean.difference == 0
    assert any("taken back" in note for note in run.outcome.notes)
