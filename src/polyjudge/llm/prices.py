"""What calls cost: the prices of models. An unknown price is called unknown and never taken for 0.

Money is counted in whole picodollars, so that sums are exact and a budget holds to the last digit. Prices come from
the user's settings, else from the table of the extra ``prices``, which needs no network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from polyjudge import registry
from polyjudge.errors import ModelError
from polyjudge.llm.backends.endpoint import read_address
from polyjudge.llm.backends.providers import PROVIDERS
from polyjudge.llm.request import Usage

PICO = 10**12
# A price in USD for a million tokens, times this, is one in picodollars for a token.
_A_TOKEN = 10**6

_EMBEDDED = ("local", "scripted", "simulated")
# Our names of providers where the table has others.
_IN_THE_TABLE = MappingProxyType({"gemini": "google", "xai": "x-ai", "moonshot": "moonshotai", "bedrock": "aws"})
_OF_TOKENS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
# Fields that never apply to text without tools.
_NEVER_USED = ("audio", "image", "video", "document", "search", "cache_write_1h")


@dataclass(frozen=True, slots=True)
class Price:
    """USD for a million tokens of one model.

    Attributes:
        input: of the prompt.
        output: of the answer.
        cached: of the prompt's part that came from the provider's prefix cache; None = as ``input``.
        written: of the prompt's part that was written into that cache; None = as ``input``.
        above: (prompt tokens, price): from more tokens than these on another price holds for the whole call.
        source: where it comes from.
    """

    input: float
    output: float
    cached: float | None = None
    written: float | None = None
    above: tuple[tuple[int, Price], ...] = ()
    source: str = "settings"

    def at(self, prompt: int) -> Price:
        """The price of a call with so many prompt tokens."""
        return next((price for start, price in reversed(self.above) if prompt > start), self)

    def most(self, prompt: int, completion: int) -> int:
        """The highest price of at most so many tokens, in picodollars, whatever is cached."""
        steps = (self, *(price for start, price in self.above if prompt > start))
        return max(prompt * step.dearest_input + completion * _rate(step.output) for step in steps)

    def of(self, usage: Usage, prompt: int, completion: int) -> int:
        """The price of an attempt, in picodollars.

        Args:
            usage: as reported; without a report the prompt counts at its highest rate.
            prompt: prompt tokens charged.
            completion: tokens of the answer charged.
        """
        price = self.at(prompt)
        answer = completion * _rate(price.output)
        if usage.prompt is None:
            return prompt * price.dearest_input + answer
        cached = min(max(0, usage.cached or 0), prompt)
        written = min(max(0, usage.written or 0), prompt - cached)
        plain = prompt - cached - written
        return plain * _rate(price.input) + cached * _rate(price._cached) + written * _rate(price._written) + answer

    @property
    def dearest_input(self) -> int:
        return _rate(max(self.input, self._cached, self._written))

    @property
    def _cached(self) -> float:
        return self.input if self.cached is None else self.cached

    @property
    def _written(self) -> float:
        return self.input if self.written is None else self.written


@dataclass(frozen=True, slots=True)
class NoPrice:
    """The reason why calls to a model have no price.

    Attributes:
        reason: for the user.
        free: whether nobody bills the calls, so that a money budget lets them pass.
    """

    reason: str
    free: bool = False


Tariff = Price | NoPrice

UNKNOWN = NoPrice("price unknown")
EMBEDDED = NoPrice("no price: it runs in this process", free=True)
OWN_SERVER = NoPrice("no price: a server of your own", free=True)


def tariff(model: str, prices: Mapping[str, Price], *, base_url: str = "", is_opened: bool = False) -> Tariff:
    """What a model costs.

    Args:
        model: as the user names it.
        prices: the user's prices by model, which come first.
        base_url: the address at which it is asked; "" = its provider's.
        is_opened: whether the caller opened its backend, so that nothing but the user's price is known of it.
    """
    if model in prices:
        return prices[model]
    provider, _, name = model.partition("/")
    if is_opened:
        return UNKNOWN
    if provider in _EMBEDDED:
        return EMBEDDED
    if provider == "any":
        provider, _, name = name.partition("/")
        return table_price(provider, name)
    if provider in registry.names("backends"):
        return UNKNOWN
    row = PROVIDERS.get(provider)
    if row is None:
        return UNKNOWN  # a gateway on this machine may bill what it passes on
    try:
        address = read_address(base_url or row.base_url).identity
    except ModelError:
        return UNKNOWN  # opening the model raises the error
    if not row.key_needed:
        return OWN_SERVER if _is_private(address) else UNKNOWN
    if address != read_address(row.base_url).identity:
        return UNKNOWN
    return table_price(provider, name)


def table_price(provider: str, model: str) -> Tariff:
    """The price in the table of the extra ``prices``; unknown without it, and for what the table bills otherwise."""
    try:
        import genai_prices
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        return UNKNOWN
    provider_id = _IN_THE_TABLE.get(provider, provider)
    if provider_id not in {known.id for known in get_snapshot().providers}:
        return UNKNOWN
    try:
        row = get_snapshot().find_provider_model(model, None, provider_id, None)[1].get_prices(datetime.now(UTC))
    except LookupError:
        return UNKNOWN
    return _read(row, f"genai-prices {genai_prices.__version__}")


def _read(row: Any, source: str) -> Tariff:
    """The price in a row of the table; unknown where text is billed by more than tokens in, out and cached."""
    fields = {name: value for name, value in vars(row).items() if value is not None}
    others = [name for name in fields if name not in _OF_TOKENS and not any(word in name for word in _NEVER_USED)]
    if others or not {"input_mtok", "output_mtok"} <= fields.keys():
        return UNKNOWN
    starts = {tier.start for value in fields.values() for tier in getattr(value, "tiers", ())}
    steps = [_step(fields, start, source) for start in (0, *sorted(starts))]
    return replace(steps[0], above=tuple(zip(sorted(starts), steps[1:], strict=True)))


def _step(fields: Mapping[str, Any], start: int, source: str) -> Price:
    """The prices from ``start`` prompt tokens on."""

    def at(name: str) -> float | None:
        value = fields.get(name)
        if value is None:
            return None
        prices = [tier.price for tier in getattr(value, "tiers", ()) if tier.start <= start]
        return float(prices[-1] if prices else getattr(value, "base", value))

    return Price(
        at("input_mtok") or 0.0,
        at("output_mtok") or 0.0,
        at("cache_read_mtok"),
        at("cache_write_mtok"),
        source=source,
    )


def _is_private(address: str) -> bool:
    """Whether an address is this machine's or a private network's."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def usd(picodollars: int) -> float:
    return picodollars / PICO


def _rate(price: float) -> int:
    """Picodollars a token, rounded up; prices are decimal fractions, so float noise is cut first."""
    return math.ceil(round(price * _A_TOKEN, 3))
