"""SIMULATED: how often a certificate of ``polyjudge pack`` is wrong, and what it saves.

    python benchmarks/packing.py [--worlds 200] [--rows 960]

A world draws what each criterion loses beside each other one, and rows on which people and a judge see the same
qualities with errors of their own. The planner searches one half of the documents and tests on the other, by the
functions that the verb uses. The truth is measured on 20,000 further rows: a certificate is violated if the packed
calls lose more than the margin there. Five kinds of worlds take turns:

    null           nothing is lost or won by sharing
    interference   half of the ordered pairs lose .02 to .15 of the judge's fidelity
    joint helps    every ordered pair wins up to .08
    mixed          pairs lose or win up to .10
    crowd          pairs lose nothing, but each companion beyond the first costs up to .10: pairs predict nothing

All parameters, and the figure of at most 16 violations in 200 worlds, were written down before the first measurement.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from polyjudge.metrics import packing
from polyjudge.metrics.agreement import metric_of
from polyjudge.metrics.levels import Levels, Matrix
from polyjudge.metrics.rated import RatedRows

KINDS = ("null", "interference", "joint helps", "mixed", "crowd")
MARGIN, MOST_VIOLATED = 0.03, 16
EACH, TRUTH = 4, 20_000
# The judge's fidelity alone, qualities' correlation, raters' error, and the share of its error that a prompt keeps.
FIDELITY, CORRELATION, RATER, KEPT = 0.6, 0.4, 0.6, 0.7
METRIC = metric_of("spearman")


@dataclass(frozen=True)
class World:
    """What companions cost; ``crowd`` is the cost of each beyond the first."""

    seed: int
    kind: str
    names: tuple[str, ...]
    loss: Matrix
    crowd: float


def noise(*key: object) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big"))


def world(seed: int) -> World:
    kind = KINDS[seed % len(KINDS)]
    names = ("a", "b", "c", "d") if seed % 10 < 7 else ("a", "b", "c", "d", "e")
    draw, shape = noise(seed, "world"), (len(names), len(names))
    losses = {
        "interference": draw.uniform(0.02, 0.15, shape) * (draw.random(shape) < 0.5),
        "joint helps": -draw.uniform(0.0, 0.08, shape),
        "mixed": draw.uniform(-0.10, 0.10, shape),
    }
    return World(seed, kind, names, losses.get(kind, np.zeros(shape)), draw.uniform(0, 0.1) if kind == "crowd" else 0)


class Rows:
    """Rows of a world: people's ratings, and the judge's scores in any company."""

    def __init__(self, of: World, part: str, count: int) -> None:
        self._of, self._part, self._count = of, part, count
        k = len(of.names)
        common = np.repeat(self._normal("document", (count // EACH, k)), EACH, axis=0)
        own = self._normal("quality", (count, k)) * np.sqrt(1 - CORRELATION)
        shared = self._normal("shared", (count, 1)) * np.sqrt(CORRELATION)
        self._quality = np.sqrt(0.8) * (own + shared) + np.sqrt(0.2) * common
        self._error = self._normal("error", (count, k))
        human = self._rated(self._quality + RATER * self._normal("rater", (count, k)))
        documents = [row // EACH for row in range(count)]
        levels = (Levels(1, 5, 1),) * k
        self.rated = RatedRows(human, levels, tuple(documents), "documents", of.names)

    def scores(self, groups: Sequence[Sequence[str]]) -> Matrix:
        """Scores of all criteria in these calls (n, K), NaN for those in none."""
        found = np.full((self._count, len(self._of.names)), np.nan)
        for group in groups:
            places = [self._of.names.index(name) for name in group]
            for place in places:
                others = [other for other in places if other != place]
                lost = sum(self._of.loss[place, other] for other in others) + self._of.crowd * max(0, len(others) - 1)
                fidelity = float(np.clip(FIDELITY - lost, 0.05, 0.95))
                told = self._normal(("told", place, tuple(others)), (self._count,))
                error = np.sqrt(KEPT) * self._error[:, place] + np.sqrt(1 - KEPT) * told
                found[:, place] = self._rated(fidelity * self._quality[:, place] + np.sqrt(1 - fidelity**2) * error)
        return found

    def _normal(self, name: object, shape: tuple[int, ...]) -> Matrix:
        return noise(self._of.seed, self._part, name).standard_normal(shape)

    @staticmethod
    def _rated(latent: Matrix) -> Matrix:
        return np.clip(np.round(3 + 1.2 * latent), 1, 5)


def planned(of: World, rows: int) -> packing.Groups | None:
    """The certified partition of a world; None: separate calls."""
    search, confirm = Rows(of, "search", rows // 2), Rows(of, "confirm", rows // 2)
    apart = tuple((name,) for name in of.names)
    alone = search.scores(apart)
    pairs = {
        (a, b): search.scores([(of.names[a], of.names[b])])[:, [a, b]] for a, b in combinations(range(len(apart)), 2)
    }
    found = packing.pair_losses(METRIC, alone, pairs, search.rated)
    drawn = packing.shrunken([loss for *_, loss, _ in found], [error for *_, error in found])
    expected = {(of.names[a], of.names[b]): loss for (a, b, *_), loss in zip(found, drawn, strict=True)}
    options = packing.candidates(of.names, expected, packing.HOPE * MARGIN)
    cost: Mapping[packing.Groups, float] = {groups: len(groups) for groups in options}
    separate, failed = confirm.scores(apart), None
    for _ in range(packing.TRIES):
        groups = packing.choice(options, expected, cost, failed)
        if groups is None:
            return None
        scored = (separate, confirm.scores(groups))
        result = packing.certify(
            METRIC,
            groups,
            scored,
            confirm.rated,
            margin=MARGIN,
            expected=packing.expected_loss(groups, expected),
        )
        if result.kept:
            return groups
        failed = groups
    return None


def true_loss(of: World, groups: packing.Groups) -> float:
    rows = Rows(of, "truth", TRUTH)
    rated, apart = rows.rated.human, tuple((name,) for name in of.names)
    separate, shared = rows.scores(apart), rows.scores(groups)
    losses = [
        METRIC(separate[:, place], rated[:, place]) - METRIC(shared[:, place], rated[:, place])
        for place in range(len(of.names))
    ]
    return statistics.mean(losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--rows", type=int, default=960)
    options = parser.parse_args()
    certified, violated, calls, worlds = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for seed in range(1, options.worlds + 1):
        of = world(seed)
        groups = planned(of, options.rows)
        worlds[of.kind] += 1
        certified[of.kind] += groups is not None
        calls[of.kind] += len(groups or of.names)
        violated[of.kind] += groups is not None and true_loss(of, groups) > MARGIN
    print(f"SIMULATED, {options.worlds} worlds, {options.rows} rows, margin {MARGIN}\n")
    for kind in KINDS:
        separate = statistics.mean(len(world(seed).names) for seed in range(1, options.worlds + 1))
        print(
            f"{kind:13} {worlds[kind]:3} worlds  certified {certified[kind]:3}  violated {violated[kind]:3}  "
            f"calls a row {calls[kind] / max(1, worlds[kind]):.2f} instead of {separate:.2f}"
        )
    total = violated.total()
    most = MOST_VIOLATED * options.worlds / 200
    print(
        f"\nviolated in {total} of {options.worlds} worlds; at most {most:g} are allowed: "
        f"{'kept' if total <= most else 'missed'}"
    )


if __name__ == "__main__":
    main()
