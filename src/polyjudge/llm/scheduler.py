"""Which call is sent next, and how many at once: the slots of an endpoint, adapted to its capacity.

The slots of an endpoint are halved when it refuses more than an occasional call, and grow by one for each round trip
of answers (Chiu and Jain 1989). A proxy that spreads calls over several addresses counts as one endpoint.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Hashable, Mapping
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from polyjudge.errors import CallFailed, ProviderGone
from polyjudge.formatting.text import many
from polyjudge.llm.limits import Circuit, Limits, RateLimiter, RetryPolicy, Time
from polyjudge.llm.request import Backend, Request

# A smaller share of refusals among the latest replies is noise: halving at each refusal would take an endpoint that
# refuses one call in a hundred from 64 calls at once to 13.
_TOLERATED_REFUSALS = 0.06
# The user hears of waits that last longer than these seconds.
_LONG_WAIT = 3.0


class _Waiting(NamedTuple):
    """A call in the queue; the smallest tuple comes first."""

    rank: int
    behind: bool
    order: int
    turn: asyncio.Future[None]


class Endpoint:
    """The slots of one endpoint, its rates, and the calls that wait for a slot.

    Calls of a lower rank come first; calls of one rank come in the order of asking.

    Args:
        limits: concurrency and rates.
        concurrency: the most calls that its backend takes at once; None = no limit.
        time: the clock of its rates.

    Attributes:
        rates: its rates, and the cool-down that it asked for.
        width: the estimate of how many calls it can take at once.
        held: how many calls hold a slot.
    """

    def __init__(self, limits: Limits, concurrency: int | None, time: Time) -> None:
        self.rates = RateLimiter(limits, time)
        self._most = limits.max_concurrency if concurrency is None else min(limits.max_concurrency, concurrency)
        self.width = float(self._most)
        self.held = 0
        self._clock = time.clock
        self._order = count()
        self._queue: list[_Waiting] = []
        self._halved = -math.inf
        self._refused = 0.0
        self._lowest = self._most

    @property
    def slots(self) -> int:
        return int(self.width)

    async def take(self, request: Request) -> Slot:
        """Wait for the call's turn, and take a slot for it."""
        await self.wait_turn(request.rank)
        return Slot(self, request.rank)

    async def wait_turn(self, rank: int, *, behind: bool = True) -> None:
        """Wait for a slot and hold it.

        Args:
            rank: of the call.
            behind: False puts the call before others of its rank.
        """
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._queue, _Waiting(rank, behind, next(self._order), turn))
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            turn.cancel()
            raise

    def release(self) -> None:
        """Free a slot."""
        self.held -= 1
        self._serve()

    def answered(self) -> str:
        """Count an answer; returns a message for the user, or ""."""
        self._refused -= self._refused / self._memory
        if self.width == self._most:
            return ""
        self.width += 1 / self.width
        recovered = self.width > self._most - 1e-6
        if recovered:
            self.width, self._lowest = float(self._most), self._most
        self._serve()
        return f"takes {self._most} calls at once again" if recovered else ""

    def failed(self, failure: CallFailed, began: float) -> str:
        """Count a failed attempt; returns a message for the user, or "".

        An attempt that was sent before the last halving is not counted: calls fail together, and each would halve the
        slots again.

        Args:
            failure: of the attempt.
            began: when the attempt was sent.
        """
        if began < self._halved or not failure.overloaded:
            return ""
        self._refused += (1 - self._refused) / self._memory
        if self._refused < _TOLERATED_REFUSALS:
            return ""
        self._refused = 0.0
        self._halved = self._clock()
        self.width = max(1.0, self.width / 2)
        if self.slots >= self._lowest:
            return ""
        self._lowest = self.slots
        return f"is overloaded ({failure}): at most {self.slots} of {self._most} calls at once, until it recovers"

    @property
    def _memory(self) -> float:
        """The number of replies over which the share of refusals is taken: about two round trips."""
        return max(16.0, min(100.0, 2 * self.width))

    def _serve(self) -> None:
        """Give the free slots to the first calls of the queue."""
        while self._queue and self.held < self.slots:
            turn = heappop(self._queue).turn
            if not turn.done():
                self.held += 1
                turn.set_result(None)


class Slot:
    """A call's slot at its endpoint."""

    __slots__ = ("_endpoint", "_rank")

    def __init__(self, endpoint: Endpoint, rank: int) -> None:
        self._endpoint = endpoint
        self._rank = rank

    def release(self) -> None:
        """Free the slot for another call."""
        self._endpoint.release()

    async def renew(self) -> None:
        """Before another attempt: if the endpoint takes fewer calls than before, queue again, in front."""
        if self._endpoint.held <= self._endpoint.slots:
            return
        self.release()
        try:
            await self._endpoint.wait_turn(self._rank, behind=False)
        except BaseException:
            # The caller will release this slot, which it believes to hold.
            self._endpoint.held += 1
            raise


class ParameterCheck:
    """Whether a model accepts requests with certain parameters; only then can a refusal be the content's fault."""

    __slots__ = ("_decided", "_under_way", "accepted")

    def __init__(self) -> None:
        self.accepted = False
        self._under_way = 0
        self._decided = asyncio.Event()

    def begin(self) -> None:
        self._under_way += 1
        if not self.accepted:
            self._decided.clear()

    def end(self, *, accepted: bool) -> None:
        self._under_way -= 1
        self.accepted = self.accepted or accepted
        if self.accepted or not self._under_way:
            self._decided.set()

    async def verdict(self) -> bool:
        """Whether any request was accepted; waits for the requests under way."""
        if not self.accepted and self._under_way:
            await self._decided.wait()
        return self.accepted


class ModelState:
    """The state that all calls to one model share.

    Attributes:
        model: as requests name it.
        backend: through which it is asked.
        endpoint: its slots, shared with other models at the same endpoint.
        circuit: whether the model was given up.
        answers: how many calls it has answered.
    """

    def __init__(
        self,
        model: str,
        backend: Backend,
        endpoint: Endpoint,
        limits: Limits,
        time: Time,
        notify: Callable[[str], None] | None,
    ) -> None:
        self.model = model
        self.backend = backend
        self.endpoint = endpoint
        self.circuit = Circuit(time)
        self.answers = 0
        self._limits = limits
        self._clock = time.clock
        self._notify = notify
        self._announced_until = -math.inf
        self._checks: dict[Hashable, ParameterCheck] = {}

    def check(self, request: Request) -> ParameterCheck:
        """The check of the parameters of a request."""
        return self._checks.setdefault((request.sampling, request.schema, request.top_logprobs), ParameterCheck())

    def answered(self) -> None:
        """An attempt was answered."""
        self.answers += 1
        self._announce(self.endpoint.answered())

    def failed(self, failure: CallFailed, began: float) -> None:
        """An attempt failed; called at once, before the failed call's task runs, because others might be sent."""
        if failure.retry_after is not None and not self._limits.too_long(failure):
            self.endpoint.rates.cool_down(failure.retry_after)
        if failure.retryable:
            self._announce(self.endpoint.failed(failure, began))

    def gone(self, policy: RetryPolicy, failure: CallFailed) -> ProviderGone:
        """Give the model up for all its calls."""
        if self._limits.too_long(failure):
            what = f"asks to wait {failure.retry_after:g} s (polyjudge waits at most {self._limits.longest_wait:g})"
        else:
            what = f"failed {many(policy.attempts, 'times')} for one call"
        error = ProviderGone(
            f"{self.model!r} at {self.backend.identity!r} {what}; the last failure: {failure}; every answer so far is "
            "kept, run the same command again later to go on"
        )
        self.circuit.open(error)
        return error

    def announce_wait(self, failure: CallFailed, wait: float) -> None:
        """Tell the user of a long wait, once for all calls that wait at the same time."""
        now = self._clock()
        if wait <= _LONG_WAIT or now < self._announced_until:
            return
        self._announced_until = now + wait
        if failure.retry_after is not None and failure.retry_after > 0:
            self._announce(f"asks to wait {math.ceil(failure.retry_after)} s: {failure}")
        else:
            self._announce(f"is asked again in {math.ceil(wait)} s: {failure}")

    def _announce(self, what: str) -> None:
        if what and self._notify is not None:
            self._notify(f"{self.model} {what}")


def open_models(
    backends: Mapping[str, Backend], limits: Limits, time: Time, notify: Callable[[str], None] | None = None
) -> dict[str, ModelState]:
    """The state of each model; those at the same endpoint share its slots."""
    endpoints: dict[str, Endpoint] = {}
    states: dict[str, ModelState] = {}
    for model, backend in backends.items():
        if backend.identity not in endpoints:
            endpoints[backend.identity] = Endpoint(limits, backend.concurrency, time)
        states[model] = ModelState(model, backend, endpoints[backend.identity], limits, time, notify)
    return states
