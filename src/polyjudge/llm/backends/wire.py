"""The OpenAI chat format, both ways: a request's body, and a reply read defensively from foreign JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from polyjudge.errors import CallFailed, ModelError
from polyjudge.llm.backends.providers import Provider
from polyjudge.llm.request import Abilities, Reply, Request, TokenChoice, Usage
from polyjudge.llm.secrets import Secret, quotable, without_keys

_RESERVED = frozenset(
    {"model", "messages", "stream", "n", "logprobs", "top_logprobs", "response_format"}
    # The budget reserves what the settings say, not what the body does.
    | {"max_tokens", "max_completion_tokens", "best_of"}
)

# Where providers put a model's thoughts.
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")

# Finish reasons of other providers' own interfaces, which gateways pass on, in lower case.
_FINISHES = {
    "max_tokens": "length",
    "max_output_tokens": "length",
    "max_completion_tokens": "length",
    "model_length": "length",
    "context_length": "length",
    "model_context_window_exceeded": "length",
    "token_limit": "length",
    "safety": "content_filter",
    "prohibited_content": "content_filter",
    "content_filtered": "content_filter",
}


def body(request: Request, provider: Provider, model: str, limit_field: str) -> dict[str, Any]:
    """The body of a chat completion; extra fields of the sampling are added last and may replace parameters.

    Raises:
        ModelError: an extra field that is not the user's to set, or something asked that the provider cannot do.
    """
    check_ability(request, provider.abilities)
    sampling = request.sampling
    fields: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        limit_field: sampling.max_tokens,
    }
    if sampling.temperature is not None:
        fields["temperature"] = sampling.temperature
    if request.top_logprobs:
        fields |= {"logprobs": True, "top_logprobs": request.top_logprobs, **provider.logprob_fields}
    if request.schema:
        fields["response_format"] = response_format(request.schema)
    if begun_text(request):
        fields |= provider.begun_fields
    return fields | extra_fields(request)


def response_format(schema: str) -> dict[str, Any]:
    """The value of ``response_format`` that restricts an answer to a JSON schema."""
    return {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": json.loads(schema)}}


def extra_fields(request: Request, reserved: Collection[str] = _RESERVED) -> dict[str, Any]:
    """The body fields that the user adds.

    Raises:
        ModelError: a reserved field, which would change what is asked or the shape of the answer.
    """
    fields = {name: json.loads(text) for name, text in request.sampling.extra}
    for name in sorted(fields.keys() & set(reserved)):
        raise ModelError(f"the parameter {name!r} of model {request.model!r} is not free to set; leave it out")
    return fields


def begun_text(request: Request) -> str:
    """The begun reply: the last message's text when the assistant speaks last, else ""."""
    last = request.messages[-1] if request.messages else None
    return last.content if last is not None and last.role == "assistant" else ""


def check_ability(request: Request, abilities: Abilities) -> None:
    """Refuse what the endpoint would silently ignore or misunderstand.

    Raises:
        ModelError: a begun reply, a form, decision questions, or more logprobs than the endpoint is known to give.
    """
    if request.form and not abilities.fills:
        raise ModelError(f"{request.model!r} fills no forms; only a model in this process (local/MODEL) does")
    if request.questions and not abilities.decisions:
        raise ModelError(
            f"{request.model!r} is not known to answer decision questions; openai/gpt-6-luna and sglang/MODEL (with "
            "--base-url) are"
        )
    if begun_text(request) and not abilities.begins:
        raise ModelError(
            f"{request.model!r} is not known to continue a begun reply; a server that does is named llamacpp/MODEL or "
            "vllm/MODEL (with --base-url), or use local/MODEL"
        )
    if request.top_logprobs > abilities.logprobs:
        raise ModelError(
            f"{request.model!r} gives at most {abilities.logprobs} logprobs a token, not {request.top_logprobs}"
        )


def read_reply(document: Mapping[str, Any], begun: str = "", secrets: Sequence[Secret] = ()) -> Reply:
    """The reply in a chat completion's JSON, without an echoed beginning and without the keys that were sent.

    Text in a reasoning field is not the answer. An answer without text is an empty reply, for the reader to judge.

    Raises:
        CallFailed: no choice in it, an error in place of the answer, or a filtered answer.
    """
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise CallFailed("the reply holds no choice", retryable=True, charged=True, scope="request")
    choice = choices[0]
    finish = choice.get("finish_reason")
    finish = clean(finish) if isinstance(finish, str) else ""
    finish = _FINISHES.get(finish.lower(), finish.lower() if finish.isupper() else finish)
    _refuse_broken(choice, finish, secrets)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise CallFailed("the reply's choice holds no message", retryable=True, charged=True, scope="request")
    text = _text(message)
    if not text and finish != "length" and any(message.get(name) for name in _THOUGHTS):
        finish = "reasoning"
    model = document.get("model")
    reply = Reply(
        text=text[len(begun) :] if begun and text.startswith(begun) else text,
        finish=finish,
        model=clean(model) if isinstance(model, str) else "",
        usage=_usage(document),
        tokens=_tokens(choice.get("logprobs")),
    )
    return masked(reply, secrets)


def masked(reply: Reply, secrets: Sequence[Secret]) -> Reply:
    """The reply without the keys that were sent, in any spelling, because replies are stored."""
    if not secrets:
        return reply
    written = "".join(token.token for token in reply.tokens)
    alternatives = "\n".join(text for token in reply.tokens for text, _ in token.top)
    holds_key = any(without_keys(text, secrets) != text for text in (written, alternatives))
    return replace(
        reply,
        text=without_keys(reply.text, secrets),
        finish=without_keys(reply.finish, secrets),
        model=without_keys(reply.model, secrets),
        tokens=() if holds_key else reply.tokens,
    )


def clean(text: str) -> str:
    """``text`` with lone surrogates replaced, so that it can be stored and sent on as UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _refuse_broken(choice: Mapping[str, Any], finish: str, secrets: Sequence[Secret]) -> None:
    error = choice.get("error")
    if error or finish == "error":
        reason = quotable(json.dumps(error, ensure_ascii=False), secrets) if error else "no reason given"
        raise CallFailed(f"the provider broke off the answer: {reason}", retryable=True, charged=True, scope="request")
    if finish == "content_filter":
        raise CallFailed(
            "the provider's content filter withheld the answer", retryable=False, charged=True, scope="request"
        )


def _text(message: Mapping[str, Any]) -> str:
    """The answer, wherever it stands: in the content, as parts of it or as an object, parsed, or in a tool call."""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(map(_part, content))
    if content is None or content == "":
        content = _elsewhere(message)
    if isinstance(content, dict):
        content = json.dumps(content, ensure_ascii=False)
    if not isinstance(content, str):
        raise CallFailed(
            f"the reply's text is of type {type(content).__name__}", retryable=True, charged=True, scope="request"
        )
    return clean(content)


def _part(part: object) -> str:
    """The text of a part of a content; "" of a thought or a picture."""
    if isinstance(part, str):
        return part
    text = mapping(part).get("text") if mapping(part).get("type") in ("text", "output_text") else ""
    return text if isinstance(text, str) else ""


def _elsewhere(message: Mapping[str, Any]) -> object:
    """What a message without content says: the model's own refusal, a parsed answer, or the one tool call's."""
    calls = message.get("tool_calls")
    called = mapping(mapping(calls[0]).get("function")) if isinstance(calls, list) and len(calls) == 1 else {}
    found = (message.get("refusal"), message.get("parsed"), called.get("arguments"))
    return next((one for one in found if one and isinstance(one, str | dict)), "")


def _usage(document: Mapping[str, Any]) -> Usage:
    usage = mapping(document.get("usage"))
    details = mapping(usage.get("prompt_tokens_details"))
    cached = (
        details.get("cached_tokens"),
        usage.get("prompt_cache_hit_tokens"),  # DeepSeek's name
        mapping(document.get("timings")).get("cache_n"),  # llama.cpp's name
    )
    prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    total = count(usage.get("total_tokens"))
    if None not in (prompt, completion, total):
        # Gemini and xAI bill reasoning tokens that their completion tokens leave out.
        completion = max(completion or 0, (total or 0) - (prompt or 0))
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=next((tokens for tokens in map(count, cached) if tokens is not None), None),
    )


def _tokens(logprobs: object) -> tuple[TokenChoice, ...]:
    content = mapping(logprobs).get("content")
    tokens = []
    for entry in content if isinstance(content, list) else ():
        chosen = _token(entry)
        if chosen is None:
            continue
        top = entry.get("top_logprobs")
        pairs = [pair for pair in map(_token, top if isinstance(top, list) else ()) if pair is not None]
        tokens.append(TokenChoice(*chosen, top=tuple(sorted(pairs, key=lambda pair: -pair[1]))))
    return tuple(tokens)


def _token(entry: object) -> tuple[str, float] | None:
    fields = mapping(entry)
    token, logprob = fields.get("token"), fields.get("logprob")
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    return (clean(token), float(logprob)) if math.isfinite(logprob) else None


def count(value: object) -> int | None:
    """A number of tokens in foreign JSON; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def mapping(value: object) -> Mapping[str, Any]:
    """An object in foreign JSON; empty for anything else."""
    return value if isinstance(value, dict) else {}
