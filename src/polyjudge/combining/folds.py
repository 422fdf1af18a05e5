"""Parts of rated rows that share no document."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.levels import Indices
from polyjudge.metrics.rated import Clusters


def folds(clusters: Clusters, n_folds: int, seed: int) -> Indices:
    """The fold (n,) of each row, 0 to n_folds - 1: whole documents in a seeded order, folds of about equal rows.

    Raises:
        ValueError: there are fewer documents than folds, or fewer than two folds.
    """
    if not 2 <= n_folds <= clusters.count:
        raise ValueError(f"{clusters.count} documents (or rows) cannot be laid into {n_folds} folds, of two or more")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(clusters.count)
    sizes = np.bincount(clusters.position, minlength=clusters.count)[order]
    middle = np.cumsum(sizes) - sizes / 2
    fold = np.minimum((middle * n_folds / sizes.sum()).astype(np.intp), n_folds - 1)
    # A document larger than a fold may leave one empty: then the documents are dealt out in turn.
    if np.unique(fold).size < n_folds:
        fold = np.arange(clusters.count) % n_folds
    of_document = np.empty(clusters.count, dtype=np.intp)
    of_document[order] = fold
    return of_document[clusters.position]


def half(clusters: Clusters, seed: int) -> npt.NDArray[np.bool_]:
    """Mask (n,) of one half of the rows, by whole documents drawn by the seed.

    Raises:
        ValueError: there are fewer than two documents.
    """
    mask: npt.NDArray[np.bool_] = folds(clusters, 2, seed) == 0
    return mask
