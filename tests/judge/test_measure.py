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
from polyjudge.judge.measure import levels, measure, primary_metric, rated_rows, scores

law = settings(deadline=None, max_examples=40)

CRITERIA = prompt_of().criteria
ROWS = rows(10)


def as_rated(example: Example) -> Prediction:
    return Prediction(example.id, {c.name: example.human(c) for c in CRITERIA}, ())


def test_a_judge_that_says_what_people_say_agrees_wholly() -> None:
    for metric, best in (("spearman", 1.0), ("mae", 0.0), ("qwk", 1.0)):
        found = measure(metric, [as_rated(example) for example in ROWS], rated_rows(CRITERIA, ROWS))
        assert found.metric == metric
        assert found.values == pytest.approx(dict.fromkeys(NAMES, best))
        assert found.mean == pytest.approx(best)
        assert found.coverage == dict.fromkeys(NAMES, 1.0)


def test_the_mean_is_over_criteria_and_the_values_against_hand_made_errors() -> None:
    off = dict(zip(NAMES, (0.0, 1.0, 2.0, 1.0), strict=True))
    wrong = [
        Prediction(example.id, {c.name: example.human(c) + off[c.name] for c in CRITERIA}, ()) for example in ROWS
    ]
    found = measure("mae", wrong, rated_rows(CRITERIA, ROWS))
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
    found = measure("mae", judged, rated_rows(CRITERIA, people))
    rated = [at for at in range(10) if not unrated[at]]
    scored = [at for at in rated if not unscored[at]]
    assert found.coverage["fluency"] == pytest.approx(len(scored) / len(rated) if rated else 0.0)
    assert found.coverage["coherence"] == 1.0
    assert math.isnan(found.values["fluency"]) == (not scored)
    assert math.isnan(found.mean) == (not scored)


def test_no_answers_at_all_is_nan_and_never_zero() -> None:
    silent = [Prediction(example.id, dict.fromkeys(NAMES, NAN), ()) for example in ROWS]
    for metric in ("mae", "spearman", "off_by_one"):
        found = measure(metric, silent, rated_rows(CRITERIA, ROWS))
        assert math.isnan(found.mean)
        assert all(math.isnan(value) for value in found.values.values())
        assert found.coverage == dict.fromkeys(NAMES, 0.0)


def test_no_rows_at_all_is_nan() -> None:
    found = measure("spearman", [], rated_rows(CRITERIA, []))
    assert math.isnan(found.mean)
    assert found.coverage == dict.fromkeys(NAMES, 0.0)


def test_a_judge_that_always_says_the_same_has_no_correlation() -> None:
    same = [Prediction(example.id, dict.fromkeys(NAMES, 4.0), ()) for example in ROWS]
    assert math.isnan(measure("spearman", same, rated_rows(CRITERIA, ROWS)).mean)


def test_matrices_keep_rows_and_columns() -> None:
    assert rated_rows(CRITERIA, ROWS).human.tolist() == [[r.human(c) for c in CRITERIA] for r in ROWS]
    assert scores(NAMES, [as_rated(r) for r in ROWS]).tolist() == rated_rows(CRITERIA, ROWS).human.tolist()
    assert rated_rows(CRITERIA, []).human.shape == (0, 4)
    assert scores(NAMES, []).shape == (0, 4)
    assert rated_rows(CRITERIA, ROWS).documents == tuple(r.document for r in ROWS)
    unnamed = replace(ROWS[0], document=None, inputs={"text": "Another text."})
    assert rated_rows(CRITERIA, [*ROWS, unnamed]).documents is None


def test_the_units_are_documents_else_texts_where_some_repeat_else_rows() -> None:
    named = [replace(example, document=f"d{at % 3}") for at, example in enumerate(ROWS)]
    assert rated_rows(CRITERIA, named).documents == tuple(f"d{at % 3}" for at in range(10))
    assert rated_rows(CRITERIA, named).unit == "documents"
    alone = [replace(example, document=None) for example in ROWS]
    assert (rated_rows(CRITERIA, alone).documents, rated_rows(CRITERIA, alone).unit) == (None, "rows")
    spaced = {column: f"\n {text} " for column, text in alone[0].inputs.items()}
    repeated = rated_rows(CRITERIA, [*alone, replace(alone[0], id="copy", inputs=spaced)])
    assert repeated.documents is not None
    assert (len(set(repeated.documents)), repeated.unit) == (10, "different texts")
    assert repeated.documents[-1] == repeated.documents[0]
    assert rated_rows(CRITERIA, []).documents is None


def test_raters_of_different_number_are_padded() -> None:
    examples = [
        Example("a", {}, ratings={"fluency": (1.0, 2.0)}),
        Example("b", {}, ratings={"fluency": (3.0,)}),
        Example("c", {}),
    ]
    (matrix,) = rated_rows(CRITERIA[:1], examples).raters
    np.testing.assert_array_equal(matrix, [[1.0, 2.0], [3.0, NAN], [NAN, NAN]])
    assert rated_rows(CRITERIA[:1], []).raters[0].shape == (0, 0)


def pasted(example: Example, at: int, **ratings: tuple[float, ...]) -> Example:
    return replace(example, id=f"{example.id}-{at}", ratings=ratings or example.ratings)


def test_pasted_rows_count_once_also_in_a_named_document() -> None:
    once = rated_rows(CRITERIA, ROWS)
    thrice = rated_rows(CRITERIA, [pasted(example, at) for example in ROWS for at in range(3)])
    assert (once.copies, thrice.copies) == (0, 20)
    assert thrice.unit == "documents"
    assert thrice.n_units == once.n_units
    np.testing.assert_array_equal(thrice.human[::3], once.human)
    assert np.isnan(thrice.human[1::3]).all()
    assert np.isnan(thrice.human[2::3]).all()
    assert [matrix.shape[1] for matrix in thrice.raters] == [1] * 4


def test_copies_with_other_ratings_are_other_raters_of_the_same_text() -> None:
    examples = [pasted(ROWS[0], at, fluency=(float(rating),)) for at, rating in enumerate((1, 2, 5))]
    rated = rated_rows(CRITERIA[:1], [*examples, ROWS[1]])
    np.testing.assert_array_equal(rated.raters[0][0], [1, 2, 5])
    assert rated.human[0, 0] == pytest.approx(8 / 3)
    assert np.isnan(rated.human[1:3]).all()
    assert rated.human[3, 0] == ROWS[1].human(CRITERIA[0])


def test_documents_that_share_a_text_are_one_unit() -> None:
    shared = replace(ROWS[0], id="again", document="elsewhere")
    other = replace(ROWS[1], id="third", inputs={"text": "Another text."}, document="elsewhere")
    rated = rated_rows(CRITERIA, [ROWS[0], ROWS[1], shared, other])
    assert rated.documents is not None
    assert rated.documents[0] == rated.documents[2] == rated.documents[3]
    assert rated.n_units == 2


def test_scales_as_the_metrics_know_them() -> None:
    assert levels(Ordinal(0, 10, 5)).values().tolist() == [0.0, 5.0, 10.0]
    assert levels(Continuous(0, 1)).step is None
    assert levels(Categorical(("a", "b", "c"))).kind == "categorical"
    assert primary_metric(CRITERIA) == "spearman"
    assert primary_metric((*CRITERIA, Criterion("c", Categorical(("a", "b"))))) == "primary"
