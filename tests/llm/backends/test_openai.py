from __future__ import annotations

import asyncio
import gzip
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from polyjudge.errors import CallFailed
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Backend, Message, NobodyListens, Reply, Request, Sampling, Usage
from polyjudge.testing.backend import BackendContract
from serving import Canned, Received, chat, raw_serving, serving

Answering = Callable[[Received], Canned]
NO_FILES = Path("/")
REQUEST = Request("any", (Message("user", "Rate it."),), sampling=Sampling(max_tokens=9))


def opened(url: str, model: str = "any", **options: Any) -> Backend:
    options.setdefault("environment", {})
    return open_backend(model, base_url=url, folder=NO_FILES, **options)


async def ask(url: str, request: Request = REQUEST, model: str = "any", **options: Any) -> Reply:
    backend = opened(url, model, **options)
    try:
        return await backend.complete(request)
    finally:
        await backend.close()


async def failure(url: str, **options: Any) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await ask(url, **options)
    return caught.value


def answered(canned: Canned) -> Reply:
    async def run() -> Reply:
        async with serving(canned) as server:
            return await ask(server.url)

    return asyncio.run(run())


def refused(canned: Canned, **options: Any) -> CallFailed:
    async def run() -> CallFailed:
        async with serving(canned) as server:
            return await failure(server.url, **options)

    return asyncio.run(run())


def test_a_request_and_its_reply() -> None:
    async def run() -> None:
        async with serving(Canned(chat("4"))) as server:
            reply = await ask(server.url, environment={"POLYJUDGE_API_KEY": "mine-0123456789"})
        assert reply == Reply("4", "stop", "served-model", Usage(7, 3, 5))
        (got,) = server.received
        assert got.path == "/v1/chat/completions"
        assert got.headers["Authorization"] == "Bearer mine-0123456789"
        assert got.body["messages"] == [{"role": "user", "content": "Rate it."}]

    asyncio.run(run())


def test_a_providers_own_key_never_goes_to_another_address() -> None:
    async def run() -> list[Received]:
        environment = {"OPENAI_API_KEY": "sk-own", "MISTRAL_API_KEY": "own"}
        async with serving(Canned(chat("4"))) as server:
            for model in ("openai/gpt", "mistral/small", "any"):
                await ask(server.url, model=model, environment=environment)
        return server.received

    received = asyncio.run(run())
    assert [got.body["model"] for got in received] == ["gpt", "small", "any"]
    assert not any("Authorization" in got.headers for got in received)


@pytest.mark.parametrize("status", [200, 429, 500, 503])
def test_each_call_is_one_request_whatever_comes_back(status: int) -> None:
    async def run() -> int:
        async with serving(Canned({"choices": []}, status=status)) as server:
            backend = opened(server.url)
            for _ in range(3):
                with pytest.raises(CallFailed):
                    await backend.complete(REQUEST)
            await backend.close()
            return len(server.received)

    assert asyncio.run(run()) == 3


def test_many_calls_at_once_get_their_own_replies() -> None:
    def echo(got: Received) -> Canned:
        return Canned(chat(got.body["messages"][0]["content"]), delay=0.01)

    async def run() -> None:
        async with serving(echo) as server:
            backend = opened(server.url)
            requests = [Request("any", (Message("user", f"text {at}"),)) for at in range(300)]
            replies = await asyncio.gather(*map(backend.complete, requests))
            await backend.close()
        assert [reply.text for reply in replies] == [f"text {at}" for at in range(300)]

    asyncio.run(run())


def test_more_calls_than_a_pool_of_connections_would_hold_are_all_sent_at_once() -> None:
    """Each answer waits until all calls have arrived; a limit of its own under the client's would never let them."""
    calls = 1_100

    async def run() -> None:
        arrived, all_there = 0, asyncio.Event()

        async def handle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal arrived
            arrived += 1
            if arrived == calls:
                all_there.set()
            await all_there.wait()
            body = json.dumps(chat("4")).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()

        async with raw_serving(handle) as url:
            backend = opened(url, timeout=30.0)
            replies = await asyncio.gather(*(backend.complete(REQUEST) for _ in range(calls)))
            await backend.close()
        assert {reply.text for reply in replies} == {"4"}

    asyncio.run(run())


def test_the_clock_of_an_attempt_starts_with_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy takes longer to connect than an attempt may take, and then refuses: that is no time-out, and is free."""

    async def handle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async def run() -> CallFailed:
        async with raw_serving(handle) as url:
            monkeypatch.setenv("https_proxy", url.removesuffix("/v1"))
            return await failure("https://model.example/v1", timeout=0.1)

    failed = asyncio.run(run())
    assert "cannot connect" in str(failed)
    assert (failed.retryable, failed.charged) == (True, False)


def test_one_backend_serves_several_loops_one_after_the_other() -> None:
    async def run(backend: Backend, port: int, last: bool) -> str:
        async with serving(Canned(chat("4")), port):
            reply = await backend.complete(REQUEST)
            if last:
                await backend.close()
            return reply.text

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    backend = opened(f"http://127.0.0.1:{port}/v1")
    assert [asyncio.run(run(backend, port, last)) for last in (False, True)] == ["4", "4"]


def test_nobody_there_is_retryable_and_not_charged() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        failed = asyncio.run(failure(f"http://127.0.0.1:{taken.getsockname()[1]}/v1"))
    assert (failed.retryable, failed.charged) == (True, False)
    assert "is the server running" in str(failed)
    assert isinstance(failed, NobodyListens)


def test_a_silent_server_is_given_up_and_may_have_billed() -> None:
    failed = refused(Canned(chat("4"), delay=5.0), timeout=0.2)
    assert (failed.retryable, failed.charged) == (True, True)
    assert "0.2 s" in str(failed)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{"cho',
        b"not http at all\r\n\r\n",
    ],
)
def test_a_broken_connection_is_retryable_and_may_have_been_billed(sent: bytes) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()

    async def run() -> CallFailed:
        async with raw_serving(cut) as url:
            return await failure(url)

    failed = asyncio.run(run())
    assert (failed.retryable, failed.charged) == (True, True)


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [',
        json.dumps(chat("@")).encode().replace(b"@", b"\xff"),
        b"",
        b"[]",
        b"null",
        b'"4"',
        b"[" * 200_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=["cut", "no text", "empty", "list", "null", "string", "deep", "long number"],
)
def test_a_body_that_is_no_json_object_is_no_reply(body: bytes) -> None:
    failed = refused(Canned(body))
    assert (failed.retryable, failed.charged) == (True, True)


def test_a_page_in_the_place_of_json_is_passing_trouble_where_json_came_before() -> None:
    pages = iter([Canned(chat("3")), Canned(b"<html>Back soon</html>", headers={"Content-Type": "text/html"})])

    async def run() -> CallFailed:
        async with serving(lambda received: next(pages)) as server:
            backend = opened(server.url)
            try:
                assert (await backend.complete(REQUEST)).text == "3"
                with pytest.raises(CallFailed) as caught:
                    await backend.complete(REQUEST)
                return caught.value
            finally:
                await backend.close()

    assert asyncio.run(run()).retryable


@pytest.mark.parametrize("key", ["planted-and-long-enough", "pl/anted+and/long=="])
def test_a_key_that_the_server_sends_back_is_in_no_answer_and_no_error(key: str) -> None:
    environment = {"POLYJUDGE_API_KEY": key}
    broken = {"choices": [{"error": {"message": f"not with {key}"}}]}

    async def run() -> tuple[Reply, CallFailed, CallFailed]:
        async with serving(Canned(chat(f"Denied: {key}"))) as server:
            reply = await ask(server.url, environment=environment)
        async with serving(Canned(broken)) as server:
            failed = await failure(server.url, environment=environment)
        odd = {"Content-Type": f"text/{key.replace('/', '-').replace('=', '-')}"}
        async with serving(Canned(b"{", headers=odd)) as server:
            return reply, failed, await failure(server.url, environment=environment)

    reply, failed, odd = asyncio.run(run())
    assert reply.text == "Denied: ***"
    assert "not with ***" in str(failed)
    assert key not in str(odd)


def test_a_word_that_is_given_as_a_key_changes_no_answer() -> None:
    async def run() -> Reply:
        async with serving(Canned(chat("none of 4"))) as server:
            return await ask(server.url, environment={"POLYJUDGE_API_KEY": "none"})

    assert asyncio.run(run()).text == "none of 4"


@pytest.mark.parametrize("kind", ["text/html", "text/event-stream"])
def test_a_web_page_or_stream_hints_at_the_address(kind: str) -> None:
    failed = refused(Canned(b"<html>Welcome</html>", headers={"Content-Type": kind}))
    assert not failed.retryable
    assert "'/v1'" in str(failed)


def test_json_under_another_content_type_is_still_read() -> None:
    assert answered(Canned(chat("4"), headers={"Content-Type": "text/plain"})).text == "4"


def test_a_compressed_reply_is_read_and_one_that_is_none_is_a_broken_connection() -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert answered(Canned(gzip.compress(json.dumps(chat("4")).encode()), headers=headers)).text == "4"
    assert refused(Canned(b"not gzip", headers=headers)).retryable


def test_a_reply_of_a_megabyte_is_read_whole() -> None:
    assert answered(Canned(chat("é" * 500_000))).text == "é" * 500_000


def test_a_reply_without_bounds_is_cut_off_even_when_compressed() -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    failed = refused(Canned(gzip.compress(b" " * (17 * 2**20)), headers=headers))
    assert (failed.retryable, failed.scope, failed.charged) == (False, "request", True)


def test_an_error_in_a_reply_is_an_error() -> None:
    failed = refused(Canned({"error": {"code": 400, "message": "context length exceeded"}}))
    assert (failed.retryable, failed.scope) == (False, "request")


def test_retry_after_is_passed_on() -> None:
    failed = refused(Canned({"error": "slow down"}, status=429, headers={"Retry-After": "7"}))
    assert (failed.retryable, failed.retry_after) == (True, 7.0)


def test_a_redirect_is_not_followed() -> None:
    async def run() -> None:
        async with serving(Canned(chat("4"))) as other:
            headers = {"Location": f"{other.url}/chat/completions"}
            async with serving(Canned({}, status=307, headers=headers)) as server:
                failed = await failure(server.url, environment={"POLYJUDGE_API_KEY": "mine"})
            assert not other.received
            assert not failed.retryable

    asyncio.run(run())


def test_what_the_provider_says_is_quoted_briefly_without_the_key() -> None:
    echo = {"error": {"message": "bad key topsecret0123 and Bearer topsecret0123 " + "x" * 9000}}
    failed = refused(Canned(echo, status=401), environment={"POLYJUDGE_API_KEY": "topsecret0123"})
    assert "topsecret0123" not in str(failed)
    assert "POLYJUDGE_API_KEY" in str(failed)
    assert len(str(failed)) < 600


def test_lone_surrogates_go_out_and_come_back_as_text() -> None:
    async def run() -> None:
        def echo(got: Received) -> Canned:
            return Canned(chat(got.body["messages"][0]["content"]))

        async with serving(echo) as server:
            reply = await ask(server.url, Request("any", (Message("user", "a\ud800b"),)))
        assert reply.text == "a\ufffdb"

    asyncio.run(run())


def test_a_cancelled_call_leaves_the_backend_usable() -> None:
    async def run() -> str:
        answers = [Canned(chat("4")), Canned(chat("late"), delay=30.0)]
        arrived = asyncio.Event()

        def answer(got: Received) -> Canned:
            arrived.set()
            return answers.pop()

        async with serving(answer) as server:
            backend = opened(server.url)
            call = asyncio.create_task(backend.complete(REQUEST))
            await arrived.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            reply = await backend.complete(REQUEST)
            await backend.close()
            return reply.text

    assert asyncio.run(run()) == "4"


def test_a_proxy_of_the_environment_is_used_for_others_and_no_netrc_is_sent(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("default login me password from-netrc\n")
    (tmp_path / "netrc").chmod(0o600)
    program = (
        "import asyncio, sys, pathlib\n"
        "from polyjudge.llm.models import open_backend\n"
        "from polyjudge.llm.request import Message, Request\n"
        "async def run():\n"
        "    for url in sys.argv[1:]:\n"
        "        backend = open_backend('any', base_url=url, folder=pathlib.Path('/'))\n"
        "        await backend.complete(Request('any', (Message('user', 'Hi.'),)))\n"
        "        await backend.close()\n"
        "asyncio.run(run())\n"
    )

    async def run() -> list[Received]:
        async with serving(Canned(chat("4"))) as server:
            address = server.url.removesuffix("/v1")
            environment = {
                "PYTHONPATH": ":".join(sys.path),
                "http_proxy": address,
                "NETRC": str(tmp_path / "netrc"),
                "POLYJUDGE_API_KEY": "mine-0123",
            }
            call = [sys.executable, "-c", program, "http://model.example/proxied/v1", f"{address}/direct/v1"]
            process = await asyncio.create_subprocess_exec(*call, env=environment)
            assert await process.wait() == 0
        return server.received

    received = asyncio.run(run())
    assert [got.path for got in received] == ["/proxied/v1/chat/completions", "/direct/v1/chat/completions"]
    assert received[0].headers["Host"] == "model.example"
    assert {got.headers["Authorization"] for got in received} == {"Bearer mine-0123"}


LIMITS = ("max_tokens", "max_completion_tokens")


def picky(taken: str, said: str = "Unsupported parameter: {!r} is not supported, use another") -> Answering:
    """A server that takes the longest answer by one name only."""

    def answer(got: Received) -> Canned:
        wrong = next((name for name in LIMITS if name in got.body and name != taken), None)
        if wrong is None:
            return Canned(chat("4"))
        return Canned({"error": {"message": said.format(wrong), "param": wrong}}, status=400)

    return answer


@pytest.mark.parametrize("taken", LIMITS)
def test_the_longest_answer_goes_by_its_other_name_when_one_is_refused(taken: str) -> None:
    async def run() -> None:
        told: list[str] = []
        async with serving(picky(taken)) as server:
            backend = opened(server.url, notify=told.append)
            identity = backend.identity
            asked = [backend.complete(REQUEST) for _ in range(3)]
            ends = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(end, Reply) or (isinstance(end, CallFailed) and end.retryable) for end in ends)
            assert (await backend.complete(REQUEST)).text == "4"
            await backend.close()
        assert backend.identity == identity
        assert len(told) == (taken != "max_tokens")
        assert server.received[-1].body[taken] == 9

    asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "options"),
    [("{} is too large: at most 4", {}), ("Unsupported parameter: {}", {"limit_field": "max_tokens"})],
)
def test_a_refused_value_and_a_name_that_the_user_chose_stay_refused(said: str, options: dict[str, Any]) -> None:
    async def run() -> None:
        async with serving(picky("none", said)) as server:
            failed = await failure(server.url, **options)
        assert (failed.retryable, failed.parameter, len(server.received)) == (False, "max_tokens", 1)

    asyncio.run(run())


def test_a_server_that_takes_neither_name_is_asked_by_each_once() -> None:
    async def run() -> None:
        async with serving(picky("none")) as server:
            backend = opened(server.url)
            for retryable in (True, False, False):
                with pytest.raises(CallFailed) as caught:
                    await backend.complete(REQUEST)
                assert caught.value.retryable is retryable
            await backend.close()

    asyncio.run(run())


class TestOpenAICompatible(BackendContract):
    """The contract, against a server in a thread of its own, because each test runs an event loop."""

    secret = "contract-key-0123"
    url = ""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def server(cls) -> Iterator[None]:
        ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        def answer(got: Received) -> Canned:
            if got.body["messages"][0]["content"] == "Refuse.":
                key = got.headers["Authorization"]
                return Canned({"error": {"message": f"no, {key}"}}, status=429, headers={"Retry-After": "2"})
            top = [{"token": text, "logprob": -at - 0.1} for at, text in enumerate("abc")]
            top = top[: got.body.get("top_logprobs", 0)]
            document = chat("4")
            document["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]} if top else None
            return Canned(document)

        async def serve() -> None:
            done = asyncio.Event()
            async with serving(answer) as server:
                ready.set_result((server.url, asyncio.get_running_loop(), done))
                await done.wait()

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        url, loop, done = ready.result(timeout=30)
        cls.url = url
        yield
        loop.call_soon_threadsafe(done.set)
        thread.join()

    def make(self) -> Backend:
        return opened(self.url, environment={"POLYJUDGE_API_KEY": self.secret})

    def refused(self) -> Request:
        return Request("any", (Message("user", "Refuse."),))
