"""Fronts, volumes and picks: against brute force and moocore, with ties, duplicates and missing values."""

import itertools
import math

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.metrics import Levels, metric_of, pareto

NAN = float("nan")


def grids(most_points=9, most_criteria=4, values=5):
    """Points on a coarse grid, so that ties and duplicates are common."""
    return st.integers(1, most_criteria).flatmap(
        lambda k: st.lists(
            st.lists(st.integers(0, values - 1).map(float), min_size=k, max_size=k), min_size=1, max_size=most_points
        ).map(np.array)
    )


def counted(points):
    """Volume above the origin by counting unit cells."""
    tops = [range(int(top)) for top in points.max(axis=0)]
    cells = itertools.product(*tops)
    return sum(any(all(x >= cell + 1 for x, cell in zip(p, c, strict=True)) for p in points) for c in cells)


def dominates(one, other):
    return all(a >= b for a, b in zip(one, other, strict=True)) and any(a > b for a, b in zip(one, other, strict=True))


@settings(deadline=None, max_examples=150)
@given(points=grids())
def test_the_front_is_what_nothing_dominates_each_once(points):
    front = pareto.non_dominated(points)
    distinct = {tuple(p): at for at, p in reversed(list(enumerate(points.tolist())))}
    expected = sorted(at for p, at in distinct.items() if not any(dominates(q, p) for q in points.tolist()))
    assert front.tolist() == expected


@settings(deadline=None, max_examples=150)
@given(points=grids())
def test_the_volume_is_that_of_counted_cells(points):
    assert pareto.hypervolume(points, np.zeros(points.shape[1])) == pytest.approx(counted(points))


@pytest.mark.parametrize("criteria", range(2, 7))
def test_front_and_volume_are_those_of_moocore(criteria):
    generator = np.random.default_rng(criteria)
    for n in (1, 5, 25):
        points = generator.normal(0.3, 0.2, (n, criteria)).clip(-1, 1)
        points[n // 2] = points[0]
        found = pareto.hypervolume(points, np.full(criteria, -1.0))
        assert found == pytest.approx(
            moocore.hypervolume(points, ref=np.full(criteria, -1.0), maximise=True), rel=1e-12
        )
        kept = moocore.is_nondominated(points, maximise=True, keep_weakly=False)
        assert pareto.non_dominated(points).size == kept.sum()
        assert {tuple(points[at]) for at in pareto.non_dominated(points)} == set(map(tuple, points[kept]))


@settings(deadline=None, max_examples=60)
@given(points=grids(most_points=7), seed=st.integers(0, 999))
def test_more_points_never_take_volume_away_and_their_order_means_nothing(points, seed):
    corner = np.zeros(points.shape[1])
    whole = pareto.hypervolume(points, corner)
    assert pareto.hypervolume(points[:-1], corner) <= whole + 1e-9
    assert pareto.hypervolume(np.random.default_rng(seed).permutation(points), corner) == pytest.approx(whole)
    assert pareto.hypervolume(points[pareto.non_dominated(points)], corner) == pytest.approx(whole)


def test_a_missing_value_is_no_merit():
    points = np.array([[0.9, NAN], [0.2, 0.3], [NAN, NAN]])
    assert pareto.non_dominated(points).tolist() == [1]
    assert pareto.hypervolume(points, [0.0, 0.0]) == pytest.approx(0.06)
    for pick in (pareto.weighted, pareto.worst_criterion, pareto.knee):
        assert pick(points) == 1
        assert pick(points[[0, 2]]) is None
    assert pareto.feasible(points, [0.1, 0.1]) == 1
    assert pareto.feasible(points, [0.3, 0.1]) is None
    assert pareto.feasible(points, [NAN, 0.1]) == 1


def test_nothing_dominates_nothing():
    assert pareto.non_dominated(np.empty((0, 3))).size == 0
    assert pareto.hypervolume(np.empty((0, 3)), [0.0] * 3) == 0
    assert pareto.hypervolume([[0.5, -2.0]], [-1.0, -1.0]) == 0
    assert all(pick(np.empty((0, 3))) is None for pick in (pareto.weighted, pareto.worst_criterion, pareto.knee))


def test_an_error_counts_the_other_way_round_and_its_reference_is_the_span():
    mae, spearman = metric_of("mae"), metric_of("spearman")
    turned = pareto.oriented([[0.5, 0.2], [1.5, 0.4]], [mae, spearman])
    assert turned.tolist() == [[-0.5, 0.2], [-1.5, 0.4]]
    corner = [pareto.worst(mae, Levels(1, 5)), pareto.worst(spearman, Levels(1, 5))]
    assert corner == [-4.0, -1.0]
    assert pareto.hypervolume(turned[:1], corner) == pytest.approx(3.5 * 1.2)
    with pytest.raises(ValueError, match="infinite"):
        pareto.oriented([[math.inf]], [mae])


def test_picks_differ_where_they_should():
    points = np.array([[0.9, 0.0], [0.6, 0.55], [0.5, 0.56], [0.0, 0.8], [0.4, 0.4]])
    assert pareto.weighted(points) == 1
    assert pareto.weighted(points, [0.0, 1.0]) == 3
    assert pareto.weighted(points, [9.0, 1.0]) == 0
    assert pareto.worst_criterion(points) == 1
    assert pareto.knee(points) == 1
    assert pareto.feasible(points, [0.0, 0.56]) == 2
    with pytest.raises(ValueError, match="weights"):
        pareto.weighted(points, [1.0])


def test_of_equals_the_first_is_taken():
    points = np.array([[0.4, 0.2], [0.2, 0.4], [0.4, 0.2]])
    assert (pareto.weighted(points), pareto.worst_criterion(points), pareto.knee(points)) == (0, 0, 0)


@settings(deadline=None, max_examples=80)
@given(points=grids())
def test_every_pick_lies_on_the_front(points):
    front = {tuple(points[at]) for at in pareto.non_dominated(points)}
    picks = [pareto.weighted(points), pareto.worst_criterion(points), pareto.knee(points)]
    picks.append(pareto.feasible(points, points[0]))
    assert all(pick is not None and tuple(points[pick]) in front for pick in picks)
