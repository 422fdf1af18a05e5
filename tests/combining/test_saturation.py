"""What further members can add."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.combining import Jury, forecast, saturation
from polyjudge.metrics import RatedRows, spearman

share = st.floats(0.05, 0.95)


@given(share, share, st.integers(1, 50))
def test_more_members_help_less_and_less_up_to_the_limit(agreement, correlation, members):
    values = [saturation(agreement, correlation, m) for m in (1, members, members + 1, math.inf)]
    assert values[0] == pytest.approx(agreement)
    assert values == sorted(values)
    assert values[-1] == pytest.approx(agreement / math.sqrt(correlation))


def test_judges_that_always_agree_add_nothing():
    assert saturation(0.3, 1.0, 10) == pytest.approx(0.3)


def test_the_published_example():
    assert saturation(0.328, 0.51, 5) == pytest.approx(0.421, abs=0.001)


def test_fewer_than_one_member():
    with pytest.raises(ValueError, match="at least one member"):
        saturation(0.3, 0.5, 0)


def test_it_forecasts_the_mean_of_equal_judges():
    generator = np.random.default_rng(0)
    quality = generator.normal(size=(4000, 1))
    judges = {str(number): quality + generator.normal(0, 1.5, (4000, 1)) for number in range(6)}
    rows = RatedRows.of(quality + generator.normal(0, 0.5, (4000, 1)))
    found = forecast({name: judges[name] for name in ("0", "1")}, rows)
    reached = spearman(Jury.of(judges, [False]).combine(judges).scores[:, 0], rows.human[:, 0])
    assert found.at(6) == pytest.approx(reached, abs=0.03)
    assert found.at(1) == found.agreement


def test_a_single_judge_has_no_forecast_of_more():
    found = forecast({"only": [[1.0], [2.0], [3.0]]}, RatedRows.of([[1.0], [3.0], [2.0]]))
    assert found.at(1) == pytest.approx(0.5)
    assert math.isnan(found.at(2))
    assert math.isnan(found.limit)
