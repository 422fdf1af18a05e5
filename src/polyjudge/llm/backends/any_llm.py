"""Providers with protocols of their own, ``any/PROVIDER/MODEL``, through any-llm (extra ``providers``).

The retries of its clients are switched off, so that the budget sees every call that is paid for. A provider whose
client retries all the same is refused.
"""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from polyjudge.errors import CallFailed, MissingExtra, ModelError
from polyjudge.llm.backends import OpenOptions
from polyjudge.llm.backends.endpoint import Address, Endpoint
from polyjudge.llm.backends.failures import Complaint, read_retry_after, refusal
from polyjudge.llm.backends.providers import OWN_KEY, Provider
from polyjudge.llm.backends.wire import check_ability, extra_fields, read_reply, response_format
from polyjudge.llm.request import Abilities, Reply, Request
from polyjudge.llm.secrets import Secret, find_key, quotable

if TYPE_CHECKING:
    from any_llm import AnyLLM

# What any-llm passes on; the first call shows whether a provider accepts it.
_ASSUMED = Abilities(logprobs=20, schema=True, own_timeout=True, assumed=True)


class ThroughAnyLLM:
    """A backend that asks one provider through any-llm.

    Args:
        endpoint: named in errors.
        client: any-llm's, which makes one attempt; None when the backend is opened for planning.
    """

    abilities = _ASSUMED
    concurrency: int | None = None

    def __init__(self, endpoint: Endpoint, client: AnyLLM | None) -> None:
        self.identity = endpoint.identity
        self._endpoint = endpoint
        self._client = client

    async def complete(self, request: Request) -> Reply:
        """One attempt.

        Raises:
            CallFailed: anything but a usable answer.
            ModelError: the request asks for what is not passed on.
        """
        if self._client is None:
            raise ModelError(f"{self._endpoint.model!r} was opened for planning only and is not asked")
        fields = _fields(request)
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                answer: Any = await self._client.acompletion(model=self._endpoint.model, **fields)
        except Exception as error:
            raise self._failure(error) from None  # its chain would show headers, and keys in them
        return read_reply(answer.model_dump(), secrets=self._endpoint.secrets)

    async def close(self) -> None:
        close = getattr(getattr(self._client, "client", None), "close", None)
        done = close() if callable(close) else None
        if inspect.isawaitable(done):
            await done

    def _failure(self, error: Exception) -> CallFailed:
        """The error of ours for an exception of a provider's client."""
        endpoint, text = self._endpoint, str(error)
        reason = quotable(text or type(error).__name__, endpoint.secrets)
        status = getattr(error, "status_code", None)
        cause = getattr(error, "original_exception", None) or error
        if isinstance(status, int) and status >= 300:
            complaint = Complaint(text, str(getattr(error, "code", None) or ""), getattr(error, "param", None) or "")
            headers = getattr(getattr(cause, "response", None), "headers", None) or {}
            return refusal(endpoint, status, complaint, retry_after=read_retry_after(headers, datetime.now(UTC)))
        kind = type(cause).__name__
        if isinstance(cause, TimeoutError) or "Timeout" in kind:
            return CallFailed(
                f"{endpoint.identity} did not answer in time", retryable=True, charged=True, overloaded=True
            )
        if "Connect" in kind:
            return CallFailed(f"the connection to {endpoint.identity} broke: {reason}", retryable=True, charged=True)
        if "UnsupportedParameter" in type(error).__name__:
            named = str(getattr(error, "parameter_name", "") or next((n for n in _NAMES if n in text), ""))
            return CallFailed(f"{endpoint.identity}: {reason}", retryable=False, parameter=named)
        return CallFailed(
            f"{endpoint.identity} gave no usable reply ({kind}): {reason}",
            retryable=True,
            charged=True,
            scope="request",
        )


_NAMES = ("temperature", "response_format", "top_logprobs", "logprobs", "max_tokens")


def open_any(name: str, options: OpenOptions) -> ThroughAnyLLM:
    """The backend of ``any/PROVIDER/MODEL``.

    Raises:
        MissingExtra: any-llm is not installed.
        ModelError: unknown provider, missing key or package, or a client that retries by itself.
    """
    provider, slash, model = name.partition("/")
    if not slash or not provider or not model:
        raise ModelError(f"{'any/' + name!r} names no model; write any/PROVIDER/MODEL")
    if find_spec("any_llm") is None:
        raise MissingExtra("any_llm", "providers", f"the model {'any/' + name!r}")
    if options.planning:
        return ThroughAnyLLM(_endpoint(provider, model, options, None, ""), None)
    from any_llm import AnyLLM
    from any_llm.exceptions import MissingApiKeyError, UnsupportedParameterError, UnsupportedProviderError

    try:
        known = AnyLLM.get_provider_class(provider)
        # Some providers name several variables; a provider's key is sent to its own address only.
        variables = [OWN_KEY] if options.base_url else known.ENV_API_KEY_NAME.split("/")
        looked_up = () if options.keyless else variables
        keys = (find_key(variable.strip(), options.environment, options.folder) for variable in looked_up)
        key = next(filter(None, keys), None)
        # Without a key, any-llm would look for the provider's key in the environment.
        api_key = key.reveal() if key is not None else ("none" if options.base_url else None)
        client = AnyLLM.create(
            provider, api_key=api_key, api_base=options.base_url, unified_exceptions=True, max_retries=0
        )
    except UnsupportedProviderError:
        raise ModelError(
            f"any-llm knows no provider {provider!r}; see its list of providers, or use --base-url"
        ) from None
    except MissingApiKeyError:
        raise ModelError(
            f"{'any/' + name!r} needs a key: set the environment variable {variables[0]!r}, or write it into a .env "
            "file here or in a parent folder"
        ) from None
    except UnsupportedParameterError:
        raise ModelError(
            f"{'any/' + name!r} is not used: its client asks again by itself, at your cost, and any-llm cannot switch "
            f"that off; reach the model through openrouter/ or a gateway (--base-url)"
        ) from None
    except Exception as error:  # a foreign client may raise anything; nothing was sent yet
        raise ModelError(f"{'any/' + name!r} cannot be opened: {quotable(str(error))}") from None
    return ThroughAnyLLM(_endpoint(provider, model, options, key, variables[0]), client)


def _endpoint(provider: str, model: str, options: OpenOptions, key: Secret | None, variable: str) -> Endpoint:
    identity = options.endpoint_name or options.base_url or f"any-llm:{provider}"
    return Endpoint(
        provider=Provider(f"any/{provider}", "", variable, abilities=_ASSUMED),
        address=Address(url="", identity=identity, loopback=False),
        identity=identity,
        model=model,
        key=key,
        key_variable=variable,
        limit_field="max_tokens",
        timeout=options.timeout,
    )


def _fields(request: Request) -> dict[str, Any]:
    """What any-llm is called with.

    Raises:
        ModelError: a begun reply, too many logprobs, or an extra field that is not the user's to set.
    """
    check_ability(request, _ASSUMED)
    fields: dict[str, Any] = {
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "max_tokens": request.sampling.max_tokens,
        **extra_fields(request),
    }
    if request.sampling.temperature is not None:
        fields["temperature"] = request.sampling.temperature
    if request.top_logprobs:
        fields |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    if request.schema:
        fields["response_format"] = response_format(request.schema)
    return fields
