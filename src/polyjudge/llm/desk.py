"""What all calls to one model share: its endpoint, whether it was given up, and which parameters it takes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Hashable, Mapping, Sequence

from polyjudge.errors import CallFailed, ProviderGone
from polyjudge.formatting.text import many
from polyjudge.llm.limits import Circuit, Limits, Patience, Time
from polyjudge.llm.lines import Line, Lines
from polyjudge.llm.request import Backend, Request

# A wait that lasts longer, in seconds, is told.
_LONG_WAIT = 3.0


class Trial:
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

    def end(self, *, accepted: bool = False) -> None:
        self._under_way -= 1
        self.accepted = self.accepted or accepted
        if self.accepted or not self._under_way:
            self._decided.set()

    async def verdict(self) -> bool:
        """Whether one was accepted, as soon as that is known of those under way."""
        if not self.accepted and self._under_way:
            await self._decided.wait()
        return self.accepted


class Desk:
    """What the calls to one model share.

    Attributes:
        backends: one an address, as ``lines`` number them.
        identity: the endpoint's, whichever address is asked.
        lines: its addresses, shared with other models there.
        answers: calls that the endpoint has answered for this model.
    """

    def __init__(
        self,
        model: str,
        backends: Sequence[Backend],
        lines: Lines,
        limits: Limits,
        time: Time,
        notify: Callable[[str], None] | None,
    ) -> None:
        self.model = model
        self.backends = tuple(backends)
        self.identity = backends[0].identity
        self.abilities = backends[0].abilities
        self.lines = lines
        self.circuit = Circuit(time)
        self.answers = 0
        self._limits = limits
        self._clock = time.clock
        self._notify = notify
        self._told_until = -math.inf
        self._trials: dict[Hashable, Trial] = {}

    def trial(self, request: Request) -> Trial:
        """The trial of the parameters of a request."""
        parameters = (request.sampling, request.schema, request.top_logprobs)
        trial = self._trials.get(parameters)
        if trial is None:
            trial = self._trials[parameters] = Trial()
        return trial

    def answered(self, line: Line) -> None:
        """An attempt at a line was answered."""
        self.answers += 1
        self.lines.answered(line, self._say)

    def failed(self, line: Line, failure: CallFailed, began: float) -> None:
        """An attempt at a line failed; to be told at once, for until its asker hears of it, others would be sent."""
        if failure.retry_after is not None and not self._limits.too_long(failure):
            line.gate.cool_down(failure.retry_after)
        if failure.retryable:
            self.lines.failed(line, failure, began, self._say)

    def gone(self, patience: Patience, failure: CallFailed) -> ProviderGone:
        """Give the model up for all its calls."""
        if self._limits.too_long(failure):
            what = f"asks to wait {failure.retry_after:g} s (at most {self._limits.longest_wait:g} are waited)"
        else:
            what = f"failed {many(patience.attempts, 'times')} for one call"
        error = ProviderGone(
            f"{self.model!r} at {self.identity!r} {what}; the last failure: {failure}; every answer so far is "
            "kept, run the same command again later to go on"
        )
        self.circuit.open(error)
        return error

    def tell_of_wait(self, failure: CallFailed, wait: float) -> None:
        """Say that there is a long wait, once for all calls to a model that wait at the same time."""
        now = self._clock()
        if self._notify is None or wait <= _LONG_WAIT or now < self._told_until:
            return
        self._told_until = now + wait
        if failure.retry_after is not None and failure.retry_after > 0:
            self._notify(f"{self.model} asks to wait {math.ceil(failure.retry_after)} s: {failure}")
        else:
            self._notify(f"{self.model} is asked again in {math.ceil(wait)} s: {failure}")

    def _say(self, what: str) -> None:
        if self._notify is not None:
            self._notify(f"{self.model}{what}")


def open_desks(
    backends: Mapping[str, Backend | Sequence[Backend]],
    limits: Limits,
    time: Time,
    notify: Callable[[str], None] | None = None,
) -> dict[str, Desk]:
    """A desk for each model; those at the same endpoint share its lines."""
    lines: dict[tuple[str, int], Lines] = {}
    desks: dict[str, Desk] = {}
    for model, given in backends.items():
        members = given if isinstance(given, Sequence) else (given,)
        first = members[0]
        endpoint = (first.identity, len(members))
        if endpoint not in lines:
            lines[endpoint] = Lines(len(members), limits, first.concurrency, time)
        desks[model] = Desk(model, members, lines[endpoint], limits, time, notify)
    return desks
