"""Gates decide which of a turn's new instructions are accepted, by the agreement on the validation rows.

The name of a gate is that of a metric, whose mean then decides, or one of the registry's kind ``gates`` (entry-point
group ``polyjudge.gates``: a factory ``(GateSettings) -> Gate``).
"""

from polyjudge import registry
from polyjudge.errors import ConfigError
from polyjudge.gates.base import COVERAGE_SLACK, Decision, Evidence, Gate, GateSettings, Scored, Selection, Verdict
from polyjudge.gates.empirical_bayes import EmpiricalBayesGate
from polyjudge.gates.mean import MeanGate, NoGate
from polyjudge.gates.per_criterion import PerCriterionGate
from polyjudge.metrics import agreement

__all__ = [
    "COVERAGE_SLACK",
    "Decision",
    "EmpiricalBayesGate",
    "Evidence",
    "Gate",
    "GateSettings",
    "MeanGate",
    "NoGate",
    "PerCriterionGate",
    "Scored",
    "Selection",
    "Verdict",
    "gate_names",
    "open_gate",
]

KIND = "gates"


def gate_names() -> tuple[str, ...]:
    """The names of all gates: the registered gates, then the metrics."""
    return (*registry.names(KIND), *agreement.names())


def open_gate(name: str, settings: GateSettings) -> Gate:
    """The gate of this name.

    Raises:
        ConfigError: no gate and no metric has this name; the message lists those that have.
    """
    if name in registry.names(KIND):
        gate: Gate = registry.lookup(KIND, name)(settings)
        return gate
    if name in agreement.names():
        return MeanGate(agreement.metric_of(name), settings.strict)
    raise ConfigError(f"unknown gate {name!r}; choose one of: {', '.join(gate_names())}")
