"""The endpoint of a model: its address, read strictly, the key for it, and its identity in the response cache."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

from polyjudge.errors import ModelError
from polyjudge.llm.backends import OpenOptions, no_notice
from polyjudge.llm.backends.providers import COMPATIBLE, OWN_KEY, PROVIDERS, Provider
from polyjudge.llm.secrets import Secret, find_key, redact

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NUMBERS = re.compile(r"[0-9.]+")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL.

    Attributes:
        url: where chat completions are posted.
        identity: the base URL in one spelling, without user, password, query or fragment.
        loopback: whether it is this machine; proxies are for others.
    """

    url: str
    identity: str
    loopback: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One model at one address.

    Attributes:
        model: the name sent to the server.
        key_variable: the environment variable that holds the key for this address.
        limit_field: the body's field for the longest answer.
        limit_chosen: whether the user chose it.
        planning: whether asking is an error.
        notify: gets one line when a field is sent under another name than usual.
    """

    provider: Provider
    address: Address
    identity: str
    model: str
    key: Secret | None
    key_variable: str
    limit_field: str
    timeout: float
    limit_chosen: bool = False
    planning: bool = False
    notify: Callable[[str], None] = field(default=no_notice, repr=False)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return () if self.key is None else (self.key,)


def open_endpoint(provider_name: str, model: str, options: OpenOptions) -> Endpoint:
    """The endpoint of a provider in the table, or of ``options.base_url``.

    A provider's key is sent to the provider's address only. Any other address gets ``POLYJUDGE_API_KEY`` if that is
    set, so that no base URL in a foreign config file can collect keys.

    Raises:
        ModelError: bad address, or missing key.
    """
    provider = PROVIDERS.get(provider_name, COMPATIBLE)
    address = read_address(options.base_url or provider.base_url)
    elsewhere = not provider.base_url or _origin(address) != _origin(read_address(provider.base_url))
    if elsewhere and provider.name == "openai":
        provider = COMPATIBLE  # "openai/..." with an address is how people name any compatible server
    variable = OWN_KEY if elsewhere else provider.key
    key = None if options.keyless else find_key(variable, options.environment, options.folder)
    if key is None and provider.key_needed and not elsewhere and not options.planning:
        raise ModelError(
            f"{provider_name + '/' + model!r} needs a key: set the environment variable {variable!r}, or write it "
            "into a .env file here or in a parent folder"
        )
    if key is not None and not address.loopback and address.url.startswith("http:") and not options.planning:
        options.notify(
            f"the key in {variable!r} goes to {address.identity} over plain http, so others on the way can read it; "
            f"use https"
        )
    return Endpoint(
        provider=provider,
        address=address,
        identity=options.endpoint_name or address.identity,
        model=model,
        key=key,
        key_variable=variable,
        limit_field=options.limit_field or provider.limit_field,
        timeout=options.timeout,
        limit_chosen=options.limit_field is not None,
        planning=options.planning,
        notify=options.notify,
    )


def read_address(base_url: str) -> Address:
    """Read a base URL.

    Raises:
        ModelError: not an absolute http or https address, or one with a user name, a query or a fragment in it,
            where keys would hide; the message masks them.
    """
    parts = _split(base_url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ModelError(
            f"the address {redact(urlunsplit(parts._replace(query='', fragment='')))!r} may not carry a user name, a "
            f"query or a fragment; put the key into the environment variable {OWN_KEY!r}"
        )
    host = (parts.hostname or "").lower()
    shown = f"[{host}]" if ":" in host else host
    if parts.port is not None and parts.port != _DEFAULT_PORTS[parts.scheme]:
        shown += f":{parts.port}"
    path = parts.path.rstrip("/").removesuffix("/chat/completions").removesuffix("/messages").rstrip("/")
    base = f"{parts.scheme}://{shown}{path}"
    return Address(url=f"{base}/chat/completions", identity=base, loopback=host in _LOOPBACK)


def environment_proxy(address: Address) -> str | None:
    """The proxy that the system's settings name for an address; never one for this machine's own servers."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(address.url)
    if address.loopback or proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _split(base_url: str) -> SplitResult:
    """The parts of an absolute http address, in lower-case scheme, with a port that is a port."""
    problem = "it must begin with http:// or https:// and name a host, like http://127.0.0.1:8000/v1"
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        raise ModelError(f"cannot read the address {redact(base_url)!r}: {problem}") from None
    clean = base_url.isascii() and base_url.isprintable() and not set(base_url) & set(" \\\"'<>`{}|^")
    if parts.scheme not in _DEFAULT_PORTS or port == 0 or not clean or not _is_host(parts.hostname or ""):
        raise ModelError(f"cannot read the address {redact(base_url)!r}: {problem}")
    return parts


def _is_host(host: str) -> bool:
    """Whether it is an IP address or a name that can be looked up."""
    if ":" in host or _NUMBERS.fullmatch(host):
        try:
            ip_address(host)
        except ValueError:
            return False
        return True
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))


def _origin(address: Address) -> str:
    return "/".join(address.identity.split("/", 3)[:3])
