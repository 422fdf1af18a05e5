"""One POST to an endpoint and the JSON object that comes back, or an error of the tree. Nothing is retried here."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from polyjudge.errors import CallFailed, ModelError
from polyjudge.llm.backends.endpoint import Endpoint, environment_proxy
from polyjudge.llm.backends.failures import error_in_reply, read_complaint, read_retry_after, refusal
from polyjudge.llm.request import NobodyListens
from polyjudge.llm.secrets import quotable

if TYPE_CHECKING:
    import aiohttp

LARGEST_REPLY = 16 * 1024 * 1024
_CONNECT_SECONDS = 30.0
_NO_FILES_LEFT = (errno.EMFILE, errno.ENFILE)


class Connection:
    """The connections to one endpoint: one session for each event loop.

    Args:
        endpoint: the address, key and time-out.
        url: to which bodies are posted.
        headers: the key, and whatever else the protocol requires.
    """

    def __init__(self, endpoint: Endpoint, url: str, headers: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._url = url
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clocks: dict[asyncio.Task[Any] | None, asyncio.Timeout] = {}
        self._spoke_json = False
        self._proxy = environment_proxy(endpoint.address)

    async def close(self) -> None:
        if self._session is not None and self._loop is asyncio.get_running_loop():
            await self._session.close()
        self._session = None

    async def ask(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """One POST of a JSON body.

        Raises:
            CallFailed: anything but a JSON object that is an answer; an error's text is never one.
            ModelError: the endpoint was opened for planning.
        """
        if self._endpoint.planning:
            raise ModelError(f"{self._endpoint.model!r} was opened for planning only and is not asked")
        # With ensure_ascii a lone surrogate in the data can be sent.
        document = await self._post(json.dumps(fields, ensure_ascii=True).encode("ascii"))
        failed = error_in_reply(self._endpoint, document)
        if failed is not None:
            raise failed
        return document

    async def _post(self, payload: bytes) -> dict[str, Any]:
        import aiohttp

        endpoint, where = self._endpoint, self._endpoint.address.identity
        try:
            # The clock starts when the attempt has a connection; until then nothing is sent and nothing is charged.
            async with asyncio.timeout(None) as clock:
                self._clocks[asyncio.current_task()] = clock
                async with self._open_session().post(
                    self._url, data=payload, allow_redirects=False, proxy=self._proxy
                ) as response:
                    return await self._read(response)
        except aiohttp.InvalidURL:
            raise CallFailed(f"the address {where} cannot be used; check --base-url", retryable=False) from None
        except aiohttp.ClientSSLError as error:
            reason = quotable(str(error), endpoint.secrets)
            raise CallFailed(
                f"no secure connection to {where}: {reason}; check whether it is http or https", retryable=False
            ) from None
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, aiohttp.ConnectionTimeoutError) as error:
            cause = getattr(error, "os_error", None)
            if isinstance(cause, ConnectionRefusedError):
                raise NobodyListens(
                    f"nobody answers at {where} (connection refused): is the server running, and is this its address?"
                ) from None
            reason = quotable(str(error), endpoint.secrets)
            no_files_left = getattr(cause, "errno", None) in _NO_FILES_LEFT
            message = f"cannot connect to {where}: {reason}"
            raise CallFailed(message, retryable=True, overloaded=no_files_left) from None
        except TimeoutError:
            message = f"{where} did not answer within {endpoint.timeout:g} s"
            raise CallFailed(message, retryable=True, charged=True, overloaded=True) from None
        except (aiohttp.ClientError, OSError) as error:
            reason = quotable(str(error) or type(error).__name__, endpoint.secrets)
            raise CallFailed(f"the connection to {where} broke: {reason}", retryable=True, charged=True) from None
        finally:
            self._clocks.pop(asyncio.current_task(), None)

    async def _read(self, response: aiohttp.ClientResponse) -> dict[str, Any]:
        """The JSON object of a success.

        Raises:
            CallFailed: any other status, or a body that is too large or no JSON object.
        """
        endpoint = self._endpoint
        received = await _receive(response)
        if not 200 <= response.status < 300:
            text = received.decode("utf-8", errors="replace")
            document = parse(received)
            complaint = read_complaint(text if document is None else document)
            wait = read_retry_after(response.headers, datetime.now(UTC))
            raise refusal(endpoint, response.status, complaint, retry_after=wait)
        document = parse(received)
        if isinstance(document, dict):
            self._spoke_json = True
            return document
        kind = quotable(response.content_type, endpoint.secrets)
        if kind in ("text/html", "text/event-stream"):
            # If JSON came before, the address is right, and the page comes from a gateway in trouble.
            raise CallFailed(
                f"{endpoint.address.identity} answered {kind}, not JSON; check the address, which often ends in '/v1'",
                retryable=self._spoke_json,
                charged=True,
            )
        raise CallFailed(
            f"{endpoint.address.identity} answered {len(received)} bytes of {kind} that are no JSON object",
            retryable=True,
            charged=True,
            scope="request",
        )

    def _connector(self) -> aiohttp.TCPConnector:
        """Starts an attempt's clock when it has a connection, a new one or one that was kept alive.

        A trace would tell the same, but costs a twentieth of a call's processor time.
        """
        import aiohttp

        clocks, seconds = self._clocks, self._endpoint.timeout

        class Clocked(aiohttp.TCPConnector):
            async def connect(self, *arguments: Any, **named: Any) -> Any:
                connection = await super().connect(*arguments, **named)
                clock = clocks.get(asyncio.current_task())
                if clock is not None:
                    clock.reschedule(asyncio.get_running_loop().time() + seconds)
                return connection

        # The client's scheduler limits the calls under way; a second limit here would delay calls that count as sent.
        return Clocked(limit=0, keepalive_timeout=30.0)

    def _open_session(self) -> aiohttp.ClientSession:
        """The session of the running loop; a session outlives no loop."""
        import aiohttp

        loop = asyncio.get_running_loop()
        if self._session is not None and self._loop is loop and not self._session.closed:
            return self._session
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self._headers}
        self._loop = loop
        self._session = aiohttp.ClientSession(
            connector=self._connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS),
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


def parse(received: bytes) -> object:
    """The JSON value of a body; None when it is none (nor UTF-8)."""
    try:
        return json.loads(received.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
