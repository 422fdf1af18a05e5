"""Ratings are turned into a matrix once a row set and run, however many steps, gates and tables read them."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, Recorder, knowing, rated

import polyjudge
from polyjudge.judge.measure import rated_rows


class Calls:
    """Counts the calls of ``rated_rows`` by the number of rows, while it is entered."""

    def __init__(self) -> None:
        self.rows: Counter[int] = Counter()

    def __enter__(self) -> Calls:
        sys.setprofile(self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _seen(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code is rated_rows.__code__:
            self.rows[len(frame.f_locals["examples"])] += 1


@pytest.mark.parametrize("options", [{}, {"mode": "ST"}, {"gate": "mae"}, {"layout": "auto"}, {"preset": "paper"}])
def test_a_run_reads_its_ratings_once_a_row_set(place: Path, options: dict[str, Any]) -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE}, documents=30)
    backends = {JUDGE: Recorder(knowing(data)).backend}
    with Calls() as calls:
        run = polyjudge.optimize(
            data.rows,
            criteria=data.criteria,
            model=JUDGE,
            backends=backends,
            output="run",
            **keywords(steps=3, **options),
        )
    assert len(run.steps) >= 4
    # The validation and the test rows, and the training rows where they confirm what the gate accepted.
    assert len(calls.rows) >= 2
    assert set(calls.rows.values()) == {1}
