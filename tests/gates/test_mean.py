"""The gate: nan cannot win, fewer answers cannot win, and the metric's direction is kept."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.asking import NAMES, prompt_of, rows

from polyjudge.domain.records import Measured, Prediction
from polyjudge.domain.scale import NAN
from polyjudge.gates import COVERAGE_SLACK, MeanGate
from polyjudge.judge.measure import measure

law = settings(deadline=None, max_examples=80)

values = st.floats(-1, 1, width=32)
figures = st.lists(values | st.just(NAN), min_size=3, max_size=3)
defined = st.lists(values, min_size=3, max_size=3)
gates = st.builds(MeanGate, st.just("metric"), st.booleans(), st.booleans())


def measured(figures: list[float], coverage: float = 1.0) -> Measured:
    names = ("a", "b", "c")
    mean = sum(figures) / len(figures)
    return Measured("metric", dict(zip(names, figures, strict=True)), mean, dict.fromkeys(names, coverage))


@law
@given(gates, figures, figures)
def test_nan_cannot_win(gate: MeanGate, new: list[float], current: list[float]) -> None:
    assume(any(math.isnan(figure) for figure in new))
    decision = gate.decide(measured(new), measured(current))
    assert not decision.accepted
    assert "undefined on" in decision.reason


@law
@given(gates, defined)
def test_a_figure_beats_none(gate: MeanGate, new: list[float]) -> None:
    assert gate.decide(measured(new), measured([NAN, 0.5, 0.5])).accepted


@law
@given(defined, defined, st.booleans(), st.booleans())
def test_the_better_mean_wins_in_the_metrics_direction(
    new: list[float], current: list[float], higher: bool, strict: bool
) -> None:
    gate = MeanGate("metric", higher, strict)
    better = sum(new) / 3 > sum(current) / 3 if higher else sum(new) / 3 < sum(current) / 3
    tie = sum(new) / 3 == sum(current) / 3
    assert gate.decide(measured(new), measured(current)).accepted is (better or (tie and not strict))


@law
@given(gates, defined)
def test_a_tie_is_accepted_only_if_the_gate_is_not_strict(gate: MeanGate, same: list[float]) -> None:
    decision = gate.decide(measured(same), measured(same))
    assert decision.accepted is not gate.strict
    assert f"{sum(same) / 3:.4f} -> {sum(same) / 3:.4f}" in decision.reason


@law
@given(gates, defined, defined)
def test_two_prompts_never_replace_each_other_in_turn_under_a_strict_gate(
    gate: MeanGate, one: list[float], other: list[float]
) -> None:
    assume(gate.strict)
    there, back = gate.decide(measured(one), measured(other)), gate.decide(measured(other), measured(one))
    assert not (there.accepted and back.accepted)


@pytest.mark.parametrize(
    ("coverage", "accepted"), [(1.0, True), (1 - COVERAGE_SLACK, True), (0.979, False), (0.5, False), (0.0, False)]
)
def test_a_better_figure_on_fewer_rows_does_not_win(coverage: float, accepted: bool) -> None:
    gate = MeanGate("spearman", higher_is_better=True)
    new = Measured("spearman", {"a": 0.9, "b": 0.9}, 0.9, {"a": 1.0, "b": coverage})
    current = Measured("spearman", {"a": 0.1, "b": 0.1}, 0.1, {"a": 1.0, "b": 1.0})
    decision = gate.decide(new, current)
    assert decision.accepted is accepted
    if not accepted:
        assert "more rows unscored on b" in decision.reason


def test_more_answers_than_before_are_welcome() -> None:
    gate = MeanGate("mae", higher_is_better=False)
    assert gate.decide(measured([0.4, 0.4, 0.4], 1.0), measured([0.5, 0.5, 0.5], 0.3)).accepted


@law
@given(gates, st.lists(figures, min_size=1, max_size=6))
def test_the_best_of_several_is_the_first_that_no_other_beats(gate: MeanGate, several: list[list[float]]) -> None:
    all_measured = [measured(figures) for figures in several]
    means = [one.mean for one in all_measured]
    found = gate.best(all_measured)
    defined = [mean for mean in means if not math.isnan(mean)]
    if not defined:
        assert found == 0
        return
    top = max(defined) if gate.higher_is_better else min(defined)
    assert means[found] == top
    assert found == means.index(top)


def test_a_candidate_without_answers_on_one_criterion_cannot_win() -> None:
    """It would under a mean over what is there: the criterion it agrees worst on is the one it does not answer."""
    prompt, people = prompt_of(), rows(10)
    errors = {"fluency": 0.0, "coherence": 0.0, "relevance": 0.0, "consistency": 2.0}
    current = [Prediction(e.id, {c.name: e.human(c) + errors[c.name] for c in prompt.criteria}, ()) for e in people]
    silent = [Prediction(p.example, {**p.scores, "consistency": NAN}, ()) for p in current]
    partly = [
        Prediction(p.example, {**p.scores, "consistency": NAN if at % 2 else people[at].human(prompt.criteria[3])}, ())
        for at, p in enumerate(current)
    ]
    for strict in (True, False):
        gate = MeanGate("mae", higher_is_better=False, strict=strict)
        before = measure("mae", prompt.criteria, current, people)
        assert before.mean == 0.5
        for candidate in (silent, partly):
            after = measure("mae", prompt.criteria, candidate, people)
            assert not gate.decide(after, before).accepted
        assert gate.best([measure("mae", prompt.criteria, silent, people), before]) == 1
    assert NAMES[3] == "consistency"
