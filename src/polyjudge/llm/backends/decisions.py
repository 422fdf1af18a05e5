"""Decisions, both ways: one item, many questions, and a probability for each level or choice of every question.

The protocol is that of ``POST {base}/decisions`` of OpenAI and SGLang, written from the types of OpenAI's own Python
client 3.57.0. It knows no temperature, no longest answer and no log-probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from polyjudge.errors import CallFailed
from polyjudge.llm.backends.wire import check_ability, clean, count, extra_fields, mapping, masked
from polyjudge.llm.request import Abilities, Reply, Request, Usage
from polyjudge.llm.secrets import Secret

_RESERVED = frozenset({"model", "input", "questions"})


def body(request: Request, model: str, abilities: Abilities) -> dict[str, Any]:
    """The body of a decision; one user message is sent as its text, and several messages as a list.

    Raises:
        ModelError: the endpoint answers no decisions, or an extra field that is not the user's to set.
    """
    check_ability(request, abilities)
    messages = request.messages
    alone = len(messages) == 1 and messages[0].role == "user"
    material: object = (
        messages[0].content
        if alone
        else [{"type": "message", "role": message.role, "content": message.content} for message in messages]
    )
    asked = {"model": model, "input": material, "questions": json.loads(request.questions)}
    return asked | extra_fields(request, _RESERVED)


def read_decision(document: Mapping[str, Any], secrets: Sequence[Secret] = ()) -> Reply:
    """The reply in a decision's JSON: its answers as JSON text, in the order of the questions.

    Raises:
        CallFailed: no list of answers in it.
    """
    answers = document.get("answers")
    if not isinstance(answers, list):
        raise CallFailed("the reply holds no answers", retryable=True, charged=True, scope="request")
    model = document.get("model")
    reply = Reply(
        text=clean(json.dumps(answers, ensure_ascii=False)),
        finish="stop",
        model=clean(model) if isinstance(model, str) else "",
        usage=_usage(mapping(document.get("usage"))),
    )
    return masked(reply, secrets)


def _usage(reported: Mapping[str, Any]) -> Usage:
    details = mapping(reported.get("input_tokens_details"))
    return Usage(
        prompt=count(reported.get("input_tokens")),
        completion=count(reported.get("output_tokens")),
        cached=count(details.get("cached_tokens")),
        written=count(details.get("cache_write_tokens")),
    )
