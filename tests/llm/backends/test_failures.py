from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.llm.backends import OpenOptions
from polyjudge.llm.backends.endpoint import open_endpoint
from polyjudge.llm.backends.failures import (
    Complaint,
    error_in_reply,
    read_complaint,
    read_retry_after,
    refusal,
)
from polyjudge.llm.secrets import Secret

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
ENDPOINT = open_endpoint(
    "openai", "gpt-4o", OpenOptions(environment={"OPENAI_API_KEY": "0123secret"}, folder=Path("/"))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "param", "detail"]), inner, max_size=4)
    ),
    max_leaves=8,
)


def judged(status: int, payload: Any) -> tuple[bool, str]:
    failed = refusal(ENDPOINT, status, read_complaint(payload))
    return failed.retryable, failed.scope


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message} | more}


@given(status=st.integers(300, 599), payload=JSON)
def test_any_complaint_makes_a_short_error_that_says_who(status: int, payload: Any) -> None:
    failed = refusal(ENDPOINT, status, read_complaint(payload))
    assert not failed.charged
    assert str(failed).startswith(f"https://api.openai.com/v1 answered {status}: ")
    assert len(str(failed)) < 600


@given(before=st.text(max_size=400), after=st.text(max_size=400))
def test_a_key_in_the_providers_words_is_never_quoted(before: str, after: str) -> None:
    endpoint = replace(ENDPOINT, key=Secret("0123secret"))
    assert "0123secret" not in str(refusal(endpoint, 401, Complaint(f"{before} 0123secret {after}")))


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 529])
def test_overload_and_breakdown_are_asked_again(status: int) -> None:
    assert judged(status, error("busy"))[0]


@pytest.mark.parametrize(
    ("said", "parameter"), [("logprobs is not supported", "logprobs"), ("unexpected fault in logprobs", "")]
)
def test_a_breakdown_that_names_a_refused_parameter_is_a_refusal(said: str, parameter: str) -> None:
    failure = refusal(ENDPOINT, 500, read_complaint(error(said)))
    assert (failure.parameter, failure.retryable) == (parameter, not parameter)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 402, 403, 404, 405, 410, 501])
def test_a_refused_key_model_or_address_ends_the_endpoint(status: int) -> None:
    assert judged(status, error("no")) == (False, "endpoint")


@pytest.mark.parametrize(
    ("status", "payload"),
    [
        (400, error("This model's maximum context length is 8192 tokens.", code="context_length_exceeded")),
        (400, error("requested 9000 tokens. Please reduce the length of the messages or max_tokens: context length")),
        (
            400,
            {"error": {"code": 400, "message": "exceeds the available context size", "type": "exceed_context_size"}},
        ),
        (413, error("prompt is too long")),
        (400, error("blocked", code="content_filter")),
        (400, error("Your prompt was flagged", type="invalid_request_error")),
        (403, error("Your input was flagged by moderation")),
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}),
        (400, "nonsense"),
        (429, error("Request too large for gpt-4o on tokens per min: Limit 30000, Requested 40000")),
    ],
)
def test_what_concerns_one_prompt_only_gives_up_that_request(status: int, payload: Any) -> None:
    assert judged(status, payload) == (False, "request")


@pytest.mark.parametrize(
    ("payload", "parameter"),
    [
        (
            error("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", param="max_tokens"),
            "max_tokens",
        ),
        (error("Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens'."), "max_tokens"),
        (error("'temperature' does not support 0.1 with this model", param="temperature"), "temperature"),
        (error("max_tokens is too large: 99999", param="max_tokens"), "max_tokens"),
        (error("You are not allowed to request logprobs", code="invalid"), "logprobs"),
        ({"detail": "Extra inputs are not permitted: response_format"}, "response_format"),
    ],
)
def test_a_refused_parameter_is_named_and_ends_the_endpoint(payload: Any, parameter: str) -> None:
    failed = refusal(ENDPOINT, 400, read_complaint(payload))
    assert f"the parameter {parameter!r} is refused" in str(failed)
    assert (failed.retryable, failed.scope) == (False, "endpoint")


@pytest.mark.parametrize(
    ("status", "payload", "remedy"),
    [
        (401, error("Incorrect API key"), "OPENAI_API_KEY"),
        (400, [error("API key not valid. Please pass a valid API key.")], "OPENAI_API_KEY"),
        (404, error("The model does not exist"), "'gpt-4o'"),
        (400, error("xyz is not a valid model ID: model not found"), "'gpt-4o'"),
        (402, error("Insufficient Balance"), "top it up"),
        (429, error("You exceeded your current quota", code="insufficient_quota"), "top it up"),
        (308, "", "--base-url"),
    ],
)
def test_the_remedy_is_said(status: int, payload: Any, remedy: str) -> None:
    failed = refusal(ENDPOINT, status, read_complaint(payload))
    assert remedy in str(failed)
    assert (failed.retryable, failed.scope) == (False, "endpoint")


def test_without_a_key_the_remedy_is_to_set_one() -> None:
    assert "none was sent" in str(refusal(replace(ENDPOINT, key=None), 401, Complaint("who are you?")))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"error": {"code": 429, "message": "slow down"}}, (True, True)),
        ({"error": {"code": 401, "message": "no key"}}, (False, False)),
        ({"error": "broken"}, (True, True)),
        ({"object": "error", "message": "context length exceeded", "code": 400}, (False, False)),
    ],
)
def test_an_error_sent_with_status_200_is_an_error(document: dict[str, Any], expected: tuple[bool, bool]) -> None:
    failed = error_in_reply(ENDPOINT, document)
    assert failed is not None
    assert (failed.retryable, failed.charged) == expected


def test_a_null_error_is_none() -> None:
    assert error_in_reply(ENDPOINT, {"error": None, "choices": []}) is None


@given(st.integers(-1000, 100_000))
def test_a_date_and_seconds_say_the_same_wait(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert read_retry_after({"Retry-After": date}, NOW) == max(seconds, 0)
    assert read_retry_after({"Retry-After": str(seconds)}, NOW) == max(seconds, 0)


@given(st.text())
def test_any_text_is_a_wait_or_none(text: str) -> None:
    wait = read_retry_after({"Retry-After": text}, NOW)
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:10"}, None),
    ],
)
def test_odd_waits(headers: dict[str, str], expected: float | None) -> None:
    assert read_retry_after(headers, NOW) == expected
