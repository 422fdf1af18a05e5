"""Any OpenAI-compatible endpoint over aiohttp. One request is one attempt: nothing is retried or waited for here,
so that nothing is paid behind the budget's back."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from polyjudge.errors import CallFailed, ModelError
from polyjudge.llm.backends.endpoint import Endpoint, environment_proxy
from polyjudge.llm.backends.failures import (
    error_in_reply,
    other_limit_field,
    read_complaint,
    read_retry_after,
    refusal,
)
from polyjudge.llm.backends.wire import begun_text, body, read_reply
from polyjudge.llm.request import Abilities, NobodyListens, Reply, Request
from polyjudge.llm.secrets import quotable

if TYPE_CHECKING:
    import aiohttp

LARGEST_REPLY = 16 * 1024 * 1024
_CONNECTIONS = 1024
_CONNECT_SECONDS = 30.0


class OpenAICompatible:
    """A backend that speaks the OpenAI chat format."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._limit_field = endpoint.limit_field
        self._proxy = environment_proxy(endpoint.address)

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
        # ensure_ascii keeps a lone surrogate of somebody's data sendable
        payload = json.dumps(fields, ensure_ascii=True).encode("ascii")
        try:
            document = await self._post(payload)
            failed = error_in_reply(endpoint, document)
            if failed is not None:
                raise failed
        except CallFailed as failure:
            if self._renames_limit(failure, limit_field):
                raise CallFailed(f"{failure}; it is sent under its other name", retryable=True) from failure
            raise
        return read_reply(document, begun_text(request))

    async def close(self) -> None:
        if self._session is not None and self._loop is asyncio.get_running_loop():
            await self._session.close()
        self._session = None

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

    async def _post(self, payload: bytes) -> dict[str, Any]:
        import aiohttp

        where = self._endpoint.address.identity
        try:
            async with self._open_session().post(
                self._endpoint.address.url, data=payload, allow_redirects=False, proxy=self._proxy
            ) as response:
                return await self._read(response)
        except aiohttp.InvalidURL:
            raise CallFailed(f"the address {where} cannot be used; check --base-url", retryable=False) from None
        except aiohttp.ClientSSLError as error:
            said = quotable(str(error), self._endpoint.secrets)
            raise CallFailed(
                f"no secure connection to {where}: {said}; check whether it is http or https", retryable=False
            ) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            if isinstance(getattr(error, "os_error", None), ConnectionRefusedError):
                raise NobodyListens(
                    f"nobody answers at {where} (connection refused): is the server running, and is this its address?"
                ) from None
            said = quotable(str(error), self._endpoint.secrets)
            raise CallFailed(f"cannot connect to {where}: {said}", retryable=True) from None
        except TimeoutError:
            raise CallFailed(
                f"{where} did not answer within {self._endpoint.timeout:g} s",
                retryable=True,
                charged=True,
                overloaded=True,
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            said = quotable(str(error) or type(error).__name__, self._endpoint.secrets)
            raise CallFailed(f"the connection to {where} broke: {said}", retryable=True, charged=True) from None

    async def _read(self, response: aiohttp.ClientResponse) -> dict[str, Any]:
        """The JSON object of a success.

        Raises:
            CallFailed: any other status, or a body that is too large or no JSON object.
        """
        endpoint = self._endpoint
        received = await _receive(response)
        if not 200 <= response.status < 300:
            text = received.decode("utf-8", errors="replace")
            document = _parse(received)
            complaint = read_complaint(text if document is None else document)
            wait = read_retry_after(response.headers, datetime.now(UTC))
            raise refusal(endpoint, response.status, complaint, retry_after=wait)
        document = _parse(received)
        if isinstance(document, dict):
            return document
        kind = quotable(response.content_type)
        if kind in ("text/html", "text/event-stream"):
            raise CallFailed(
                f"{endpoint.address.identity} answered {kind}, not JSON; check the address, which often ends in '/v1'",
                retryable=False,
                charged=True,
            )
        raise CallFailed(
            f"{endpoint.address.identity} answered {len(received)} bytes of {kind} that are no JSON object",
            retryable=True,
            charged=True,
            scope="request",
        )

    def _open_session(self) -> aiohttp.ClientSession:
        """The session of the running loop; a session outlives no loop."""
        import aiohttp

        loop = asyncio.get_running_loop()
        if self._session is not None and self._loop is loop and not self._session.closed:
            return self._session
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._endpoint.key is not None:
            headers["Authorization"] = f"Bearer {self._endpoint.key.reveal()}"
        self._loop = loop
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=30.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self._endpoint.timeout, sock_connect=_CONNECT_SECONDS),
            # Not trust_env: it would also send the passwords of a .netrc file, and fail where a key is sent too.
            trust_env=False,
        )
        return self._session


async def _receive(response: aiohttp.ClientResponse) -> bytes:
    received = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        received += chunk
        if len(received) > LARGEST_REPLY:
            raise CallFailed(
                f"the reply is larger than {LARGEST_REPLY // 2**20} MiB",
                retryable=False,
                charged=True,
                scope="request",
            )
    return bytes(received)


def _parse(received: bytes) -> object:
    """The JSON value of a body; None when it is none (nor UTF-8)."""
    try:
        return json.loads(received.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
