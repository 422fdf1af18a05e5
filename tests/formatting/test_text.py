"""How figures and tables are said in texts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.formatting.text import duration, figure, share, signed, span, table_text


def test_what_is_undefined_is_said_and_never_a_number() -> None:
    assert {say(math.nan) for say in (figure, signed, share)} == {"undefined"}
    assert figure(math.nan, "unknown") == "unknown"
    assert {span(math.nan, 0.1), span(0.1, math.nan)} == {"undecided"}


def test_figures_have_three_digits_and_differences_a_sign() -> None:
    assert (figure(0.3049), signed(0.031), share(0.981)) == ("0.305", "+0.031", "98%")
    assert span(-0.01, 0.1834) == "-0.010 to +0.183"


@pytest.mark.parametrize(("seconds", "told"), [(1.25, "1.2 s"), (200, "3 min 20 s"), (7260, "2 h 1 min")])
def test_durations_are_told_in_two_units_at_most(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@given(st.lists(st.lists(st.text("abc ü", max_size=9), min_size=3, max_size=3), max_size=4))
def test_a_table_is_aligned_and_keeps_every_cell(rows: list[list[str]]) -> None:
    lines = table_text(rows, ["one", "two", "three"])
    assert len(lines) == len(rows) + 2
    assert len({len(line) for line in lines}) == 1
    for row, line in zip(rows, lines[2:], strict=True):
        assert [cell.strip() for cell in line.strip("|").split("|")] == [cell.strip() for cell in row]
