"""Small real servers on 127.0.0.1 for tests: an OpenAI-compatible one with canned answers, a raw one for faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Canned:
    """One HTTP answer; a body that is no bytes is sent as JSON."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    delay: float = 0.0

    @property
    def payload(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Received:
    """One request as the server saw it."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass
class FakeServer:
    """The address to call and what has been received."""

    url: str
    received: list[Received]


def chat(text: str | None, *, finish: str = "stop", **more: Any) -> dict[str, Any]:
    """A chat completion as providers send it."""
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"model": "served-model", "choices": [choice], "usage": usage} | more


@asynccontextmanager
async def serving(answer: Canned | Callable[[Received], Canned], port: int = 0) -> AsyncIterator[FakeServer]:
    """A server whose every answer is ``answer``, or what ``answer`` makes of the request."""
    received: list[Received] = []

    async def handle(request: web.Request) -> web.Response:
        got = Received(request.path_qs, request.headers.copy(), json.loads(await request.read() or b"{}"))
        received.append(got)
        canned = answer(got) if callable(answer) else answer
        await asyncio.sleep(canned.delay)
        return web.Response(status=canned.status, body=canned.payload, headers=dict(canned.headers))

    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield FakeServer(f"http://127.0.0.1:{port}/v1", received)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_serving(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A TCP server that does whatever ``handle`` does with a connection, once the request's head has arrived."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await handle(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await server.wait_closed()
