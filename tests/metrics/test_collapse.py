"""How a judge is off: collapse, level, spread and halo, against numpy and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from polyjudge.metrics import bootstrap, collapsed
from polyjudge.metrics.collapse import halo, level, spread
from polyjudge.metrics.rated import RatedRows

NAN = float("nan")


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([4] * 19 + [5], True),
        ([4] * 18 + [5, 3], False),
        ([4, 4], True),
        ([0.1] * 7, True),
        ([4, NAN, 4, NAN], True),
        ([1, 2, 3], False),
        ([4], False),
        ([], False),
        ([NAN], False),
    ],
)
def test_one_answer_almost_everywhere_is_a_collapse(predicted, expected):
    found = collapsed(predicted)
    assert found.collapsed is expected
    assert bool(found) is expected


def test_a_collapse_comes_with_its_numbers():
    found = collapsed([4] * 19 + [5, NAN])
    assert (found.modal_value, found.modal_share, found.n_distinct, found.n_predicted) == (4, 0.95, 2, 20)
    nothing = collapsed([NAN])
    assert math.isnan(nothing.modal_share)
    assert nothing.n_predicted == 0


columns = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=3, max_size=30).map(
    lambda pairs: np.array(pairs, dtype=float).T
)


@given(columns)
def test_level_is_the_mean_difference_and_spread_the_ratio_of_deviations(pair):
    judge, people = pair
    assert level(judge, people) == pytest.approx((judge - people).mean())
    expected = judge.std() / people.std() if people.std() else float("nan")
    assert spread(judge, people) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(columns, st.integers(0, 5))
def test_a_shift_moves_the_level_alone(pair, shift):
    judge, people = pair
    assert level(judge + shift, people) == pytest.approx(level(judge, people) + shift)
    assert spread(judge + shift, people) == pytest.approx(spread(judge, people), abs=1e-9, nan_ok=True)


def test_the_interval_of_the_level_is_that_of_resampled_means():
    random = np.random.default_rng(0)
    errors = random.normal(0.3, 1, 400)
    people = random.integers(1, 6, 400).astype(float)
    found = bootstrap(level, people + errors, people).per_criterion[0]
    half = 1.96 * errors.std(ddof=1) / 20
    assert found.low == pytest.approx(errors.mean() - half, abs=0.02)
    assert found.high == pytest.approx(errors.mean() + half, abs=0.02)


def test_a_halo_is_the_excess_of_correlation_between_criteria():
    random = np.random.default_rng(2)
    people = random.integers(1, 6, (300, 3)).astype(float)
    impression = random.integers(1, 6, 300)[:, None]
    judge = np.clip(np.round((people + 2 * impression) / 3), 1, 5)
    found = halo(judge, RatedRows.of(people, documents=[str(n // 5) for n in range(300)]))
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = [np.mean([stats.spearmanr(side[:, c], side[:, d])[0] for c, d in pairs]) for side in (judge, people)]
    assert [found.judge, found.human] == pytest.approx(expected)
    assert found.excess.value == pytest.approx(expected[0] - expected[1])
    assert found.excess.low > 0
    assert halo(people, people).excess.value == 0


def test_a_halo_needs_two_criteria():
    with pytest.raises(ValueError, match="two criteria"):
        halo(np.ones((5, 1)), np.ones((5, 1)))
