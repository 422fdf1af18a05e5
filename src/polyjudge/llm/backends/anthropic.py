"""Anthropic's Messages API over aiohttp. Written from its documentation; never run live by this project.

Its OpenAI-compatible address is not used, because that one ignores response formats silently.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from polyjudge.errors import CallFailed
from polyjudge.llm.backends.endpoint import Endpoint
from polyjudge.llm.backends.http import Connection
from polyjudge.llm.backends.wire import check_ability, clean, count, extra_fields, mapping, masked
from polyjudge.llm.request import Abilities, Message, Reply, Request, Usage
from polyjudge.llm.secrets import Secret, quotable

VERSION = "2023-06-01"
_OURS = frozenset({"model", "messages", "system", "stream", "max_tokens"})
_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
_CACHED = {"type": "ephemeral"}


class Anthropic:
    """A backend that speaks the Messages API."""

    concurrency: int | None = None

    def __init__(self, endpoint: Endpoint) -> None:
        self.identity = endpoint.identity
        self.abilities = endpoint.provider.abilities
        self._model, self._secrets = endpoint.model, endpoint.secrets
        key = {} if endpoint.key is None else {"x-api-key": endpoint.key.reveal()}
        url = f"{endpoint.address.identity}/messages"
        self._connection = Connection(endpoint, url, {"anthropic-version": VERSION, **key})

    async def complete(self, request: Request) -> Reply:
        """One POST.

        Raises:
            CallFailed: anything but a usable answer.
            ModelError: this API does not do what the request asks for, or the backend was opened for planning.
        """
        document = await self._connection.ask(body(request, self._model, self.abilities))
        return read_message(document, self._secrets)

    async def close(self) -> None:
        await self._connection.close()


def body(request: Request, model: str, abilities: Abilities) -> dict[str, Any]:
    """The body of a message; extra fields of the sampling are added last.

    The prefix that several calls share is a text block of its own, marked for the prefix cache.

    Raises:
        ModelError: an extra field that is not the user's to set, or something asked that the API cannot do.
    """
    check_ability(request, abilities)
    sampling = request.sampling
    contents = [
        (message.role, _content(message, 0 if position else request.shared))
        for position, message in enumerate(request.messages)
    ]
    fields: dict[str, Any] = {
        "model": model,
        "max_tokens": sampling.max_tokens,
        "messages": [{"role": role, "content": content} for role, content in contents if role != "system"],
    }
    system = [block for role, content in contents if role == "system" for block in _blocks(content)]
    if system:
        fields["system"] = system
    if sampling.temperature is not None:
        fields["temperature"] = sampling.temperature
    extra = extra_fields(request, _OURS)
    if request.schema:
        form = {"type": "json_schema", "schema": json.loads(request.schema)}
        extra["output_config"] = {**mapping(extra.get("output_config")), "format": form}
    return fields | extra


def read_message(document: Mapping[str, Any], secrets: Sequence[Secret] = ()) -> Reply:
    """The reply in a message's JSON, without the keys that were sent; thinking is not the answer.

    Raises:
        CallFailed: no content in it, or a classifier withheld the answer.
    """
    blocks = document.get("content")
    if not isinstance(blocks, list):
        raise CallFailed("the reply holds no content", retryable=True, charged=True, scope="request")
    reason = document.get("stop_reason")
    reason = clean(reason) if isinstance(reason, str) else ""
    if reason == "refusal":
        details = mapping(document.get("stop_details"))
        explanation = str(details.get("explanation") or details.get("category") or "no reason given")
        message = f"the provider's classifiers withheld the answer: {quotable(explanation, secrets)}"
        raise CallFailed(message, retryable=False, charged=True, scope="request")
    texts = [block.get("text") for block in map(mapping, blocks) if block.get("type") == "text"]
    model = document.get("model")
    reply = Reply(
        text=clean("".join(text for text in texts if isinstance(text, str))),
        finish=_FINISHES.get(reason, reason),
        model=clean(model) if isinstance(model, str) else "",
        usage=_usage(mapping(document.get("usage"))),
    )
    return masked(reply, secrets)


def _usage(reported: Mapping[str, Any]) -> Usage:
    """The prompt's tokens are the plain ones and those written to or read from the prefix cache together."""
    plain = count(reported.get("input_tokens"))
    written, read = count(reported.get("cache_creation_input_tokens")), count(reported.get("cache_read_input_tokens"))
    return Usage(
        prompt=None if plain is None else plain + (written or 0) + (read or 0),
        completion=count(reported.get("output_tokens")),
        cached=read,
        written=written,
    )


def _content(message: Message, shared: int) -> str | list[dict[str, Any]]:
    """A message's text, cut where the shared prefix ends; a block without a visible character is refused."""
    first, rest = message.content[:shared], message.content[shared:]
    if not first.strip() or not rest.strip():
        return message.content
    return [{"type": "text", "text": first, "cache_control": _CACHED}, {"type": "text", "text": rest}]


def _blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
