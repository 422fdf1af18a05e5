"""Which call is answered next, and where: places at the addresses of one endpoint, adapted to what each bears.

An address halves its places when it refuses more than now and then, and grows by one a round trip of answers (Chiu and
Jain 1989). One that fails again and again rests while others live, and is then tried with a single call.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from polyjudge.errors import CallFailed
from polyjudge.llm.limits import Gate, Limits, Time
from polyjudge.llm.request import NobodyListens, Request

# So many failures in a row, and an address rests.
_LAST_STRAW = 3
# Refusals below this share of what an address lately said are its everyday noise: halving at each would take an
# endpoint that refuses one call in a hundred from 64 calls at once to 13.
_EVERYDAY = 0.06


class Line:
    """One address of an endpoint.

    Attributes:
        index: which one.
        gate: its rates, and the cool-down it asked for.
        width: how many calls at once it bears, as far as is known.
        held: how many have a place.
    """

    __slots__ = (
        "_changed",
        "_failures",
        "_low",
        "_most",
        "_refused",
        "_rests",
        "gate",
        "held",
        "index",
        "rested",
        "width",
    )

    def __init__(self, index: int, limits: Limits, concurrency: int | None, time: Time) -> None:
        self.index = index
        self.gate = Gate(limits, time)
        self._most = limits.max_concurrency if concurrency is None else min(limits.max_concurrency, concurrency)
        self.width = float(self._most)
        self.held = 0
        self.rested = -math.inf
        self._changed = -math.inf
        self._failures = 0
        self._refused = 0.0
        self._rests = 0
        self._low = self._most

    @property
    def places(self) -> int:
        return int(self.width)

    @property
    def load(self) -> float:
        return self.held / self.places

    @property
    def lives(self) -> bool:
        """Whether its last rest, if it had one, was followed by an answer."""
        return not self._rests

    @property
    def _memory(self) -> float:
        """Over about how many replies the share of refusals is taken: two round trips."""
        return max(16.0, min(100.0, 2 * self.width))

    def answered(self) -> str:
        """One more answer; what the user should hear of it, else ""."""
        back = "answers again" if self._rests else ""
        self._failures = self._rests = 0
        self._refused -= self._refused / self._memory
        if self.width < self._most:
            self.width = min(float(self._most), self.width + 1 / self.width)
            if self.width > self._most - 1e-6:
                self.width, self._low = float(self._most), self._most
                return f"takes {self._most} calls at once again"
        return back

    def failed(self, failure: CallFailed, began: float, now: float) -> str:
        """A failed attempt; what the user should hear of it, else "".

        One that was sent before the last change says nothing that was not known then: so many calls fail together
        that each would halve again.
        """
        if began < self._changed or not failure.overloaded:
            return ""
        self._refused += (1 - self._refused) / self._memory
        if self._refused < _EVERYDAY:
            return ""
        self._refused = 0.0
        self._changed = now
        self.width = max(1.0, self.width / 2)
        if self.places >= self._low:
            return ""
        self._low = self.places
        return f"is overloaded ({failure}): at most {self.places} of {self._most} calls at once, until it recovers"

    def exhausted(self, failure: CallFailed, began: float) -> bool:
        """Whether an address that has others beside it should rest after this failure."""
        if failure.scope == "request" or began < self._changed:
            return False
        self._failures += 1
        return not self.lives or isinstance(failure, NobodyListens) or self._failures >= _LAST_STRAW

    def rest(self, limits: Limits, now: float, least: float) -> float:
        """Ask nothing for a while, twice as long each time; the seconds."""
        seconds = max(least, min(limits.longest_backoff, limits.backoff * 2.0 ** min(self._rests, 30)))
        self._rests += 1
        self._failures = 0
        self._changed = now
        self.rested = now + seconds
        return seconds


class _Wait(NamedTuple):
    """A call in the queue; smaller ones come first."""

    rank: int
    behind: bool
    order: int
    turn: asyncio.Future[Line]
    affinity: str


class Place:
    """A call's place at one line; between attempts it may go to another."""

    __slots__ = ("_lines", "_request", "line")

    def __init__(self, lines: Lines, request: Request, line: Line) -> None:
        self._lines = lines
        self._request = request
        self.line = line

    def give(self) -> None:
        """Leave it to another call."""
        self._lines.give(self.line)

    @property
    def suits(self) -> bool:
        """Whether the call may be asked again where it was asked, or nowhere better."""
        return self._lines.suits(self.line, self._request)

    async def renew(self) -> None:
        """Before another attempt: queue again, in front, where the line has too many calls or another suits better."""
        if self.line.held <= self.line.places and self.suits:
            return
        self.give()
        try:
            self.line = await self._lines.turn(self._request, behind=False)
        except BaseException:
            # The holder gives back what it believes to hold.
            self.line.held += 1
            raise


class Lines:
    """The addresses of one endpoint and the calls that wait for a place at them.

    Calls of a lower rank come first, of one rank in the order of asking. A call goes where the load is least; calls of
    one affinity go to one address as long as that lives, which is found by hashing, so that it outlives the process.
    """

    def __init__(self, size: int, limits: Limits, concurrency: int | None, time: Time) -> None:
        self._lines = tuple(Line(index, limits, concurrency, time) for index in range(size))
        self._limits = limits
        self._clock = time.clock
        self._order = count()
        self._common: list[_Wait] = []
        self._own: tuple[list[_Wait], ...] = tuple([] for _ in self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines)

    async def take(self, request: Request) -> Place:
        """A place for a call, as soon as it is its turn."""
        return Place(self, request, await self.turn(request))

    async def turn(self, request: Request, *, behind: bool = True) -> Line:
        """The line that has a place for a call, already held."""
        turn: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
        self._queue(_Wait(request.rank, behind, next(self._order), turn, request.affinity))
        self._serve()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(turn.result())
            turn.cancel()
            raise

    def give(self, line: Line) -> None:
        """Take a place back."""
        line.held -= 1
        self._serve()

    def answered(self, line: Line, tell: Callable[[str], None]) -> None:
        """A line answered an attempt."""
        self._tell(line, line.answered(), tell)
        self._serve()

    def failed(self, line: Line, failure: CallFailed, began: float, tell: Callable[[str], None]) -> None:
        """An attempt that was sent at ``began`` failed for a reason that may pass."""
        now = self._clock()
        others = [other for other in self._lines if other is not line and other.lives]
        dead = bool(others) and (line.exhausted(failure, began) or self._limits.too_long(failure))
        self._tell(line, line.failed(failure, began, now), tell)
        if not dead:
            return
        first = line.lives
        seconds = line.rest(self._limits, now, failure.retry_after or 0.0)
        if first:
            self._tell(line, f"fails ({failure}): others take its calls, it is tried again in {seconds:g} s", tell)
        moved, self._own[line.index][:] = list(self._own[line.index]), []
        for wait in moved:
            self._queue(wait)
        self._serve()

    def suits(self, line: Line, request: Request) -> bool:
        """Whether a call may be asked again where it was asked, or no other line is better."""
        now = self._clock()
        if not line.lives and (line.held > 1 or now < line.rested):
            return not any(other.lives for other in self._lines)
        if request.affinity or line.gate.cool_until <= now:
            return True
        return all(other.gate.cool_until > now or not other.lives for other in self._lines)

    def _tell(self, line: Line, what: str, tell: Callable[[str], None]) -> None:
        if what:
            which = f" (address {line.index + 1} of {len(self)})" if len(self) > 1 else ""
            tell(f"{which} {what}")

    def _queue(self, wait: _Wait) -> None:
        if wait.affinity and len(self) > 1:
            heappush(self._own[self._home(wait.affinity).index], wait)
        else:
            heappush(self._common, wait)

    def _home(self, affinity: str) -> Line:
        """Rendezvous hashing: when a line dies only its own affinities move."""
        return max(self._open(), key=lambda line: blake2b(f"{line.index} {affinity}".encode(), digest_size=8).digest())

    def _open(self) -> Sequence[Line]:
        """The lines that may be asked: those that live, one call at those that have rested; all if there is none."""
        if len(self) == 1:
            return self._lines
        now = self._clock()
        return [one for one in self._lines if one.lives or (now >= one.rested and not one.held)] or self._lines

    def _serve(self) -> None:
        """Give every free place to the call that comes first."""
        while True:
            free = [line for line in self._open() if line.held < line.places]
            if not free:
                return
            if len(free) > 1:
                now = self._clock()
                free.sort(key=lambda line: (line.gate.cool_until > now, line.load))
            common = _first(self._common)
            for line in free:
                own = _first(self._own[line.index])
                wait = min((one for one in (own, common) if one is not None), default=None)
                if wait is not None:
                    heappop(self._common if wait is common else self._own[line.index])
                    line.held += 1
                    wait.turn.set_result(line)
                    break
            else:
                return


def _first(queue: list[_Wait]) -> _Wait | None:
    """The first call of a queue that still waits."""
    while queue and queue[0].turn.done():
        heappop(queue)
    return queue[0] if queue else None
