"""Endpoints made by hand, a clock that skips, and requests, for tests of the client."""

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from polyjudge.errors import CallFailed
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.client import Client
from polyjudge.llm.limits import Time
from polyjudge.llm.request import Abilities, Message, Reply, Request, Sampling, Usage

Scope = Literal["request", "endpoint"]
Answering = Callable[[Request], Awaitable[Reply]]


class HandBackend:
    """An endpoint made of one function; notes what it was asked and how many calls were under way."""

    def __init__(self, answer: Answering, identity: str = "hand://one", concurrency: int | None = None) -> None:
        self._answer = answer
        self.identity = identity
        self.concurrency = concurrency
        self.abilities = Abilities(logprobs=3)
        self.asked: list[Request] = []
        self.under_way = 0
        self.most = 0
        self.closed = 0

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await self._answer(request)
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        self.closed += 1


class Skipping:
    """A clock that jumps to the next sleeper's time whenever the event loop has had nothing to do for a while."""

    def __init__(self) -> None:
        chance = random.Random(5)
        self.now = 0.0
        self.waits: list[float] = []
        self.time = Time(lambda: self.now, self.sleep, chance.random)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        loop = asyncio.get_running_loop()
        waked: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, len(self.waits), waked))
        if len(self._sleepers) == 1:
            loop.call_soon(self._jump, loop, 0)
        await waked

    def _jump(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if turns < 20:
            loop.call_soon(self._jump, loop, turns + 1)
            return
        self.now, _, waked = heapq.heappop(self._sleepers)
        if not waked.done():
            waked.set_result(None)
        if self._sleepers:
            loop.call_soon(self._jump, loop, 0)


def ask_for(name: object, role: str = "judge", sampling: Sampling | None = None, model: str = "m") -> Request:
    return Request(model, (Message("user", str(name)),), role, sampling or Sampling(max_tokens=10))


def text_of(request: Request) -> str:
    return request.messages[0].content


async def echo(request: Request) -> Reply:
    await asyncio.sleep(0)
    return Reply(f"re: {text_of(request)}", "stop", "real-model", Usage(5, 2, 1))


def failing(failure: Callable[[], CallFailed], times: int) -> Answering:
    """Every request fails so many times before it is answered."""
    seen: dict[str, int] = {}

    async def answer(request: Request) -> Reply:
        seen[text_of(request)] = seen.get(text_of(request), 0) + 1
        if seen[text_of(request)] <= times:
            raise failure()
        return await echo(request)

    return answer


def refused(
    scope: Scope = "request", *, retryable: bool = False, retry_after: float | None = None, charged: bool = False
) -> CallFailed:
    return CallFailed("status 4xx", retryable=retryable, retry_after=retry_after, charged=charged, scope=scope)


async def ask_all(client: Client, requests: Sequence[Request]) -> list[str]:
    return [reply.text for reply in await asyncio.gather(*(client.ask(request) for request in requests))]


def total(client: Client) -> RoleAccount:
    return client.accounts.total()
