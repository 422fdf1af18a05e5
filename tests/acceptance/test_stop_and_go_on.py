"""A run that is killed, interrupted or out of budget goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.acceptance.support import (
    INTERRUPTED,
    MODEL,
    Moment,
    Workplace,
    ended,
    moments,
    ratings,
    script,
    stop_and_go_on,
    wait_until,
)

CALLS_AT_ONCE = 6
KILLS = 10
DEFAULT: tuple[str, ...] = ("--preset", "default", "--steps", "4")
PAPER: tuple[str, ...] = ("--preset", "paper", "--steps", "4")
ARTEFACTS = {DEFAULT: ("steps.jsonl", "judge.yaml"), PAPER: ("steps.jsonl", "judge.yaml", "tests.jsonl")}
BUDGET_SPENT = 3
# A notebook's kernel runs a cell inside its event loop, and an interruption is raised in the cell.
NOTEBOOK = """
import asyncio, polyjudge
async def cell():
    polyjudge.optimize("ratings.csv", criteria="criteria.yaml", output="run", settings=polyjudge.Settings(**{options}))
asyncio.new_event_loop().run_until_complete(cell())
"""


def prepared(folder: Path, *, latency: float = 0.03, cache: Path | None = None) -> Workplace:
    place = Workplace.at(folder, cache=cache)
    ratings(place.folder)
    script(place, latency=latency)
    return place


def optimize(protocol: tuple[str, ...] = DEFAULT, *more: str) -> list[str]:
    bounds = ["--max-concurrency", str(CALLS_AT_ONCE), "--output", "run"]
    return ["optimize", "ratings.csv", "--criteria", "criteria.yaml", "--model", MODEL, *protocol, *bounds, *more]


def score(*more: str) -> list[str]:
    bounds = ["--max-concurrency", str(CALLS_AT_ONCE), "--output", "scores.csv"]
    return ["score", "judge.yaml", "ratings.csv", *bounds, *more]


def judging(folder: Path) -> Workplace:
    """A workplace with a judge file over the script."""
    place = prepared(folder)
    head, _, criteria = (place.folder / "criteria.yaml").read_text("utf-8").partition("criteria:")
    own = f"polyjudge: 1\nlayout: separate\nscoring: json\nmodel: {MODEL}\n"
    place.write("judge.yaml", f"{own}{head}criteria:{criteria}")
    return place


@pytest.fixture(scope="module", params=[DEFAULT, PAPER], ids=["default", "paper"])
def protocol(request: pytest.FixtureRequest) -> tuple[str, ...]:
    chosen: tuple[str, ...] = request.param
    return chosen


@pytest.fixture(scope="module")
def whole(protocol: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """An uninterrupted run."""
    place = prepared(tmp_path_factory.mktemp("whole"))
    result = place.run(*optimize(protocol))
    assert result.code == 0, result
    return place


def test_ten_kills_change_neither_steps_nor_judge(protocol: tuple[str, ...], whole: Workplace, tmp_path: Path) -> None:
    place = prepared(tmp_path)
    stops = moments(11, len(whole.asked()), KILLS)
    killed = stop_and_go_on(place, lambda: place.start(*optimize(protocol)), stops)
    assert killed.stops == KILLS
    assert killed.held >= stops[-2].answers - KILLS * CALLS_AT_ONCE
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


def test_an_interrupted_run_says_how_to_go_on_and_goes_on(
    protocol: tuple[str, ...], whole: Workplace, tmp_path: Path
) -> None:
    place = prepared(tmp_path)
    stops = moments(12, len(whole.asked()), 2)
    killed = stop_and_go_on(place, lambda: place.start(*optimize(protocol)), stops, by=signal.SIGINT)
    assert place.digests("run", ARTEFACTS[protocol]) == whole.digests("run", ARTEFACTS[protocol])
    assert killed.again == ()
    assert killed.double <= len(stops) * CALLS_AT_ONCE


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_what_an_interruption_prints_is_the_way_on_and_no_traceback(tmp_path: Path, by: signal.Signals) -> None:
    place = prepared(tmp_path)
    process = place.start(*optimize())
    result = place.stop(process, Moment(40, 0.0), by)
    assert result.code == INTERRUPTED
    assert "the same command goes on" in result.err
    assert "Traceback" not in result.err


def test_an_interrupted_notebook_cell_asks_no_more_and_goes_on(tmp_path: Path) -> None:
    whole, place = prepared(tmp_path / "whole"), prepared(tmp_path / "notebook")
    options = {"model": MODEL, "steps": 4, "max_concurrency": CALLS_AT_ONCE}
    place.write("cell.py", NOTEBOOK.format(options=options))
    assert whole.run(*optimize()).code == 0
    result = place.stop(place.python("cell.py"), Moment(40, 0.0), signal.SIGINT)
    assert "KeyboardInterrupt" in result.err
    assert len(place.asked()) < 40 + 4 * CALLS_AT_ONCE
    held = place.committed(place.asked())
    asked = len(place.asked())
    assert place.run(*optimize()).code == 0
    assert not held & set(place.asked()[asked:])
    assert place.digests("run") == whole.digests("run")


def test_a_second_process_asks_nothing_that_the_first_had_committed(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, second = (prepared(tmp_path / name, cache=cache) for name in ("first", "second"))
    process = first.start(*optimize())
    wait_until(lambda: len(first.asked()) >= 100, process)
    held = first.committed(first.asked())
    result = second.run(*optimize())
    assert result.code == 0, result
    assert ended(process).code == 0
    assert held
    assert not held & set(second.asked())
    for place in (first, second):
        assert len(place.asked()) == len(set(place.asked()))
    everything = set(first.asked()) | set(second.asked())
    assert first.committed(everything) == everything
    assert first.digests("run") == second.digests("run")


@pytest.mark.parametrize(("bound", "amounts"), [("--max-calls", (7, 50)), ("--max-tokens", (3000, 9000))])
def test_a_run_out_of_budget_stops_and_goes_on_with_more(bound: str, amounts: tuple[int, ...], tmp_path: Path) -> None:
    whole, place = prepared(tmp_path / "whole", latency=0), prepared(tmp_path / "bound", latency=0)
    assert whole.run(*optimize()).code == 0
    for amount in amounts:
        before = place.asked()
        held = place.committed(before)
        stopped = place.run(*optimize(DEFAULT, bound, str(amount)))
        assert stopped.code == BUDGET_SPENT, stopped
        assert bound in stopped.err
        assert held == set(before)
        assert not held & set(place.asked()[len(before) :])
        if bound == "--max-calls":
            assert len(place.asked()) - len(before) == amount
    assert place.run(*optimize()).code == 0
    assert place.digests("run") == whole.digests("run")
    assert sorted(place.asked()) == sorted(whole.asked())


def test_killed_scoring_gives_the_same_table(tmp_path: Path) -> None:
    whole, place = judging(tmp_path / "whole"), judging(tmp_path / "killed")
    assert whole.run(*score()).code == 0
    stops = moments(13, len(whole.asked()), 5)
    killed = stop_and_go_on(place, lambda: place.start(*score()), stops)
    assert (place.folder / "scores.csv").read_bytes() == (whole.folder / "scores.csv").read_bytes()
    assert killed.again == ()
    assert killed.double <= len(stops) * CALLS_AT_ONCE
    assert set(place.asked()) == set(whole.asked())


def test_scoring_leaves_no_table_before_all_rows_are_scored(tmp_path: Path) -> None:
    place = judging(tmp_path)
    stopped = place.run(*score("--max-calls", "7"))
    assert stopped.code == BUDGET_SPENT, stopped
    assert not (place.folder / "scores.csv").exists()
    assert len(place.asked()) == 7
