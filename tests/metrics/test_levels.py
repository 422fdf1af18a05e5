"""Scales as the metrics know them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.metrics import Levels


@given(low=st.integers(-5, 5), count=st.integers(2, 20), step=st.sampled_from([0.1, 0.25, 0.5, 1, 3]))
def test_every_label_is_nearest_to_itself_and_half_a_step_more_is_the_next(low, count, step):
    levels = Levels(low, low + step * (count - 1), step)
    values = levels.values()
    assert levels.count == count == values.size
    assert levels.nearest(values).tolist() == list(range(count))
    assert levels.nearest(values + step / 2).tolist() == [*range(1, count), count - 1]
    assert levels.nearest(values - step / 2).tolist() == list(range(count))


def test_values_off_the_scale_take_its_end():
    assert Levels(1, 5).nearest(np.array([-7.0, 0.4, 5.6, 99.0])).tolist() == [0, 0, 4, 4]


def test_kinds_follow_from_step_and_order():
    scales = [Levels(1, 5), Levels(0, 1, None), Levels.categorical(2), Levels.categorical(4)]
    assert [levels.kind for levels in scales] == ["ordinal", "float", "binary", "categorical"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Levels(5, 1),
        lambda: Levels(1, 1),
        lambda: Levels(0, float("inf")),
        lambda: Levels(0, 1, 0),
        lambda: Levels(0, 1, 0.3),
        lambda: Levels(1, 3, 1, nominal=True),
        lambda: Levels.categorical(1),
        lambda: Levels(0, 1, None).values(),
        lambda: Levels(0, 1, None).nearest(np.zeros(1)),
    ],
)
def test_an_impossible_scale_is_refused(make):
    with pytest.raises(ValueError, match=r"scale|step|label"):
        make()
