"""Anthropic's Messages API over aiohttp. Written from its documentation; never run live by this project.

Its OpenAI-compatible address is not used: it leaves response formats out without a word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from polyjudge.errors import CallFailed, ModelError
from polyjudge.llm.backends.endpoint import Endpoint
from polyjudge.llm.backends.http import Connection
from polyjudge.llm.backends.wire import check_ability, clean, count, mapping
from polyjudge.llm.request import Abilities, Message, Reply, Request, Usage
from polyjudge.llm.secrets import quotable

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

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        key = {} if endpoint.key is None else {"x-api-key": endpoint.key.reveal()}
        url = f"{endpoint.address.identity}/messages"
        self._connection = Connection(endpoint, url, {"anthropic-version": VERSION, **key})

    @property
    def identity(self) -> str:
        return self._endpoint.identity

    @property
    def abilities(self) -> Abilities:
        return self._endpoint.provider.abilities

    @property
    def concurrency(self) -> int | None:
        return None

    async def complete(self, request: Request) -> Reply:
        """One POST.

        Raises:
            CallFailed: anything but a usable answer.
            ModelError: the request asks for what this API does not do.
        """
        endpoint = self._endpoint
        if endpoint.planning:
            raise ModelError(f"{endpoint.model!r} was opened for planning only and is not asked")
        document = await self._connection.ask(body(request, endpoint.model, endpoint.provider.abilities))
        return read_message(document)

    async def close(self) -> None:
        await self._connection.close()


def body(request: Request, model: str, abilities: Abilities) -> dict[str, Any]:
    """The body of a message; extra fields of the sampling are added last.

    The prefix that several calls share ends a text block that is marked for the cache.

    Raises:
        ModelError: an extra field that is not the user's to set, or something asked that the API cannot do.
    """
    check_ability(request, abilities)
    sampling = request.sampling
    contents = [
        _content(message, request.shared if not place else 0) for place, message in enumerate(request.messages)
    ]
    both = list(zip(request.messages, contents, strict=True))
    fields: dict[str, Any] = {
        "model": model,
        "max_tokens": sampling.max_tokens,
        "messages": [{"role": one.role, "content": content} for one, content in both if one.role != "system"],
    }
    system = [block for one, content in both if one.role == "system" for block in _blocks(content)]
    if system:
        fields["system"] = system
    if sampling.temperature is not None:
        fields["temperature"] = sampling.temperature
    extra = {name: json.loads(text) for name, text in sampling.extra}
    for name in sorted(extra.keys() & _OURS):
        raise ModelError(f"the parameter {name!r} of model {request.model!r} is not free to set; leave it out")
    if request.schema:
        held = {"type": "json_schema", "schema": json.loads(request.schema)}
        extra["output_config"] = {**mapping(extra.get("output_config")), "format": held}
    return fields | extra


def read_message(document: Mapping[str, Any]) -> Reply:
    """The reply in a message's JSON; thinking is not the answer.

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
        said = quotable(str(details.get("explanation") or details.get("category") or "no reason given"))
        raise CallFailed(
            f"the provider's classifiers withheld the answer: {said}", retryable=False, charged=True, scope="request"
        )
    texts = [block.get("text") for block in map(mapping, blocks) if block.get("type") == "text"]
    model = document.get("model")
    return Reply(
        text=clean("".join(text for text in texts if isinstance(text, str))),
        finish=_FINISHES.get(reason, reason),
        model=clean(model) if isinstance(model, str) else "",
        usage=_usage(mapping(document.get("usage"))),
    )


def _usage(told: Mapping[str, Any]) -> Usage:
    """All input tokens are the plain, the written and the read ones together."""
    plain = count(told.get("input_tokens"))
    written, read = count(told.get("cache_creation_input_tokens")), count(told.get("cache_read_input_tokens"))
    return Usage(
        prompt=None if plain is None else plain + (written or 0) + (read or 0),
        completion=count(told.get("output_tokens")),
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
