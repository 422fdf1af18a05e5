"""The rule ``empirical-bayes`` of the gate ``per-criterion``: believe an effect as far as the run's proposals allow.

A measured effect is a true one plus noise. Where most proposals of a run do nothing or harm, a small measured gain is
mostly noise. So the true effects are taken to be normal, with a mean and a spread that are estimated from all
proposals of the run so far, all criteria together. An instruction passes if the expected true effect, given its
measured effect d with standard error SE, is above 0 (Robbins 1956; Efron and Morris 1973):

    d * spread^2 + mean * SE^2 > 0

The first turns have nothing to learn from. The mean is shrunk to 0 by ``PSEUDO_COUNT`` proposals without effect, and
the spread is at least ``LEAST_SPREAD``, so that the rule begins as the point estimate. The constants were fixed before
the rule was measured on recorded judges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pvariance

from polyjudge.domain.records import Effect
from polyjudge.gates.base import Gate, GateSettings
from polyjudge.gates.per_criterion import PerCriterionGate, Rule
from polyjudge.judge.measure import own_metric

PSEUDO_COUNT = 4
LEAST_SPREAD = 0.03


@dataclass(frozen=True, slots=True)
class Prior:
    """What a run's proposals do, as a normal distribution of true effects.

    Attributes:
        mean: of the true effects.
        variance: of the true effects.
    """

    mean: float
    variance: float

    @classmethod
    def of(cls, proposed: Sequence[Effect]) -> Prior:
        """Fit to measured effects; those without a value or a standard error are left out."""
        known = [effect for effect in proposed if not math.isnan(effect.difference) and not math.isnan(effect.error)]
        if not known:
            return cls(0.0, LEAST_SPREAD**2)
        differences = [effect.difference for effect in known]
        noise = fmean(effect.error**2 for effect in known)
        mean = math.fsum(differences) / (len(known) + PSEUDO_COUNT)
        return cls(mean, max(pvariance(differences) - noise, LEAST_SPREAD**2))

    def expected(self, effect: Effect) -> float:
        """The expected true effect; without a standard error, the measured one."""
        noise = effect.error**2
        if math.isnan(noise):
            return effect.difference
        return (effect.difference * self.variance + self.mean * noise) / (self.variance + noise)


@dataclass(frozen=True, slots=True)
class EmpiricalBayesGate(PerCriterionGate):
    """As ``PerCriterionGate``, but an instruction passes by its expected true effect instead of its measured one."""

    def rule(self, proposed: Sequence[Effect]) -> Rule:
        prior = Prior.of(proposed)

        def above_zero(effect: Effect) -> tuple[bool, str]:
            expected = prior.expected(effect)
            return expected > 0, f"{effect.difference:+.4f} (expected {expected:+.4f})"

        return above_zero


def per_criterion_gate(settings: GateSettings) -> Gate:
    """The gate ``per-criterion``: each new instruction on its own criterion, by Spearman or Cohen's kappa."""
    kind = EmpiricalBayesGate if settings.rule == "empirical-bayes" else PerCriterionGate
    return kind({c.name: own_metric(c) for c in settings.criteria}, settings.seed)
