"""Rates, cool-downs, waits and giving up, on a clock of the test's own."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.errors import CallFailed, ConfigError, ProviderGone
from polyjudge.llm.limits import Bucket, Circuit, Limits, RateLimiter, RetryPolicy, Time

T = TypeVar("T")


class HandClock:
    """Time that passes only when everybody waits for it."""

    def __init__(self, jitter: Callable[[], float] = lambda: 0.0) -> None:
        self.now = 0.0
        self.time = Time(lambda: self.now, self.sleep, jitter)
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        waked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), waked))
        await waked

    async def run(self, work: Awaitable[T]) -> T:
        task = asyncio.ensure_future(work)
        while not task.done():
            for _ in range(20):
                await asyncio.sleep(0)
            if not task.done() and self._sleepers:
                self.now, _, waked = heapq.heappop(self._sleepers)
                if not waked.done():
                    waked.set_result(None)
        return await task


def refusal(retry_after: float | None = None, *, charged: bool = False) -> CallFailed:
    return CallFailed("overloaded", retryable=True, retry_after=retry_after, charged=charged)


@settings(deadline=None)
@given(
    st.floats(1, 6000),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.5, 200)), min_size=1, max_size=40),
)
def test_no_stretch_of_time_sees_more_than_the_rate(rate: float, takes: list[tuple[float, float]]) -> None:
    bucket, now = Bucket(rate, 0.0), 0.0
    used: list[tuple[float, float]] = []
    for pause, amount in takes:
        now += pause
        used.append((now + bucket.take(amount, now), amount))
    burst = max(1.0, rate / 60)
    assert [at for at, _ in used] == sorted(at for at, _ in used)
    for first in range(len(used)):
        for last in range(first, len(used)):
            # An amount that is larger than the bucket is paid for before it is used; the first one of the
            # stretch was so, and is left out.
            amount = sum(amount for _, amount in used[first + 1 : last + 1])
            assert amount <= burst + rate / 60 * (used[last][0] - used[first][0]) + 1e-6 * (1 + amount)


def test_tokens_given_back_can_be_taken_again() -> None:
    bucket = Bucket(600, 0.0)
    assert bucket.take(110, 0.0) == pytest.approx(10)
    bucket.give_back(100, 0.0)
    assert bucket.take(10, 0.0) == pytest.approx(1)


def test_a_rate_limiter_spaces_requests_and_tokens_by_the_slower_rate() -> None:
    async def scenario() -> None:
        hand = HandClock()
        rates = RateLimiter(Limits(requests_per_minute=60, tokens_per_minute=600), hand.time)
        sent: list[float] = []

        async def call() -> None:
            await rates.clear(Circuit(hand.time), 20)
            sent.append(hand.now)

        await hand.run(asyncio.gather(*(call() for _ in range(4))))
        # Ten tokens a second are ready at first, then twenty take two seconds.
        assert sent == pytest.approx([1, 3, 5, 7])

    asyncio.run(scenario())


def test_everybody_keeps_away_for_as_long_as_the_endpoint_asks() -> None:
    async def scenario() -> None:
        hand = HandClock()
        rates, circuit = RateLimiter(Limits(), hand.time), Circuit(hand.time)
        rates.cool_down(30)
        rates.cool_down(10)
        first = asyncio.ensure_future(rates.clear(circuit, 1))
        await asyncio.sleep(0)
        rates.cool_down(40)
        await hand.run(first)
        assert hand.now == 40

    asyncio.run(scenario())


def test_waiting_ends_as_soon_as_the_model_is_given_up() -> None:
    async def scenario() -> None:
        hand = HandClock()
        circuit = Circuit(hand.time)
        waiting = [asyncio.ensure_future(circuit.pause(1000)) for _ in range(3)]
        await asyncio.sleep(0)
        circuit.open(ProviderGone("the first reason"))
        circuit.open(ProviderGone("a later reason"))
        for end in await asyncio.gather(*waiting, circuit.pause(1000), return_exceptions=True):
            assert isinstance(end, ProviderGone)
            assert str(end) == "the first reason"
        assert hand.now == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_waits_double_up_to_a_limit_and_come_on_top_of_what_is_asked_for() -> None:
    policy = RetryPolicy(Limits(attempts=9, backoff=1.0, longest_backoff=10.0), lambda: 1.0)
    waits = []
    for number in range(6):
        assert not policy.exhausted(refusal(), answers=0)
        waits.append(policy.wait(refusal(60.0 if number == 5 else None)))
    assert waits == [1, 2, 4, 8, 10, 70]


@settings(deadline=None)
@given(st.integers(1, 8), st.booleans())
def test_a_call_is_tried_so_often_when_nobody_is_answered(attempts: int, charged: bool) -> None:
    policy = RetryPolicy(Limits(attempts=attempts), lambda: 0.0)
    tried = 1
    while not policy.exhausted(refusal(charged=charged), answers=5):
        tried += 1
    assert tried == policy.attempts == attempts


def test_free_refusals_are_borne_longer_while_others_are_answered() -> None:
    free, paid = RetryPolicy(Limits(attempts=3), lambda: 0.0), RetryPolicy(Limits(attempts=3), lambda: 0.0)
    while not free.exhausted(refusal(), answers=free.attempts):
        pass
    while not paid.exhausted(refusal(charged=True), answers=paid.attempts):
        pass
    assert (free.attempts, paid.attempts) == (30, 3)


@pytest.mark.parametrize(
    "wrong", [{"max_concurrency": 0}, {"attempts": 0}, {"requests_per_minute": 0}, {"timeout": float("nan")}]
)
def test_limits_that_allow_nothing_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Limits(**wrong)  # type: ignore[arg-type]
