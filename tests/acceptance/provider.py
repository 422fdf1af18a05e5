"""A provider on 127.0.0.1 whose answers hang on chance: the same question never gets the same answer by design."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import SystemRandom
from threading import Event, Lock, Thread
from typing import Any

CHANCE = SystemRandom()


@dataclass
class Provider:
    """Its address, and how many questions it has answered, perhaps to nobody any more.

    ``released`` lets it answer more questions than it was told to hold at.
    """

    url: str
    port: int
    answered: int = 0
    released: Event = field(default_factory=Event)

    def has_answered(self, count: int) -> bool:
        return self.answered >= count


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A run opens its connections at once; what exceeds the default of 5 may wait for minutes to be taken.
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed leaves a broken connection, which is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def chance_provider(*, port: int = 0, latency: float = 0.0, hold_at: int | None = None) -> Iterator[Provider]:
    """Serve until the block is left; then port and connections are closed, as by a provider that died.

    With ``hold_at``, only about so many answers are given until the provider is released.
    """
    connections: set[socket.socket] = set()
    counting = Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            connections.add(self.connection)

        def finish(self) -> None:
            connections.discard(self.connection)
            super().finish()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(latency)
            if hold_at is not None and provider.answered >= hold_at:
                provider.released.wait()
            payload = json.dumps(_completion(body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            with counting:
                provider.answered += 1
            self.wfile.write(payload)

        def log_message(self, *_: Any) -> None:
            return None

    server = _Server(("127.0.0.1", port), Handler)
    port = server.server_address[1]
    provider = Provider(f"http://127.0.0.1:{port}/v1", port)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="provider")
    thread.start()
    try:
        yield provider
    finally:
        provider.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
        for connection in tuple(connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    wanted = schema.get("properties", {})
    text = json.dumps({name: CHANCE.choice(values["enum"]) for name, values in wanted.items()})
    if not wanted or CHANCE.random() < 0.05:
        text = f"Mind what word {CHANCE.randrange(10**9)} says."
    usage = {"prompt_tokens": 50, "completion_tokens": 9}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"model": "chance", "choices": [choice], "usage": usage}
