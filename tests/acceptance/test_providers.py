"""A provider of chance answers, over HTTP: what was once answered stands, however often and by whom it is asked."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path
from random import Random

from tests.acceptance.provider import chance_provider
from tests.acceptance.support import Ended, Workplace, ended, figures, ratings, wait_until

ARTEFACTS = ("steps.jsonl", "judge.yaml", "tests.jsonl")
CALLS_AT_ONCE = 48
PROVIDER_GONE = 3
WRONG_USE = 2


def prepared(folder: Path, cache: Path | None = None) -> Workplace:
    place = Workplace.at(folder, cache=cache)
    ratings(place.folder)
    return place


def optimize(url: str, run: str = "run") -> list[str]:
    """The paper's protocol, with a schema, so that the provider can tell the judge's calls."""
    named = ["--model", "chance", "--base-url", url, "--preset", "paper", "--steps", "3", "--config", "config.toml"]
    bounds = ["--max-concurrency", str(CALLS_AT_ONCE), "--output", run]
    return ["optimize", "ratings.csv", "--criteria", "criteria.yaml", *named, *bounds]


def fine(result: Ended) -> None:
    assert result.code == 0, result


def test_lines_once_written_stand_through_kills_and_a_replay_asks_nothing(tmp_path: Path) -> None:
    place, random = prepared(tmp_path), Random(3)
    place.write("config.toml", "structured = true\n")
    written: list[list[bytes]] = []
    with chance_provider(latency=0.05) as provider:
        for _ in range(5):
            goal = provider.answered + random.randint(15, 40)
            process = place.start(*optimize(provider.url))
            wait_until(partial(provider.has_answered, goal), process)
            process.send_signal(signal.SIGKILL)
            assert ended(process).code == -signal.SIGKILL
            written.append([*place.lines("run"), *place.lines("run", "tests.jsonl")])
        fine(place.run(*optimize(provider.url)))
        answered, digests = provider.answered, place.digests("run", ARTEFACTS)
        final = {*place.lines("run"), *place.lines("run", "tests.jsonl")}
        assert any(written)
        assert all(line in final for lines in written for line in lines)
        fine(place.run(*optimize(provider.url)))
        fine(place.run(*optimize(provider.url, "another")))
        assert provider.answered == answered
    assert place.digests("run", ARTEFACTS) == digests
    assert place.digests("another", ARTEFACTS) == digests
    assert all(account["sent"] == 0 for account in figures(place.folder / "another").values())


def test_a_provider_that_dies_stops_the_run_which_goes_on_when_it_is_back(tmp_path: Path) -> None:
    place = prepared(tmp_path)
    place.write("config.toml", "structured = true\n")
    with chance_provider(latency=0.02) as provider:
        process = place.start(*optimize(provider.url))
        wait_until(partial(provider.has_answered, 100), process)
    stopped = ended(process)
    assert stopped.code == PROVIDER_GONE, stopped
    assert "the same command" in stopped.err
    assert "Traceback" not in stopped.err
    written = place.lines("run")
    assert written
    with chance_provider(port=provider.port) as revived:
        fine(place.run(*optimize(revived.url)))
    assert place.lines("run")[: len(written)] == written
    # Calls that were under way when the provider died may have been answered into the void.
    known = sum(account["from_cache"] for account in figures(place.folder / "run").values())
    assert known >= provider.answered - CALLS_AT_ONCE


def test_two_processes_on_one_cache_agree_on_every_answer(tmp_path: Path) -> None:
    first, second = (prepared(tmp_path / name, tmp_path / "cache") for name in ("first", "second"))
    for place in (first, second):
        place.write("config.toml", "structured = true\n")
    with chance_provider(latency=0.02) as provider:
        processes = [place.start(*optimize(provider.url)) for place in (first, second)]
        for process in processes:
            fine(ended(process))
        answered = provider.answered
        assert first.digests("run", ARTEFACTS) == second.digests("run", ARTEFACTS)
        fine(second.run(*optimize(provider.url, "later")))
        assert provider.answered == answered
    assert second.digests("later", ARTEFACTS) == first.digests("run", ARTEFACTS)


def test_a_second_process_in_a_run_folder_is_turned_away(tmp_path: Path) -> None:
    place = prepared(tmp_path)
    place.write("config.toml", "structured = true\n")
    with chance_provider(hold_at=10) as provider:
        process = place.start(*optimize(provider.url))
        wait_until(partial(provider.has_answered, 10), process)
        second = place.run(*optimize(provider.url))
        assert process.poll() is None
        provider.released.set()
        fine(ended(process))
    assert second.code == WRONG_USE
    assert "another process runs in 'run'" in second.err
