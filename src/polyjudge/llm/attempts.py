"""The attempts of a call that has its place: each through budget and rates to the endpoint, its answer to the journal.

What a refusal means, and who shares an answer, the client decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from polyjudge.errors import CallFailed
from polyjudge.llm.accounts import Accounts
from polyjudge.llm.budget import Bound, Budget, Charge, Reservation
from polyjudge.llm.desk import Desk
from polyjudge.llm.journal import Journal
from polyjudge.llm.landing import Landings
from polyjudge.llm.limits import Gate, Limits, Patience, Time
from polyjudge.llm.lines import Line, Place
from polyjudge.llm.money import Tariff
from polyjudge.llm.request import NobodyListens, Reply, Request, Usage


class Attempts:
    """How a client sends; its parts are the client's own.

    Attributes:
        paid: whether anything was, so that a refusal is not that of a first call.
    """

    def __init__(
        self,
        journal: Journal | None,
        budget: Budget,
        limits: Limits,
        accounts: Accounts,
        time: Time,
        tariffs: Mapping[str, Tariff],
        landings: Landings,
    ) -> None:
        self.paid = False
        self._journal = journal
        self._budget = budget
        self._limits = limits
        self._accounts = accounts
        self._time = time
        self._tariffs = tariffs
        self._landings = landings

    async def replayed(self, desk: Desk, request: Request, key: str) -> Reply | None:
        """The journal's answer, if it has one."""
        entry = await self._journal.get(key) if self._journal is not None else None
        if entry is None:
            return None
        desk.trial(request).accepted = True
        self._accounts.replayed(request, entry.reply.usage)
        return entry.reply

    async def send(self, desk: Desk, place: Place, request: Request, key: str) -> Reply:
        """Try until there is an answer.

        Raises:
            CallFailed: refused; on whom to blame that, the client says.
        """
        trial = desk.trial(request)
        answered = False
        trial.begin()
        try:
            reply = await self.persist(desk, place, request, key)
            answered = True
            return reply
        finally:
            trial.end(accepted=answered)

    async def persist(self, desk: Desk, place: Place, request: Request, key: str, *, alone: bool = False) -> Reply:
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
        bound = Bound.of(request, self._tariffs.get(request.model))
        reservation = await self._budget.reserve(bound)
        attempt = self._fly(desk, line, request, key, reservation, again=again)
        # Withdrawing changes nothing, unless the attempt ended before it was sent.
        return await self._landings.land(key, attempt, lambda: self._budget.withdraw(reservation))

    async def _fly(
        self, desk: Desk, line: Line, request: Request, key: str, reservation: Reservation, *, again: bool
    ) -> Reply:
        """One attempt from the line's gate to the journal; once it is sent, the reservation is settled."""
        await line.gate.clear(desk.circuit, reservation.bound.tokens)
        # While this call waited for its place, its budget or another try, another process may have had it answered.
        found = await self.replayed(desk, request, key)
        if found is not None:
            line.gate.unused(reservation.bound.tokens)
            return found
        self._landings.sent()
        self._accounts.sent(request, again=again)
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
            self.paid = self.paid or charged
            self._accounts.charged(request, self._settle(line.gate, reservation, Usage(), charged=charged))
            if failure is not error:
                raise failure from error
            raise
        self.paid = True
        desk.answered(line)
        return await self._keep(line.gate, request, key, reply, reservation, self._time.clock() - began)

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
                self._accounts.answered(request, answer, charge, seconds)
            else:
                self._accounts.charged(request, charge)
        return reply

    def _settle(self, gate: Gate, reservation: Reservation, usage: Usage, *, charged: bool = True) -> Charge:
        charge = self._budget.settle(reservation, usage, charged=charged)
        gate.unused(reservation.bound.tokens - charge.tokens)
        return charge
