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
from polyjudge.llm.attempts import Attempts
from polyjudge.llm.budget import Budget
from polyjudge.llm.desk import Desk, Trial, open_desks
from polyjudge.llm.journal import Journal
from polyjudge.llm.landing import Landings
from polyjudge.llm.limits import Limits, Time
from polyjudge.llm.money import Tariff
from polyjudge.llm.request import Abilities, Backend, Reply, Request

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
        limits, time = limits or Limits(), time or Time()
        self._desks = open_desks(backends, limits, time, notify)
        self._flights: dict[str, asyncio.Future[Reply | PolyjudgeError | None]] = {}
        self._landings = Landings()
        self._attempts = Attempts(journal, self.budget, limits, self.accounts, time, self.tariffs, self._landings)
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
        reply = await self._attempts.replayed(desk, request, key)
        if reply is None:
            if self._journal is not None:
                self._journal.claim()
            async with self._landings.hold(await desk.lines.take(request), key) as place:
                try:
                    reply = await self._attempts.persist(desk, place, request, key, alone=True)
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
        found = await self._attempts.replayed(desk, request, key)
        if found is not None:
            await self._share_turn()
            return found
        if self._journal is not None:
            self._journal.claim()
        try:
            async with self._landings.hold(await desk.lines.take(request), key) as place:
                return await self._attempts.send(desk, place, request, key)
        except CallFailed as failure:
            refused = failure
        # Without its place: the verdict waits for calls that may be waiting for one.
        raise await self._refusal(desk, desk.trial(request), refused) from refused

    async def _refusal(self, desk: Desk, trial: Trial, failure: CallFailed) -> PolyjudgeError:
        """The error for an attempt that need not be repeated."""
        if failure.scope == "request" and await trial.verdict():
            return ReplyError(f"{desk.model!r} refused this request: {failure}")
        error: PolyjudgeError
        if self._attempts.paid:
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
