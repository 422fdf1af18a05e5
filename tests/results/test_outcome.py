"""The verdict: what a paired difference on the test rows allows to say, and no more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import Categorical, Ordinal
from polyjudge.judge.measure import rated_rows
from polyjudge.results.outcome import Outcome, compare

CRITERIA = (Criterion("clarity", Ordinal(1, 5)), Criterion("warmth", Ordinal(1, 5)))
ROWS = 40
Column = Sequence[float]


def examples(human: Sequence[Column], *, documents: bool = True, raters: int = 1) -> tuple[Example, ...]:
    """Rows with one column of ratings a criterion, the same from every rater."""
    return tuple(
        Example(
            f"r{place}",
            {"text": f"Text {place}."},
            f"d{place // 2}" if documents else None,
            {c.name: (float(column[place]),) * raters for c, column in zip(CRITERIA, human, strict=False)},
        )
        for place in range(len(human[0]))
    )


def predictions(scores: Sequence[Column]) -> tuple[Prediction, ...]:
    return tuple(
        Prediction(f"r{place}", {c.name: column[place] for c, column in zip(CRITERIA, scores, strict=False)}, ())
        for place in range(len(scores[0]))
    )


def noise(seed: int) -> list[float]:
    random = Random(seed)
    return [float(random.randint(1, 5)) for _ in range(ROWS)]


HUMAN = [noise(1), noise(2)]
NOISE = [noise(3), noise(4)]


def outcome(
    before: Sequence[Column], after: Sequence[Column], *, metric: str = "spearman", changed: bool = True, **rows: bool
) -> Outcome:
    found = examples(HUMAN, **rows)
    return compare(metric, rated_rows(CRITERIA, found), predictions(before), predictions(after), changed=changed)


@pytest.mark.parametrize("metric", ["spearman", "qwk", "mae", "rmse", "accuracy"])
def test_a_judge_that_came_to_agree_is_better_whatever_the_metric_s_direction(metric: str) -> None:
    found = outcome(NOISE, HUMAN, metric=metric)
    assert found.verdict.startswith(f"The fitted prompt agrees better with people (mean {metric} ")
    assert (found.mean.difference > 0) == (metric not in ("mae", "rmse"))
    assert found.mean.low <= found.mean.difference <= found.mean.high


@pytest.mark.parametrize("metric", ["spearman", "mae"])
def test_a_judge_that_lost_agreement_is_worse_and_the_initial_prompt_is_recommended(metric: str) -> None:
    found = outcome(HUMAN, NOISE, metric=metric)
    assert found.verdict.startswith("The fitted prompt agrees less with people")
    assert found.verdict.endswith("keep the initial one.")


def test_noise_against_noise_is_no_reliable_improvement() -> None:
    found = outcome(NOISE, [noise(5), noise(6)])
    assert found.verdict.startswith("No reliable improvement (mean spearman ")
    assert found.mean.low <= 0 <= found.mean.high


def test_an_unchanged_prompt_is_said_to_stand_whatever_the_figures() -> None:
    for after in (NOISE, HUMAN):
        found = outcome(NOISE, after, changed=False)
        assert found.verdict == "No change was accepted: the initial prompt stands."


def test_what_is_undefined_is_named_and_decides_nothing() -> None:
    constant = [HUMAN[0], [3.0] * ROWS]
    found = outcome(NOISE, constant)
    assert found.verdict == "Undecided: spearman is undefined on warmth."
    assert math.isnan(found.criteria[1].fitted)
    assert math.isnan(found.mean.difference)
    assert not math.isnan(found.criteria[0].difference)
    assert found.criteria[1].collapsed
    assert not found.criteria[0].collapsed


def test_one_document_gives_a_difference_but_no_interval() -> None:
    rows = tuple(replace(example, document="one") for example in examples(HUMAN))
    found = compare("spearman", rated_rows(CRITERIA, rows), predictions(NOISE), predictions(HUMAN), changed=True)
    assert found.documents == 1
    assert found.mean.difference > 0
    assert math.isnan(found.mean.low)
    assert found.verdict.startswith("Undecided: too few documents for an interval, 1 with 5 needed (mean spearman ")


def test_rare_ratings_leave_it_undecided_and_the_verdict_says_why() -> None:
    rare = [3.0] * (ROWS - 1) + [5.0]
    rows = examples([rare, rare])
    found = compare(
        "spearman", rated_rows(CRITERIA, rows), predictions(NOISE), predictions([rare, rare]), changed=True
    )
    assert found.mean.difference > 0
    assert math.isnan(found.mean.low)
    assert found.verdict.startswith("Undecided: spearman has no value in ")
    assert "of the resamples, because too few ratings or scores differ (mean spearman" in found.verdict


def test_copies_of_a_text_are_one_piece_of_evidence() -> None:
    rows = examples(HUMAN, documents=False)
    copies = tuple(
        replace(example, id=f"{example.id}-{copy}", inputs={"text": " " * copy + example.inputs["text"]})
        for copy in range(8)
        for example in rows
    )
    before, after = predictions(NOISE), predictions([noise(5), noise(6)])
    once = compare("spearman", rated_rows(CRITERIA, rows), before, after, changed=True)
    found = compare("spearman", rated_rows(CRITERIA, copies), before * 8, after * 8, changed=True)
    assert (once.documents, once.unit) == (0, "rows")
    assert (found.documents, found.unit) == (ROWS, "different texts")
    assert found.counted() == f"{8 * ROWS} test rows of {ROWS} different texts"
    assert (found.mean.low, found.mean.high) == pytest.approx((once.mean.low, once.mean.high))


@given(st.data())
@settings(max_examples=15)
def test_equal_predictions_differ_by_exactly_nothing(data: st.DataObject) -> None:
    score = st.one_of(st.integers(1, 5).map(float), st.just(math.nan))
    columns = st.lists(st.lists(score, min_size=6, max_size=6), min_size=2, max_size=2)
    human, same = data.draw(columns), data.draw(columns)
    rows = examples(human, documents=data.draw(st.booleans()))
    found = compare("spearman", rated_rows(CRITERIA, rows), predictions(same), predictions(same), changed=False)
    for row in (*found.criteria, found.mean):
        assert row.initial == row.fitted or (math.isnan(row.initial) and math.isnan(row.fitted))
        assert row.difference == 0 or math.isnan(row.difference)
        assert math.isnan(row.difference) == math.isnan(row.initial)
        assert row.low == row.high == 0 or (math.isnan(row.low) and math.isnan(row.high))


def test_the_difference_is_of_the_rows_that_both_scored() -> None:
    hard = [math.nan] * 20
    before = [[*HUMAN[0][:20], *NOISE[0][20:]], HUMAN[1]]
    after = [[*HUMAN[0][:20], *hard], HUMAN[1]]
    found = outcome(before, after)
    clarity = found.criteria[0]
    assert clarity.fitted == pytest.approx(1)
    assert clarity.initial == pytest.approx(1)
    assert clarity.difference == pytest.approx(0)
    assert (clarity.coverage_initial, clarity.coverage, found.mean.coverage) == (1, 0.5, 0.75)


def test_documents_are_counted_where_there_are_any() -> None:
    assert (outcome(NOISE, HUMAN).rows, outcome(NOISE, HUMAN).documents) == (ROWS, ROWS // 2)
    assert outcome(NOISE, HUMAN).counted() == "40 test rows of 20 documents"
    without = outcome(NOISE, HUMAN, documents=False)
    assert without.documents == 0
    assert without.counted("sealed test") == "40 sealed test rows"


def test_one_annotator_needs_two_raters() -> None:
    assert math.isnan(outcome(NOISE, HUMAN).criteria[0].one_annotator)
    two = compare(
        "spearman",
        rated_rows(CRITERIA, examples(HUMAN, raters=2)),
        predictions(NOISE),
        predictions(HUMAN),
        changed=True,
    )
    assert [row.one_annotator for row in two.criteria] == pytest.approx([1, 1])
    assert math.isnan(two.mean.one_annotator)


def test_labels_are_compared_by_kappa() -> None:
    tone = (Criterion("clarity", Categorical(("warm", "cold", "none"))),)
    human = [float(place % 3) for place in range(ROWS)]
    rows = examples([human])
    wrong = predictions([[(value + place) % 3 for place, value in enumerate(human)]])
    found = compare("kappa", rated_rows(tone, rows), wrong, predictions([human]), changed=True)
    assert found.mean.fitted == pytest.approx(1)
    assert found.verdict.startswith("The fitted prompt agrees better")
