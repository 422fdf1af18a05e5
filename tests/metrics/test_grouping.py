"""Pooled and per-document agreement, coverage, and tables of criteria."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.metrics import Levels, grouped, metric_of, names, table
from polyjudge.metrics.rated import RatedRows

NAN = float("nan")
FIVE = Levels(1, 5)
SPEARMAN = metric_of("spearman")
cell = st.one_of(st.integers(1, 5).map(float), st.just(NAN))
rated_rows = st.lists(st.tuples(cell, cell, st.sampled_from("abcd")), min_size=1, max_size=30)


def by_hand(one, rows):
    """The documents' own values, for documents with a rating."""
    values = []
    for document in dict.fromkeys(row[2] for row in rows):
        own = [row for row in rows if row[2] == document]
        if any(not math.isnan(row[1]) for row in own):
            values.append(one([row[0] for row in own], [row[1] for row in own], FIVE))
    return values


@pytest.mark.parametrize("one", [*map(metric_of, names())], ids=lambda one: one.name)
@settings(deadline=None, max_examples=40)
@given(rows=rated_rows)
def test_documents_count_alike_and_undefined_ones_are_counted(one, rows):
    predicted, human, documents = (list(side) for side in zip(*rows, strict=True))
    own = by_hand(one, rows)
    defined = [value for value in own if not math.isnan(value)]
    skip = grouped(one, predicted, human, levels=FIVE, documents=documents, grouping="document-skip")
    assert skip.value == pytest.approx(np.mean(defined) if defined else NAN, nan_ok=True)
    assert (skip.documents_used, skip.documents_skipped, skip.documents_zeroed) == (
        len(defined), len(own) - len(defined), 0,
    )  # fmt: skip
    if one.higher_is_better:
        zero = grouped(one, predicted, human, levels=FIVE, documents=documents, grouping="document-zero")
        assert zero.value == pytest.approx(sum(defined) / len(own) if own else NAN, nan_ok=True)
        assert (zero.documents_used, zero.documents_skipped, zero.documents_zeroed) == (
            len(defined), 0, len(own) - len(defined),
        )  # fmt: skip


@settings(deadline=None)
@given(rows=rated_rows)
def test_pooled_is_the_metric_itself_and_coverage_counts_rated_rows(rows):
    predicted, human, documents = (list(side) for side in zip(*rows, strict=True))
    found = grouped(SPEARMAN, predicted, human, documents=documents)
    assert found.value == pytest.approx(SPEARMAN(predicted, human), nan_ok=True)
    rated = sum(not math.isnan(rating) for rating in human)
    scored = sum(not math.isnan(rating + score) for score, rating in zip(predicted, human, strict=True))
    assert found.n_pairs == scored
    assert found.coverage == pytest.approx(scored / rated if rated else NAN, nan_ok=True)


def test_the_grouping_decides_what_a_figure_says():
    predicted, human = [1, 2, 3, 5, 5, 5], [1, 2, 3, 1, 2, 3]
    documents = ["a"] * 3 + ["b"] * 3
    value = {
        grouping: grouped(SPEARMAN, predicted, human, documents=documents, grouping=grouping).value
        for grouping in ("pooled", "document-skip", "document-zero")
    }
    assert value["document-skip"] == 1
    assert value["document-zero"] == 0.5
    assert 0 < value["pooled"] < 0.5


def test_an_unscored_criterion_makes_the_mean_missing_instead_of_better():
    human = np.array([[1, 1], [2, 2], [3, 3]], dtype=float)
    predicted = human.copy()
    assert table(SPEARMAN, predicted, human).mean == 1
    predicted[:, 1] = NAN
    found = table(SPEARMAN, predicted, human)
    assert [each.coverage for each in found.per_criterion] == [1, 0]
    assert math.isnan(found.mean)


def test_a_table_has_one_scale_for_all_or_one_for_each():
    human = np.array([[1, 0], [2, 1], [3, 2]], dtype=float)
    found = table(metric_of("kappa"), human, RatedRows.of(human, levels=[Levels(1, 3), Levels.categorical(3)]))
    assert [each.value for each in found.per_criterion] == [1, 1]
    assert table(metric_of("off_by_one"), human, RatedRows.of(human, levels=FIVE)).mean == 1
    ranks = table(SPEARMAN, human, RatedRows.of(human, levels=[Levels(1, 3), Levels.categorical(3)]))
    assert ranks.per_criterion[0].value == 1
    assert math.isnan(ranks.per_criterion[1].value)


def test_no_rows_give_no_value_and_no_coverage():
    found = table(SPEARMAN, np.zeros((0, 2)), np.zeros((0, 2)))
    assert all(math.isnan(each.value) and math.isnan(each.coverage) for each in found.per_criterion)
    assert math.isnan(grouped(SPEARMAN, [], [], documents=[], grouping="document-skip").value)


@pytest.mark.parametrize("name", ["mae", "rmse"])
def test_zero_for_undefined_is_refused_where_zero_is_perfect(name):
    with pytest.raises(ValueError, match="perfect"):
        grouped(metric_of(name), [NAN, 1], [1, 1], documents=["a", "b"], grouping="document-zero")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grouping": "document-skip"}, "needs the document"),
        ({"grouping": "documents"}, "no grouping 'documents'"),
        ({"documents": ["a"]}, "1 documents for 2 rows"),
        ({"documents": ["a", None]}, "row 1 has no document"),
    ],
)
def test_misuse_of_documents_is_told_plainly(options, message):
    with pytest.raises(ValueError, match=message):
        grouped(SPEARMAN, [1, 2], [1, 2], **options)


def test_misshapen_tables_are_told_plainly():
    with pytest.raises(ValueError, match=r"\(3, 2\) and human \(2, 3\)|must be equal"):
        table(SPEARMAN, np.zeros((3, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="2 scales for 3 criteria"):
        table(SPEARMAN, np.zeros((2, 3)), RatedRows.of(np.zeros((2, 3)), levels=[FIVE, FIVE]))
    with pytest.raises(ValueError, match="row 1, criterion 0"):
        table(SPEARMAN, np.array([[0, 0], [np.inf, 0]]), np.zeros((2, 2)))
