"""A function as a model: what it is given, what it may return, and what its identity hangs on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from polyjudge.errors import CallFailed, ConfigError
from polyjudge.llm.backends.function import FunctionModel, function_digest
from polyjudge.llm.request import Message, Reply, Request, Usage

REQUEST = Request("function/f", (Message("system", "Be fair."), Message("user", "The item.")))
SUFFIX = "!"


def ask(function: Any, request: Request = REQUEST, **options: Any) -> Reply:
    return asyncio.run(FunctionModel(function, **options).complete(request))


def test_it_gets_the_messages_and_its_text_is_the_answer() -> None:
    seen: list[Any] = []

    def answer(messages: list[dict[str, str]]) -> str:
        seen.append((messages, threading.current_thread() is threading.main_thread()))
        return "4"

    reply = ask(answer, name="mine")
    assert (reply.text, reply.finish, reply.model) == ("4", "stop", "function/mine")
    wanted = [{"role": "system", "content": "Be fair."}, {"role": "user", "content": "The item."}]
    assert seen == [(wanted, False)]


def test_async_functions_and_whole_replies() -> None:
    async def answer(messages: list[dict[str, str]]) -> Reply:
        return Reply("4", usage=Usage(7, 1))

    async def text(messages: list[dict[str, str]]) -> str:
        return "4"

    assert ask(answer).usage == Usage(7, 1)
    assert ask(lambda messages: text(messages)).text == "4"


@pytest.mark.parametrize(
    ("error", "retryable"),
    [(ConnectionError("gone"), True), (RuntimeError("busy"), True), (KeyError("choices"), False)],
)
def test_its_errors_are_failed_calls(error: Exception, retryable: bool) -> None:
    def answer(messages: list[dict[str, str]]) -> str:
        raise error

    with pytest.raises(CallFailed, match=f"raised {type(error).__name__}") as caught:
        ask(answer)
    assert caught.value.retryable is retryable


def test_anything_but_a_text_is_an_error() -> None:
    with pytest.raises(CallFailed, match="returned a int; return a text or a Reply"):
        ask(lambda messages: 4)
    for wrong in ("a name", 4, int):
        with pytest.raises(ConfigError, match="is no function"):
            FunctionModel(wrong)  # type: ignore[arg-type]


def fluent(messages: list[dict[str, str]]) -> str:
    return "fluent" + SUFFIX


def closed_over(value: Any) -> Callable[[Any], str]:
    return lambda messages: str(value)


@dataclass(frozen=True)
class Caller:
    """Calls itself by what it holds."""

    model: str

    def __call__(self, messages: Any) -> str:
        return self.model

    def ask(self, messages: Any) -> str:
        return self.model


class TestIdentity:
    def test_a_name_is_the_identity(self) -> None:
        first, second = FunctionModel(fluent, name="mine"), FunctionModel(closed_over(1), name="mine")
        assert first.identity == second.identity == "function:mine"

    def test_equal_functions_have_one_digest_and_different_ones_differ(self) -> None:
        variants = [
            fluent,
            closed_over(1),
            closed_over("1"),
            closed_over([1, {"a": (2, None)}]),
            closed_over({1, 2}),
            closed_over(closed_over(1)),
            partial(closed_over(1), 2),
            Caller("a"),
            Caller("b"),
            Caller("a").ask,
            lambda messages: "a",
            lambda messages: "b",
            lambda messages, temperature=1: "a",
        ]
        digests = [function_digest(variant) for variant in variants]
        assert all(digests)
        assert len(set(digests)) == len(variants)
        assert function_digest(closed_over([1, {"a": (2, None)}])) == digests[3]
        assert FunctionModel(closed_over(1)).identity == FunctionModel(closed_over(1)).identity

    def test_a_changed_global_changes_it(self) -> None:
        before = function_digest(fluent)
        globals()["SUFFIX"] = "?"
        try:
            assert function_digest(fluent) != before
        finally:
            globals()["SUFFIX"] = "!"
        assert function_digest(fluent) == before

    def test_what_has_no_digest_is_never_answered_by_what_another_process_said(self) -> None:
        client = object()

        def answer(messages: list[dict[str, str]]) -> str:
            return repr(client)

        first, second = FunctionModel(answer), FunctionModel(answer)
        assert not first.kept
        assert first.identity != second.identity
        assert first.name == "function/answer"

    def test_one_that_calls_itself_has_an_end(self) -> None:
        def answer(messages: list[dict[str, str]]) -> str:
            return answer(messages[1:]) if messages else "4"

        assert function_digest(answer)
