"""Any OpenAI-compatible endpoint over aiohttp. One request is one attempt: nothing is retried or waited for here,
so that nothing is paid behind the budget's back."""

from __future__ import annotations

from polyjudge.errors import CallFailed, ModelError
from polyjudge.llm.backends.endpoint import Endpoint
from polyjudge.llm.backends.failures import other_limit_field
from polyjudge.llm.backends.http import Connection
from polyjudge.llm.backends.wire import begun_text, body, read_reply
from polyjudge.llm.request import Abilities, Reply, Request


class OpenAICompatible:
    """A backend that speaks the OpenAI chat format."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._limit_field = endpoint.limit_field
        key = {} if endpoint.key is None else {"Authorization": f"Bearer {endpoint.key.reveal()}"}
        self._connection = Connection(endpoint, endpoint.address.url, key)

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
            CallFailed: anything but a usable answer; an error's text is never returned as a reply.
            ModelError: the request asks for what this endpoint is known not to do.
        """
        endpoint = self._endpoint
        if endpoint.planning:
            raise ModelError(f"{endpoint.model!r} was opened for planning only and is not asked")
        limit_field = self._limit_field
        fields = body(request, endpoint.provider, endpoint.model, limit_field)
        try:
            document = await self._connection.ask(fields)
        except CallFailed as failure:
            if self._renames_limit(failure, limit_field):
                raise CallFailed(f"{failure}; it is sent under its other name", retryable=True) from failure
            raise
        return read_reply(document, begun_text(request))

    async def close(self) -> None:
        await self._connection.close()

    def _renames_limit(self, failure: CallFailed, sent: str) -> bool:
        """Whether the longest answer goes by another name than ``sent`` from now on; it is changed once."""
        endpoint = self._endpoint
        other = "" if endpoint.limit_chosen else other_limit_field(failure, sent)
        if not other or other == endpoint.limit_field:
            return False
        if self._limit_field == sent:
            self._limit_field = other
            endpoint.notify(f"{endpoint.model} does not take {sent}; the longest answer is sent as {other}")
        return True
