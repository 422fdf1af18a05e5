"""Model names, ``provider/model``, and the one function that turns a name into a backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from polyjudge import registry
from polyjudge.errors import ModelError
from polyjudge.formatting.text import nearest
from polyjudge.llm.backends import OpenOptions
from polyjudge.llm.backends.providers import PROVIDERS
from polyjudge.llm.request import Backend


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model as the user names it.

    Attributes:
        provider: a row of the provider table or a registered backend; "" for a server known by its address only.
        name: the model's name there; it may hold further slashes.
    """

    provider: str
    name: str


def parse_model(model: str, *, base_url: str | None = None) -> ModelName:
    """Read ``provider/model``.

    With a base URL any text is a name: if it does not begin with a known provider, all of it, slashes included, is
    the server's name of the model.

    Raises:
        ModelError: no provider, an unknown one, or no model; the message lists the known ones.
    """
    provider, slash, name = model.partition("/")
    known = (*PROVIDERS, *registry.names("backends"))
    if not model.strip() or not model.isprintable():
        raise ModelError(f"{model!r} is no model name; write provider/model, like 'openai/gpt-6-luna'")
    if slash and provider in known:
        if not name.strip():
            raise ModelError(f"{model!r} names no model; write {provider + '/MODEL'!r}")
        return ModelName(provider, name)
    if slash and provider == "function":
        raise ModelError(f"{model!r} is a function of a Python program, which passes it as model= or in backends=")
    if base_url:
        return ModelName("", model)
    if not slash:
        raise ModelError(
            f"{model!r} names no provider; write provider/model, like {'openai/' + model!r}; "
            f"providers: {', '.join(known)}; a server of your own is reached with --base-url URL"
        )
    raise ModelError(
        f"unknown provider {provider!r} in {model!r}{nearest(provider, known)}; known: {', '.join(known)}; any "
        f"other OpenAI-compatible server is reached with --base-url URL, and many models as {'openrouter/' + model!r}"
    )


def open_backend(
    model: str,
    *,
    base_url: str | None = None,
    endpoint_name: str | None = None,
    threads: int | None = None,
    context: int = 4096,
    timeout: float = 600.0,
    limit_field: str | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    notify: Callable[[str], None] | None = None,
    planning: bool = False,
    keyless: bool = False,
) -> Backend:
    """The backend of a model; nothing is sent yet. Parameters as in ``OpenOptions``.

    Registered backends (``local``, ``scripted``, plug-ins) ignore ``base_url``.

    Raises:
        ModelError: unknown provider, missing key, bad address, or a model file that cannot be used.
        MissingExtra: an embedded model without its package.
    """
    if (threads is not None and threads < 1) or context < 1 or not timeout > 0:
        raise ModelError(
            f"threads ({threads!r}), context ({context!r}) and timeout ({timeout!r}) of a model must be above 0"
        )
    options = OpenOptions(base_url or None, endpoint_name or None, threads, context, timeout, limit_field)
    options = replace(options, planning=planning, keyless=keyless)
    others: dict[str, Any] = {"environment": environment, "folder": folder, "notify": notify}
    options = replace(options, **{name: value for name, value in others.items() if value is not None})
    parsed = parse_model(model, base_url=options.base_url)
    if parsed.provider in registry.names("backends"):
        return cast(Backend, registry.lookup("backends", parsed.provider)(parsed.name, options))
    from polyjudge.llm.backends.anthropic import Anthropic
    from polyjudge.llm.backends.endpoint import open_endpoint
    from polyjudge.llm.backends.openai import OpenAICompatible

    endpoint = open_endpoint(parsed.provider, parsed.name, options)
    return Anthropic(endpoint) if endpoint.provider.wire == "anthropic" else OpenAICompatible(endpoint)


def reached_by_address(models: Sequence[str]) -> frozenset[str]:
    """The models of a run that are asked at ``base_url``.

    They are the first model that is not embedded, usually the judge; those that name no known provider; and those on
    servers that the user runs (``llamacpp``, ``vllm``, ...), unless the first model names another kind of such a
    server. A provider with a public address keeps it.
    """
    embedded = registry.names("backends")
    remote = [model for model in models if model.partition("/")[0] not in embedded]
    if not remote:
        return frozenset()
    servers = [name for name, provider in PROVIDERS.items() if not provider.key_needed]
    first = remote[0].partition("/")[0]

    def is_reached(model: str) -> bool:
        provider = model.partition("/")[0]
        if model == remote[0] or provider not in PROVIDERS:
            return True
        return provider in servers and (first == provider or first not in servers)

    return frozenset(filter(is_reached, remote))
