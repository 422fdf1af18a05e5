"""Money of a run: which price each model has, what the plan may cost, and how it is told. Unknown is said, never 0."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec

from polyjudge.errors import ConfigError
from polyjudge.experiments.assemble import models_of
from polyjudge.experiments.plan import PlannedRole
from polyjudge.experiments.settings.config import RunConfig
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.models import reached_by_address
from polyjudge.llm.money import NoPrice, Price, Tariff
from polyjudge.llm.prices import EMBEDDED, OWN_SERVER, UNKNOWN, tariff

# Below this, in USD, figures are only said to be small.
_SMALL = 0.0001


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

    def dearest(model: str) -> Tariff:
        """Of several addresses of one endpoint the first that is not free decides."""
        addresses = config.base_url if model in there else ("",)
        each = [tariff(model, own, base_url=url, given=model in given) for url in addresses]
        return next((one for one in each if isinstance(one, Price) or not one.free), each[0])

    found = {model: dearest(model) for model in models}
    unknown = [model for model, one in found.items() if isinstance(one, NoPrice) and not one.free]
    if config.max_cost is not None and unknown:
        raise ConfigError(f"--max-cost cannot be kept: {remedy(unknown)}")
    return found


def remedy(models: Sequence[str]) -> str:
    """That the prices of these models are unknown, and what helps."""
    table = "; a table of the usual ones comes with: pip install 'polyjudge[prices]'"
    return (
        f"the price of {', '.join(map(repr, models))} is unknown; write it into the settings file (--config), in USD "
        f'for a million tokens: [prices."{models[0]}"] input = 0.15, cached = 0.075, output = 0.60 (0 where nobody '
        f"bills you){table if find_spec('genai_prices') is None else ''}"
    )


def priced(roles: Sequence[PlannedRole], tariffs: Mapping[str, Tariff]) -> tuple[PlannedRole, ...]:
    """The plan with what its estimated tokens would cost, none of them cached."""
    return tuple(_priced(role, tariffs.get(role.model)) for role in roles)


def _priced(role: PlannedRole, one: Tariff | None) -> PlannedRole:
    if isinstance(one, Price):
        at = one.at(role.prompt_tokens // max(1, role.calls))
        return replace(role, cost=(role.prompt_tokens * at.input + role.completion_tokens * at.output) / 1e6)
    return replace(role, unpriced=one.reason if one is not None else "")


def cost_text(cost: float) -> str:
    """``0.012 USD``."""
    if 0 < cost < _SMALL:
        return f"less than {_SMALL} USD"
    return f"{cost:,.2f} USD" if cost >= 1 else f"{cost:.2g} USD"


def billed(rows: Sequence[PlannedRole] | Sequence[RoleAccount]) -> bool:
    """Whether somebody bills, or may bill, any of these."""
    free = {one.reason for one in (EMBEDDED, OWN_SERVER)}
    return any(row.unpriced not in free for row in rows)


def unpriced(rows: Sequence[PlannedRole]) -> list[str]:
    """The models that somebody may bill by a price that is not known."""
    return list(dict.fromkeys(row.model for row in rows if row.cost is None and billed([row])))


def total_text(rows: Sequence[PlannedRole] | Sequence[RoleAccount]) -> str:
    """The sum of what has a price, and which models have none."""
    known = [row.cost for row in rows if row.cost is not None]
    without: dict[str, list[str]] = {}
    for row in rows:
        if row.cost is None and row.model not in without.setdefault(row.unpriced or UNKNOWN.reason, []):
            without[row.unpriced or UNKNOWN.reason].append(row.model)
    parts = [cost_text(sum(known))] if known else []
    return "; ".join([*parts, *(f"{', '.join(models)}: {reason}" for reason, models in without.items())])
