"""The metrics by name: the built-in ones, and those of installed packages (entry-point group `polyjudge.metrics`)."""

from __future__ import annotations

from polyjudge import registry
from polyjudge.errors import ConfigError
from polyjudge.metrics.metric import Metric, Range

__all__ = ["Metric", "Range", "metric_of", "names"]

KIND = "metrics"


def names() -> tuple[str, ...]:
    """The names of all metrics, the built-in ones first."""
    return registry.names(KIND)


def metric_of(metric: str | Metric) -> Metric:
    """The metric of this name; a metric itself is returned as it is.

    Raises:
        ConfigError: if there is none of this name (the message lists the names), or a package registers under it
            something else than a metric of this name.
    """
    if isinstance(metric, Metric):
        return metric
    known = registry.lookup(KIND, metric)
    if not isinstance(known, Metric):
        raise ConfigError(
            f"the entry point {metric!r} of polyjudge.metrics is a {type(known).__name__}, no Metric; make one with "
            f"@metric or @scalar_metric"
        )
    if known.name != metric:
        raise ConfigError(
            f"the entry point {metric!r} of polyjudge.metrics is a metric called {known.name!r}; give both one name"
        )
    return known
