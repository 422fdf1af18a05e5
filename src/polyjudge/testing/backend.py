"""The contract of every backend: a stable identity without secrets, valid replies, and only this package's errors."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from polyjudge.errors import CallFailed
from polyjudge.llm.request import Abilities, Backend, Message, Reply, Request, Sampling

T = TypeVar("T")


class BackendContract(ABC):
    """Inherit from it and implement ``make``; the backend must be able to answer ``request()``."""

    secret = ""
    """A key that ``make`` passes to the backend, if it takes one."""

    @abstractmethod
    def make(self) -> Backend:
        """A new backend with the same settings each time."""

    def request(self) -> Request:
        """A request that the backend answers."""
        return Request("contract/model", (Message("user", "Say one word."),), sampling=Sampling(0.0, 8))

    def refused(self) -> Request | None:
        """A request whose attempt fails; None when the backend answers everything."""
        return None

    def test_its_identity_is_stable_and_no_secret(self) -> None:
        first, second = self.make(), self.make()
        assert first.identity
        assert first.identity == second.identity
        if self.secret:
            assert self.secret not in first.identity + repr(first) + str(first)

    def test_it_states_what_it_can_do(self) -> None:
        backend = self.make()
        assert isinstance(backend.abilities, Abilities)
        assert backend.abilities.logprobs >= 0
        assert backend.concurrency is None or backend.concurrency >= 1

    def test_it_answers(self) -> None:
        reply = self._with_backend(lambda backend: backend.complete(self.request()))
        _check_reply(reply, self.request())

    def test_several_calls_at_once_get_their_own_answers(self) -> None:
        async def ask(backend: Backend) -> list[Reply]:
            return list(await asyncio.gather(*(backend.complete(self.request()) for _ in range(3))))

        for reply in self._with_backend(ask):
            _check_reply(reply, self.request())

    def test_logprobs_are_no_more_than_wanted_and_best_first(self) -> None:
        most = self.make().abilities.logprobs
        if not most:
            return
        request = replace(self.request(), top_logprobs=min(most, 5))
        reply = self._with_backend(lambda backend: backend.complete(request))
        _check_reply(reply, request)

    def test_a_failed_attempt_says_whether_to_try_again(self) -> None:
        request = self.refused()
        if request is None:
            return

        async def ask(backend: Backend) -> CallFailed | None:
            try:
                await backend.complete(request)
            except CallFailed as failure:
                return failure
            return None

        failure = self._with_backend(ask)
        assert failure is not None, "the refused request was answered"
        assert str(failure)
        assert failure.retry_after is None or failure.retry_after >= 0
        if self.secret:
            assert self.secret not in str(failure) + repr(failure)

    def test_it_closes_without_having_been_used(self) -> None:
        asyncio.run(self.make().close())

    def _with_backend(self, use: Callable[[Backend], Awaitable[T]]) -> T:
        async def run() -> T:
            backend = self.make()
            try:
                return await use(backend)
            finally:
                await backend.close()

        return asyncio.run(run())


def _check_reply(reply: Reply, request: Request) -> None:
    assert isinstance(reply, Reply)
    counts = (reply.usage.prompt, reply.usage.completion, reply.usage.cached)
    assert all(count is None or count >= 0 for count in counts)
    if reply.usage.cached is not None and reply.usage.prompt is not None:
        assert reply.usage.cached <= reply.usage.prompt
    for token in reply.tokens:
        assert token.logprob <= 1e-6
        assert len(token.top) <= request.top_logprobs
        logprobs = [logprob for _, logprob in token.top]
        assert logprobs == sorted(logprobs, reverse=True)
