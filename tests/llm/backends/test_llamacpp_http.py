"""The OpenAI-compatible backend against a real server: llama.cpp's, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polyjudge.errors import CallFailed
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Message, Reply, Request, Sampling, body_extra

KEY = "only-for-this-test"
QUESTION = Message("user", "My cat is back home at last!\n\nHow does the writer of this text feel?")
BEGUN = Message("assistant", "The writer feels")
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"joy": {"type": "integer", "enum": [0, 1, 2, 3]}},
        "required": ["joy"],
        "additionalProperties": False,
    }
)


@pytest.fixture(scope="module")
def address(smollm2: Path) -> Iterator[str]:
    script = Path(__file__).with_name("llama_server.py")
    command = [sys.executable, str(script), str(smollm2), "120", KEY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"{server.stdout.readline().strip()}/v1"
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(timeout=30) == 0


def ask(address: str, *requests: Request, key: str = KEY) -> list[Reply]:
    async def run() -> list[Reply]:
        environment = {"POLYJUDGE_API_KEY": key}
        backend = open_backend("llamacpp/tiny", base_url=address, environment=environment, folder=Path("/"))
        try:
            return [await backend.complete(request) for request in requests]
        finally:
            await backend.close()

    return asyncio.run(run())


def asked(*messages: Message, max_tokens: int = 8, **more: Any) -> Request:
    return Request("llamacpp/tiny", messages, sampling=Sampling(max_tokens=max_tokens), **more)


def test_a_begun_reply_is_continued_and_its_echo_is_cut_off(address: str) -> None:
    (reply,) = ask(address, asked(QUESTION, BEGUN, max_tokens=4))
    assert reply.text.startswith(" ")
    assert BEGUN.content not in reply.text
    assert reply.finish == "length"
    assert reply.usage.completion == 4


def test_as_many_logprobs_come_as_are_asked_for(address: str) -> None:
    (reply,) = ask(address, asked(QUESTION, BEGUN, max_tokens=1, top_logprobs=500))
    (token,) = reply.tokens
    assert len(token.top) == 500
    assert token.top[0] == (token.token, token.logprob)
    mass = math.fsum(math.exp(logprob) for _, logprob in token.top)
    assert 0.8 < mass <= 1.0 + 1e-6


def test_an_answer_follows_the_schema(address: str) -> None:
    (reply,) = ask(address, asked(QUESTION, max_tokens=40, schema=SCHEMA))
    answer = json.loads(reply.text)
    assert list(answer) == ["joy"]
    assert answer["joy"] in range(4)


def test_a_repeated_prefix_is_counted_as_cached(address: str) -> None:
    other = Message("assistant", "The writer is")
    first, second = ask(address, asked(QUESTION, BEGUN, max_tokens=1), asked(QUESTION, other, max_tokens=1))
    assert first.usage.prompt is not None
    assert second.usage.cached is not None
    assert second.usage.cached > first.usage.prompt // 2


def test_a_prompt_beyond_the_context_gives_up_that_request_only(address: str) -> None:
    with pytest.raises(CallFailed, match="context") as caught:
        ask(address, asked(Message("user", "word " * 2000)))
    assert (caught.value.retryable, caught.value.scope) == (False, "request")


def test_a_wrong_key_ends_the_endpoint_and_names_the_variable(address: str) -> None:
    with pytest.raises(CallFailed, match="POLYJUDGE_API_KEY") as caught:
        ask(address, asked(QUESTION), key="another-key")
    assert (caught.value.retryable, caught.value.scope) == (False, "endpoint")
    assert "another-key" not in str(caught.value)


def test_a_wrong_path_ends_the_endpoint(address: str) -> None:
    with pytest.raises(CallFailed, match="'/v1'") as caught:
        ask(f"{address}/nowhere", asked(QUESTION))
    assert (caught.value.retryable, caught.value.scope) == (False, "endpoint")


def test_a_parameter_of_a_wrong_type_is_refused(address: str) -> None:
    sampling = Sampling(max_tokens=4, extra=body_extra({"temperature": "warm"}))
    with pytest.raises(CallFailed, match="temperature") as caught:
        ask(address, Request("llamacpp/tiny", (QUESTION,), sampling=sampling))
    assert not caught.value.retryable
