"""Bradley-Terry strengths against the likelihood that they maximise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.metrics.bradley_terry import strengths, wins_of

optimize = pytest.importorskip("scipy.optimize")


def played(seed: int, systems: int = 5, games: int = 80):  # type: ignore[no-untyped-def]
    random = np.random.default_rng(seed)
    first, second = random.integers(0, systems, (2, games))
    return random.integers(0, 3, games).astype(float), first.astype(np.intp), second.astype(np.intp)


@given(st.integers(0, 1000))
def test_strengths_maximise_the_likelihood(seed: int) -> None:
    outcomes, first, second = played(seed)
    wins = wins_of(outcomes, first, second, 5, np.ones(len(outcomes)))

    def loss(skill):  # type: ignore[no-untyped-def]
        gap = skill[:, None] - skill
        against_average = np.logaddexp(0, -skill) / 2 + np.logaddexp(0, skill) / 2
        return (wins * np.logaddexp(0, -gap)).sum() + against_average.sum()

    best = optimize.minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-8}).x
    assert strengths(wins) == pytest.approx(best - best.mean(), abs=1e-4)


@given(st.integers(0, 1000))
def test_exchanging_the_texts_changes_nothing(seed: int) -> None:
    outcomes, first, second = played(seed)
    turned = np.array([{0.0: 1.0, 1.0: 0.0}.get(outcome, outcome) for outcome in outcomes])
    ones = np.ones(len(outcomes))
    assert wins_of(outcomes, first, second, 5, ones) == pytest.approx(wins_of(turned, second, first, 5, ones))


def test_a_winner_of_all_games_is_strong_and_not_endlessly_so() -> None:
    wins = np.array([[0, 9, 0], [0, 0, 0], [0, 0, 0.0]])
    found = strengths(wins)
    assert found[0] > 0 > found[1]
    assert np.isfinite(found[:2]).all()
    assert np.isnan(found[2])
