"""A study that is killed again and again ends as if nothing had happened, and asks for no answer twice."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.acceptance.support import MODEL, Workplace, moments, ratings, script, stop_and_go_on

KILLS = 4
STUDY = f"""
[study]
data = [{{data = "ratings.csv", criteria = "criteria.yaml", name = "notes"}}]
models = ["{MODEL}"]
preset = "paper"
seeds = [0, 1]
[axes]
mode = ["ST", "SSS"]
gate = ["mae"]
[options]
steps = 2
validation = 8
"""


def prepared(folder: Path) -> Workplace:
    place = Workplace.at(folder)
    ratings(place.folder)
    script(place, latency=0.005)
    place.write("study.toml", STUDY)
    return place


def files(place: Workplace) -> dict[str, str]:
    """What a study leaves behind, but for times and counts of an invocation."""
    root = place.folder / "out"
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name not in ("result.json", "summary.md", "origin.json", "report.html", ".lock")
    }


def test_killed_and_started_again_it_ends_the_same(tmp_path: Path) -> None:
    words = ["study", "study.toml", "--output", "out", "--quiet", "--max-concurrency", "6"]
    whole = prepared(tmp_path / "whole")
    assert whole.run(*words).code == 0
    asked = whole.asked()
    assert len(asked) == len(set(asked))
    place = prepared(tmp_path / "killed")
    found = stop_and_go_on(place, lambda: place.start(*words), moments(7, len(asked), KILLS))
    assert found.again == ()
    # Only what was under way at a kill, at most as many calls as there are places, may be asked for once more.
    assert found.double <= 6 * KILLS
    assert set(place.asked()) == set(asked)
    assert files(place) == files(whole)
