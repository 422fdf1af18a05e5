"""Numbers of things are told as a reader would write them."""

from __future__ import annotations

import pytest

from polyjudge.formatting.text import many, many_of


@pytest.mark.parametrize(
    ("number", "things", "told"),
    [
        (0, "steps", "0 steps"),
        (1, "steps", "1 step"),
        (2, "steps", "2 steps"),
        (1600, "rows", "1,600 rows"),
        (1, "different texts", "1 different text"),
    ],
)
def test_one_is_told_in_the_singular_and_thousands_apart(number: int, things: str, told: str) -> None:
    assert many(number, things) == told


def test_groups_are_told_where_there_are_any() -> None:
    assert many_of(14, "test rows", 7, "documents") == "14 test rows of 7 documents"
    assert many_of(14, "test rows", 0, "documents") == "14 test rows"
