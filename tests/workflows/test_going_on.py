"""A fit that goes on from a fitted judge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.commands import polyjudge, write_table

import polyjudge as pj
from polyjudge.errors import ConfigError, CriteriaError
from polyjudge.results.judge_file import dump_judge, read_judge
from polyjudge.results.store import RESULT
from polyjudge.workflows.events import Event, Noted
from polyjudge.workflows.going_on import start_of

FIT = ("ratings.csv", "--criteria", "criteria.yaml", "--model", "scripted/script.yaml", "--steps", "1")


@pytest.fixture
def first(place: Path) -> Path:
    """A judge that a fit wrote, with instructions that no criteria file holds."""
    write_table(place)
    assert polyjudge("optimize", *FIT, "--split-seed", "3", "--output", "one").code == 0
    judge = read_judge("one/judge.yaml")
    criteria = tuple(replace(c, instruction=f"Mind the {c.name}.") for c in judge.rubric.criteria)
    path = place / "fitted.yaml"
    path.write_text(dump_judge(replace(judge, rubric=replace(judge.rubric, criteria=criteria))), "utf-8")
    return path


def test_its_instructions_are_the_initial_prompt_and_its_lineage_is_kept(first: Path, place: Path) -> None:
    notes: list[str] = []

    def heard(event: Event) -> None:
        if isinstance(event, Noted):
            notes.append(event.text)

    run = pj.optimize("ratings.csv", start=first, settings=pj.Settings(steps=1), output="two", observer=heard)
    initial = read_judge("two/judge.initial.yaml")
    assert [c.instruction for c in initial.rubric.criteria] == ["Mind the clarity.", "Mind the warmth."]
    before = read_judge(first)
    assert run.judge.lineage["from"]["lineage"] == before.lineage
    assert run.judge.lineage["split_seed"] == 3
    assert run.judge.model == before.model
    assert [note for note in notes if "test rows were read when the judge was fitted" in note]
    assert read_judge("two/judge.yaml").lineage["from"]["judge"].startswith("sha256:")
    assert (place / "two" / RESULT).exists()


def test_the_command_goes_on_and_plans(first: Path) -> None:
    ended = polyjudge(
        "optimize", "ratings.csv", "--from", first, "--steps", "1", "--split-seed", "4", "--output", "two"
    )
    assert ended.code == 0
    assert "leak: the judge was fitted on rows of these data under --split-seed 3" in ended.err
    planned = polyjudge("optimize", "ratings.csv", "--from", first, "--model", "scripted/script.yaml", "--dry-run")
    assert (planned.code, "Planned:" in planned.out) == (0, True)


def test_a_judge_of_other_criteria_or_scales_is_refused(first: Path) -> None:
    frame = {"task": "Judge.", "inputs": {"letter": "Letter"}}
    with pytest.raises(CriteriaError, match="knows none of the criteria 'tone'"):
        start_of(first, {**frame, "criteria": [{"name": "tone", "scale": [1, 5]}]})
    with pytest.raises(CriteriaError, match="use one scale"):
        start_of(first, {**frame, "criteria": [{"name": "clarity", "scale": [0, 9]}]})
    start = start_of(
        first, {**frame, "criteria": [{"name": "tone", "scale": [1, 5]}, {"name": "warmth", "scale": [1, 5]}]}
    )
    assert [c.instruction for c in start.rubric.criteria] == ["Rate from 1 to 5.", "Mind the warmth."]


def test_the_address_of_a_judge_is_not_taken_without_a_word(first: Path) -> None:
    judge = replace(read_judge(first), base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ConfigError, match="--base-url http"):
        pj.optimize("ratings.csv", start=judge, settings=pj.Settings(steps=1))
