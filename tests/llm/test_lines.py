"""Places: fewer on overload, more with answers, the urgent first, and several addresses for one endpoint."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.errors import CallFailed
from polyjudge.llm.limits import Limits, Time
from polyjudge.llm.lines import Line, Lines, Place
from polyjudge.llm.request import Message, NobodyListens, Request


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.time = Time(lambda: self.now)


def call(rank: int = 0, affinity: str = "") -> Request:
    return Request("m", (Message("user", "x"),), affinity=affinity, rank=rank)


def overload(retry_after: float | None = None) -> CallFailed:
    return CallFailed("too many", retryable=True, retry_after=retry_after, overloaded=True)


def reset() -> CallFailed:
    return CallFailed("the connection broke", retryable=True, charged=True)


def lines(clock: Clock, size: int = 1, most: int = 64, own: int | None = None) -> Lines:
    return Lines(size, Limits(max_concurrency=most), own, clock.time)


async def free_places(there: Lines) -> list[Place]:
    """Take all places there are."""
    taken: list[Place] = []
    while True:
        waiting = asyncio.ensure_future(there.take(call()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return taken
        taken.append(waiting.result())


def deaf(text: str) -> None:
    return None


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scenario(), 20)

    asyncio.run(bounded())


def test_a_backend_may_allow_fewer_calls_at_once_but_not_more() -> None:
    async def scenario() -> None:
        for own, most in ((None, 3), (2, 2), (50, 3)):
            assert len(await free_places(lines(Clock(), most=3, own=own))) == most

    run(scenario)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 64),
    st.lists(st.tuples(st.sampled_from(["overload", "answer"]), st.floats(0, 2), st.floats(0, 2)), max_size=200),
)
def test_places_halve_at_most_once_a_round_trip_and_grow_by_at_most_one(
    most: int, events: Sequence[tuple[str, float, float]]
) -> None:
    """The law of the adaptation, for whatever happens, on a clock of the test's own."""
    clock = Clock()
    there = lines(clock, most=most)
    line = Line(0, Limits(max_concurrency=most), None, clock.time)
    halved_at = float("-inf")
    for kind, pause, took in events:
        clock.now += pause
        before, began = line.width, clock.now - took
        if kind == "answer":
            there.answered(line, deaf)
            assert before <= line.width <= min(most, before + 1 / before + 1e-9)
        else:
            there.failed(line, overload(), began, deaf)
            if began < halved_at:
                assert line.width == before
            elif line.width != before:
                assert line.width == max(1.0, before / 2)
                halved_at = clock.now
        assert 1 <= line.places <= most


@pytest.mark.parametrize(("most", "refusals"), [(1, 1), (8, 1), (64, 7), (500, 7)])
def test_a_few_refusals_in_a_row_halve_the_places(most: int, refusals: int) -> None:
    """One where a round trip is of a few calls, seven where it is of many."""
    line = Line(0, Limits(max_concurrency=most), None, Clock().time)
    for number in range(refusals):
        assert line.width == most, number
        line.failed(overload(), 0.0, 0.0)
    assert line.width == max(1.0, most / 2)


@pytest.mark.parametrize(("rate", "least"), [(0.003, 64), (0.01, 60), (0.02, 45)])
def test_a_server_that_refuses_now_and_then_is_asked_as_before(rate: float, least: int) -> None:
    """Simulated round trips with refusals by chance; halving at each would leave 26, 13 and 9 calls at once."""
    chance, clock = random.Random(3), Clock()
    line = Line(0, Limits(max_concurrency=64), None, clock.time)
    widths: list[int] = []
    for _ in range(600):
        began, sent = clock.now, line.places
        clock.now += 1
        for _ in range(sent):
            if chance.random() < rate:
                line.failed(overload(), began, clock.now)
            else:
                line.answered()
        widths.append(line.places)
    assert sum(widths) / len(widths) >= least


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 64))
def test_places_come_back_one_a_round_trip_of_answers(most: int) -> None:
    clock = Clock()
    line = Line(0, Limits(max_concurrency=most), None, clock.time)
    while line.width == most:
        line.failed(overload(), 0.0, 0.0)
    trips = 0
    while line.width < most:
        for _ in range(line.places):
            line.answered()
        trips += 1
    assert most - most / 2 <= trips <= most - most / 2 + 6


def test_a_server_that_bears_twenty_calls_is_asked_about_so_many() -> None:
    """Simulated round trips against a server with room for twenty: the sawtooth stays near what it bears."""
    clock = Clock()
    line = Line(0, Limits(max_concurrency=64), None, clock.time)
    widths: list[int] = []
    for _ in range(400):
        began, sent = clock.now, line.places
        clock.now += 1
        for number in range(sent):
            if number < 20:
                line.answered()
            else:
                line.failed(overload(), began, clock.now)
        widths.append(line.places)
    settled = widths[100:]
    assert max(settled) <= 24
    assert min(settled) >= 10
    assert sum(settled) / len(settled) > 14


def test_what_is_in_excess_after_a_halving_waits_for_a_place() -> None:
    async def scenario() -> None:
        clock = Clock()
        there = lines(clock, most=8)
        taken = await free_places(there)
        there.failed(taken[0].line, overload(), clock.now, deaf)
        again = [asyncio.ensure_future(place.renew()) for place in taken]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(task.done() for task in again) == 4
        for place, task in zip(taken, again, strict=True):
            if task.done():
                place.give()
        await asyncio.gather(*again)

    run(scenario)


def test_who_is_cancelled_gives_back_what_it_holds_wherever_it_is() -> None:
    async def scenario() -> None:
        chance = random.Random(3)
        clock = Clock()
        there = lines(clock, size=3, most=2)

        async def one() -> None:
            place = await there.take(call(chance.randrange(3), chance.choice(["", "a", "b"])))
            try:
                await asyncio.sleep(0)
                if chance.random() < 0.3:
                    failure = chance.choice([overload(), reset(), NobodyListens("gone")])
                    there.failed(place.line, failure, clock.now, deaf)
                    clock.now += 0.1
                await place.renew()
                await asyncio.sleep(0)
                if chance.random() < 0.5:
                    there.answered(place.line, deaf)
            finally:
                place.give()

        tasks = [asyncio.ensure_future(one()) for _ in range(300)]
        for _ in range(40):
            await asyncio.sleep(0)
            chance.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [line.held for line in there] == [0, 0, 0]

    run(scenario)


def test_the_urgent_come_first_and_equals_in_the_order_of_asking() -> None:
    async def scenario() -> None:
        there = lines(Clock(), most=1)
        first = await there.take(call())
        served: list[tuple[int, int]] = []

        async def one(rank: int, number: int) -> None:
            place = await there.take(call(rank))
            served.append((rank, number))
            place.give()

        tasks = [asyncio.ensure_future(one(rank, number)) for number, rank in enumerate([2, 1, 0, 2, 1, 0])]
        await asyncio.sleep(0)
        first.give()
        await asyncio.gather(*tasks)
        assert served == sorted(served)

    run(scenario)


# ---- several addresses


def test_calls_are_spread_by_load() -> None:
    async def scenario() -> None:
        there = lines(Clock(), size=3, most=10)
        where = Counter([(await there.take(call())).line.index for _ in range(12)])
        assert where == {0: 4, 1: 4, 2: 4}

    run(scenario)


def test_calls_of_one_affinity_share_an_address_as_long_as_it_lives_and_only_its_own_move() -> None:
    async def home(there: Lines, affinity: str) -> int:
        place = await there.take(call(affinity=affinity))
        place.give()
        return place.line.index

    async def scenario() -> None:
        clock = Clock()
        there, names = lines(clock, size=3), [f"item {number}" for number in range(300)]
        homes = {name: await home(there, name) for name in names}
        assert homes == {name: await home(lines(clock, size=3), name) for name in names}
        assert min(Counter(homes.values()).values()) > 60
        _, dead, _ = there
        there.failed(dead, NobodyListens("gone"), clock.now, deaf)
        moved = {name: await home(there, name) for name in names}
        assert 1 not in moved.values()
        assert all(moved[name] == homes[name] for name in names if homes[name] != 1)
        clock.now += 1.5
        await home(there, next(name for name in names if homes[name] == 1))
        there.answered(dead, deaf)
        assert homes == {name: await home(there, name) for name in names}

    run(scenario)


def test_waiting_calls_of_a_dead_address_go_to_the_others() -> None:
    async def scenario() -> None:
        clock = Clock()
        there = lines(clock, size=2, most=1)
        taken = await free_places(there)
        waiting = [asyncio.ensure_future(there.take(call(affinity=f"item {number}"))) for number in range(20)]
        await asyncio.sleep(0)
        there.failed(taken[0].line, NobodyListens("gone"), clock.now, deaf)
        other = taken[1].line
        taken[1].give()
        for task in waiting:
            place = await task
            assert place.line is other
            place.give()

    run(scenario)


def test_a_dead_address_is_tried_again_by_one_call_and_less_and_less_often() -> None:
    async def scenario() -> None:
        clock = Clock()
        there = lines(clock, size=2, most=4)
        dead, _ = there
        told: list[str] = []
        there.failed(dead, NobodyListens("nobody answers"), clock.now, told.append)
        pauses: list[float] = []
        for _ in range(8):
            since = clock.now
            while True:
                taken = await free_places(there)
                tried = [place for place in taken if place.line is dead]
                for place in taken:
                    place.give()
                if tried:
                    break
                clock.now += 0.5
            assert len(tried) == 1
            there.failed(dead, reset(), clock.now, told.append)
            pauses.append(clock.now - since)
        assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
        clock.now += 30
        there.answered(dead, told.append)
        assert len([place for place in await free_places(there) if place.line is dead]) == 4
        assert len(told) == 2
        assert "address 1 of 2" in told[0]
        assert "nobody answers" in told[0]
        assert "answers again" in told[1]

    run(scenario)


def test_the_last_address_never_rests() -> None:
    async def scenario() -> None:
        clock = Clock()
        for size in (1, 2):
            there = lines(clock, size=size, most=2)
            for line in list(there):
                there.failed(line, NobodyListens("gone"), clock.now, deaf)
            assert len(await free_places(there)) == 2

    run(scenario)


@pytest.mark.parametrize("failure", [overload(), reset()])
def test_three_failures_in_a_row_rest_an_address_and_an_answer_between_does_not(failure: CallFailed) -> None:
    clock = Clock()
    there = lines(clock, size=2)
    line, _ = there
    for answers in (True, True, True, False, False, False):
        assert line.lives
        clock.now += 1
        there.failed(line, failure, clock.now, deaf)
        if answers:
            there.answered(line, deaf)
    assert not line.lives


def test_what_a_request_brings_upon_itself_rests_nobody() -> None:
    clock = Clock()
    there = lines(clock, size=2)
    line, _ = there
    for _ in range(10):
        there.failed(line, CallFailed("no JSON", retryable=True, scope="request"), clock.now, deaf)
    assert line.lives


def test_new_lows_and_the_full_recovery_are_told_and_nothing_between() -> None:
    clock = Clock()
    told: list[str] = []
    there = lines(clock, most=8)
    (line,) = there
    for _ in range(3):
        clock.now += 1
        there.failed(line, overload(), clock.now, told.append)
        while line.places < 6:
            there.answered(line, told.append)
    while line.places < 8:
        there.answered(line, told.append)
    assert ["at most" in text for text in told] == [True, True, False]
    assert "4 of 8" in told[0]
    assert "3 of 8" in told[1]
    assert "8 calls at once again" in told[-1]
