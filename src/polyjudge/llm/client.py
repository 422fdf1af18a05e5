"""The only way to a model: cache first, then budget, limits, attempts; every answer is stored before it is used.

    ask ─► identical call under way? share it ─► cache? give it back
        ─► slot at the endpoint ──► another process asks the same? wait for its answer
        ─► budget ─► rates ─► attempt ─┬─► cache ─► settle ─► account
             ▲                         │
             └─ wait, if it may pass ◄─┘

An attempt that was sent goes on when its caller is cancelled (because another call ended the run): the answer is paid
for, so it is stored all the same. ``close`` waits for such attempts; the user's interrupt ends them.

A call holds its slot from its first attempt until its answer is stored. If its endpoint takes fewer calls meanwhile,
it queues again, in front. So an endpoint in trouble is asked less, a call that others depend on does not start again
at the end of the queue, and a killed process loses at most as many answers as there are slots.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import replace
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
from polyjudge.llm.usage import CutPrompts, believable

# Answers from the cache do not suspend; after this many seconds of them, other tasks get their turn.
_LONGEST_TURN = 0.02
# Seconds between two looks for the answer to a call that another process is making.
_FIRST_POLL, _LONGEST_POLL = 0.02, 0.1


class _Call(NamedTuple):
    """One request on its way."""

    model: ModelState
    request: Request
    key: str


class InFlight:
    """Calls and attempts under way, by the cache's key; each attempt runs in a task of its own."""

    def __init__(self) -> None:
        self.calls: dict[str, asyncio.Future[Reply | PolyjudgeError | None]] = {}
        self._by_key: dict[str, asyncio.Task[Reply]] = {}
        self._sent: set[asyncio.Task[Any]] = set()
        self._attempts: set[asyncio.Task[Reply]] = set()

    async def land(self, key: str, attempt: Coroutine[Any, Any, Reply], landed: Callable[[], None]) -> Reply:
        """Start an attempt and wait for its end; once it is sent, it goes on even if its caller is cancelled.

        Args:
            key: the cache's; it has no attempt under way.
            attempt: calls ``sent`` just before it sends.
            landed: called when the attempt ends, even if it was cancelled before it began.
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
        """An attempt calls this just before it sends; from then on it is paid for."""
        task = asyncio.current_task()
        if task is not None:
            self._sent.add(task)

    def attempt(self, key: str) -> asyncio.Task[Reply] | None:
        """The attempt of a key that was sent and has not ended, if there is one."""
        task = self._by_key.get(key)
        return task if task in self._sent else None

    def after(self, key: str, action: Callable[[], None]) -> None:
        """Call ``action`` as soon as no attempt of a key is under way."""
        task = self._by_key.get(key)
        if task is None:
            action()
        else:
            task.add_done_callback(lambda _: action())

    async def wait(self) -> None:
        """Wait until all attempts have ended; a cancellation meanwhile ends them."""
        try:
            while self._attempts:
                await asyncio.wait(self._attempts)
        except asyncio.CancelledError:
            await self.end()
            raise

    async def end(self) -> None:
        """End all attempts now, as after the user's interrupt."""
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
            # The caller, if there still is one, raises it; asyncio complains about errors that nobody retrieves.
            task.exception()


class Client:
    """Asks models; an ``Asker``. Belongs to one event loop; use it as ``async with Client(...) as client``.

    Args:
        backends: by model, as requests name it. Backends of one identity share limits.
        store: where answers are stored; None stores none.
        budget: None = no limits.
        limits: rates, concurrency and retries of each endpoint.
        accounts: counts calls, tokens and money.
        time: clock, sleep and jitter of all waits but the attempts' time-out, which is the event loop's.
        notify: gets one line about a wait of more than some seconds, or an endpoint that slows down or fails.
        tariffs: what each model costs; a model without one draws on no money.
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
        self._cut = CutPrompts(notify)
        self._turn_began = 0.0

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # An interrupt ends what is under way at once; any other end waits for it, because it is paid for.
            if kind is not None and not issubclass(kind, Exception):
                await self._in_flight.end()
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the backends and the store, once what was sent is answered and stored, or has timed out."""
        try:
            await self._in_flight.wait()
        finally:
            try:
                for backend in {id(state.backend): state.backend for state in self._models.values()}.values():
                    await backend.close()
            finally:
                self._store.close()

    def part(self, name: str) -> Client:
        """The same client with separate accounts for one part of the invocation, such as one run of a study."""
        client = copy(self)
        client.accounts = self.accounts.part(name)
        return client

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
            ProviderGone: all attempts failed, the provider asks for too long a wait, or the model was refused
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
        """Ask whether a model accepts a request; a refusal is returned, and the model is not given up for it.

        Raises:
            PolyjudgeError: as ``ask``, for anything but a refusal.
        """
        try:
            return await self._answer(self._call(request), alone=True)
        except CallFailed as failure:
            self.accounts.failed(request)
            return failure

    async def _lead(self, call: _Call) -> Reply:
        """Answer a call for all callers that ask the same meanwhile; if this one is cancelled, another takes over."""
        shared = self._in_flight.calls[call.key] = asyncio.get_running_loop().create_future()
        outcome: Reply | PolyjudgeError | None = None
        try:
            outcome = await self._answer(call)
            return outcome
        except CallFailed as refused:
            # Its slot is free by now: the verdict waits for calls that may need one.
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
        """The cache's answer, that of an attempt whose caller was cancelled, or a new one.

        Args:
            call: the call.
            alone: if only this request fails again and again, the model is not given up.

        Raises:
            CallFailed: refused; the caller decides whether the request or the model is to blame.
        """
        orphan = self._in_flight.attempt(call.key)
        if orphan is not None:
            # If that attempt fails, a new one is made.
            with suppress(CallFailed):
                reply = await asyncio.shield(orphan)
                self.accounts.joined(call.request)
                return reply
        poll, waited = _FIRST_POLL, 0.0
        while True:
            stored = await self._stored(call)
            if stored is not None:
                await self._share_turn()
                return stored
            slot = await call.model.endpoint.take(call.request)
            try:
                # The other process that asks the same may be suspended, so the wait for it has an end.
                if self._store.claim(call.key) or waited > self._limits.longest_wait:
                    return await self._send(call, slot, alone=alone)
            finally:
                self._in_flight.after(call.key, partial(self._leave, slot, call.key))
            await call.model.circuit.pause(poll)
            poll, waited = min(2 * poll, _LONGEST_POLL), waited + poll

    def _leave(self, slot: Slot, key: str) -> None:
        slot.release()
        self._store.release(key)

    async def _stored(self, call: _Call) -> Reply | None:
        """The cache's answer, if it has one."""
        reply = await self._store.get(call.key)
        if reply is not None:
            call.model.check(call.request).accepted = True
            self.accounts.replayed(call.request, reply.usage)
        return reply

    async def _send(self, call: _Call, slot: Slot, *, alone: bool) -> Reply:
        """Try until there is an answer.

        Raises:
            CallFailed: another attempt would be of no use.
            ProviderGone: the attempts are used up.
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
            ProviderGone: the attempts are used up, or the provider asks for too long a wait.
        """
        if not failure.retryable:
            raise failure
        exhausted, too_long = policy.exhausted(failure, call.model.answers), self._limits.too_long(failure)
        is_of_request = failure.scope == "request" and (alone or call.model.check(call.request).accepted)
        # A failure that only one request causes, again and again, says nothing about the endpoint.
        if exhausted and not too_long and is_of_request:
            raise failure
        if exhausted or too_long:
            raise call.model.gone(policy, failure) from failure
        wait = policy.wait(failure)
        call.model.announce_wait(failure, wait)
        return wait

    async def _attempt(self, call: _Call, *, again: bool) -> Reply:
        """Send once, when the budget, the endpoint and its rates allow it.

        Raises:
            CallFailed: the backend failed, or the attempt timed out.
        """
        reservation = await self.budget.reserve(Bound.of(call.request, self.tariffs.get(call.request.model)))
        attempt = self._send_once(call, reservation, again=again)
        # Withdrawing has an effect only if the attempt ended before it was sent.
        return await self._in_flight.land(call.key, attempt, lambda: self.budget.withdraw(reservation))

    async def _send_once(self, call: _Call, reservation: Reservation, *, again: bool) -> Reply:
        """Wait for the endpoint's rates, send, and store the answer; the reservation of what was sent is settled."""
        model, request = call.model, call.request
        await model.endpoint.rates.clear(model.circuit, reservation.bound.tokens)
        # While this call waited for its slot, its budget or its retry, another process may have got the answer.
        stored = await self._stored(call)
        if stored is not None:
            model.endpoint.rates.unused(reservation.bound.tokens)
            return stored
        self._in_flight.sent()
        self.accounts.sent(request, again=again)
        began = self._time.clock()
        # A backend that knows when it has a connection, or needs none, has a time-out of its own.
        timeout = None if model.backend.abilities.own_timeout else self._limits.timeout
        try:
            async with asyncio.timeout(timeout):
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
        """Store an answer, then settle it: a call that waits for the budget may end the run."""
        request, bound = call.request, reservation.bound
        answer = replace(answer, usage=believable(answer, bound))
        self._cut.add(request.model, answer.usage.prompt, bound.prompt)
        stored = None
        try:
            stored = await self._store.put(call.key, answer, role=request.role, model=request.model, seconds=seconds)
            return stored
        finally:
            charge = self._settle(call.model, reservation, answer.usage)
            if stored is not None:
                self.accounts.answered(request, answer, charge, seconds)
            else:
                self.accounts.charged(request, charge)

    def _settle(self, model: ModelState, reservation: Reservation, usage: Usage, *, charged: bool = True) -> Charge:
        charge = self.budget.settle(reservation, usage, charged=charged)
        model.endpoint.rates.unused(reservation.bound.tokens - charge.tokens)
        return charge

    async def _refusal(self, call: _Call, failure: CallFailed) -> PolyjudgeError:
        """The error for a failure that a retry would not mend."""
        model, identity = call.model.model, call.model.backend.identity
        if failure.scope == "request" and await call.model.check(call.request).verdict():
            return ReplyError(f"{model!r} refused this request: {failure}")
        error: PolyjudgeError
        if self.budget.tokens or any(state.answers for state in self._models.values()):
            error = ProviderGone(
                f"{model!r} at {identity!r} refused a call: {failure}; every answer so far is kept; correct this and "
                "run the same command again to go on"
            )
        else:
            error = ModelError(
                f"{model!r} at {identity!r} refused the first call: {failure}; nothing was paid; correct the "
                "model's name, key, address or parameters"
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
