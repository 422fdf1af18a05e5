"""The packing planner: partitions, shrinkage, choice, and the certificate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.metrics import packing
from polyjudge.metrics.agreement import metric_of
from polyjudge.metrics.levels import Levels
from polyjudge.metrics.rated import RatedRows

BELL = (1, 1, 2, 5, 15, 52)
names = st.lists(st.sampled_from("abcdef"), unique=True, max_size=5)
numbers = st.floats(-0.2, 0.2)


@given(names)
def test_every_partition_holds_every_name_once_and_there_are_as_many_as_bell_counted(given_: list[str]) -> None:
    found = list(packing.partitions(given_))
    assert len(found) == len(set(found)) == BELL[len(given_)]
    assert all(sorted(name for group in groups for name in group) == sorted(given_) for groups in found)


@given(st.lists(st.tuples(numbers, st.floats(0.001, 0.3)), min_size=1, max_size=20))
def test_shrunken_losses_keep_their_order_where_errors_are_equal_and_lie_between_loss_and_mean(
    pairs: list[tuple[float, float]],
) -> None:
    losses, errors = [loss for loss, _ in pairs], [error for _, error in pairs]
    centre = float(np.mean(losses))
    drawn = packing.shrunken(losses, errors)
    for loss, value in zip(losses, drawn, strict=True):
        assert min(loss, centre) - 1e-12 <= value <= max(loss, centre) + 1e-12
    alike = packing.shrunken(losses, [0.1] * len(losses))
    assert np.all(np.diff(np.array(alike)[np.argsort(losses)]) >= -1e-12)


def test_an_unknown_loss_is_taken_as_the_mean() -> None:
    assert packing.shrunken([0.1, math.nan, 0.3], [0.01, 0.01, 0.01])[1] == pytest.approx(0.2)
    assert packing.shrunken([math.nan], [math.nan]) == [0.0]


@given(st.dictionaries(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), numbers), st.floats(0, 0.1))
def test_candidates_share_calls_and_are_expected_to_lose_no_more(
    known: dict[tuple[str, str], float], most: float
) -> None:
    expected = {(one, other): known.get((one, other), 0.0) for one in "abcd" for other in "abcd"}
    found = packing.candidates("abcd", expected, most)
    assert all(len(groups) < 4 and packing.expected_loss(groups, expected) <= most for groups in found)
    cost = {groups: len(groups) for groups in found}
    chosen = packing.choice(found, expected, cost)
    assert (chosen is None) == (not found)
    while chosen is not None:
        later = packing.choice(found, expected, cost, chosen)
        assert later is None or packing.finer(later, chosen)
        chosen = later


def test_many_criteria_are_merged_greedily() -> None:
    many = [f"c{number}" for number in range(12)]
    expected = {(one, other): 0.0 if {one, other} <= {"c0", "c1"} else 0.5 for one in many for other in many}
    assert [sorted(map(len, groups)) for groups in packing.candidates(many, expected, 0.01)] == [[1] * 10 + [2]]


def rows(documents: int) -> tuple[RatedRows, np.ndarray]:
    random = np.random.default_rng(7)
    quality = random.standard_normal((documents * 4, 2))
    human = np.clip(np.round(3 + quality + 0.5 * random.standard_normal(quality.shape)), 1, 5)
    units = tuple(row // 4 for row in range(len(human)))
    return RatedRows(human, (Levels(1, 5, 1),) * 2, units, "documents", ("a", "b")), quality


def test_the_certificate_is_given_to_equal_scores_and_refused_to_noise() -> None:
    rated, quality = rows(60)
    metric = metric_of("spearman")
    noise = np.random.default_rng(8).standard_normal(quality.shape)
    same = packing.certify(metric, (("a", "b"),), (quality, quality), rated, margin=0.03, expected=0.0)
    worse = packing.certify(metric, (("a", "b"),), (quality, noise), rated, margin=0.03, expected=0.0)
    assert (same.kept, same.loss, same.reason) == (True, 0.0, "")
    assert not worse.kept
    assert worse.loss > 0.5
    assert worse.bound > worse.loss


def test_the_loss_of_one_criterion_is_not_hidden_by_the_gain_of_another() -> None:
    rated, quality = rows(100)
    before, after = quality.copy(), quality.copy()
    random = np.random.default_rng(9)
    before[:, 0] = random.standard_normal(len(quality))
    after[:, 1] = random.standard_normal(len(quality))
    found = packing.certify(metric_of("spearman"), (("a", "b"),), (before, after), rated, margin=0.5, expected=0.0)
    assert found.bound < 0.5
    assert (found.kept, found.reason) == (False, "b credibly loses more than the margin")


def test_too_few_documents_allow_no_certificate() -> None:
    rated, quality = rows(3)
    found = packing.certify(metric_of("spearman"), (("a", "b"),), (quality, quality), rated, margin=1, expected=0.0)
    assert (found.kept, found.reason) == (False, "the rows allow no bound")


def test_an_error_metric_loses_where_its_value_rises() -> None:
    rated, quality = rows(60)
    near, far = 3 + quality, np.ones_like(quality)
    found = packing.certify(metric_of("mae"), (("a", "b"),), (near, far), rated, margin=0.1, expected=0.0)
    assert found.loss > 0
    assert not found.kept
    pairs = packing.pair_losses(metric_of("mae"), near, {(0, 1): far}, rated)
    assert [(own, other) for own, other, *_ in pairs] == [(0, 1), (1, 0)]
    assert all(loss > 0 for *_, loss, _ in pairs)
