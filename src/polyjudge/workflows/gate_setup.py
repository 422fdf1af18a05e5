"""The gate of a run, and what it can decide with these metrics, scales, scoring methods and ratings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.layout import AUTO
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.errors import ConfigError
from polyjudge.formatting.text import many
from polyjudge.gates import Gate, GateSettings, MeanGate, open_gate
from polyjudge.judge.measure import levels, own_metric, primary_metric
from polyjudge.judge.scoring import Scoring
from polyjudge.metrics import Metric, agreement
from polyjudge.metrics.rated import RatedRows
from polyjudge.metrics.uncertainty import FEWEST_CLUSTERS
from polyjudge.settings.config import PER_CRITERION, RunConfig


def gate_of(config: RunConfig, prompt: JudgePrompt, scoring: Scoring, primary: str, passed: Any = None) -> Gate:
    """The gate that the settings name, or the one that was passed; the preset's default is the primary metric.

    Raises:
        ConfigError: its metric has no meaning for this scoring method or these scales.
    """
    name = config.gate or primary
    settings = GateSettings(prompt.criteria, config.seed, config.strict_gate, config.gate_rule)
    gate = open_gate(name, settings) if passed is None else _from_object(passed, settings)
    metrics = gate.metrics_for(prompt.criteria)
    if not scoring.on_scale and any(metric.needs_scale for metric in metrics.values()):
        raise ConfigError(
            f"gate {name!r} compares values, and scoring {scoring.name!r} gives no values of the scale; "
            f"choose --gate spearman, kendall or pearson"
        )
    senseless = [
        c.name for c in prompt.criteria if c.name in metrics and not metrics[c.name].applies_to(levels(c.scale))
    ]
    if senseless:
        others = sensible_metrics(prompt.criteria, scoring)
        remedy = f"choose one of: {', '.join(others)}" if others else "none has on all scales: use --gate none"
        raise ConfigError(f"gate {name!r} has no meaning on the scale of {', '.join(senseless)}; {remedy}")
    return gate


def _from_object(gate: Any, settings: GateSettings) -> Gate:
    """The gate of an object: a gate itself, the result of a function, or the mean of a metric."""
    if isinstance(gate, Metric):
        return MeanGate(gate, settings.strict)
    built: Gate = gate if hasattr(gate, "select") and not isinstance(gate, type) else gate(settings)
    return built


def check_ratings(config: RunConfig, prompt: JudgePrompt, validation: RatedRows) -> None:
    """Refuse validation ratings on which a gate could accept nothing, before any call is paid.

    Raises:
        ConfigError: the ratings of a criterion are missing or constant, so that its metric is undefined.
    """
    if config.gate == "none":
        return
    for k, criterion in enumerate(prompt.criteria):
        name = config.gate if config.gate in agreement.names() else own_metric(criterion)
        column, scale = validation.human[:, k], validation.levels[k]
        metric = agreement.metric_of(name)
        if metric.applies_to(scale) and math.isnan(metric(column, column, scale)):
            raise ConfigError(
                f"on the {len(column)} validation rows the ratings of {criterion.name!r} are missing or all the same, "
                f"so that {name} is undefined and nothing could be accepted; rate more rows, choose another "
                f"--split-seed, leave the criterion out, or use --gate none"
            )


def blind_spots(config: RunConfig, validation: RatedRows) -> list[str]:
    """The decisions that have no interval on the validation rows, because there are too few documents."""
    units = validation.n_units
    unseen = ["the gate cannot see that a criterion gets credibly worse"] if config.gate == PER_CRITERION else []
    unseen += ["layout auto cannot see that a layout is"] if config.layout == AUTO else []
    if units >= FEWEST_CLUSTERS or not unseen:
        return []
    reason = f"the validation rows are of {many(units, validation.unit)}, too few for intervals"
    return [f"{reason} ({FEWEST_CLUSTERS} are needed): {', and '.join(unseen)}"]


def sensible_metrics(criteria: Sequence[Criterion], scoring: Scoring) -> tuple[str, ...]:
    """The metrics that have a meaning for the scoring method on every criterion's scale."""
    return tuple(
        name
        for name in agreement.names()
        if (name != "primary" or primary_metric(criteria) == name)
        and (scoring.on_scale or not agreement.metric_of(name).needs_scale)
        and all(agreement.metric_of(name).applies_to(levels(criterion.scale)) for criterion in criteria)
    )
