"""From predictions to figures: rows stay aligned, what is missing stays missing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.asking import NAMES, prompt_of, rows

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import NAN, Categorical, Continuous, Ordinal
from polyjudge.judge.measure import levels, measure, primary_metric, rater_matrix, ratings, scores

law = settings(deadline=None, max_examples=40)

CRITERIA = prompt_of().criteria
ROWS = rows(10)


def as_rated(example: Example) -> Prediction:
    return Prediction(example.id, {c.name: example.human(c) for c in CRITERIA}, ())


def test_a_judge_that_says_what_people_say_agrees_wholly() -> None:
    for metric, best in (("spearman", 1.0), ("mae", 0.0), ("qwk", 1.0)):
        found = measure(metric, CRITERIA, [as_rated(example) for example in ROWS], ROWS)
        assert found.metric == metric
        assert found.values == pytest.approx(dict.fromkeys(NAMES, best))
        assert found.mean == pytest.approx(best)
        assert found.coverage == dict.fromkeys(NAMES, 1.0)


def test_the_mean_is_over_criteria_and_the_values_against_hand_made_errors() -> None:
    off = dict(zip(NAMES, (0.0, 1.0, 2.0, 1.0), strict=True))
    wrong = [
        Prediction(example.id, {c.name: example.human(c) + off[c.name] for c in CRITERIA}, ()) for example in ROWS
    ]
    found = measure("mae", CRITERIA, wrong, ROWS)
    assert found.values == off
    assert found.mean == 1.0


@law
@given(st.lists(st.booleans(), min_size=10, max_size=10), st.lists(st.booleans(), min_size=10, max_size=10))
def test_coverage_is_the_share_of_the_rated_rows_that_were_scored(unscored: list[bool], unrated: list[bool]) -> None:
    people = [
        replace(example, ratings={**example.ratings, "fluency": (NAN,)}) if missing else example
        for example, missing in zip(ROWS, unrated, strict=True)
    ]
    judged = [
        replace(as_rated(example), scores={**as_rated(example).scores, "fluency": NAN})
        if missing
        else as_rated(example)
        for example, missing in zip(ROWS, unscored, strict=True)
    ]
    found = measure("mae", CRITERIA, judged, people)
    rated = [at for at in range(10) if not unrated[at]]
    scored = [at for at in rated if not unscored[at]]
    assert found.coverage["fluency"] == pytest.approx(len(scored) / len(rated) if rated else 0.0)
    assert found.coverage["coherence"] == 1.0
    assert math.isnan(found.values["fluency"]) == (not scored)
    assert math.isnan(found.mean) == (not scored)


def test_no_answers_at_all_is_nan_and_never_zero() -> None:
    silent = [Prediction(example.id, dict.fromkeys(NAMES, NAN), ()) for example in ROWS]
    for metric in ("mae", "spearman", "off_by_one"):
        found = measure(metric, CRITERIA, silent, ROWS)
        assert math.isnan(found.mean)
        assert all(math.isnan(value) for value in found.values.values())
        assert found.coverage == dict.fromkeys(NAMES, 0.0)


def test_no_rows_at_all_is_nan() -> None:
    found = measure("spearman", CRITERIA, [], [])
    assert math.isnan(found.mean)
    assert found.coverage == dict.fromkeys(NAMES, 0.0)


def test_a_judge_that_always_says_the_same_has_no_correlation() -> None:
    same = [Prediction(example.id, dict.fromkeys(NAMES, 4.0), ()) for example in ROWS]
    assert math.isnan(measure("spearman", CRITERIA, same, ROWS).mean)


def test_matrices_keep_rows_and_columns() -> None:
    assert ratings(CRITERIA, ROWS).human.tolist() == [[r.human(c) for c in CRITERIA] for r in ROWS]
    assert scores(CRITERIA, [as_rated(r) for r in ROWS]).tolist() == ratings(CRITERIA, ROWS).human.tolist()
    assert ratings(CRITERIA, []).human.shape == (0, 4)
    assert scores(CRITERIA, []).shape == (0, 4)
    assert ratings(CRITERIA, ROWS).documents == tuple(r.document for r in ROWS)
    unnamed = replace(ROWS[0], document=None, inputs={"text": "Another text."})
    assert ratings(CRITERIA, [*ROWS, unnamed]).documents is None


def test_the_units_are_documents_else_texts_where_some_repeat_else_rows() -> None:
    named = [replace(example, document=f"d{at % 3}") for at, example in enumerate(ROWS)]
    assert ratings(CRITERIA, named).documents == tuple(f"d{at % 3}" for at in range(10))
    assert ratings(CRITERIA, named).unit == "documents"
    alone = [replace(example, document=None) for example in ROWS]
    assert (ratings(CRITERIA, alone).documents, ratings(CRITERIA, alone).unit) == (None, "rows")
    spaced = {column: f"\n {text} " for column, text in alone[0].inputs.items()}
    repeated = ratings(CRITERIA, [*alone, replace(alone[0], id="copy", inputs=spaced)])
    assert repeated.documents is not None
    assert (len(set(repeated.documents)), repeated.unit) == (10, "different texts")
    assert repeated.documents[-1] == repeated.documents[0]
    assert ratings(CRITERIA, []).documents is None


def test_raters_of_different_number_are_padded() -> None:
    examples = [
        Example("a", {}, ratings={"fluency": (1.0, 2.0)}),
        Example("b", {}, ratings={"fluency": (3.0,)}),
        Example("c", {}),
    ]
    matrix = rater_matrix(CRITERIA[0], examples)
    np.testing.assert_array_equal(matrix, [[1.0, 2.0], [3.0, NAN], [NAN, NAN]])
    assert rater_matrix(CRITERIA[0], []).shape == (0, 0)


def test_scales_as_the_metrics_know_them() -> None:
    assert levels(Ordinal(0, 10, 5)).values().tolist() == [0.0, 5.0, 10.0]
    assert levels(Continuous(0, 1)).step is None
    assert levels(Categorical(("a", "b", "c"))).kind == "categorical"
    assert primary_metric(CRITERIA) == "spearman"
    assert primary_metric((*CRITERIA, Criterion("c", Categorical(("a", "b"))))) == "primary"
