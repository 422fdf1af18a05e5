"""Models through any-llm, against a local server: one attempt, errors of ours, no key in sight."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polyjudge.errors import CallFailed, MissingExtra, ModelError
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Backend, Message, Reply, Request, Sampling, Usage
from polyjudge.testing.backend import BackendContract
from serving import Canned, FakeServer, Received, chat, serving

KEY = "planted-0123456789abcdef"


def whole() -> dict[str, Any]:
    """A completion with the fields that any-llm insists on."""
    document = chat("4", id="c", object="chat.completion", created=1)
    document["usage"]["total_tokens"] = 10
    return document


REQUEST = Request("any/openai/m", (Message("user", "Rate it."),), sampling=Sampling(max_tokens=9))


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "any_llm", None)
    monkeypatch.setattr("polyjudge.llm.backends.any_llm.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"polyjudge\[providers\]"):
        open_backend("any/openai/m", environment={})


def test_a_name_without_a_model_is_refused() -> None:
    with pytest.raises(ModelError, match="any/PROVIDER/MODEL"):
        open_backend("any/openai", environment={})


@pytest.fixture
def any_llm() -> None:
    pytest.importorskip("any_llm", reason="needs the extra 'providers' (any-llm-sdk)")


def opened(url: str | None, name: str = "any/openai/m") -> Backend:
    return open_backend(name, base_url=url, folder=Path("/"), environment={"POLYJUDGE_API_KEY": KEY})


def answered(canned: Canned, request: Request = REQUEST) -> tuple[Reply | CallFailed, FakeServer]:
    async def run() -> tuple[Reply | CallFailed, FakeServer]:
        async with serving(canned) as server:
            backend = opened(server.url)
            try:
                return await backend.complete(request), server
            except CallFailed as failure:
                return failure, server
            finally:
                await backend.close()

    return asyncio.run(run())


@pytest.mark.usefixtures("any_llm")
def test_a_request_and_its_reply() -> None:
    reply, server = answered(Canned(whole()))
    assert reply == Reply("4", "stop", "served-model", Usage(7, 3, 5))
    (got,) = server.received
    assert got.headers["Authorization"] == f"Bearer {KEY}"
    assert got.body["messages"] == [{"role": "user", "content": "Rate it."}]
    assert got.body["temperature"] == 0.0


@pytest.mark.usefixtures("any_llm")
@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_what_may_pass_is_sent_once_and_left_to_us(status: int) -> None:
    failure, server = answered(
        Canned({"error": {"message": f"busy, {KEY}"}}, status=status, headers={"Retry-After": "7"})
    )
    assert len(server.received) == 1
    assert isinstance(failure, CallFailed)
    assert (failure.retryable, failure.retry_after) == (True, 7.0)
    assert KEY not in str(failure) + repr(failure)
    assert failure.__cause__ is None
    assert failure.__suppress_context__


@pytest.mark.usefixtures("any_llm")
def test_a_refused_key_names_its_variable() -> None:
    failure, _ = answered(Canned({"error": {"message": "bad key", "code": "invalid_api_key"}}, status=401))
    assert isinstance(failure, CallFailed)
    assert (failure.retryable, "'POLYJUDGE_API_KEY'" in str(failure)) == (False, True)


@pytest.mark.usefixtures("any_llm")
def test_a_refused_parameter_is_named() -> None:
    error = {"message": "temperature is not supported", "param": "temperature", "code": "unsupported_parameter"}
    failure, _ = answered(Canned({"error": error}, status=400))
    assert isinstance(failure, CallFailed)
    assert failure.parameter == "temperature"


@pytest.mark.usefixtures("any_llm")
@pytest.mark.parametrize("body", [b'{"choices": [', b"<html>", {"choices": []}])
def test_a_reply_that_is_none_may_have_been_billed(body: object) -> None:
    failure, server = answered(Canned(body))
    assert isinstance(failure, CallFailed)
    assert (failure.retryable, failure.charged, len(server.received)) == (True, True, 1)


@pytest.mark.usefixtures("any_llm")
def test_logprobs_and_schema_are_passed_on() -> None:
    _, server = answered(Canned(whole()), replace(REQUEST, top_logprobs=3, schema='{"type": "object"}'))
    body = server.received[0].body
    assert (body["logprobs"], body["top_logprobs"]) == (True, 3)
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


@pytest.mark.usefixtures("any_llm")
@pytest.mark.parametrize(
    ("name", "said"), [("any/nobody/m", "no provider 'nobody'"), ("any/openai/m", "'OPENAI_API_KEY'")]
)
def test_what_cannot_be_asked_is_said_before_anything_is(
    name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelError, match=said):
        open_backend(name, folder=Path("/"), environment={})


@pytest.mark.usefixtures("any_llm")
def test_planning_needs_no_key() -> None:
    backend = open_backend("any/openai/m", folder=Path("/"), environment={}, planning=True)
    assert backend.identity == "any-llm:openai"
    with pytest.raises(ModelError, match="planning"):
        asyncio.run(backend.complete(REQUEST))


@pytest.mark.usefixtures("any_llm")
class TestContract(BackendContract):
    secret = KEY
    url: str

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def server(cls) -> Iterator[None]:
        ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        def answer(got: Received) -> Canned:
            if got.body["messages"][0]["content"] == "Refuse.":
                said = f"no, {got.headers['Authorization']}"
                return Canned({"error": {"message": said}}, status=429, headers={"Retry-After": "2"})
            top = [{"token": text, "logprob": -at - 0.1, "bytes": None} for at, text in enumerate("abc")]
            top = top[: got.body.get("top_logprobs", 0)]
            document = whole()
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
        return opened(self.url)

    def refused(self) -> Request:
        return Request("any/openai/m", (Message("user", "Refuse."),))
