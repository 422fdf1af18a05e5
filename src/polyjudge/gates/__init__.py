"""Gates: which of a turn's new instructions may stand, by what was measured on the validation rows."""

from polyjudge.gates.base import COVERAGE_SLACK, Decision, Evidence, Gate, Scored, Selection, Verdict
from polyjudge.gates.mean import MeanGate, NoGate
from polyjudge.gates.per_criterion import PerCriterionGate

__all__ = [
    "COVERAGE_SLACK",
    "Decision",
    "Evidence",
    "Gate",
    "MeanGate",
    "NoGate",
    "PerCriterionGate",
    "Scored",
    "Selection",
    "Verdict",
]
