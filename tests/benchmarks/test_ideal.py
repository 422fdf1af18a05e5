"""The ideal scheduler that runs are measured against: it keeps the dependencies, and no bound is broken."""

from benchmarks.ideal import PLACES, Node, ideal
from hypothesis import given
from hypothesis import strategies as st


def test_a_chain_takes_its_sum_and_the_rest_fits_beside_it() -> None:
    chain = {number: Node(1.0, {number - 1} if number else set()) for number in range(5)}
    others = {number: Node(1.0) for number in range(5, 5 + 5 * (PLACES - 1))}
    assert ideal(chain | others) == (5.0, 5.0, 5.0, 5.0)


@given(st.lists(st.tuples(st.floats(0.01, 3), st.sets(st.integers(0, 200), max_size=3)), max_size=200))
def test_no_makespan_is_below_the_bound_nor_above_twice_it(calls: list[tuple[float, set[int]]]) -> None:
    nodes = {
        number: Node(latency, {one for one in after if one < number}) for number, (latency, after) in enumerate(calls)
    } or {0: Node(1.0)}
    makespan, blind, chain, work = ideal(nodes)
    for one in (makespan, blind):
        assert max(chain, work) - 1e-9 <= one <= chain + work + 1e-9


def test_foreknowledge_starts_the_long_call_first() -> None:
    long = {PLACES: Node(9.0)}
    assert ideal({number: Node(1.0) for number in range(PLACES)} | long)[:2] == (9.0, 10.0)
