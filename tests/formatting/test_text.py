"""How numbers and tables stand in texts."""

from __future__ import annotations

import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.formatting.text import (
    Form,
    duration,
    interval,
    number,
    p_value,
    percent,
    signed,
    signed_percent,
    table_text,
    with_interval,
)

FORMS: tuple[Form, ...] = (
    number,
    signed,
    percent,
    signed_percent,
    p_value,
    partial(number, digits=1),
    partial(signed, digits=0),
    partial(percent, digits=2),
)
VALUES = st.floats(-1e6, 1e6)


@given(VALUES, st.sampled_from(FORMS))
def test_what_rounds_to_zero_has_no_minus_sign(value: float, form: Form) -> None:
    shown = form(value).removesuffix("%").replace("<", "")
    assert float(shown) != 0 or not shown.startswith("-")


@given(VALUES, st.integers(0, 6))
def test_a_number_is_read_back_within_half_its_last_digit(value: float, digits: int) -> None:
    half = 0.5 * 10.0**-digits + 1e-9 * abs(value)
    assert abs(float(number(value, digits=digits)) - value) <= half
    assert abs(float(signed(value, digits=digits)) - value) <= half
    assert abs(float(percent(value, digits=digits).removesuffix("%")) - 100 * value) <= half + 1e-7 * abs(value)


@given(VALUES)
def test_a_difference_has_a_sign_always_and_a_plain_number_only_below_zero(value: float) -> None:
    assert signed(value)[0] in "+-"
    assert signed(value).lstrip("+") == number(value)
    assert signed_percent(value).lstrip("+") == percent(value)


@given(VALUES, VALUES, VALUES, st.sampled_from(FORMS))
def test_intervals_write_their_ends_as_the_value_is_written(value: float, low: float, high: float, form: Form) -> None:
    assert interval(low, high, form=form) == f"{form(low)} to {form(high)}"
    assert with_interval(value, low, high, form=form) == f"{form(value)} [{form(low)}, {form(high)}]"


def test_what_is_undefined_is_a_word_and_never_a_number() -> None:
    assert {form(math.nan) for form in (number, signed, percent, signed_percent, p_value)} == {"undefined"}
    assert number(math.nan, "unknown") == "unknown"
    assert {interval(math.nan, 0.1), interval(0.1, math.nan)} == {"undecided"}
    assert with_interval(math.nan, 0.1, 0.2) == "undefined"
    assert with_interval(0.3, math.nan, math.nan) == "0.300"


def test_numbers_have_three_digits_and_differences_a_sign() -> None:
    assert (number(0.3049), signed(0.031), percent(0.981)) == ("0.305", "+0.031", "98%")
    assert interval(-0.01, 0.1834) == "-0.010 to +0.183"
    assert with_interval(3.4, 2.9, 3.9, form=partial(number, digits=1), unit=" points") == "3.4 points [2.9, 3.9]"


def test_a_p_value_is_never_zero() -> None:
    assert (p_value(0.0), p_value(0.0009), p_value(0.012)) == ("<0.001", "<0.001", "0.012")


@pytest.mark.parametrize(("seconds", "shown"), [(1.25, "1.2 s"), (200, "3 min 20 s"), (7260, "2 h 1 min")])
def test_durations_have_two_units_at_most(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@given(st.lists(st.lists(st.text("abc ü", max_size=9), min_size=3, max_size=3), max_size=4))
def test_a_table_is_aligned_and_keeps_every_cell(rows: list[list[str]]) -> None:
    lines = table_text(rows, ["one", "two", "three"])
    assert len(lines) == len(rows) + 2
    assert len({len(line) for line in lines}) == 1
    for row, line in zip(rows, lines[2:], strict=True):
        assert [cell.strip() for cell in line.strip("|").split("|")] == [cell.strip() for cell in row]
