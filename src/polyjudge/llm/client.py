"""The one way to a model: journal first, then budget, limits, attempts; every answer is journalled before use.

    ask ─► identical call under way? share it ─► journal? give it back
        ─► place at an address ──► budget ─► rates ─► attempt ─┬─► journal ─► settle ─► account
                 ▲                                              │
                 └──────── wait, when it may be tried again ◄───┘

An attempt that was sent lands by itself: who asked may be cancelled meanwhile (because another call ended the run),
the answer is paid and is journalled all the same. ``close`` waits for it; the user's own interrupt ends it.

A call keeps its place from its first attempt until its answer is journalled, unless its address bears fewer calls
meanwhile or rests; then it queues again, in front. So an endpoint in trouble is asked less, a call that others depend
on does not start again at the end of the queue, and no more answers than there are places can be lost when the
process is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType

from polyjudge.errors import CallFailed, ModelError, PolyjudgeError, ProviderGone, ReplyError
from polyjudge.llm.accounts import Accounts
from polyjudge.llm.budget import Bound, Budget, Charge, Reservation
from polyjudge.llm.desk import Desk, Trial, open_desks
from polyjudge.llm.journal import Journal
from polyjudge.llm.landing import Landings
from polyjudge.llm.limits import Gate, Limits, Patience, Time
from polyjudge.llm.lines import Line, Place
from polyjudge.llm.money import Tariff
from polyjudge.llm.request import Abilities, Backend, NobodyListens, Reply, Request, Usage

# Answers from the journal do not suspend; after so many seconds of them other tasks get their turn.
_LONGEST_TURN = 0.02


class Client:
    """Asks models; an ``Asker``. Belongs to one event loop; use it as ``async with Client(...) as client``.

    Args:
        backends: by model, as requests name it; several are addresses of one endpoint, of one identity. Backends of
            one identity share limits.
        journal: None records nothing.
        budget: None = no limits.
        limits: how each endpoint is treated.
        accounts: counts what happens.
        time: clock, sleep and jitter of all waits but the attempts' time-out, which is the event loop's.
        notify: told in one line about waits of more than some seconds, and about addresses that bear less or fail.
        tariffs: what each model costs; what has none draws on no money.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend | Sequence[Backend]],
        journal: Journal | None = None,
        budget: Budget | None = None,
        limits: Limits | None = None,
        accounts: Accounts | None = None,
        time: Time | None = None,
        notify: Callable[[str], None] | None = None,
        tariffs: Mapping[str, Tariff] | None = None,
    ) -> None:
        self.tariffs = tariffs or {}
        self.budget = budget or Budget()
        self.accounts = accounts or Accounts(tariffs=self.tariffs)
        self._journal = journal
        self._limits = limits or Limits()
        self._time = time or Time()
        self._desks = open_desks(backends, self._limits, self._time, notify)
        self._flights: dict[str, asyncio.Future[Reply | PolyjudgeError | None]] = {}
        self._landings = Landings()
        self._paid = False
        self._turn_began = 0.0

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # An interrupt ends what is under way, as it comes; any other end waits for it, because it is paid.
            if kind is not None and not issubclass(kind, Exception):
                await self._landings.end()
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the backends and the journal; what was sent is answered (or times out) and committed first."""
        try:
            await self._landings.wait()
        finally:
            await self._close()

    async def _close(self) -> None:
        try:
            for backend in {id(one): one for desk in self._desks.values() for one in desk.backends}.values():
                await backend.close()
        finally:
            if self._journal is not None:
                self._journal.close()

    def abilities(self, model: str) -> Abilities:
        """What the backend of a model can do.

        Raises:
            ModelError: no such model.
        """
        return self._desk(model).abilities

    def identity(self, model: str) -> str:
        """What distinguishes the answers of a model's endpoint.

        Raises:
            ModelError: no such model.
        """
        return self._desk(model).identity

    async def ask(self, request: Request) -> Reply:
        """The answer to a request: the journal's, that of an identical call under way, or a new one.

        Raises:
            ModelError: no such model; or refused, as it stands, before any call was answered.
            BudgetSpent: the budget does not cover the call.
            ProviderGone: all attempts failed, the wait asked for is too long, or the model was refused
                after other calls had been answered.
            ReplyError: this request was refused, while others with the same parameters were answered.
            JournalError: the journal cannot be read or written.
        """
        desk = self._desk(request.model)
        key = request.key(desk.identity)
        while (flight := self._flights.get(key)) is not None:
            outcome = await asyncio.shield(flight)
            if isinstance(outcome, Reply):
                self.accounts.joined(request)
                return outcome
            if outcome is not None:
                self.accounts.failed(request)
                raise outcome
        return await self._lead(desk, request, key)

    async def probe(self, request: Request) -> Reply | CallFailed:
        """Ask whether a model takes a request as it is; a refusal comes back and gives nobody up.

        Raises:
            PolyjudgeError: as ``ask``, for whatever is no refusal.
        """
        desk = self._desk(request.model)
        key = request.key(desk.identity)
        reply = await self._replayed(desk, request, key)
        if reply is None:
            if self._journal is not None:
                self._journal.claim()
            async with self._landings.hold(await desk.lines.take(request), key) as place:
                try:
                    reply = await self._persist(desk, place, request, key, alone=True)
                except CallFailed as failure:
                    self.accounts.failed(request)
                    return failure
        desk.trial(request).accepted = True
        return reply

    async def _lead(self, desk: Desk, request: Request, key: str) -> Reply:
        """Answer a call for everybody who asks the same meanwhile; when cancelled, another takes the lead."""
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        outcome: Reply | PolyjudgeError | None = None
        try:
            outcome = await self._answer(desk, request, key)
            return outcome
        except PolyjudgeError as error:
            outcome = error
            self.accounts.failed(request)
            raise
        finally:
            del self._flights[key]
            flight.set_result(outcome)

    async def _answer(self, desk: Desk, request: Request, key: str) -> Reply:
        left = self._landings.under_way(key)
        if left is not None:
            # Somebody asked the same and was cancelled; should the attempt fail, it is tried anew.
            with suppress(CallFailed):
                reply = await asyncio.shield(left)
                self.accounts.joined(request)
                return reply
        found = await self._replayed(desk, request, key)
        if found is not None:
            await self._share_turn()
            return found
        if self._journal is not None:
            self._journal.claim()
        try:
            async with self._landings.hold(await desk.lines.take(request), key) as place:
                return await self._send(desk, place, request, key)
        except CallFailed as failure:
            refused = failure
        # Without its place: the verdict waits for calls that may be waiting for one.
        raise await self._refusal(desk, desk.trial(request), refused) from refused

    async def _replayed(self, desk: Desk, request: Request, key: str) -> Reply | None:
        """The journal's answer, if it has one."""
        entry = await self._journal.get(key) if self._journal is not None else None
        if entry is None:
            return None
        desk.trial(request).accepted = True
        self.accounts.replayed(request, entry.reply.usage)
        return entry.reply

    async def _keep(
        self, gate: Gate, request: Request, key: str, answer: Reply, reservation: Reservation, seconds: float
    ) -> Reply:
        """Journal and settle an answer, in this order: who waits for its budget may end the run."""
        reply = answer
        kept = False
        try:
            if self._journal is not None:
                role, model = request.role, request.model
                entry = await self._journal.put(key, reply, role=role, model=model, seconds=seconds)
                reply = entry.reply
            kept = True
        finally:
            charge = self._settle(gate, reservation, answer.usage)
            if kept:
                self.accounts.answered(request, answer, charge, seconds)
            else:
                self.accounts.charged(request, charge)
        return reply

    async def _send(self, desk: Desk, place: Place, request: Request, key: str) -> Reply:
        """Try until there is an answer.

        Raises:
            CallFailed: refused; on whom to blame that, ``_refusal`` says.
        """
        trial = desk.trial(request)
        answered = False
        trial.begin()
        try:
            reply = await self._persist(desk, place, request, key)
            answered = True
            return reply
        finally:
            trial.end(accepted=answered)

    async def _persist(self, desk: Desk, place: Place, request: Request, key: str, *, alone: bool = False) -> Reply:
        """Try until there is an answer.

        Args:
            alone: a request that fails again and again for itself never gives the endpoint up.

        Raises:
            CallFailed: trying again is of no use.
            ProviderGone: it was tried for long enough.
        """
        patience = Patience(self._limits, self._time.jitter)
        while True:
            desk.circuit.check()
            try:
                return await self._attempt(desk, place.line, request, key, again=patience.attempts > 0)
            except CallFailed as failure:
                if not failure.retryable:
                    raise
                wait = self._wait(desk, place, request, patience, failure, alone=alone)
            if wait:
                await desk.circuit.pause(wait)
            await place.renew()

    def _wait(
        self, desk: Desk, place: Place, request: Request, patience: Patience, failure: CallFailed, *, alone: bool
    ) -> float:
        """Seconds until the next attempt; none where another address takes the call.

        Raises:
            CallFailed: this request always fails.
            ProviderGone: it was tried for long enough.
        """
        moves = not place.suits
        if moves and isinstance(failure, NobodyListens):
            return 0.0
        lost, long = patience.lost(failure, desk.answers), self._limits.too_long(failure) and not moves
        # What one request brings about again and again, and others do not, is no end of the endpoint.
        if lost and not long and failure.scope == "request" and (alone or desk.trial(request).accepted):
            raise failure
        if lost or long:
            raise desk.gone(patience, failure) from failure
        if moves:
            return 0.0
        wait = patience.wait(failure)
        desk.tell_of_wait(failure, wait)
        return wait

    async def _attempt(self, desk: Desk, line: Line, request: Request, key: str, *, again: bool) -> Reply:
        """Send once, when the budget, the endpoint and its rates allow it.

        Raises:
            CallFailed: by the backend, or for a time-out.
        """
        bound = Bound.of(request, self.tariffs.get(request.model))
        reservation = await self.budget.reserve(bound)
        attempt = self._fly(desk, line, request, key, reservation, again=again)
        # Withdrawing changes nothing, unless the attempt ended before it was sent.
        return await self._landings.land(key, attempt, lambda: self.budget.withdraw(reservation))

    async def _fly(
        self, desk: Desk, line: Line, request: Request, key: str, reservation: Reservation, *, again: bool
    ) -> Reply:
        """One attempt from the line's gate to the journal; once it is sent, the reservation is settled."""
        await line.gate.clear(desk.circuit, reservation.bound.tokens)
        # While this call waited for its place, its budget or another try, another process may have had it answered.
        found = await self._replayed(desk, request, key)
        if found is not None:
            line.gate.unused(reservation.bound.tokens)
            return found
        self._landings.sent()
        self.accounts.sent(request, again=again)
        began = self._time.clock()
        try:
            async with asyncio.timeout(self._limits.timeout):
                reply = await desk.backends[line.index].complete(request)
        except BaseException as error:
            failure = error
            if isinstance(error, TimeoutError):
                message = f"no answer in time (an attempt may take {self._limits.timeout:g} s)"
                failure = CallFailed(message, retryable=True, charged=True, overloaded=True)
            charged = True
            if isinstance(failure, CallFailed):
                charged = failure.charged
                desk.failed(line, failure, began)
            self._paid = self._paid or charged
            self.accounts.charged(request, self._settle(line.gate, reservation, Usage(), charged=charged))
            if failure is not error:
                raise failure from error
            raise
        self._paid = True
        desk.answered(line)
        return await self._keep(line.gate, request, key, reply, reservation, self._time.clock() - began)

    def _settle(self, gate: Gate, reservation: Reservation, usage: Usage, *, charged: bool = True) -> Charge:
        charge = self.budget.settle(reservation, usage, charged=charged)
        gate.unused(reservation.bound.tokens - charge.tokens)
        return charge

    async def _refusal(self, desk: Desk, trial: Trial, failure: CallFailed) -> PolyjudgeError:
        """The error for an attempt that need not be repeated."""
        if failure.scope == "request" and await trial.verdict():
            return ReplyError(f"{desk.model!r} refused this request: {failure}")
        error: PolyjudgeError
        if self._paid:
            error = ProviderGone(
                f"{desk.model!r} at {desk.identity!r} refused a call: {failure}; every answer so far is kept, "
                "mend this and run the same command again to go on"
            )
        else:
            error = ModelError(
                f"{desk.model!r} at {desk.identity!r} refused the first call: {failure}; nothing was paid, mend "
                "the model's name, key, address or parameters"
            )
        desk.circuit.open(error)
        return error

    async def _share_turn(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._turn_began > _LONGEST_TURN:
            await asyncio.sleep(0)
            self._turn_began = asyncio.get_running_loop().time()

    def _desk(self, model: str) -> Desk:
        desk = self._desks.get(model)
        if desk is None:
            raise ModelError(f"no backend for the model {model!r}; there are: {', '.join(sorted(self._desks))}")
        return desk
