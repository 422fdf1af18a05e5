"""The prices of a run's models and the cost of its plan. An unknown price is reported as unknown, never as 0."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from polyjudge.errors import ConfigError
from polyjudge.llm.models import reached_by_address
from polyjudge.llm.prices import NoPrice, Price, Tariff, tariff
from polyjudge.results.money import PlannedRole, remedy
from polyjudge.settings.config import RunConfig
from polyjudge.workflows.assemble import models_of


def tariffs_of(config: RunConfig, trusted: Collection[str]) -> dict[str, Tariff]:
    """What each model of a run costs.

    Args:
        config: models, their address, and the user's own prices.
        trusted: the models whose backends were passed as objects.

    Raises:
        ConfigError: ``max_cost`` is set and a price is unknown.
    """
    user_prices = {model: price.price() for model, price in config.prices.items()}
    models = models_of(config)
    at_address = reached_by_address([model for model in models if model not in trusted]) if config.base_url else ()

    tariffs = {
        model: tariff(
            model, user_prices, base_url=config.base_url if model in at_address else "", is_opened=model in trusted
        )
        for model in models
    }
    unknown = [model for model, price in tariffs.items() if isinstance(price, NoPrice) and not price.free]
    if config.max_cost is not None and unknown:
        raise ConfigError(f"--max-cost cannot be kept: {remedy(unknown)}")
    return tariffs


def priced(roles: Sequence[PlannedRole], tariffs: Mapping[str, Tariff]) -> tuple[PlannedRole, ...]:
    """The plan with the cost of its estimated tokens, none of which is taken as cached."""
    return tuple(_priced(role, tariffs.get(role.model)) for role in roles)


def _priced(role: PlannedRole, price: Tariff | None) -> PlannedRole:
    if isinstance(price, Price):
        rates = price.at(role.prompt_tokens // max(1, role.calls))
        return replace(role, cost=(role.prompt_tokens * rates.input + role.completion_tokens * rates.output) / 1e6)
    return replace(role, unpriced=price.reason if price is not None else "")
