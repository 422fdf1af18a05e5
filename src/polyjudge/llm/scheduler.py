"""Which call is sent next, and how many at once: the slots of an endpoint, adapted to what it bears.

An endpoint halves its slots when it refuses more than now and then, and gains one a round trip of answers (Chiu and
Jain 1989). Several addresses of one model are a proxy's business: to us they are one endpoint.
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

# Refusals below this share of the latest replies are everyday noise: halving at each would take an endpoint that
# refuses one call in a hundred from 64 calls at once to 13.
_EVERYDAY = 0.06
# A wait that lasts longer, in seconds, is told to the user.
_LONG_WAIT = 3.0


class _Waiting(NamedTuple):
    """A call in the queue; smaller ones come first."""

    rank: int
    behind: bool
    order: int
    turn: asyncio.Future[None]


class Endpoint:
    """The slots of one endpoint, its rates, and the calls that wait for a slot.

    Calls of a lower rank come first, of one rank in the order of asking.

    Args:
        limits: how it is treated.
        concurrency: the most calls at once that its backend takes; None = no limit of its own.
        time: the clock of its rates.

    Attributes:
        rates: its rates, and the cool-down it asked for.
        width: how many calls at once it bears, as far as is known.
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
        """A slot for a call, as soon as it is its turn."""
        await self.wait_turn(request.rank)
        return Slot(self, request.rank)

    async def wait_turn(self, rank: int, *, behind: bool = True) -> None:
        """Wait for a slot and hold it.

        Args:
            rank: of the call.
            behind: False puts it before others of its rank.
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
        """Take a slot back."""
        self.held -= 1
        self._serve()

    def answered(self) -> str:
        """Note an answer; what the user should hear of it, else ""."""
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
        """Note a failed attempt; what the user should hear of it, else "".

        An attempt that was sent before the last halving says nothing that was not known then: so many calls fail
        together that each would halve again.

        Args:
            failure: what happened.
            began: when the attempt was sent.
        """
        if began < self._halved or not failure.overloaded:
            return ""
        self._refused += (1 - self._refused) / self._memory
        if self._refused < _EVERYDAY:
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
        """Over about how many replies the share of refusals is taken: two round trips."""
        return max(16.0, min(100.0, 2 * self.width))

    def _serve(self) -> None:
        """Give every free slot to the call that comes first."""
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
        """Leave it to another call."""
        self._endpoint.release()

    async def renew(self) -> None:
        """Before another attempt: where the endpoint bears fewer calls meanwhile, queue again, in front."""
        if self._endpoint.held <= self._endpoint.slots:
            return
        self.release()
        try:
            await self._endpoint.wait_turn(self._rank, behind=False)
        except BaseException:
            # The holder gives back what it believes to hold.
            self._endpoint.held += 1
            raise


class ParameterCheck:
    """Whether a model takes requests of some parameters at all: only then a refusal is the content's fault."""

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
        """Whether one was accepted, as soon as that is known of those under way."""
        if not self.accepted and self._under_way:
            await self._decided.wait()
        return self.accepted


class ModelState:
    """What the calls to one model share.

    Attributes:
        model: as requests name it.
        backend: what is asked.
        endpoint: its slots, shared with other models there.
        circuit: whether the model was given up.
        answers: calls that it has answered.
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
        self._told_until = -math.inf
        self._checks: dict[Hashable, ParameterCheck] = {}

    def check(self, request: Request) -> ParameterCheck:
        """The check of the parameters of a request."""
        return self._checks.setdefault((request.sampling, request.schema, request.top_logprobs), ParameterCheck())

    def answered(self) -> None:
        """An attempt was answered."""
        self.answers += 1
        self._tell(self.endpoint.answered())

    def failed(self, failure: CallFailed, began: float) -> None:
        """An attempt failed; to be told at once, for until its asker hears of it, others would be sent."""
        if failure.retry_after is not None and not self._limits.too_long(failure):
            self.endpoint.rates.cool_down(failure.retry_after)
        if failure.retryable:
            self._tell(self.endpoint.failed(failure, began))

    def gone(self, policy: RetryPolicy, failure: CallFailed) -> ProviderGone:
        """Give the model up for all its calls."""
        if self._limits.too_long(failure):
            what = f"asks to wait {failure.retry_after:g} s (at most {self._limits.longest_wait:g} are waited)"
        else:
            what = f"failed {many(policy.attempts, 'times')} for one call"
        error = ProviderGone(
            f"{self.model!r} at {self.backend.identity!r} {what}; the last failure: {failure}; every answer so far is "
            "kept, run the same command again later to go on"
        )
        self.circuit.open(error)
        return error

    def tell_of_wait(self, failure: CallFailed, wait: float) -> None:
        """Say that there is a long wait, once for all calls to a model that wait at the same time."""
        now = self._clock()
        if wait <= _LONG_WAIT or now < self._told_until:
            return
        self._told_until = now + wait
        if failure.retry_after is not None and failure.retry_after > 0:
            self._tell(f"asks to wait {math.ceil(failure.retry_after)} s: {failure}")
        else:
            self._tell(f"is asked again in {math.ceil(wait)} s: {failure}")

    def _tell(self, what: str) -> None:
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
