"""Whatever is made with a simulated world says so, in every file; and such a run works in every mode."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.commands import polyjudge as command
from tests.rated import FIVE, JUDGE, Recorder, by_chance, rated

import polyjudge
from polyjudge.results.store import read_steps
from polyjudge.testing.simulation.backend import Simulated
from polyjudge.testing.simulation.world import read_world
from polyjudge.workflows.events import Event, Noted

WORLD = """
base = "default"
[data]
documents = 24
summaries = 2
train = 8
"""


@pytest.fixture
def model(place: Path) -> str:
    """A small world; its data bear the same name."""
    (place / "small.toml").write_text(WORLD)
    return "simulated/small.toml"


def fitted(model: str, data: Any = None, **options: Any) -> tuple[polyjudge.Run, list[str]]:
    notes: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, Noted):
            notes.append(event.text)

    run = polyjudge.optimize(
        model if data is None else data, model=model, observer=watch, **keywords(**{"steps": 2, **options})
    )
    return run, notes


@pytest.mark.parametrize("mode", ["ST", "SSS", "SSC", "SCC", "CCC"])
@pytest.mark.parametrize("preset", ["default", "paper"])
def test_a_run_works_in_every_mode_and_says_everywhere_that_it_is_simulated(
    model: str, mode: str, preset: str
) -> None:
    run, notes = fitted(model, mode=mode, preset=preset)
    assert all(step.status != "failed" for step in run.steps)
    assert all(row.coverage == 1 for row in run.outcome.criteria)
    files = [path for path in run.path.iterdir() if path.is_file() and not path.name.startswith(".")]
    assert {path.name for path in files} >= {"config.json", "steps.jsonl", "judge.yaml", "result.json", "summary.md"}
    for path in files:
        text = path.read_text("utf-8")
        assert not text or "SIMULATED" in text, path.name
        if path.suffix == ".jsonl":
            assert all("SIMULATED" in line for line in text.splitlines()), path.name
    assert run.outcome.verdict.startswith("SIMULATED: ")
    assert run.outcome.simulated == (model, "data simulated-small")
    assert sum(note.startswith("SIMULATED") for note in notes) >= 2
    assert any(step.gradients for step in run.steps)


def test_a_replay_is_the_same_run_and_asks_nothing(model: str) -> None:
    first, _ = fitted(model)
    held = {path.name: path.read_bytes() for path in first.path.iterdir() if path.is_file()}
    again, _ = fitted(model)
    assert sum(one.sent for one in again.accounts) == 0
    assert {path.name: path.read_bytes() for path in again.path.iterdir() if path.is_file()} == held


def test_each_layout_and_scoring_works(model: str) -> None:
    for layout in ("joint", "separate", "forked", "auto"):
        run, _ = fitted(model, layout=layout, steps=1)
        assert all(row.coverage == 1 for row in run.outcome.criteria)
    for scoring in ("json", "expected", "yes-no"):
        run, _ = fitted(model, scoring=scoring, layout="separate", steps=1)
        assert all(row.coverage == 1 for row in run.outcome.criteria)


def test_unreadable_replies_are_asked_again_and_counted(place: Path) -> None:
    (place / "mute.toml").write_text(f"{WORLD}[judge]\nunreadable = 0.4\n")
    run, _ = fitted("simulated/mute.toml", steps=1, parse_retries=1, scoring="json")
    assert all(0.3 < row.coverage < 1 for row in run.outcome.criteria)


def test_scores_say_so_in_every_row_and_the_command_on_both_streams(model: str, place: Path) -> None:
    run, _ = fitted(model, steps=1)
    ended = command("score", run.path / "judge.yaml", model, "--output", "scores.csv", "--limit", "6")
    assert ended.code == 0
    assert "SIMULATED" in ended.err
    assert "SIMULATED" in ended.out
    with (place / "scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["notice"] for row in rows] == ["SIMULATED"] * 6
    told = json.loads(command("score", run.path / "judge.yaml", model, "--limit", "6", "--json").out)
    assert told["simulated"] == [model, "data simulated-small"]


def test_the_result_on_a_terminal_says_so(model: str) -> None:
    ended = command("optimize", model, "--model", model, "--steps", "1")
    assert ended.code == 0
    assert "note: SIMULATED" in ended.err
    assert "\nSIMULATED: " in ended.out
    told = json.loads(command("optimize", model, "--model", model, "--steps", "1", "--json").out)
    assert told["outcome"]["simulated"] == [model, "data simulated-small"]
    assert "SIMULATED" in command("check", "moods", "--model", model).out
    assert "SIMULATED" not in command("check", "moods").out


def test_on_other_data_the_notice_says_that_scores_and_ratings_are_unrelated(model: str) -> None:
    run, _ = fitted(model, "moods", steps=1, limit=80)
    assert run.outcome.simulated == (model,)
    assert any("unrelated to these ratings" in note for note in run.outcome.notes)
    own, _ = fitted(model, steps=1)
    assert not any("unrelated" in note for note in own.outcome.notes)


def test_simulated_data_mark_a_result_of_any_model(model: str) -> None:
    data = rated(dict.fromkeys(("fluency", "relevance", "coherence", "consistency"), FIVE))
    recorder = Recorder(by_chance(data))
    run = polyjudge.optimize(
        model, model=JUDGE, backends={JUDGE: recorder.backend}, scoring="json", settings=polyjudge.Settings(steps=1)
    )
    assert run.outcome.simulated == ("data simulated-small",)
    assert run.outcome.verdict.startswith("SIMULATED: ")


def test_a_given_backend_is_known_for_what_it_is(model: str) -> None:
    backend = Simulated(replace(read_world("default"), seed=4))
    run = polyjudge.optimize(
        model, model="world/4", backends={"world/4": backend}, settings=polyjudge.Settings(steps=1)
    )
    assert run.outcome.simulated == ("world/4", "data simulated-small")


def test_what_is_not_simulated_says_nothing(place: Path) -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE})
    recorder = Recorder(by_chance(data))
    run = polyjudge.optimize(
        data.rows,
        criteria=data.criteria,
        model=JUDGE,
        backends={JUDGE: recorder.backend},
        output="run",
        settings=polyjudge.Settings(steps=1),
    )
    assert not any("SIMULATED" in path.read_text("utf-8") for path in run.path.iterdir() if path.is_file())
    assert {step.notice for step in read_steps(run.path)} == {""}
