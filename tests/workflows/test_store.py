"""Answers in a store of the caller's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.rated import FIVE, JUDGE, Recorder, by_chance, rated

import polyjudge
from polyjudge.errors import ConfigError


def test_a_second_run_takes_its_answers_from_the_same_store(place: Path) -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE})
    recorder, store = Recorder(by_chance(data)), polyjudge.MemoryStore()
    asked = []
    for output in ("first", "second"):
        run = polyjudge.optimize(
            data.rows,
            criteria=data.criteria,
            model=JUDGE,
            settings=polyjudge.Settings(steps=1),
            backends={JUDGE: recorder.backend},
            store=store,
            output=output,
        )
        asked.append(len(recorder.asked))
    assert asked[0] == asked[1] > 0
    assert not run.paid
    assert not (place / ".polyjudge").exists()


def test_a_store_beside_no_cache_is_refused_before_any_call(place: Path) -> None:
    data = rated({"clarity": FIVE})
    recorder = Recorder(by_chance(data))
    with pytest.raises(ConfigError, match="no_cache is set beside store"):
        polyjudge.optimize(
            data.rows,
            criteria=data.criteria,
            model=JUDGE,
            settings=polyjudge.Settings(no_cache=True),
            backends={JUDGE: recorder.backend},
            store=polyjudge.MemoryStore(),
        )
    assert not recorder.asked
