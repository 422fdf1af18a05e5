"""How fast an endpoint is asked, when a call is retried, and when a model is given up.

All calls to one endpoint share its ``RateLimiter``: the rates, and the cool-down that it asked for. All calls to one
model share its ``Circuit``, which knows whether the model was given up. Neither decides what is asked.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from polyjudge.errors import CallFailed, ConfigError, PolyjudgeError
from polyjudge.llm.request import NobodyListens

# Where no server listens, it was not started or the address is wrong: the user should know within seconds.
_ATTEMPTS_AT_NOBODY = 3
_WAIT_AT_NOBODY = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """Concurrency, rates, retries and time-outs of an endpoint.

    Attributes:
        max_concurrency: the most calls at once at one endpoint; a backend may allow fewer.
        requests_per_minute: None = no limit.
        tokens_per_minute: prompt and completion tokens; None = no limit.
        attempts: how often one call is tried before the model is given up. While the model answers other calls,
            refusals that cost nothing do not count, up to ten times as many attempts.
        timeout: seconds that one attempt may take.
        backoff: the longest first wait between attempts, in seconds; it doubles with each further one.
        longest_backoff: where doubling ends, in seconds.
        longest_wait: the longest ``Retry-After``, in seconds, that is waited for; after a longer one the model is
            given up.
    """

    max_concurrency: int = 64
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    attempts: int = 6
    timeout: float = 120.0
    backoff: float = 1.0
    longest_backoff: float = 30.0
    longest_wait: float = 120.0

    def __post_init__(self) -> None:
        for name in ("max_concurrency", "attempts"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, it must be at least 1")
        for name in ("requests_per_minute", "tokens_per_minute", "timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is {value!r}, it must be above 0")

    def too_long(self, failure: CallFailed) -> bool:
        """Whether the provider asks for a longer wait than ``longest_wait``."""
        return failure.retry_after is not None and failure.retry_after > self.longest_wait


@dataclass(frozen=True, slots=True)
class Time:
    """Clock, sleep and jitter of all waits.

    Attributes:
        clock: seconds, never going back.
        sleep: waits for a number of seconds of that clock.
        jitter: gives a number in [0, 1) that spreads retries over time; no result depends on it.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = field(default_factory=lambda: Random().random)


class Bucket:
    """A token bucket in O(1). A caller may take more than it holds, and then waits until that has been refilled.

    It holds the amount of one second (at least 1), so that no minute gets much more than the rate. Callers are served
    in the order of taking.
    """

    __slots__ = ("_capacity", "_level", "_rate", "_since")

    def __init__(self, per_minute: float, now: float) -> None:
        self._rate = per_minute / 60
        self._capacity = max(1.0, self._rate)
        self._level = self._capacity
        self._since = now

    def take(self, amount: float, now: float) -> float:
        """Take ``amount`` and return the seconds to wait before using it."""
        self._refill(now)
        self._level -= amount
        return max(0.0, -self._level / self._rate)

    def give_back(self, amount: float, now: float) -> None:
        """Put back what was taken and not used."""
        self._refill(now)
        self._level = min(self._capacity, self._level + amount)

    def _refill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._since) * self._rate)
        self._since = now


class Circuit:
    """Whether a model was given up. From then on all calls that wait for it end with the same error."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self._error: PolyjudgeError | None = None
        self._opened: asyncio.Future[None] | None = None

    def open(self, error: PolyjudgeError) -> None:
        """Give the model up."""
        if self._error is None:
            self._error = error
            if self._opened is not None:
                self._opened.set_result(None)

    def check(self) -> None:
        """Raise the error that the model was given up with, if it was."""
        if self._error is not None:
            raise type(self._error)(str(self._error))

    async def pause(self, seconds: float) -> None:
        """Wait; if the model is given up before the time is over, raise that error at once."""
        self.check()
        if self._opened is None:
            self._opened = asyncio.get_running_loop().create_future()
        sleeper = asyncio.ensure_future(self._time.sleep(seconds))
        try:
            await asyncio.wait((sleeper, self._opened), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
        self.check()


class RateLimiter:
    """The rates of one endpoint, and the cool-down that it asked for.

    Attributes:
        cool_until: the clock's time at which it may be asked again.
    """

    def __init__(self, limits: Limits, time: Time) -> None:
        self._time = time
        self.cool_until = -math.inf
        now = time.clock()
        self._requests = Bucket(limits.requests_per_minute, now) if limits.requests_per_minute else None
        self._tokens = Bucket(limits.tokens_per_minute, now) if limits.tokens_per_minute else None

    def cool_down(self, seconds: float) -> None:
        """Send nothing for a number of seconds, because the endpoint asked for it.

        A refusal that names no time delays its own call only: the call holds its slot while it backs off, so that less
        is sent anyway, and a common pause would let a single refusal stop all calls.
        """
        self.cool_until = max(self.cool_until, self._time.clock() + seconds)

    async def clear(self, circuit: Circuit, tokens: int) -> None:
        """Wait until one more attempt of ``tokens`` tokens may be sent.

        Raises:
            PolyjudgeError: the model was given up meanwhile.
        """
        ready = now = self._time.clock()
        if self._requests is not None:
            ready = now + self._requests.take(1, now)
        if self._tokens is not None:
            ready = max(ready, now + self._tokens.take(tokens, now))
        while (wait := max(ready, self.cool_until) - now) > 0:
            await circuit.pause(wait)
            now = self._time.clock()

    def unused(self, tokens: int) -> None:
        """Give back the tokens that an attempt was cleared for and did not use."""
        if self._tokens is not None:
            self._tokens.give_back(tokens, self._time.clock())


class RetryPolicy:
    """Counts the failures of one call; decides whether it is retried, and after how long.

    Args:
        limits: attempts and waits.
        jitter: as in ``Time``.
    """

    __slots__ = ("_answers", "_failures", "_jitter", "_limits", "attempts")

    def __init__(self, limits: Limits, jitter: Callable[[], float]) -> None:
        self._limits = limits
        self._jitter = jitter
        self._failures = 0
        self._answers = -1
        self.attempts = 0

    def exhausted(self, failure: CallFailed, answers: int) -> bool:
        """Count a failed attempt; True when no other should follow.

        Args:
            failure: of this attempt.
            answers: how many calls the model has answered so far. While it answers others, a refusal that costs
                nothing only means that it is busy.
        """
        self.attempts += 1
        busy = self._failures > 0 and answers != self._answers and not failure.charged
        self._failures = 1 if busy else self._failures + 1
        self._answers = answers
        most = self._limits.attempts
        if isinstance(failure, NobodyListens) and not answers:
            most = min(most, _ATTEMPTS_AT_NOBODY)
        return self._failures >= most or self.attempts >= 10 * self._limits.attempts

    def wait(self, failure: CallFailed) -> float:
        """Seconds until the next attempt: what the provider asks for, plus exponential back-off with full jitter."""
        longest = min(self._limits.longest_backoff, self._limits.backoff * 2.0 ** (self._failures - 1))
        if isinstance(failure, NobodyListens) and not self._answers:
            longest = min(longest, _WAIT_AT_NOBODY)
        return max(0.0, failure.retry_after or 0.0) + longest * self._jitter()
