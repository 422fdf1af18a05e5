"""Our gates keep the contract of a gate."""

from __future__ import annotations

from polyjudge.gates import Gate, GateSettings, open_gate
from polyjudge.testing.gate import GateContract


class TestPerCriterion(GateContract):
    name = "per-criterion"

    def make(self, settings: GateSettings) -> Gate:
        return open_gate(self.name, settings)


class TestSpearman(TestPerCriterion):
    name = "spearman"


class TestMAE(TestPerCriterion):
    name = "mae"


class TestNone(TestPerCriterion):
    name = "none"
