"""Judges that no longer tell rows apart."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.metrics import collapsed, spread

NAN = float("nan")
scores = st.lists(st.integers(1, 5).map(float), min_size=2, max_size=30)


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


@given(human=scores)
def test_a_judge_like_the_raters_is_as_spread_and_a_constant_one_is_not(human):
    alike, constant = spread(human, human), spread([3] * len(human), human)
    if len(set(human)) > 1:
        assert alike.ratio == 1
        assert constant.ratio == 0
    else:
        assert math.isnan(alike.ratio)
    assert alike.modal_share == alike.human_modal_share
    assert constant.modal_share == 1


@given(human=scores)
def test_the_ratio_scales_with_the_judge(human):
    doubled = spread([2 * value for value in human], human)
    assert doubled.ratio == pytest.approx(2 if len(set(human)) > 1 else NAN, nan_ok=True)


def test_spread_uses_complete_pairs_and_is_unknown_below_two():
    found = spread([1, 5, NAN, 3], [1, 2, 9, NAN])
    assert (found.n_pairs, found.ratio) == (2, 4)
    assert math.isnan(spread([1, NAN], [1, 2]).ratio)
    assert math.isnan(spread([], []).modal_share)
