"""System-level agreement against a direct computation with scipy, replicate by replicate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.metrics.resampling import draws
from polyjudge.metrics.systems import system_level

stats = pytest.importorskip("scipy.stats")


def drawn(seed: int, n_systems: int = 6, n_documents: int = 12, missing: float = 0.2):  # type: ignore[no-untyped-def]
    random = np.random.default_rng(seed)
    systems, documents = (axis.ravel() for axis in np.meshgrid(range(n_systems), range(n_documents)))
    human = np.round(2 + systems / 3 + random.normal(0, 1, systems.size))
    judged = np.round(human + random.normal(0, 1, systems.size))
    judged[random.random(systems.size) < missing] = np.nan
    human[random.random(systems.size) < missing] = np.nan
    return judged, human, systems.astype(np.intp), documents.astype(np.intp)


def directly(judged, human, systems, documents, of_systems, of_documents):  # type: ignore[no-untyped-def]
    """Both correlations of systems and documents that are written down as often as they were drawn."""
    x, y = [], []
    for system, times in enumerate(of_systems.astype(int)):
        rows = [
            row
            for document, count in enumerate(of_documents.astype(int))
            for row in np.flatnonzero((systems == system) & (documents == document)).tolist() * count
            if not np.isnan(judged[row] + human[row])
        ]
        if rows:
            x += [judged[rows].mean()] * times
            y += [human[rows].mean()] * times
    if len(set(np.round(x, 9))) < 2 or len(set(np.round(y, 9))) < 2:
        return np.nan, np.nan
    return stats.kendalltau(np.round(x, 9), np.round(y, 9)).statistic, stats.pearsonr(x, y).statistic


@given(st.integers(0, 10_000))
def test_values_and_intervals_are_those_of_scipy(seed: int) -> None:
    data = drawn(seed)
    found = system_level(*data, n_resamples=40, seed=seed)
    kendall, pearson = directly(*data, np.ones(6), np.ones(12))
    assert found.kendall.value == pytest.approx(kendall, nan_ok=True)
    assert found.pearson.value == pytest.approx(pearson, nan_ok=True)
    of_documents, of_systems = np.vstack(list(draws(12, 40, seed))), np.vstack(list(draws(6, 40, seed + 1)))
    replicates = np.array([directly(*data, s, d) for s, d in zip(of_systems, of_documents, strict=True)])
    for estimate, column in ((found.kendall, replicates[:, 0]), (found.pearson, replicates[:, 1])):
        assert estimate.n_undefined == np.isnan(column).sum()
        if estimate.interval.known:
            ends = np.quantile(column[~np.isnan(column)], [0.025, 0.975])
            assert [estimate.low, estimate.high] == pytest.approx(ends)


def test_a_system_that_nobody_scored_is_left_out() -> None:
    judged, human, systems, documents = drawn(1)
    judged[systems == 2] = np.nan
    found = system_level(judged, human, systems, documents, n_resamples=200)
    kept = systems != 2
    renumbered = np.unique(systems[kept], return_inverse=True)[1].astype(np.intp)
    without = system_level(judged[kept], human[kept], renumbered, documents[kept], n_resamples=200)
    assert np.isnan(found.judged[2])
    assert found.items[2] == 0
    assert (found.kendall.value, found.pearson.value) == pytest.approx((without.kendall.value, without.pearson.value))


def test_equal_means_have_no_correlation() -> None:
    systems = np.repeat(np.arange(5), 6).astype(np.intp)
    documents = np.tile(np.arange(6), 5).astype(np.intp)
    found = system_level(np.full(30, 3.1), np.tile([1.0, 2, 3, 4, 5, 2], 5), systems, documents, n_resamples=50)
    assert np.isnan([found.kendall.value, found.pearson.value, found.kendall.low]).all()
