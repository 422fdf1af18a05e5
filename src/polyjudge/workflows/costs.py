"""Money of a run: which price each model has, what the plan may cost, and how it is told. Unknown is said, never 0."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from polyjudge.errors import ConfigError
from polyjudge.llm.models import reached_by_address
from polyjudge.llm.prices import NoPrice, Price, Tariff, tariff
from polyjudge.results.money import PlannedRole, remedy
from polyjudge.settings.config import RunConfig
from polyjudge.workflows.assemble import models_of


def tariffs_of(config: RunConfig, given: Collection[str]) -> dict[str, Tariff]:
    """What each model of a run costs.

    Args:
        config: models, their address, and the user's own prices.
        given: the models whose backends were handed over.

    Raises:
        ConfigError: money is bounded and a price is unknown.
    """
    own = {model: price.price() for model, price in config.prices.items()}
    models = models_of(config)
    there = reached_by_address([model for model in models if model not in given]) if config.base_url else ()

    found = {
        model: tariff(model, own, base_url=config.base_url if model in there else "", is_opened=model in given)
        for model in models
    }
    unknown = [model for model, one in found.items() if isinstance(one, NoPrice) and not one.free]
    if config.max_cost is not None and unknown:
        raise ConfigError(f"--max-cost cannot be kept: {remedy(unknown)}")
    return found


def priced(roles: Sequence[PlannedRole], tariffs: Mapping[str, Tariff]) -> tuple[PlannedRole, ...]:
    """The plan with what its estimated tokens would cost, none of them cached."""
    return tuple(_priced(role, tariffs.get(role.model)) for role in roles)


def _priced(role: PlannedRole, one: Tariff | None) -> PlannedRole:
    if isinstance(one, Price):
        at = one.at(role.prompt_tokens // max(1, role.calls))
        return replace(role, cost=(role.prompt_tokens * at.input + role.completion_tokens * at.output) / 1e6)
    return replace(role, unpriced=one.reason if one is not None else "")
