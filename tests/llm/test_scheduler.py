"""Slots: fewer on overload, more with answers, and the urgent first."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.errors import CallFailed
from polyjudge.llm.limits import Limits, Time
from polyjudge.llm.request import Message, Request
from polyjudge.llm.scheduler import Endpoint, Slot


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.time = Time(lambda: self.now)


def call(rank: int = 0) -> Request:
    return Request("m", (Message("user", "x"),), rank=rank)


def overload(retry_after: float | None = None) -> CallFailed:
    return CallFailed("too many", retryable=True, retry_after=retry_after, overloaded=True)


def endpoint(clock: Clock, most: int = 64, own: int | None = None) -> Endpoint:
    return Endpoint(Limits(max_concurrency=most), own, clock.time)


async def free_slots(there: Endpoint) -> list[Slot]:
    """Take all slots there are."""
    taken: list[Slot] = []
    while True:
        waiting = asyncio.ensure_future(there.take(call()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return taken
        taken.append(waiting.result())


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scenario(), 20)

    asyncio.run(bounded())


def test_a_backend_may_allow_fewer_calls_at_once_but_not_more() -> None:
    async def scenario() -> None:
        for own, most in ((None, 3), (2, 2), (50, 3)):
            assert len(await free_slots(endpoint(Clock(), most=3, own=own))) == most

    run(scenario)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 64),
    st.lists(st.tuples(st.sampled_from(["overload", "answer"]), st.floats(0, 2), st.floats(0, 2)), max_size=200),
)
def test_slots_halve_at_most_once_a_round_trip_and_grow_by_at_most_one(
    most: int, events: Sequence[tuple[str, float, float]]
) -> None:
    """The law of the adaptation, for whatever happens, on a clock of the test's own."""
    clock = Clock()
    line = endpoint(clock, most)
    halved_at = float("-inf")
    for kind, pause, took in events:
        clock.now += pause
        before, began = line.width, clock.now - took
        if kind == "answer":
            line.answered()
            assert before <= line.width <= min(most, before + 1 / before + 1e-9)
        else:
            line.failed(overload(), began)
            if began < halved_at:
                assert line.width == before
            elif line.width != before:
                assert line.width == max(1.0, before / 2)
                halved_at = clock.now
        assert 1 <= line.slots <= most


@pytest.mark.parametrize(("most", "refusals"), [(1, 1), (8, 1), (64, 7), (500, 7)])
def test_a_few_refusals_in_a_row_halve_the_slots(most: int, refusals: int) -> None:
    """One where a round trip is of a few calls, seven where it is of many."""
    line = endpoint(Clock(), most)
    for number in range(refusals):
        assert line.width == most, number
        line.failed(overload(), 0.0)
    assert line.width == max(1.0, most / 2)


@pytest.mark.parametrize(("rate", "least"), [(0.003, 64), (0.01, 60), (0.02, 45)])
def test_a_server_that_refuses_now_and_then_is_asked_as_before(rate: float, least: int) -> None:
    """Simulated round trips with refusals by chance; halving at each would leave 26, 13 and 9 calls at once."""
    chance, clock = random.Random(3), Clock()
    line = endpoint(clock)
    widths: list[int] = []
    for _ in range(600):
        began, sent = clock.now, line.slots
        clock.now += 1
        for _ in range(sent):
            if chance.random() < rate:
                line.failed(overload(), began)
            else:
                line.answered()
        widths.append(line.slots)
    assert sum(widths) / len(widths) >= least


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 64))
def test_slots_come_back_one_a_round_trip_of_answers(most: int) -> None:
    clock = Clock()
    line = endpoint(clock, most)
    while line.width == most:
        line.failed(overload(), 0.0)
    trips = 0
    while line.width < most:
        for _ in range(line.slots):
            line.answered()
        trips += 1
    assert most - most / 2 <= trips <= most - most / 2 + 6


def test_a_server_that_bears_twenty_calls_is_asked_about_so_many() -> None:
    """Simulated round trips against a server with room for twenty: the sawtooth stays near what it bears."""
    clock = Clock()
    line = endpoint(clock)
    widths: list[int] = []
    for _ in range(400):
        began, sent = clock.now, line.slots
        clock.now += 1
        for number in range(sent):
            if number < 20:
                line.answered()
            else:
                line.failed(overload(), began)
        widths.append(line.slots)
    settled = widths[100:]
    assert max(settled) <= 24
    assert min(settled) >= 10
    assert sum(settled) / len(settled) > 14


def test_what_is_in_excess_after_a_halving_waits_for_a_slot() -> None:
    async def scenario() -> None:
        clock = Clock()
        there = endpoint(clock, most=8)
        taken = await free_slots(there)
        there.failed(overload(), clock.now)
        again = [asyncio.ensure_future(slot.renew()) for slot in taken]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(task.done() for task in again) == 4
        for slot, task in zip(taken, again, strict=True):
            if task.done():
                slot.release()
        await asyncio.gather(*again)

    run(scenario)


def test_who_is_cancelled_gives_back_what_it_holds_wherever_it_is() -> None:
    async def scenario() -> None:
        chance = random.Random(3)
        clock = Clock()
        there = endpoint(clock, most=5)

        async def one() -> None:
            slot = await there.take(call(chance.randrange(3)))
            try:
                await asyncio.sleep(0)
                if chance.random() < 0.3:
                    there.failed(overload(), clock.now)
                    clock.now += 0.1
                await slot.renew()
                await asyncio.sleep(0)
                if chance.random() < 0.5:
                    there.answered()
            finally:
                slot.release()

        tasks = [asyncio.ensure_future(one()) for _ in range(300)]
        for _ in range(40):
            await asyncio.sleep(0)
            chance.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert there.held == 0

    run(scenario)


def test_the_urgent_come_first_and_equals_in_the_order_of_asking() -> None:
    async def scenario() -> None:
        there = endpoint(Clock(), most=1)
        first = await there.take(call())
        served: list[tuple[int, int]] = []

        async def one(rank: int, number: int) -> None:
            slot = await there.take(call(rank))
            served.append((rank, number))
            slot.release()

        tasks = [asyncio.ensure_future(one(rank, number)) for number, rank in enumerate([2, 1, 0, 2, 1, 0])]
        await asyncio.sleep(0)
        first.release()
        await asyncio.gather(*tasks)
        assert served == sorted(served)

    run(scenario)


def test_new_lows_and_the_full_recovery_are_told_and_nothing_between() -> None:
    clock = Clock()
    told: list[str] = []
    there = endpoint(clock, most=8)
    for _ in range(3):
        clock.now += 1
        told.append(there.failed(overload(), clock.now))
        while there.slots < 6:
            told.append(there.answered())
    while there.slots < 8:
        told.append(there.answered())
    told = [text for text in told if text]
    assert ["at most" in text for text in told] == [True, True, False]
    assert "4 of 8" in told[0]
    assert "3 of 8" in told[1]
    assert "8 calls at once again" in told[-1]
