"""A run that is killed, interrupted or out of budget goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random

import pytest
from tests.acceptance.support import MODEL, Workplace, moments, ratings, script, stop_and_go_on, wait_until
from tests.acceptance.support import ended as end_of

CALLS_AT_ONCE = 6
KILLS = 10
SOUND = ("--recipe", "sound", "--steps", "4")
PAPER = ("--recipe", "paper", "--steps", "4")
ARTEFACTS = {SOUND: ("steps.jsonl", "judge.yaml"), PAPER: ("steps.jsonl", "judge.yaml", "tests.jsonl")}


def prepared(folder: Path, *, latency: float = 0.02) -> Workplace:
    place = Workplace.at(folder)
    ratings(place.folder)
    script(place, latency=latency)
    return place


def optimize(protocol: tuple[str, ...], *more: str) -> list[str]:
    bounds = ["--max-concurrency", str(CALLS_AT_ONCE), "--output", "run"]
    return ["optimize", "ratings.csv", "--criteria", "criteria.yaml", "--model", MODEL, *protocol, *bounds, *more]


@pytest.fixture(scope="module", params=[SOUND, PAPER], ids=["sound", "paper"])
def protocol(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


@pytest.fixture(scope="module")
def whole(protocol: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """An uninterrupted run."""
    place = prepared(tmp_path_factory.mktemp("whole"))
    result = place.run(*optimize(protocol))
    assert result.code == 0, result
    return place


def test_ten_kills_change_neither_steps_nor_judge(
    protocol: tuple[str, ...], whole: Workplace, tmp_path: Path
) -> None:
    place, random = prepared(tmp_path), Random(11)
    stops = moments(11, len(whole.asked()), KILLS)
    killed = stop_and_go_on(place, lambda: place.start(*optimize(protocol)), stops, random)
    assert killed.stops == KILLS
    assert place.digests("run", ARTEFACTS[protocol]) == whole.digests("run", ARTEFACTS[protocol])
    assert killed.again == ()
    assert killed.double <= KILLS * CALLS_AT_ONCE
    assert set(place.asked()) == set(whole.asked())


def test_a_finished_run_started_again_asks_nothing_and_changes_nothing(
    protocol: tuple[str, ...], whole: Workplace
) -> None:
    before, asked = whole.digests("run", ARTEFACTS[protocol]), whole.asked()
    result = whole.run(*optimize(protocol))
    assert result.code == 0, result
    assert whole.digests("run", ARTEFACTS[protocol]) == before
    assert whole.asked() == asked
