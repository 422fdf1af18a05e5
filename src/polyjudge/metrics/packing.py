"""Which criteria may share a judge call: what each costs another, partitions, and a certificate of the loss.

A loss is the agreement of separate calls minus that of shared ones, so that above 0 sharing hurts. What is estimated
from pairs on one half of the documents only proposes a partition; whether it keeps the margin is tested on the other
half, where nothing was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from polyjudge.metrics.levels import Matrix, Vector
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.rated import RatedRows
from polyjudge.metrics.uncertainty import paired_bootstrap

Groups = tuple[tuple[str, ...], ...]

# Above so many criteria partitions are merged greedily; eight have 4,140.
MOST_ENUMERATED = 8
# A prior of a loss between two criteria: its spread is at least this.
LEAST_SPREAD = 0.01
# Partitions whose expected loss is more than this share of the margin could hardly be confirmed.
HOPE = 0.5
# Partitions that are tested at most, and the risk that all of these tests share.
TRIES, RISK = 3, 0.05


@dataclass(frozen=True, slots=True)
class PairLoss:
    """What a criterion loses when another shares its call.

    Attributes:
        criterion: whose agreement.
        beside: the other.
        loss: alone minus beside it, on the searched rows; nan = undefined.
        error: standard error of the loss; nan = unknown.
        expected: the loss, shrunken towards the mean of all pairs; 0 where the scores are the same.
        likeness: Pearson correlation of its two scores, without ratings; nan = constant.
    """

    criterion: str
    beside: str
    loss: float
    error: float
    expected: float
    likeness: float


@dataclass(frozen=True, slots=True)
class Tested:
    """A partition that was judged on the confirming rows.

    Attributes:
        groups: the criteria of each call.
        expected: the mean loss that the pairs predict.
        loss: separate minus shared agreement, the mean over criteria; nan = undefined.
        bound: upper confidence bound of the loss; nan = unknown.
        level: of the bound, 0..1.
        losses: criterion -> its loss.
        kept: whether the bound keeps the margin and no criterion credibly loses more than it.
        reason: why not; "" if kept.
    """

    groups: Groups
    expected: float
    loss: float
    bound: float
    level: float
    losses: Mapping[str, float]
    kept: bool
    reason: str = ""


def pair_losses(
    metric: Metric, alone: Matrix, beside: Mapping[tuple[int, int], Matrix], rows: RatedRows, seed: int = 0
) -> list[tuple[int, int, float, float]]:
    """(criterion, other, loss, standard error) of each ordered pair.

    Args:
        metric: of the agreement.
        alone: scores of separate calls (n, K), NaN = unscored.
        beside: (c, d) with c < d -> scores of both from one call (n, 2).
        rows: the ratings of all criteria.
        seed: of the resamples.
    """
    sign = 1 if metric.higher_is_better else -1
    found = []
    for (first, second), shared in beside.items():
        both = paired_bootstrap(metric, alone[:, [first, second]], shared, rows.select((first, second)), seed=seed)
        for place, (own, other) in enumerate(((first, second), (second, first))):
            estimate = both.per_criterion[place]
            found.append((own, other, sign * estimate.value, estimate.standard_error))
    return found


def shrunken(losses: Sequence[float], errors: Sequence[float]) -> list[float]:
    """Losses drawn towards their mean, the more the larger their standard errors are against their spread.

    A loss that is undefined or has no error is taken as the mean; without any, as 0.
    """
    known = [(loss, error) for loss, error in zip(losses, errors, strict=True) if not math.isnan(loss + error)]
    if not known:
        return [0.0] * len(losses)
    values, squares = np.array(known).T[0], np.array(known).T[1] ** 2
    centre = float(values.mean())
    spread = float(values.var(ddof=1) - squares.mean()) if len(known) > 1 else 0.0
    variance = max(spread, LEAST_SPREAD**2)

    def drawn(loss: float, error: float) -> float:
        if math.isnan(loss + error):
            return centre
        return (loss * variance + centre * error**2) / (variance + error**2)

    return [drawn(loss, error) for loss, error in zip(losses, errors, strict=True)]


def likeness(one: Vector, other: Vector) -> float:
    """Pearson correlation of two scorings of the same rows, where both are scored; nan if one is constant."""
    both = ~(np.isnan(one) | np.isnan(other))
    a, b = one[both], other[both]
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def partitions(names: Sequence[str]) -> Iterator[Groups]:
    """All partitions of a few names, in the names' order."""
    if not names:
        yield ()
        return
    *before, last = names
    for smaller in partitions(before):
        for place, group in enumerate(smaller):
            yield (*smaller[:place], (*group, last), *smaller[place + 1 :])
        yield (*smaller, (last,))


def candidates(names: Sequence[str], expected: Mapping[tuple[str, str], float], most: float) -> list[Groups]:
    """Partitions with a shared call whose expected loss is at most ``most``.

    Above ``MOST_ENUMERATED`` names these are the steps of a greedy merge, which joins the groups that lose least.
    """
    if len(names) <= MOST_ENUMERATED:
        every = (groups for groups in partitions(names) if len(groups) < len(names))
        return [groups for groups in every if expected_loss(groups, expected) <= most]
    groups: Groups = tuple((name,) for name in names)
    found = []
    while len(groups) > 1:
        merged = [_merged(groups, a, b) for a in range(len(groups)) for b in range(a + 1, len(groups))]
        groups = min(merged, key=lambda one: expected_loss(one, expected))
        if expected_loss(groups, expected) > most:
            break
        found.append(groups)
    return found


def expected_loss(groups: Groups, expected: Mapping[tuple[str, str], float]) -> float:
    """The mean over the criteria of the sum of what each loses by its companions."""
    losses = [sum(expected[name, other] for other in group if other != name) for group in groups for name in group]
    return math.fsum(losses) / len(losses)


def choice(
    options: Sequence[Groups],
    expected: Mapping[tuple[str, str], float],
    cost: Mapping[Groups, float],
    failed: Groups | None = None,
) -> Groups | None:
    """The cheapest option, of equals the one that is expected to lose least; after a failure only finer ones are left.

    Args:
        options: partitions.
        expected: (criterion, other) -> expected loss.
        cost: of each option.
        failed: the partition that was tested last.
    """
    left = [groups for groups in options if failed is None or finer(groups, failed)]
    return min(left, key=lambda groups: (cost[groups], expected_loss(groups, expected)), default=None)


def finer(groups: Groups, than: Groups) -> bool:
    """Whether each group lies inside one of another partition, and the partitions differ."""
    return groups != than and all(any(set(group) <= set(whole) for whole in than) for group in groups)


def certify(
    metric: Metric,
    groups: Groups,
    scored: tuple[Matrix, Matrix],
    rows: RatedRows,
    *,
    margin: float,
    expected: float,
    seed: int = 0,
) -> Tested:
    """Whether a partition keeps the margin on rows that chose nothing.

    Args:
        metric: of the agreement.
        groups: the partition.
        scored: scores of separate and of shared calls (n, K), NaN = unscored.
        rows: the ratings.
        margin: the largest loss of the mean.
        expected: the loss that the pairs predict.
        seed: of the resamples.
    """
    level = 1 - RISK / TRIES
    separate, shared = scored
    # The upper end of a two-sided interval is a one-sided bound with half its risk.
    both = paired_bootstrap(metric, separate, shared, rows, level=2 * level - 1, seed=seed)
    sign = 1 if metric.higher_is_better else -1
    ends = [sign * both.mean.low, sign * both.mean.high]
    bound = max(ends) if not any(map(math.isnan, ends)) else math.nan
    names = rows.names or tuple(str(at) for at in range(separate.shape[1]))
    losses = {name: sign * one.value for name, one in zip(names, both.per_criterion, strict=True)}
    worse = [
        name
        for name, one in zip(names, both.per_criterion, strict=True)
        if min(sign * one.low, sign * one.high) > margin
    ]
    reason = ""
    if math.isnan(bound):
        reason = "the rows allow no bound"
    elif bound > margin:
        reason = f"the loss may be {bound:.3f}, above the margin"
    elif worse:
        reason = f"{', '.join(worse)} credibly loses more than the margin"
    return Tested(groups, expected, sign * both.mean.value, bound, level, losses, not reason, reason)


def _merged(groups: Groups, first: int, second: int) -> Groups:
    rest = [group for place, group in enumerate(groups) if place not in (first, second)]
    return (*rest, (*groups[first], *groups[second]))
