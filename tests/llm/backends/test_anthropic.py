"""The Messages API against a local server that answers as documented; never run live."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from documented import ANTHROPIC_USAGES, anthropic_error, anthropic_message
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.errors import CallFailed, ModelError
from polyjudge.llm.backends.anthropic import body, read_message
from polyjudge.llm.backends.providers import PROVIDERS
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Backend, Message, Reply, Request, Sampling, Usage, body_extra
from polyjudge.testing.backend import BackendContract
from serving import Canned, Received, serving

ABLE = PROVIDERS["anthropic"].abilities
KEY = "sk-ant-api03-planted"
REQUEST = Request(
    "anthropic/claude", (Message("system", "Be strict."), Message("user", "Rate it.")), sampling=Sampling(max_tokens=9)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def opened(url: str) -> Backend:
    return open_backend(
        "anthropic/claude",
        base_url=url,
        folder=Path("/"),
        environment={"POLYJUDGE_API_KEY": KEY, "ANTHROPIC_API_KEY": "x"},
    )


def answered(canned: Canned, request: Request = REQUEST) -> tuple[Reply, Received]:
    async def run() -> tuple[Reply, Received]:
        async with serving(canned) as server:
            backend = opened(server.url)
            try:
                return await backend.complete(request), server.received[0]
            finally:
                await backend.close()

    return asyncio.run(run())


def refused(canned: Canned) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        answered(canned)
    return caught.value


def made(request: Request) -> dict[str, Any]:
    return body(request, "claude", ABLE)


def test_a_request_and_its_reply() -> None:
    reply, got = answered(Canned(anthropic_message()))
    assert reply == Reply("4", "stop", "claude-served", Usage(7, 3))
    assert got.path == "/v1/messages"
    assert (got.headers["x-api-key"], got.headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert "Authorization" not in got.headers
    assert got.body == {
        "model": "claude",
        "max_tokens": 9,
        "temperature": 0.0,
        "system": [{"type": "text", "text": "Be strict."}],
        "messages": [{"role": "user", "content": "Rate it."}],
    }


def test_the_provider_s_own_address_wants_its_own_key() -> None:
    with pytest.raises(ModelError, match="'ANTHROPIC_API_KEY'"):
        open_backend("anthropic/claude", folder=Path("/"), environment={})
    backend = open_backend("anthropic/claude", folder=Path("/"), environment={"ANTHROPIC_API_KEY": KEY})
    assert backend.identity == "https://api.anthropic.com/v1"


def test_no_temperature_is_no_field() -> None:
    assert "temperature" not in made(replace(REQUEST, sampling=Sampling(None)))


def test_the_shared_prefix_is_marked_for_the_cache_and_no_text_is_lost() -> None:
    text = "The item.\nThe criterion."
    request = Request("m", (Message("user", text),), shared=10)
    (message,) = made(request)["messages"]
    first, rest = message["content"]
    assert first == {"type": "text", "text": "The item.\n", "cache_control": {"type": "ephemeral"}}
    assert rest == {"type": "text", "text": "The criterion."}


@given(st.text(), st.integers(0, 40))
def test_blocks_hold_the_whole_text_and_none_is_blank(text: str, shared: int) -> None:
    content = made(Request("m", (Message("user", text),), shared=shared))["messages"][0]["content"]
    if isinstance(content, list):
        assert all(block["text"].strip() for block in content)
        assert [*content[0]] == ["type", "text", "cache_control"]
        content = "".join(block["text"] for block in content)
    assert content == text


def test_a_schema_is_an_output_format_beside_the_users_own_settings() -> None:
    sampling = Sampling(extra=body_extra({"output_config": {"effort": "low"}, "top_k": 5}))
    fields = made(replace(REQUEST, schema='{"type": "object"}', sampling=sampling))
    held = {"type": "json_schema", "schema": {"type": "object"}}
    assert (fields["output_config"], fields["top_k"]) == ({"effort": "low", "format": held}, 5)


@pytest.mark.parametrize("name", ["model", "messages", "system", "stream", "max_tokens"])
def test_what_is_asked_is_not_free_to_set(name: str) -> None:
    with pytest.raises(ModelError, match=name):
        made(replace(REQUEST, sampling=Sampling(extra=body_extra({name: 1}))))


def test_logprobs_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(ModelError, match="at most 0 logprobs"):
        made(replace(REQUEST, top_logprobs=5))


def test_a_begun_reply_is_the_last_message() -> None:
    request = replace(REQUEST, messages=(*REQUEST.messages, Message("assistant", "The score is")))
    assert made(request)["messages"][-1] == {"role": "assistant", "content": "The score is"}


@pytest.mark.parametrize(("told", "expected"), ANTHROPIC_USAGES)
def test_all_input_tokens_are_plain_written_and_read_ones_together(told: dict[str, Any], expected: Usage) -> None:
    assert read_message(anthropic_message(usage=told)).usage == expected


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("pause_turn", "pause_turn"),
        ("model_context_window_exceeded", "length"),
        (None, ""),
    ],
)
def test_stop_reasons_are_told_in_our_words(reason: str | None, finish: str) -> None:
    assert read_message(anthropic_message(stop_reason=reason)).finish == finish


def test_thinking_is_no_answer() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Maybe 1."},
        {"type": "text", "text": "4"},
        {"type": "text", "text": "!"},
    ]
    assert read_message(anthropic_message(content=blocks)).text == "4!"


def test_a_withheld_answer_fails_this_request_alone() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "It could enable harm."}
    failure = refused(Canned(anthropic_message("", stop_reason="refusal", stop_details=details)))
    assert "It could enable harm." in str(failure)
    assert (failure.retryable, failure.charged, failure.scope) == (False, True, "request")


@pytest.mark.parametrize(
    ("status", "kind", "message", "retryable", "scope", "said"),
    [
        (529, "overloaded_error", "Overloaded", True, "endpoint", "529"),
        (529, "overloaded_error", f"Overloaded, {KEY}", True, "endpoint", "***"),
        (429, "rate_limit_error", "This request would exceed your rate limit", True, "endpoint", "rate limit"),
        (500, "api_error", "Internal server error", True, "endpoint", "Internal"),
        (504, "timeout_error", "timed out", True, "endpoint", "504"),
        (401, "authentication_error", "invalid x-api-key", False, "endpoint", "'POLYJUDGE_API_KEY'"),
        (403, "permission_error", "no access", False, "endpoint", "key"),
        (404, "not_found_error", "model: claude", False, "endpoint", "'claude' was asked for"),
        (400, "invalid_request_error", "Your credit balance is too low to access", False, "endpoint", "top it up"),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000", False, "request", "context"),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000",
            False,
            "request",
            "context",
        ),
        (413, "request_too_large", "Request exceeds the maximum size", False, "request", "413"),
        (
            400,
            "invalid_request_error",
            "This model does not support assistant message prefill. The conversation must end with a user message.",
            False,
            "endpoint",
            "no begun reply",
        ),
    ],
)
def test_errors_say_what_to_do(status: int, kind: str, message: str, retryable: bool, scope: str, said: str) -> None:
    failure = refused(Canned(anthropic_error(kind, message), status=status, headers={"Retry-After": "7"}))
    assert (failure.retryable, failure.scope) == (retryable, scope)
    assert failure.retry_after == (7.0 if retryable else None)
    assert said in str(failure)
    assert KEY not in str(failure)


@pytest.mark.parametrize(
    ("message", "parameter"),
    [
        ("`temperature` is deprecated for this model.", "temperature"),
        ("output_config.format: this model does not support structured outputs", "output_config"),
    ],
)
def test_a_refused_parameter_is_named_so_that_a_default_is_left_out(message: str, parameter: str) -> None:
    assert refused(Canned(anthropic_error("invalid_request_error", message), status=400)).parameter == parameter


def test_an_error_with_status_200_is_no_answer() -> None:
    assert refused(Canned(anthropic_error("overloaded_error", "Overloaded"))).retryable


@given(JSON)
def test_no_document_breaks_the_reader(value: object) -> None:
    for document in (
        value if isinstance(value, dict) else {"content": value},
        anthropic_message(content=value, usage=value),
        anthropic_message(content=[{"type": "text", "text": value}], stop_reason=value, model=value),
    ):
        try:
            reply = read_message(document)
        except CallFailed:
            continue
        json.dumps(reply.text).encode("utf-8")


class TestContract(BackendContract):
    secret = KEY
    url: str

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def server(cls) -> Iterator[None]:
        ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        def answer(got: Received) -> Canned:
            if got.body["messages"][0]["content"] == "Refuse.":
                said = f"no, {got.headers['x-api-key']}"
                return Canned(anthropic_error("rate_limit_error", said), status=429, headers={"Retry-After": "2"})
            return Canned(anthropic_message())

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
        return Request("anthropic/claude", (Message("user", "Refuse."),))
