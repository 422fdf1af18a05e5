"""Prices: exact sums, cached tokens at their own rate, and an upper bound that nothing reported exceeds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.llm.money import PICO, Price, usd
from polyjudge.llm.request import Usage

RATES = st.decimals(0, 100, places=4).map(float)
PLAIN = st.builds(Price, RATES, RATES, cached=st.none() | RATES, written=st.none() | RATES)
STEPS = st.lists(st.tuples(st.integers(1, 5000), PLAIN), max_size=2).map(
    lambda steps: tuple(sorted(steps, key=lambda s: s[0]))
)
PRICES = st.builds(Price, RATES, RATES, cached=st.none() | RATES, written=st.none() | RATES, above=STEPS)
COUNTS = st.none() | st.integers(0, 9000)


@given(PRICES, st.integers(0, 9000), st.integers(0, 9000), COUNTS, COUNTS, COUNTS)
def test_nothing_within_the_bound_costs_more_than_the_bound(
    price: Price, prompt: int, completion: int, told: int | None, cached: int | None, written: int | None
) -> None:
    charged = prompt if told is None else min(told, prompt)
    usage = Usage(None if told is None else charged, completion, cached, written)
    assert 0 <= price.of(usage, charged, completion) <= price.most(prompt, completion)


def test_every_part_of_a_prompt_has_its_rate() -> None:
    price = Price(3, 15, cached=0.3, written=3.75)
    took = price.of(Usage(1000, 10, cached=600, written=300), 1000, 10)
    assert took == 100 * 3_000_000 + 600 * 300_000 + 300 * 3_750_000 + 10 * 15_000_000
    assert usd(took) == pytest.approx(0.001755)


def test_parts_without_a_rate_of_their_own_are_plain_input() -> None:
    assert Price(2, 1).of(Usage(100, 0, 60, 40), 100, 0) == 100 * 2_000_000


def test_a_million_tokens_cost_their_price_to_the_last_digit() -> None:
    assert Price(0.15, 0.6).of(Usage(10**6, 10**6), 10**6, 10**6) == PICO * 3 // 4


def test_a_price_too_small_to_count_is_rounded_up_not_to_nothing() -> None:
    assert Price(1e-7, 0).of(Usage(5, 0), 5, 0) == 5


def test_long_prompts_have_the_price_of_their_length() -> None:
    price = Price(1, 2, above=((1000, Price(3, 4)),))
    assert (price.at(1000), price.at(1001).input) == (price, 3)
    assert price.most(999, 1) == 999 * 1_000_000 + 2_000_000
    assert price.most(1001, 1) == 1001 * 3_000_000 + 4_000_000
