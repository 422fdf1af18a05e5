"""The rule empirical-bayes: begins as the point estimate, and learns from the run's proposals."""

from __future__ import annotations

import math
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from tests.gating import NAMES, all_new, evidence_of, noisy

from polyjudge.domain.records import Effect
from polyjudge.domain.scale import NAN
from polyjudge.gates import EmpiricalBayesGate, GateSettings, PerCriterionGate, open_gate
from polyjudge.gates.empirical_bayes import LEAST_SPREAD, PSEUDO_COUNT, Prior

GATE = EmpiricalBayesGate(dict.fromkeys(NAMES, "spearman"), seed=0)
# Products of smaller numbers may be 0.
differences = st.floats(-1, 1).filter(lambda value: not 0 < abs(value) < 1e-9)
errors = st.floats(0.001, 0.3)


def effect(difference: float, error: float, name: str = "a") -> Effect:
    return Effect(name, "spearman", difference, difference - error, difference + error, 0.8, 50, error)


effects = st.builds(effect, differences, errors)


def accepted(difference: float, error: float, history: list[Effect]) -> bool:
    new = effect(difference, error)
    return GATE.rule([*history, new])(new)[0]


@given(differences, errors)
def test_the_first_proposal_is_decided_by_its_point_estimate(difference: float, error: float) -> None:
    assert accepted(difference, error, []) == (difference > 0)


@given(st.lists(effects, max_size=20), differences, errors)
def test_the_rule_is_that_of_the_formula(history: list[Effect], difference: float, error: float) -> None:
    d = [*(each.difference for each in history), difference]
    squares = [*(each.error**2 for each in history), error**2]
    mu = sum(d) / (len(d) + PSEUDO_COUNT)
    mean = sum(d) / len(d)
    tau = max(sum((x - mean) ** 2 for x in d) / len(d) - sum(squares) / len(d), LEAST_SPREAD**2)
    value = difference * tau + mu * error**2
    if abs(value) > 1e-12:
        assert accepted(difference, error, history) == (value > 0)


@given(st.lists(effects, max_size=20), effects, st.floats(0, 0.5))
def test_a_larger_effect_never_passes_worse(history: list[Effect], new: Effect, more: float) -> None:
    prior = Prior.of(history)
    assert prior.expected(effect(new.difference + more, new.error)) >= prior.expected(new)


def test_after_many_proposals_that_harmed_a_small_gain_is_taken_for_noise_and_a_large_one_is_not() -> None:
    history = [effect(-0.05, 0.05) for _ in range(20)]
    assert not accepted(0.01, 0.05, history)
    assert accepted(0.2, 0.05, history)
    assert accepted(0.01, 0.05, [])


def test_after_proposals_that_helped_a_small_loss_may_pass() -> None:
    assert accepted(-0.005, 0.05, [effect(0.06, 0.05) for _ in range(20)])


@given(st.lists(effects, max_size=5))
def test_an_effect_without_a_standard_error_is_decided_by_its_value_and_teaches_nothing(history: list[Effect]) -> None:
    unknown = effect(0.1, NAN)
    assert Prior.of([*history, unknown, effect(NAN, NAN)]) == Prior.of(history)
    assert Prior.of(history).expected(unknown) == 0.1


def test_earlier_turns_decide_together_with_this_one() -> None:
    chance = Random(5)
    human = {name: [chance.gauss(0, 1) for _ in range(60)] for name in NAMES}
    current = {name: noisy(chance, human[name], 0.5) for name in NAMES}
    new = {
        name: [0.98 * old + 0.2 * rating for old, rating in zip(current[name], human[name], strict=True)]
        for name in NAMES
    }
    evidence = evidence_of(GATE, human, current, (new, all_new()))
    assert set(GATE.select(evidence).instructions) == set(NAMES)
    small = [each.difference for each in GATE.select(evidence).verdicts[0].effects]
    assert all(difference > 0 for difference in small)
    harmed = tuple(effect(-0.6, 0.1) for _ in range(12))
    shrunk = GATE.select(type(evidence)(2, evidence.rows, evidence.current, evidence.candidates, None, harmed))
    assert "expected" in shrunk.verdicts[0].reason
    prior = Prior.of([*harmed, *shrunk.verdicts[0].effects])
    for each in shrunk.verdicts[0].effects:
        assert (each.criterion in shrunk.verdicts[0].passed) == (prior.expected(each) > 0)
        assert not math.isnan(each.error)


def test_the_setting_names_the_rule() -> None:
    assert isinstance(open_gate("per-criterion", GateSettings(())), EmpiricalBayesGate)
    assert type(open_gate("per-criterion", GateSettings((), rule="point"))) is PerCriterionGate
