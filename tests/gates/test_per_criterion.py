"""The gate per-criterion: what passes alone, what stands when merged, and the trap of a mean that hides a loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gating import NAMES, Scores, all_new, evidence_of, exactly, examples_of, gate_of, noisy, prompt_of, ranked

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import NAN, Categorical, Ordinal
from polyjudge.gates import COVERAGE_SLACK, Evidence, MeanGate, PerCriterionGate, Scored
from polyjudge.gates.base import on_common_rows
from polyjudge.judge.measure import rated_rows
from polyjudge.metrics import spearman

law = settings(deadline=None, max_examples=60)

MEAN = MeanGate("spearman")

figures = st.integers(1, 5).map(float)
holes = figures | st.just(NAN)


def matrices(names: Sequence[str], cell: st.SearchStrategy[float] = figures) -> st.SearchStrategy[dict[str, list]]:
    return st.integers(8, 8).flatmap(
        lambda rows: st.fixed_dictionaries({n: st.lists(cell, min_size=rows, max_size=rows) for n in names})
    )


@law
@given(matrices(NAMES), matrices(NAMES), matrices(NAMES, holes))
def test_what_passes_is_strictly_better_on_its_own_criterion_and_nan_never_is(human, current, new) -> None:
    gate = gate_of()
    evidence = evidence_of(gate, human, current, (new, all_new()))
    (candidate,) = evidence.candidates
    (verdict,) = gate.select(evidence).verdicts
    for effect in verdict.effects:
        name = effect.criterion
        both = [row for row in range(8) if not math.isnan(new[name][row])]
        before = spearman([current[name][row] for row in both], [human[name][row] for row in both])
        after = spearman([new[name][row] for row in both], [human[name][row] for row in both])
        assert effect.rows == len(both)
        assert effect.difference == pytest.approx(after - before, nan_ok=True)
        if name in verdict.passed:
            assert candidate.measured.coverage[name] >= 1 - COVERAGE_SLACK
            assert math.isnan(evidence.current.measured.values[name]) or after > before
            assert not math.isnan(candidate.measured.values[name])


@law
@given(matrices(NAMES), matrices(NAMES), matrices(NAMES), st.sampled_from(NAMES), st.booleans())
def test_a_criterion_without_answers_or_with_one_answer_for_all_cannot_win(human, current, new, name, silent) -> None:
    gate = gate_of()
    new = {**new, name: [NAN if silent else 3.0] * 8}
    evidence = evidence_of(gate, human, current, (new, all_new()))
    selection = gate.select(evidence)
    assert name not in selection.instructions
    assert name not in selection.verdicts[0].passed
    assert not gate.confirm(evidence, evidence.candidates[0]).accepted


@law
@given(matrices(NAMES, holes), matrices(NAMES, holes), matrices(NAMES, holes))
def test_acceptance_never_lowers_the_measured_mean_nor_a_coverage(human, current, new) -> None:
    gate = gate_of()
    evidence = evidence_of(gate, human, current, (new, all_new()))
    (merged,) = evidence.candidates
    if gate.confirm(evidence, merged).accepted:
        before, after = evidence.current.measured, merged.measured
        ours, theirs = on_common_rows(merged, evidence.current), on_common_rows(evidence.current, merged)
        on_both = [gate.measure(merged.prompt, one, evidence.rows).mean for one in (ours, theirs)]
        assert math.isnan(before.mean) or on_both[0] > on_both[1]
        assert all(after.coverage[name] >= before.coverage[name] - COVERAGE_SLACK for name in NAMES)
        assert MEAN.decide(evidence, merged).accepted


@law
@given(matrices(("a",)), matrices(("a",)), matrices(("a",)))
def test_over_one_criterion_it_is_the_strict_mean_gate(human, current, new) -> None:
    gate = gate_of(("a",))
    evidence = evidence_of(gate, human, current, (new, all_new(("a",))))
    selection = gate.select(evidence)
    accepted = bool(selection.instructions) and gate.confirm(evidence, evidence.candidates[0]).accepted
    assert accepted == MEAN.decide(evidence, evidence.candidates[0]).accepted


@law
@given(matrices(("a",), holes), matrices(("a",), holes), matrices(("a",), holes))
def test_with_unscored_rows_it_accepts_nothing_that_the_strict_mean_gate_refuses(human, current, new) -> None:
    gate = gate_of(("a",))
    evidence = evidence_of(gate, human, current, (new, all_new(("a",))))
    if gate.select(evidence).instructions and gate.confirm(evidence, evidence.candidates[0]).accepted:
        assert MEAN.decide(evidence, evidence.candidates[0]).accepted


@law
@given(matrices(NAMES), matrices(NAMES), matrices(NAMES), st.integers(0, 3), st.integers(1, 3))
def test_the_same_seed_and_turn_decide_the_same(human, current, new, seed, turn) -> None:
    def decided():
        gate = gate_of(seed=seed)
        evidence = evidence_of(gate, human, current, (new, all_new()), turn=turn)
        return repr((gate.select(evidence), gate.confirm(evidence, evidence.candidates[0])))

    assert decided() == decided()


def test_resamples_hang_on_the_seed_and_the_turn() -> None:
    chance = Random(1)
    human = {name: [chance.gauss(0, 1) for _ in range(40)] for name in NAMES}
    current, new = ({n: noisy(chance, human[n], 0.4) for n in NAMES} for _ in range(2))
    found = set()
    for seed in (0, 1):
        for turn in (1, 2):
            gate = gate_of(seed=seed)
            evidence = evidence_of(gate, human, current, (new, all_new()), turn=turn)
            found.add(tuple((e.low, e.high) for e in gate.effects(evidence, evidence.candidates[0])))
    assert len(found) == 4


def trap(chance: Random) -> tuple[Scores, Scores, Scores]:
    """People's ratings, the current scores, and new ones: a falls from .30 to .05, b and c rise by .20."""
    human = {name: [chance.gauss(0, 1) for _ in range(100)] for name in NAMES}
    current = {name: exactly(chance, human[name], 0.30) for name in NAMES}
    new = {name: exactly(chance, human[name], 0.05 if name == "a" else 0.50) for name in NAMES}
    return human, current, new


@pytest.mark.parametrize("seed", range(5))
def test_one_criterion_that_falls_while_the_mean_rises_is_refused(seed: int) -> None:
    """The trap of a mean, where the mean gate walks in: the worst criterion pays for the others."""
    human, current, new = trap(Random(seed))
    gate = gate_of()
    evidence = evidence_of(gate, human, current, (new, all_new()))
    (candidate,) = evidence.candidates
    assert candidate.measured.mean > evidence.current.measured.mean
    assert MEAN.decide(evidence, candidate).accepted
    assert set(gate.select(evidence).instructions) == {"b", "c"}
    decision = gate.confirm(evidence, candidate)
    assert not decision.accepted
    assert "credibly worse on a (-0.2" in decision.reason


@pytest.mark.parametrize("seed", range(3))
def test_a_criterion_that_nobody_touched_is_guarded_too(seed: int) -> None:
    """In a joint call the new words for b and c may spoil a."""
    human, current, new = trap(Random(seed))
    gate = gate_of()
    evidence = evidence_of(gate, human, current, (new, all_new(("b", "c"))))
    assert set(gate.select(evidence).instructions) == {"b", "c"}
    decision = gate.confirm(evidence, evidence.candidates[0])
    assert not decision.accepted
    assert decision.reason.startswith("new instruction kept for b, c, but refused when merged: credibly worse on a")
    effect = next(one for one in decision.effects if one.criterion == "a")
    assert effect.low < effect.difference < effect.high < 0
    assert (effect.level, effect.rows, effect.metric) == (0.80, 100, "spearman")


def test_a_loss_within_the_noise_does_not_hold_the_others_back() -> None:
    chance = Random(5)
    human = {name: [chance.gauss(0, 1) for _ in range(100)] for name in NAMES}
    current = {name: exactly(chance, human[name], 0.30) for name in NAMES}
    new = {"a": [*current["a"][:-2], *current["a"][:-3:-1]], **{n: exactly(chance, human[n], 0.5) for n in ("b", "c")}}
    gate = gate_of()
    evidence = evidence_of(gate, human, current, (new, all_new(("b", "c"))))
    assert evidence.candidates[0].measured.values["a"] != evidence.current.measured.values["a"]
    decision = gate.confirm(evidence, evidence.candidates[0])
    assert decision.accepted
    assert decision.reason.startswith("new instruction kept for b, c: mean spearman 0.3")


def test_the_best_passing_text_of_each_criterion_is_taken_and_of_equals_the_first() -> None:
    gate = gate_of()
    human = dict.fromkeys(NAMES, ranked(0))
    current = dict.fromkeys(NAMES, ranked(3))
    first = {"a": ranked(2), "b": ranked(1), "c": ranked(4)}
    second = {"a": ranked(1), "b": ranked(1), "c": ranked(3)}
    evidence = evidence_of(
        gate, human, current, (first, all_new(text="First words.")), (second, all_new(text="Second words."))
    )
    selection = gate.select(evidence)
    assert selection.instructions == {"a": "Second words.", "b": "First words."}
    assert [verdict.passed for verdict in selection.verdicts] == [("a", "b"), ("a", "b")]
    assert "c -0.0" in selection.verdicts[0].reason


def test_only_a_new_instruction_can_pass() -> None:
    gate = gate_of()
    human, current = dict.fromkeys(NAMES, ranked(0)), dict.fromkeys(NAMES, ranked(3))
    new = dict.fromkeys(NAMES, ranked(0))
    evidence = evidence_of(gate, human, current, (new, {"a": "New words.", "b": "Rate b."}), (new, {}))
    selection = gate.select(evidence)
    assert selection.instructions == {"a": "New words."}
    assert selection.verdicts[1].passed == ()


def test_nothing_better_is_nothing_taken_and_says_so() -> None:
    gate = gate_of()
    human, current = dict.fromkeys(NAMES, ranked(0)), dict.fromkeys(NAMES, ranked(1))
    new = {"a": ranked(1), "b": ranked(2), "c": [NAN] * 10}
    selection = gate.select(evidence_of(gate, human, current, (new, all_new())))
    assert selection.instructions == {}
    assert selection.reason == (
        "no new instruction made its own criterion better: a +0.0000, b -0.0121, c leaves more rows unscored"
    )


@pytest.mark.parametrize(("unscored", "passes"), [(0, True), (2, True), (3, False), (60, False)])
def test_a_better_figure_on_fewer_rows_does_not_pass(unscored: int, passes: bool) -> None:
    gate = gate_of(("a",))
    human = {"a": [float(row) for row in range(100)]}
    current = {"a": [*human["a"][50:], *human["a"][:50]]}
    new = {"a": [*[NAN] * unscored, *human["a"][unscored:]]}
    evidence = evidence_of(gate, human, current, (new, all_new(("a",))))
    assert bool(gate.select(evidence).instructions) is passes
    assert gate.confirm(evidence, evidence.candidates[0]).accepted is passes


def test_a_figure_beats_none() -> None:
    gate = gate_of(("a",))
    for nothing in ([NAN] * 10, [3.0] * 10):
        evidence = evidence_of(gate, {"a": ranked(0)}, {"a": nothing}, ({"a": ranked(4)}, all_new(("a",))))
        assert gate.select(evidence).instructions
        assert gate.confirm(evidence, evidence.candidates[0]).accepted


def test_rows_of_one_document_have_no_interval_and_prove_no_harm() -> None:
    gate = gate_of(("a", "b"))
    human, current = dict.fromkeys("ab", ranked(0)), dict.fromkeys("ab", ranked(3))
    evidence = evidence_of(gate, human, current, ({"a": ranked(0), "b": ranked(4)}, all_new(("a",))))
    one = replace(evidence, rows=replace(evidence.rows, documents=("d",) * len(evidence.rows)))
    assert all(math.isnan(effect.low) for effect in gate.effects(one, one.candidates[0]))
    assert gate.confirm(one, one.candidates[0]).accepted


def test_each_criterion_is_measured_by_its_own_metric() -> None:
    criteria = (Criterion("a", Ordinal(0, 2)), Criterion("b", Categorical(("x", "y", "z"))))
    prompt = JudgePrompt("Judge.", (("text", "Text"),), criteria)
    chance = Random(2)
    human = {name: [float(chance.randrange(3)) for _ in range(30)] for name in "ab"}
    examples = examples_of(human)
    rated = rated_rows(criteria, examples)
    gate = PerCriterionGate({"a": "spearman", "b": "kappa"}, 0)

    def answers(share: float, revised: JudgePrompt) -> Scored:
        right = [chance.random() < share for _ in examples]
        predictions = tuple(
            Prediction(e.id, {n: human[n][row] if right[row] else 2 - human[n][row] for n in "ab"}, ())
            for row, e in enumerate(examples)
        )
        return Scored(revised, predictions, gate.measure(revised, predictions, rated))

    evidence = Evidence(1, rated, answers(0.4, prompt), (answers(0.9, prompt.revise({"a": "New a.", "b": "New b."})),))
    effects = gate.effects(evidence, evidence.candidates[0])
    assert [effect.metric for effect in effects] == ["spearman", "kappa"]
    assert evidence.current.measured.metric == "spearman and kappa"
    for effect in effects:
        before, after = evidence.current.measured.values, evidence.candidates[0].measured.values
        assert effect.difference == pytest.approx(after[effect.criterion] - before[effect.criterion])
    assert set(gate.select(evidence).instructions) == {"a", "b"}


def test_a_metric_for_which_lower_is_better_is_refused() -> None:
    with pytest.raises(ValueError, match="higher is better"):
        PerCriterionGate({"a": "mae"}, 0)


def test_an_unmeasured_prompt_is_no_evidence() -> None:
    gate = gate_of()
    evidence = evidence_of(gate, *[dict.fromkeys(NAMES, ranked(0))] * 2, (dict.fromkeys(NAMES, ranked(1)), all_new()))
    with pytest.raises(ValueError, match="not measured"):
        gate.confirm(evidence, Scored(prompt_of()))
