"""An OpenAI-compatible endpoint that fails in every way that was thought of, in a process of its own.

    python -m benchmarks.reliability.endpoint [--port 0] [--seed 0] [--faults 0.05] [--kinds reset,hang,...]
                                              [--latency 0.02] [--keys]

It prints its base URL and serves until its standard input ends. What it answers depends on the request's bytes alone,
so that a resumed run can be compared with an undisturbed one. Whether a transport fault befalls an attempt depends on
the seed, the bytes and how often they were asked before; whether the text itself is bad (a refusal, an error told as
content, no usage, a megabyte) on the seed and the bytes.

Requests are counted by content: the sha256 of their bytes, which a reply also names as its ``model``. ``GET /asked``
gives the digests in the order of arrival, ``GET /stats`` the counts, ``POST /reset`` forgets them.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import re
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote

from aiohttp import web

from polyjudge.templates.instruction_parser import MANY, marked

# Befall an attempt; the same request asked again may be answered.
TRANSPORT = (
    *("storm", "storm-retry-after", "overload", "overload-retry-after", "500", "502", "503", "504", "529", "reset"),
    *("close", "hang", "drip", "slow-drip", "truncated", "cut-chunk", "invalid-json", "html-later", "text-type"),
    *(
        "no-choices",
        "empty-choices",
        "null-message",
        "invalid-utf8",
        "error-body",
        "broken-off",
        "deep-json",
        "number",
    ),
)
# Befall an attempt, and no other one would be answered either; not among the kinds by default.
FATAL = ("400", "401", "402", "403", "404", "422", "redirect", "html", "odd-type")
# Are answers: they count, and are kept.
CONTENT = ("refusal", "error-text", "no-usage", "odd-usage", "megabyte", "empty-text", "null-text", "cut-off", "bom")
HANG = 3600.0
# Whoever asks again so many seconds after an answer was sent could have known it.
GRACE = 0.5
STORM_LENGTH = 20


@dataclass
class Endpoint:
    """The server's state.

    Attributes:
        latency: seconds before each answer.
        keys: whether faults repeat the key that was sent, in all places they have.
        drip: seconds between two pieces of a slow reply.
    """

    seed: int = 0
    faults: float = 0.0
    kinds: tuple[str, ...] = (*TRANSPORT, *CONTENT)
    latency: float = 0.0
    keys: bool = False
    drip: float = 0.01
    log: bool = True
    asked: list[str] = field(default_factory=list)
    times: Counter[str] = field(default_factory=Counter)
    by_fault: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    last_answer: dict[str, float] = field(default_factory=dict)
    late: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    most_under_way: int = 0
    storm: tuple[str, int] = ("", 0)

    def chance(self, *what: object) -> float:
        """A number in [0, 1) that hangs on the seed and ``what``."""
        digest = hashlib.sha256(repr((self.seed, *what)).encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def transport(self, digest: str) -> str:
        """The fault of this attempt, "" for none."""
        kind, left = self.storm
        if left:
            self.storm = (kind, left - 1)
            return kind
        kinds = [kind for kind in (*TRANSPORT, *FATAL) if kind in self.kinds]
        nth = self.times[digest]
        if not kinds or self.chance("fault", digest, nth) >= self.faults:
            return ""
        kind = kinds[int(self.chance("kind", digest, nth) * len(kinds))]
        if kind.startswith("storm"):
            self.storm = (kind, STORM_LENGTH - 1)
        return kind

    def content(self, digest: str) -> str:
        """What is wrong with this content's text, "" for nothing."""
        kinds = [kind for kind in CONTENT if kind in self.kinds]
        if not kinds or self.chance("text", digest) >= self.faults:
            return ""
        return kinds[int(self.chance("text kind", digest) * len(kinds))]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        payload = await request.read()
        digest = hashlib.sha256(payload).hexdigest()
        self.times[digest] += 1
        self.late[digest] += time.monotonic() - self.last_answer.get(digest, math.inf) > GRACE
        if self.log:
            self.asked.append(digest)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            kind = self.transport(digest)
            self.by_fault[kind] += bool(kind)
            key = request.headers.get("Authorization", "") if self.keys else ""
            if kind:
                answer = _FAULTS.get(kind)
                if answer is None:
                    return _refused(kind, key)
                return await answer(self, request, self.document(payload, digest, "", key), key)
            kind = self.content(digest)
            self.by_fault[kind] += bool(kind)
            self.answered += 1
            self.last_answer[digest] = time.monotonic()
            body = json.dumps(self.document(payload, digest, kind, key)).encode()
            return _json(b"\xef\xbb\xbf" + body if kind == "bom" else body)
        finally:
            self.under_way -= 1

    def document(self, payload: bytes, digest: str, kind: str, key: str) -> dict[str, object]:
        """A chat completion, with what is wrong with its text."""
        said = "\n\n".join(message["content"] for message in json.loads(payload)["messages"])
        text: str | None = answer_text(said, digest)
        finish = "stop"
        if kind == "refusal":
            text = "I'm sorry, but I can't help with rating this material."
        elif kind == "error-text":
            text = f"Error: 503 upstream connect error (retry 5 times, code 4). {key}"
        elif kind == "megabyte":
            text = f"{text}\n" + "a long tail " * 87_382
        elif kind in ("empty-text", "null-text"):
            text = "" if kind == "empty-text" else None
        elif kind == "cut-off":
            text, finish = (text or "")[: len(text or "") // 2], "length"
        usage: object = {"prompt_tokens": len(said.split()), "completion_tokens": len((text or "").split())}
        if kind in ("no-usage", "odd-usage"):
            usage = None if kind == "no-usage" else {"prompt_tokens": "many", "completion_tokens": -4}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return {"object": "chat.completion", "model": digest, "choices": [choice], "usage": usage}

    async def stats(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "requests": sum(self.times.values()),
                "distinct": len(self.times),
                "most for one": max(self.times.values(), default=0),
                "answered": self.answered,
                "asked again long after the answer": {digest: times for digest, times in self.late.items() if times},
                "under way": self.under_way,
                "most under way": self.most_under_way,
                "faults": dict(self.by_fault),
            }
        )

    async def told(self, request: web.Request) -> web.Response:
        since = int(request.query.get("since", "0"))
        return web.Response(text="\n".join(self.asked[since:]))

    async def reset(self, request: web.Request) -> web.Response:
        self.asked.clear()
        self.times.clear()
        self.by_fault.clear()
        self.last_answer.clear()
        self.late.clear()
        self.answered = self.most_under_way = 0
        self.storm = ("", 0)
        return web.Response()


def answer_text(said: str, digest: str) -> str:
    """An answer to one of the prompts of polyjudge: ratings on a scale from 1, texts, or texts by criterion."""
    number = int(digest[:8], 16)
    first = said.lstrip()[:12]
    if first.startswith(("You check", "You improve")):
        return f"Mind point {number % 97}, remark {digest[8:16]}."
    if first.startswith("You rewrite"):
        _, several, template = said.rpartition(f"\n<{MANY}>\n")
        if several:
            names = json.loads(template.partition("\n")[0])
            return marked(json.dumps({name: f"Rate {name}; mind {digest[8:14]}." for name in names}), MANY)
        return marked(f"Rate it; mind point {digest[8:14]}.")
    names = dict.fromkeys(re.findall(r'"([^"\n]+)": 1 \| 2', said))
    scores = {name: 1 + int(hashlib.sha256(f"{digest}{name}".encode()).hexdigest()[:8], 16) % 5 for name in names}
    return json.dumps(scores) if scores else "OK"


def _json(body: bytes, status: int = 200, **headers: str) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def _refused(kind: str, key: str) -> web.Response:
    """An error's status, with or without a time to wait for."""
    overloaded = kind.startswith(("storm", "overload"))
    said = f"slow down, key {key} of {quote(key, safe='')}" if key else "slow down"
    headers = {"Retry-After": "0.2"} if kind.endswith("retry-after") else {}
    if key:
        headers["X-Key"] = key
    body = json.dumps({"error": {"message": said, "type": "overloaded", "code": key or None}}).encode()
    return _json(body, 429 if overloaded else int(kind), **headers)


def _cut(request: web.Request, *, reset: bool) -> None:
    """End the connection, with an RST where asked for."""
    transport = request.transport
    if transport is None:
        return
    wire = transport.get_extra_info("socket")
    if reset and wire is not None:
        with suppress(OSError):
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _reset(self: Endpoint, request: web.Request, document: Mapping[str, object], key: str) -> web.Response:
    _cut(request, reset=True)
    return web.Response()


async def _close(self: Endpoint, request: web.Request, document: Mapping[str, object], key: str) -> web.Response:
    _cut(request, reset=False)
    return web.Response()


async def _hang(self: Endpoint, request: web.Request, document: Mapping[str, object], key: str) -> web.Response:
    await asyncio.sleep(HANG)
    return web.Response()


def _dripping(pieces: int | None) -> _Fault:
    async def drip(
        self: Endpoint, request: web.Request, document: Mapping[str, object], key: str
    ) -> web.StreamResponse:
        """A whole reply in small pieces, or one that goes on and on."""
        body = json.dumps(document).encode()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        size = max(1, len(body) // (pieces or 10))
        for at in range(0, len(body), size):
            await response.write(body[at : at + size])
            await asyncio.sleep(self.drip)
        while pieces is None:
            await response.write(b" ")
            await asyncio.sleep(self.drip)
        return response

    return drip


async def _truncated(
    self: Endpoint, request: web.Request, document: Mapping[str, object], key: str
) -> web.StreamResponse:
    body = json.dumps(document).encode()
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    _cut(request, reset=False)
    return response


async def _cut_chunk(
    self: Endpoint, request: web.Request, document: Mapping[str, object], key: str
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(json.dumps(document).encode()[:40])
    _cut(request, reset=False)
    return response


async def _redirect(self: Endpoint, request: web.Request, document: Mapping[str, object], key: str) -> web.Response:
    return web.Response(status=307, headers={"Location": f"/elsewhere?key={quote(key)}"})


async def _odd_type(self: Endpoint, request: web.Request, document: Mapping[str, object], key: str) -> web.Response:
    return web.Response(body=b"not now", headers={"Content-Type": f"text/{key.partition(' ')[2] or 'odd'}"})


def _body(make: Callable[[Mapping[str, object], str], bytes], content_type: str = "application/json") -> _Fault:
    async def answer(self: Endpoint, request: web.Request, document: Mapping[str, object], key: str) -> web.Response:
        return web.Response(body=make(document, key), headers={"Content-Type": content_type})

    return answer


def _whole(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode()


def _error_body(document: Mapping[str, object], key: str) -> bytes:
    return json.dumps({"error": {"message": f"upstream failed {key}", "code": 502}}).encode()


def _broken_off(document: Mapping[str, object], key: str) -> bytes:
    choice = {"index": 0, "message": {"content": "{"}, "finish_reason": "error", "error": {"message": f"gone {key}"}}
    return json.dumps({**document, "choices": [choice]}).encode()


_Fault = Callable[[Endpoint, web.Request, Mapping[str, object], str], Awaitable[web.StreamResponse]]
_FAULTS: dict[str, _Fault] = {
    "reset": _reset,
    "close": _close,
    "hang": _hang,
    "drip": _dripping(10),
    "slow-drip": _dripping(None),
    "truncated": _truncated,
    "cut-chunk": _cut_chunk,
    "invalid-json": _body(lambda document, key: _whole(document)[:-9] + key.encode()),
    "html-later": _body(lambda document, key: b"<html>" + key.encode(), "application/octet-stream"),
    "text-type": _body(lambda document, key: b"not now " + key.encode(), "text/plain"),
    "no-choices": _body(lambda document, key: json.dumps({"object": key or "none"}).encode()),
    "empty-choices": _body(lambda document, key: json.dumps({**document, "choices": []}).encode()),
    "null-message": _body(lambda document, key: json.dumps({**document, "choices": [{"message": None}]}).encode()),
    "invalid-utf8": _body(lambda document, key: _whole(document).replace(b'"content": "', b'"content": "\xff\xc3(')),
    "error-body": _body(_error_body),
    "broken-off": _body(_broken_off),
    "deep-json": _body(lambda document, key: b"[" * 100_000),
    "number": _body(lambda document, key: b"4"),
    "html": _body(lambda document, key: b"<html>back soon " + key.encode(), "text/html"),
    "redirect": _redirect,
    "odd-type": _odd_type,
}


def application(endpoint: Endpoint) -> web.Application:
    """The endpoint as an application."""
    served = web.Application(client_max_size=2**26)
    served.router.add_post("/v1/chat/completions", endpoint.chat)
    served.router.add_get("/stats", endpoint.stats)
    served.router.add_get("/asked", endpoint.told)
    served.router.add_post("/reset", endpoint.reset)
    return served


async def serve(endpoint: Endpoint, port: int) -> None:
    """Serve until standard input ends, so that a server outlives no campaign."""
    runner = web.AppRunner(application(endpoint), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=2048).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=float, default=0.05, help="share of attempts, and of texts, that are bad")
    parser.add_argument("--kinds", default=",".join((*TRANSPORT, *CONTENT)))
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--keys", action="store_true", help="faults repeat the key that was sent")
    parser.add_argument("--no-log", action="store_true", help="keep no order of arrival")
    given = parser.parse_args()
    kinds = tuple(filter(None, given.kinds.split(",")))
    unknown = set(kinds) - {*TRANSPORT, *FATAL, *CONTENT}
    if unknown:
        parser.error(f"unknown kinds {sorted(unknown)}; known: {', '.join((*TRANSPORT, *FATAL, *CONTENT))}")
    endpoint = Endpoint(given.seed, given.faults, kinds, given.latency, given.keys, log=not given.no_log)
    asyncio.run(serve(endpoint, given.port))


if __name__ == "__main__":
    main()
