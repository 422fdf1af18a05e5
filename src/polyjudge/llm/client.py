"""The one way to a model: cache first, then budget, limits, attempts; every answer is kept before use.

    ask ─► identical call under way? share it ─► cache? give it back
        ─► slot at the endpoint ──► another process asks the same? wait for its answer
        ─► budget ─► rates ─► attempt ─┬─► cache ─► settle ─► account
             ▲                         │
             └─ wait, if it may pass ◄─┘

An attempt that was sent lands by itself: who asked may be cancelled meanwhile (because another call ended the run),
the answer is paid and is kept all the same. ``close`` waits for it; the user's own interrupt ends it.

A call keeps its slot from its first attempt until its answer is kept, unless its endpoint bears fewer calls meanwhile;
then it queues again, in front. So an endpoint in trouble is asked less, a call that others depend on does not start
again at the end of the queue, and no more answers than there are slots can be lost when the process is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from copy import copy
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple

from polyjudge.errors import CallFailed, ModelError, PolyjudgeError, ProviderGone, ReplyError
from polyjudge.llm.accounts import Accounts
from polyjudge.llm.budget import Bound, Budget, Charge, Reservation
from polyjudge.llm.cache.store import AnswerStore, NoStore
from polyjudge.llm.limits import Limits, RetryPolicy, Time
from polyjudge.llm.prices import Tariff
from polyjudge.llm.request import Abilities, Backend, Reply, Request, Usage
from polyjudge.llm.scheduler import ModelState, Slot, open_models

# Answers from the cache do not suspend; after so many seconds of them other tasks get their turn.
_LONGEST_TURN = 0.02
# While another process asks the same, its answer is looked for after so many seconds.
_FIRST_LOOK, _LAST_LOOK = 0.02, 0.1


class _Call(NamedTuple):
    """One request on its way."""

    model: ModelState
    request: Request
    key: str


class InFlight:
    """What is under way, by the cache's key: calls that others share, and attempts, each in a task of its own."""

    def __init__(self) -> None:
        self.calls: dict[str, asyncio.Future[Reply | PolyjudgeError | None]] = {}
        self._by_key: dict[str, asyncio.Task[Reply]] = {}
        self._sent: set[asyncio.Task[Any]] = set()
        self._attempts: set[asyncio.Task[Reply]] = set()

    async def land(self, key: str, attempt: Coroutine[Any, Any, Reply], landed: Callable[[], None]) -> Reply:
        """Start an attempt and wait for its end; once it is sent, it goes on when who waits is cancelled.

        Args:
            key: the cache's; it has no attempt under way.
            attempt: what is done; it calls ``sent`` just before it sends.
            landed: called at its end, even if it was cancelled before it began.
        """
        task = self._by_key[key] = asyncio.create_task(attempt)
        self._attempts.add(task)
        task.add_done_callback(partial(self._landed, key))
        task.add_done_callback(lambda _: landed())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task not in self._sent:
                task.cancel()
            raise

    def sent(self) -> None:
        """To be called by an attempt: from now on it is paid."""
        task = asyncio.current_task()
        if task is not None:
            self._sent.add(task)

    def attempt(self, key: str) -> asyncio.Task[Reply] | None:
        """The attempt of a key that was sent and has not landed, if there is one."""
        task = self._by_key.get(key)
        return task if task in self._sent else None

    def after(self, key: str, action: Callable[[], None]) -> None:
        """Do something as soon as no attempt of a key is under way."""
        task = self._by_key.get(key)
        if task is None:
            action()
        else:
            task.add_done_callback(lambda _: action())

    async def wait(self) -> None:
        """Wait until all attempts have landed; who is cancelled meanwhile ends them."""
        try:
            while self._attempts:
                await asyncio.wait(self._attempts)
        except asyncio.CancelledError:
            await self.end()
            raise

    async def end(self) -> None:
        """End all attempts now, as at the user's own interrupt."""
        for task in self._attempts:
            task.cancel()
        if self._attempts:
            await asyncio.wait(self._attempts)

    def _landed(self, key: str, task: asyncio.Task[Reply]) -> None:
        self._attempts.discard(task)
        self._sent.discard(task)
        if self._by_key.get(key) is task:
            del self._by_key[key]
        if not task.cancelled():
            # Told to the asker, if there still is one; asyncio complains about errors that nobody has looked at.
            task.exception()


class Client:
    """Asks models; an ``Asker``. Belongs to one event loop; use it as ``async with Client(...) as client``.

    Args:
        backends: by model, as requests name it. Backends of one identity share limits.
        store: where answers are kept; None keeps none.
        budget: None = no limits.
        limits: how each endpoint is treated.
        accounts: counts what happens.
        time: clock, sleep and jitter of all waits but the attempts' time-out, which is the event loop's.
        notify: told in one line about waits of more than some seconds, and about endpoints that bear less or fail.
        tariffs: what each model costs; what has none draws on no money.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend],
        store: AnswerStore | None = None,
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
        self._store = store or NoStore()
        self._limits, self._time = limits or Limits(), time or Time()
        self._models = open_models(backends, self._limits, self._time, notify)
        self._in_flight = InFlight()
        self._turn_began = 0.0

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # An interrupt ends what is under way, as it comes; any other end waits for it, because it is paid.
            if kind is not None and not issubclass(kind, Exception):
                await self._in_flight.end()
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the backends and the store; what was sent is answered (or times out) and kept first."""
        try:
            await self._in_flight.wait()
        finally:
            try:
                for backend in {id(state.backend): state.backend for state in self._models.values()}.values():
                    await backend.close()
            finally:
                self._store.close()

    def part(self, name: str) -> Client:
        """The same client with accounts of its own for one part of the invocation, such as one run of a study."""
        view = copy(self)
        view.accounts = self.accounts.part(name)
        return view

    def abilities(self, model: str) -> Abilities:
        """What the backend of a model can do.

        Raises:
            ModelError: no such model.
        """
        return self._state(model).backend.abilities

    def identity(self, model: str) -> str:
        """What distinguishes the answers of a model's endpoint.

        Raises:
            ModelError: no such model.
        """
        return self._state(model).backend.identity

    async def ask(self, request: Request) -> Reply:
        """The answer to a request: the cache's, that of an identical call under way, or a new one.

        Raises:
            ModelError: no such model; or refused, as it stands, before any call was answered.
            BudgetSpent: the budget does not cover the call.
            ProviderGone: all attempts failed, the wait asked for is too long, or the model was refused
                after other calls had been answered.
            ReplyError: this request was refused, while others with the same parameters were answered.
            CacheError: the cache cannot be read or written.
        """
        call = self._call(request)
        while (shared := self._in_flight.calls.get(call.key)) is not None:
            outcome = await asyncio.shield(shared)
            if isinstance(outcome, Reply):
                self.accounts.joined(request)
                return outcome
            if outcome is not None:
                self.accounts.failed(request)
                raise outcome
        return await self._lead(call)

    async def probe(self, request: Request) -> Reply | CallFailed:
        """Ask whether a model takes a request as it is; a refusal comes back and gives nobody up.

        Raises:
            PolyjudgeError: as ``ask``, for whatever is no refusal.
        """
        try:
            return await self._answer(self._call(request), alone=True)
        except CallFailed as failure:
            self.accounts.failed(request)
            return failure

    async def _lead(self, call: _Call) -> Reply:
        """Answer a call for everybody who asks the same meanwhile; when cancelled, another takes the lead."""
        shared = self._in_flight.calls[call.key] = asyncio.get_running_loop().create_future()
        outcome: Reply | PolyjudgeError | None = None
        try:
            outcome = await self._answer(call)
            return outcome
        except CallFailed as refused:
            # Without its slot: the verdict waits for calls that may be waiting for one.
            outcome = await self._refusal(call, refused)
            self.accounts.failed(call.request)
            raise outcome from refused
        except PolyjudgeError as error:
            outcome = error
            self.accounts.failed(call.request)
            raise
        finally:
            del self._in_flight.calls[call.key]
            shared.set_result(outcome)

    async def _answer(self, call: _Call, *, alone: bool = False) -> Reply:
        """The cache's answer, that of an attempt whose asker was cancelled, or a new one.

        Args:
            call: which.
            alone: a request that fails again and again for itself never gives the endpoint up.

        Raises:
            CallFailed: refused; on whom to blame that, the caller says.
        """
        left = self._in_flight.attempt(call.key)
        if left is not None:
            # Should that attempt fail, it is tried anew.
            with suppress(CallFailed):
                reply = await asyncio.shield(left)
                self.accounts.joined(call.request)
                return reply
        look, waited = _FIRST_LOOK, 0.0
        while True:
            found = await self._replayed(call)
            if found is not None:
                await self._share_turn()
                return found
            slot = await call.model.endpoint.take(call.request)
            try:
                # Who asks the same in another process may have been stopped: it is not waited for without end.
                if self._store.claim(call.key) or waited > self._limits.longest_wait:
                    return await self._send(call, slot, alone=alone)
            finally:
                self._in_flight.after(call.key, partial(self._leave, slot, call.key))
            await call.model.circuit.pause(look)
            look, waited = min(2 * look, _LAST_LOOK), waited + look

    def _leave(self, slot: Slot, key: str) -> None:
        slot.release()
        self._store.release(key)

    async def _replayed(self, call: _Call) -> Reply | None:
        """The cache's answer, if it has one."""
        reply = await self._store.get(call.key)
        if reply is not None:
            call.model.check(call.request).accepted = True
            self.accounts.replayed(call.request, reply.usage)
        return reply

    async def _send(self, call: _Call, slot: Slot, *, alone: bool) -> Reply:
        """Try until there is an answer.

        Raises:
            CallFailed: trying again is of no use.
            ProviderGone: it was tried for long enough.
        """
        check, circuit = call.model.check(call.request), call.model.circuit
        policy = RetryPolicy(self._limits, self._time.jitter)
        answered = False
        check.begin()
        try:
            while True:
                circuit.check()
                try:
                    reply = await self._attempt(call, again=policy.attempts > 0)
                    answered = True
                    return reply
                except CallFailed as failure:
                    wait = self._wait(call, policy, failure, alone=alone)
                await circuit.pause(wait)
                await slot.renew()
        finally:
            check.end(accepted=answered)

    def _wait(self, call: _Call, policy: RetryPolicy, failure: CallFailed, *, alone: bool) -> float:
        """Seconds until the next attempt.

        Raises:
            CallFailed: this request always fails.
            ProviderGone: it was tried for long enough.
        """
        if not failure.retryable:
            raise failure
        lost, long = policy.lost(failure, call.model.answers), self._limits.too_long(failure)
        # What one request brings about again and again, and others do not, is no end of the endpoint.
        if lost and not long and failure.scope == "request" and (alone or call.model.check(call.request).accepted):
            raise failure
        if lost or long:
            raise call.model.gone(policy, failure) from failure
        wait = policy.wait(failure)
        call.model.tell_of_wait(failure, wait)
        return wait

    async def _attempt(self, call: _Call, *, again: bool) -> Reply:
        """Send once, when the budget, the endpoint and its rates allow it.

        Raises:
            CallFailed: by the backend, or for a time-out.
        """
        reservation = await self.budget.reserve(Bound.of(call.request, self.tariffs.get(call.request.model)))
        attempt = self._fly(call, reservation, again=again)
        # Withdrawing changes nothing, unless the attempt ended before it was sent.
        return await self._in_flight.land(call.key, attempt, lambda: self.budget.withdraw(reservation))

    async def _fly(self, call: _Call, reservation: Reservation, *, again: bool) -> Reply:
        """One attempt from the endpoint's rates to the cache; once it is sent, the reservation is settled."""
        model, request = call.model, call.request
        await model.endpoint.rates.clear(model.circuit, reservation.bound.tokens)
        # While this call waited for its slot, its budget or another try, another process may have had it answered.
        found = await self._replayed(call)
        if found is not None:
            model.endpoint.rates.unused(reservation.bound.tokens)
            return found
        self._in_flight.sent()
        self.accounts.sent(request, again=again)
        began = self._time.clock()
        # A backend that knows when it has a connection, or needs none, measures its own time.
        most = None if model.backend.abilities.own_timeout else self._limits.timeout
        try:
            async with asyncio.timeout(most):
                reply = await model.backend.complete(request)
        except BaseException as error:
            failure = error
            if isinstance(error, TimeoutError):
                message = f"no answer in time (an attempt may take {self._limits.timeout:g} s)"
                failure = CallFailed(message, retryable=True, charged=True, overloaded=True)
            charged = True
            if isinstance(failure, CallFailed):
                charged = failure.charged
                model.failed(failure, began)
            self.accounts.charged(request, self._settle(model, reservation, Usage(), charged=charged))
            if failure is not error:
                raise failure from error
            raise
        model.answered()
        return await self._keep(call, reply, reservation, self._time.clock() - began)

    async def _keep(self, call: _Call, answer: Reply, reservation: Reservation, seconds: float) -> Reply:
        """Keep and settle an answer, in this order: who waits for its budget may end the run."""
        request = call.request
        kept = None
        try:
            kept = await self._store.put(call.key, answer, role=request.role, model=request.model, seconds=seconds)
            return kept
        finally:
            charge = self._settle(call.model, reservation, answer.usage)
            if kept is not None:
                self.accounts.answered(request, answer, charge, seconds)
            else:
                self.accounts.charged(request, charge)

    def _settle(self, model: ModelState, reservation: Reservation, usage: Usage, *, charged: bool = True) -> Charge:
        charge = self.budget.settle(reservation, usage, charged=charged)
        model.endpoint.rates.unused(reservation.bound.tokens - charge.tokens)
        return charge

    async def _refusal(self, call: _Call, failure: CallFailed) -> PolyjudgeError:
        """The error for an attempt that need not be repeated."""
        model, identity = call.model.model, call.model.backend.identity
        if failure.scope == "request" and await call.model.check(call.request).verdict():
            return ReplyError(f"{model!r} refused this request: {failure}")
        error: PolyjudgeError
        if self.budget.tokens or any(state.answers for state in self._models.values()):
            error = ProviderGone(
                f"{model!r} at {identity!r} refused a call: {failure}; every answer so far is kept, mend this and run "
                "the same command again to go on"
            )
        else:
            error = ModelError(
                f"{model!r} at {identity!r} refused the first call: {failure}; nothing was paid, mend the model's "
                "name, key, address or parameters"
            )
        call.model.circuit.open(error)
        return error

    async def _share_turn(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._turn_began > _LONGEST_TURN:
            await asyncio.sleep(0)
            self._turn_began = asyncio.get_running_loop().time()

    def _call(self, request: Request) -> _Call:
        state = self._state(request.model)
        return _Call(state, request, request.key(state.backend.identity))

    def _state(self, model: str) -> ModelState:
        state = self._models.get(model)
        if state is None:
            raise ModelError(f"no backend for the model {model!r}; there are: {', '.join(sorted(self._models))}")
        return state
