"""Costs as text, and the record of what a role is planned to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.prices import EMBEDDED, OWN_SERVER, UNKNOWN

# Below this, in USD, figures are only said to be small.
_SMALL = 0.0001


def remedy(models: Sequence[str]) -> str:
    """That the prices of these models are unknown, and what helps."""
    table = "; a table of the usual ones comes with: pip install 'polyjudge[prices]'"
    return (
        f"the price of {', '.join(map(repr, models))} is unknown; write it into the settings file (--config), in USD "
        f'for a million tokens: [prices."{models[0]}"] input = 0.15, cached = 0.075, output = 0.60 (0 where nobody '
        f"bills you){table if find_spec('genai_prices') is None else ''}"
    )


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


@dataclass(frozen=True, slots=True)
class PlannedRole:
    """Planned calls of one role, without parse and network retries, and an estimate of their tokens.

    Attributes:
        role: its name.
        model: its model.
        calls: all of them; those that may turn out to be needless are counted.
        prompt_tokens: of all calls.
        completion_tokens: of all calls.
        merged: how many of the calls would judge merged prompts: at most so many, for a gate that takes the whole
            of a candidate, or nothing, needs none.
        choosing: how many of the calls only serve to configure the judge.
        cost: estimated USD of these tokens; None where there is no price.
        unpriced: why there is none.
    """

    role: str
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    merged: int = 0
    choosing: int = 0
    cost: float | None = None
    unpriced: str = ""
