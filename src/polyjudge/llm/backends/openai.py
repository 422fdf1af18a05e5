"""Any OpenAI-compatible endpoint over aiohttp.

One request is one attempt: nothing is retried here, so that the budget sees every call that is paid for.
"""

from __future__ import annotations

from polyjudge.errors import CallFailed
from polyjudge.llm.backends import decisions
from polyjudge.llm.backends.endpoint import Endpoint
from polyjudge.llm.backends.failures import other_limit_field
from polyjudge.llm.backends.http import Connection
from polyjudge.llm.backends.wire import begun_text, body, read_reply
from polyjudge.llm.request import Reply, Request


class OpenAICompatible:
    """A backend that speaks the OpenAI chat format, and asks decision questions where there are any."""

    concurrency: int | None = None

    def __init__(self, endpoint: Endpoint) -> None:
        self.identity = endpoint.identity
        self.abilities = endpoint.provider.abilities
        self._endpoint = endpoint
        self._limit_field = endpoint.limit_field
        key = {} if endpoint.key is None else {"Authorization": f"Bearer {endpoint.key.reveal()}"}
        self._connection = Connection(endpoint, endpoint.address.url, key)
        self._decisions = Connection(endpoint, f"{endpoint.address.identity}/decisions", key)

    async def complete(self, request: Request) -> Reply:
        """One POST.

        Raises:
            CallFailed: anything but a usable answer; an error's text is never returned as a reply.
            ModelError: the endpoint is known not to do what the request asks for, or was opened for planning.
        """
        if request.questions:
            asked = decisions.body(request, self._endpoint.model, self.abilities)
            return decisions.read_decision(await self._decisions.ask(asked), self._endpoint.secrets)
        limit_field = self._limit_field
        fields = body(request, self._endpoint.provider, self._endpoint.model, limit_field)
        try:
            document = await self._connection.ask(fields)
        except CallFailed as failure:
            if self._renames_limit(failure, limit_field):
                raise CallFailed(f"{failure}; it is sent under its other name", retryable=True) from failure
            raise
        return read_reply(document, begun_text(request), self._endpoint.secrets)

    async def close(self) -> None:
        await self._connection.close()
        await self._decisions.close()

    def _renames_limit(self, failure: CallFailed, sent: str) -> bool:
        """Whether the field of the longest answer has another name than ``sent`` from now on; it changes once."""
        endpoint = self._endpoint
        other = "" if endpoint.limit_chosen else other_limit_field(failure, sent)
        if not other or other == endpoint.limit_field:
            return False
        if self._limit_field == sent:
            self._limit_field = other
            endpoint.notify(f"{endpoint.model} does not take {sent}; the longest answer is sent as {other}")
        return True
