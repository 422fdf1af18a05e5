from __future__ import annotations

import json
from typing import Any

import pytest
from documented import COMPLETION_USAGES
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.errors import CallFailed, ConfigError, ModelError
from polyjudge.llm.backends.providers import COMPATIBLE, PROVIDERS
from polyjudge.llm.backends.wire import begun_text, body, clean, read_reply
from polyjudge.llm.request import Message, Request, Sampling, Usage, body_extra

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SCHEMA = '{"type": "object"}'


def asked(*, begun: str = "", schema: str = "", top_logprobs: int = 0, **sampling: Any) -> Request:
    messages = (Message("user", "Rate it."), *((Message("assistant", begun),) if begun else ()))
    return Request("any/model", messages, sampling=Sampling(**sampling), schema=schema, top_logprobs=top_logprobs)


def completion(**choice: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"} | choice]}


def test_a_plain_body_holds_what_is_asked_and_nothing_else() -> None:
    made = body(asked(temperature=0.0, max_tokens=9), COMPATIBLE, "served", "max_tokens")
    messages = [{"role": "user", "content": "Rate it."}]
    assert made == {"model": "served", "messages": messages, "max_tokens": 9, "temperature": 0.0}


def test_no_temperature_is_no_field() -> None:
    assert "temperature" not in body(asked(temperature=None), COMPATIBLE, "served", "max_tokens")


def test_schema_and_logprobs_are_fields() -> None:
    made = body(asked(schema=SCHEMA, top_logprobs=5), COMPATIBLE, "served", "max_completion_tokens")
    assert made["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (made["logprobs"], made["top_logprobs"]) == (True, 5)
    assert "max_tokens" not in made


def test_a_provider_that_would_leave_logprobs_out_is_told_not_to() -> None:
    router = PROVIDERS["openrouter"]
    assert body(asked(top_logprobs=5), router, "m", "max_tokens")["provider"] == {"require_parameters": True}
    assert "provider" not in body(asked(), router, "m", "max_tokens")


def test_a_begun_reply_is_the_last_message_with_the_servers_own_fields() -> None:
    begun = asked(begun="The writer feels")
    made = body(begun, PROVIDERS["vllm"], "m", "max_tokens")
    assert made["messages"][-1] == {"role": "assistant", "content": "The writer feels"}
    assert (made["continue_final_message"], made["add_generation_prompt"]) == (True, False)
    assert begun_text(begun) == "The writer feels"
    assert begun_text(asked()) == ""


def test_what_an_endpoint_would_misunderstand_is_refused() -> None:
    with pytest.raises(ModelError, match="llamacpp/MODEL"):
        body(asked(begun="The"), COMPATIBLE, "m", "max_tokens")
    with pytest.raises(ModelError, match="at most 5"):
        body(asked(top_logprobs=6), PROVIDERS["fireworks"], "m", "max_tokens")


def test_further_fields_are_sent_but_not_those_that_change_what_is_asked() -> None:
    extra = body_extra({"top_p": 0.5, "chat_template_kwargs": {"enable_thinking": False}})
    made = body(asked(extra=extra), COMPATIBLE, "m", "max_tokens")
    assert (made["top_p"], made["chat_template_kwargs"]) == (0.5, {"enable_thinking": False})
    for name in ("stream", "messages", "model", "n"):
        with pytest.raises(ModelError, match=repr(name)):
            body(asked(extra=body_extra({name: True})), COMPATIBLE, "m", "max_tokens")


@given(JSON)
def test_any_json_is_a_reply_or_a_failed_call(value: Any) -> None:
    for document in (
        {"choices": value},
        {"choices": [value]},
        completion(message=value),
        completion(message={"content": value}),
        completion(logprobs=value),
        completion(logprobs={"content": [value]}),
        completion(finish_reason=value),
        completion() | {"usage": value, "timings": value, "model": value},
    ):
        try:
            reply = read_reply(document)
        except CallFailed:
            continue
        json.dumps([reply.text, reply.finish, reply.model], ensure_ascii=False).encode("utf-8")


@given(text=st.text(), begun=st.text(min_size=1))
def test_an_echoed_beginning_is_cut_off_once(text: str, begun: str) -> None:
    reply = read_reply(completion(message={"content": begun + text}), begun)
    assert reply.text == clean(begun + text)[len(begun) :]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": None}, ""),
        ({"content": None, "reasoning_content": "Let me think: 3?"}, ""),
        ({"content": "4", "reasoning": "It reads like a 3."}, "4"),
        ({"content": None, "refusal": "I cannot rate this."}, "I cannot rate this."),
        ({"content": [{"type": "thinking", "text": "3?"}, {"type": "text", "text": "4"}]}, "4"),
        ({"content": "a\ud800b"}, "a\ufffdb"),
        ({"content": [{"type": "output_text", "text": "4"}]}, "4"),
        ({"content": ["4"]}, "4"),
        ({"content": [{"type": "image", "text": 4}, 4, None]}, ""),
        ({"content": {"clarity": 4}}, '{"clarity": 4}'),
        ({"content": None, "parsed": {"clarity": 4}}, '{"clarity": 4}'),
        ({"content": "", "tool_calls": [{"function": {"arguments": '{"clarity": 4}'}}]}, '{"clarity": 4}'),
        ({"content": "4", "tool_calls": [{"function": {"arguments": '{"clarity": 3}'}}]}, "4"),
        ({"content": None, "tool_calls": [{"function": {"arguments": "3"}}, {"function": {"arguments": "4"}}]}, ""),
        ({"content": None, "tool_calls": "none"}, ""),
        ({}, ""),
    ],
)
def test_only_the_answers_text_is_the_reply(message: dict[str, Any], text: str) -> None:
    assert read_reply(completion(message=message)).text == text


def test_thoughts_without_an_answer_are_told_from_an_answer_that_was_cut() -> None:
    thoughts = {"content": None, "reasoning_content": "Let me think: 3?"}
    assert read_reply(completion(message=thoughts)).finish == "reasoning"
    assert read_reply(completion(message=thoughts, finish_reason="length")).finish == "length"
    assert read_reply(completion(message=thoughts | {"content": "4"})).finish == "stop"


def test_a_cut_answer_is_a_reply_that_says_so() -> None:
    assert read_reply(completion(message={"content": None}, finish_reason="length")).finish == "length"


@pytest.mark.parametrize(
    ("document", "retryable"),
    [
        ({}, True),
        ({"choices": []}, True),
        ({"choices": [{"finish_reason": "stop"}]}, True),
        (completion(error={"code": 502, "message": "upstream died"}), True),
        (completion(finish_reason="error"), True),
        (completion(finish_reason="content_filter"), False),
    ],
)
def test_no_answer_is_a_failed_call_that_concerns_this_request(document: dict[str, Any], retryable: bool) -> None:
    with pytest.raises(CallFailed) as caught:
        read_reply(document)
    assert (caught.value.retryable, caught.value.scope, caught.value.charged) == (retryable, "request", True)


@pytest.mark.parametrize(
    ("given_usage", "expected"),
    [
        ({}, Usage()),
        ({"usage": {"prompt_tokens": 9, "completion_tokens": 2}}, Usage(9, 2)),
        ({"usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 0}}}, Usage(9, None, 0)),
        ({"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}}, Usage(9, None, 4)),
        ({"usage": {"prompt_tokens": 9}, "timings": {"cache_n": 3}}, Usage(9, None, 3)),
        ({"usage": {"prompt_tokens": -1, "completion_tokens": True}}, Usage()),
    ],
)
def test_usage_is_what_was_said(given_usage: dict[str, Any], expected: Usage) -> None:
    assert read_reply(completion() | given_usage).usage == expected


@pytest.mark.parametrize(("documented", "expected"), COMPLETION_USAGES)
def test_usage_is_read_as_each_provider_documents_it(documented: dict[str, Any], expected: Usage) -> None:
    assert read_reply(completion() | documented).usage == expected


def test_logprobs_are_read_best_first_and_what_is_no_number_is_left_out() -> None:
    top = [
        {"token": "3", "logprob": -2.0},
        {"token": "4", "logprob": -0.5},
        {"token": "never", "logprob": float("-inf")},
        {"token": 5, "logprob": -1.0},
        {"token": "6", "logprob": None},
    ]
    content = [{"token": "4", "logprob": -0.5, "top_logprobs": top}, {"token": "!", "logprob": -1}]
    first, second = read_reply(completion(logprobs={"content": content})).tokens
    assert (first.token, first.logprob) == ("4", -0.5)
    assert first.top == (("4", -0.5), ("3", -2.0))
    assert second.top == ()


@given(
    st.sampled_from(["max_tokens", "MAX_TOKENS", "model_length", "LENGTH", "length"]),
    st.sampled_from(["stop", "STOP", "eos", "tool_calls", ""]),
)
def test_a_cut_answer_is_known_by_one_word_whatever_the_provider_calls_it(cut: str, whole: str) -> None:
    assert read_reply(completion(finish_reason=cut)).finish == "length"
    assert read_reply(completion(finish_reason=whole)).finish == whole.lower()


def test_an_answer_withheld_in_other_words_is_withheld() -> None:
    with pytest.raises(CallFailed, match="content filter"):
        read_reply(completion(finish_reason="SAFETY"))


@pytest.mark.parametrize(
    "extra",
    [{"api_key": "x"}, {"headers": {"Authorization": "x"}}, {"a": [{"accessToken": "x"}]}, {"CLIENT_SECRET": "x"}],
)
def test_what_looks_like_a_key_is_no_parameter(extra: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="environment variable"):
        body_extra(extra)


def test_counts_of_tokens_and_names_of_caches_are_parameters() -> None:
    extra = {"max_tokens": 5, "stop_token_ids": [1, 2], "prompt_cache_key": "mine", "thinking": {"budget_tokens": 9}}
    assert [name for name, _ in body_extra(extra)] == sorted(extra)
