"""The gate: nan cannot win, fewer answers cannot win, and the metric's direction is kept."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.asking import NAMES, prompt_of, rows

from polyjudge.domain.records import Measured, Prediction
from polyjudge.domain.scale import NAN
from polyjudge.gates import COVERAGE_SLACK, Decision, Evidence, MeanGate, Scored
from polyjudge.gates.base import compare_means
from polyjudge.judge.measure import measure, rated_rows
from polyjudge.metrics import statistics

law = settings(deadline=None, max_examples=80)

values = st.floats(-1, 1, width=32)
figures = st.lists(values | st.just(NAN), min_size=3, max_size=3)
defined = st.lists(values, min_size=3, max_size=3)
directions = st.booleans().map(lambda higher: replace(statistics.spearman, name="metric", higher_is_better=higher))
gates = st.builds(MeanGate, directions, st.booleans())


HUNDRED = rows(100)
RATED = rated_rows(prompt_of().criteria[:1], HUNDRED)
PEOPLE = tuple(example.human(prompt_of().criteria[0]) for example in HUNDRED)


def measured(figures: list[float], coverage: float = 1.0) -> Measured:
    names = ("a", "b", "c")
    mean = sum(figures) / len(figures)
    return Measured("metric", dict(zip(names, figures, strict=True)), mean, dict.fromkeys(names, coverage))


def decide(gate: MeanGate, new: Measured, current: Measured) -> Decision:
    return compare_means(new, current, higher_is_better=gate.higher_is_better, strict=gate.strict)


@law
@given(gates, figures, figures)
def test_nan_cannot_win(gate: MeanGate, new: list[float], current: list[float]) -> None:
    assume(any(math.isnan(figure) for figure in new))
    decision = decide(gate, measured(new), measured(current))
    assert not decision.accepted
    assert "undefined on" in decision.reason


@law
@given(gates, defined)
def test_a_figure_beats_none_unless_another_criterion_pays_for_it(gate: MeanGate, new: list[float]) -> None:
    worse = [figure < 0.5 if gate.higher_is_better else figure > 0.5 for figure in new[1:]]
    decision = decide(gate, measured(new), measured([NAN, 0.5, 0.5]))
    assert decision.accepted is not any(worse)
    assert ("worse on" in decision.reason) is any(worse)


@law
@given(defined, defined, st.booleans(), st.booleans())
def test_the_better_mean_wins_in_the_metrics_direction(
    new: list[float], current: list[float], higher: bool, strict: bool
) -> None:
    gate = MeanGate(replace(statistics.spearman, name="metric", higher_is_better=higher), strict)
    better = sum(new) / 3 > sum(current) / 3 if higher else sum(new) / 3 < sum(current) / 3
    tie = sum(new) / 3 == sum(current) / 3
    assert decide(gate, measured(new), measured(current)).accepted is (better or (tie and not strict))


@law
@given(gates, defined)
def test_a_tie_is_accepted_only_if_the_gate_is_not_strict(gate: MeanGate, same: list[float]) -> None:
    decision = decide(gate, measured(same), measured(same))
    assert decision.accepted is not gate.strict
    assert f"{sum(same) / 3:.4f} -> {sum(same) / 3:.4f}" in decision.reason


@law
@given(gates, defined, defined)
def test_two_prompts_never_replace_each_other_in_turn_under_a_strict_gate(
    gate: MeanGate, one: list[float], other: list[float]
) -> None:
    assume(gate.strict)
    there, back = decide(gate, measured(one), measured(other)), decide(gate, measured(other), measured(one))
    assert not (there.accepted and back.accepted)


def scored(gate: MeanGate, values: list[float]) -> Scored:
    """A prompt that gave the first criterion's ratings of a hundred rows these answers, nan = unreadable."""
    prompt = prompt_of().only(NAMES[:1])
    predictions = tuple(Prediction(f"e{row}", {NAMES[0]: value}, ()) for row, value in enumerate(values))
    return Scored(prompt, predictions, gate.measure(prompt, predictions, RATED))


@pytest.mark.parametrize("lost", [0, 1, 2, 3, 50, 100])
def test_a_better_figure_on_fewer_rows_does_not_win(lost: int) -> None:
    gate = MeanGate("mae")
    current = scored(gate, [people + 1 if people < 5 else 4 for people in PEOPLE])
    new = scored(gate, [NAN if row < lost else people for row, people in enumerate(PEOPLE)])
    decision = gate.decide(Evidence(1, RATED, current, (new,)), new)
    assert decision.accepted is (lost <= 100 * COVERAGE_SLACK)
    if not decision.accepted:
        assert f"more rows unscored on {NAMES[0]}" in decision.reason


def test_small_losses_of_coverage_do_not_add_up_over_turns() -> None:
    """Each turn leaves two rows more unreadable and changes nothing else; measured alone it would look better."""
    gate = MeanGate("mae", strict=False)
    wrong = [people + 1 if people < 5 else 4 for people in PEOPLE]
    initial = current = scored(gate, wrong)
    accepted = 0
    for turn in range(1, 11):
        new = scored(gate, [NAN if row < 2 * turn else value for row, value in enumerate(wrong)])
        if gate.decide(Evidence(turn, RATED, current, (new,), initial), new).accepted:
            current, accepted = new, accepted + 1
    assert accepted == 1


def test_prompts_are_compared_on_the_rows_that_both_scored() -> None:
    """The new prompt is no better anywhere: it only cannot read the rows on which the current one errs."""
    gate = MeanGate("mae")
    errs = [people + 1 if row < 2 and people < 5 else people for row, people in enumerate(PEOPLE)]
    current, new = scored(gate, errs), scored(gate, [NAN if row < 2 else people for row, people in enumerate(PEOPLE)])
    assert new.known().mean < current.known().mean
    decision = gate.decide(Evidence(1, RATED, current, (new,)), new)
    assert not decision.accepted
    assert "not better" in decision.reason


def test_more_answers_than_before_are_welcome() -> None:
    gate = MeanGate("mae")
    current = scored(gate, [NAN if row < 70 else 5 if people < 3 else 1 for row, people in enumerate(PEOPLE)])
    assert gate.decide(Evidence(1, RATED, current, ()), scored(gate, list(PEOPLE))).accepted


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
    rated = rated_rows(prompt.criteria, people)
    errors = {"fluency": 0.0, "coherence": 0.0, "relevance": 0.0, "consistency": 2.0}
    current = [Prediction(e.id, {c.name: e.human(c) + errors[c.name] for c in prompt.criteria}, ()) for e in people]
    silent = [Prediction(p.example, {**p.scores, "consistency": NAN}, ()) for p in current]
    partly = [
        Prediction(p.example, {**p.scores, "consistency": NAN if at % 2 else people[at].human(prompt.criteria[3])}, ())
        for at, p in enumerate(current)
    ]
    for strict in (True, False):
        gate = MeanGate("mae", strict=strict)
        before = Scored(prompt, tuple(current), gate.measure(prompt, current, rated))
        assert before.known().mean == 0.5
        for candidate in (silent, partly):
            after = Scored(prompt, tuple(candidate), gate.measure(prompt, candidate, rated))
            assert not gate.decide(Evidence(1, rated, before, (after,)), after).accepted
        assert gate.best([measure("mae", silent, rated), before.known()]) == 1
    assert NAMES[3] == "consistency"
