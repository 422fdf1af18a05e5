"""How often the test of two judges errs, and how often it finds what is there, on sets whose truth is known.

Each set has documents of four items, rated 1 to 5 by three people, and two judges whose errors share the items' and
the documents' difficulty. `equal`: both err alike, so that a share of 0.05 may be called different. `shifted`: the
same, one judge adds two points to every score, which a rank correlation ignores. `better`: one judge errs less. Beside
it stand the percentile bootstrap of documents and sign flips of the influences of documents left out. At last, 1,330
comparisons are corrected together: how many are decided, and whether any verdict contradicts its interval.

    python benchmarks/contest_size_and_power.py [--sets 400] [--seed 0]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from polyjudge.metrics import Levels, RatedRows, difference_test, paired_bootstrap, spearman
from polyjudge.metrics.resampling import Contrast, leave_out
from polyjudge.metrics.significance import corrected

EACH = 4
DOCUMENTS = (10, 20, 40, 60)
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A kind of pair: the noise of each judge, and by how much the second is shifted."""

    name: str
    noise: tuple[float, float]
    shift: float = 0.0


CASES = (Case("equal", (1.2, 1.2)), Case("shifted", (1.2, 1.2), 2.0), Case("better", (0.9, 1.6)))


class World:
    """Items of documents, their ratings, and judges of them."""

    def __init__(self, documents: int, generator: np.random.Generator) -> None:
        self._generator = generator
        self._document = np.repeat(np.arange(documents), EACH)
        self._truth = 0.8 * self._normal() + 0.6 * self._shared()
        ratings = self._truth[:, None] + 0.6 * generator.standard_normal((self._document.size, 3))
        human = np.clip(np.round(3 + ratings), 1, 5).mean(axis=1)
        self.rows = RatedRows.of(human, levels=Levels(1, 5), documents=self._document.tolist())
        self._difficulty = 0.6 * self._normal() + 0.4 * self._shared()

    def judge(self, noise: float, shift: float = 0.0) -> Vector:
        """Scores of a judge with errors of its own, on five points from 1 + shift."""
        errors = self._difficulty + 0.8 * self._normal() + 0.5 * self._shared()
        return np.clip(np.round(3 + self._truth + noise * errors), 1, 5) + shift

    def _normal(self) -> Vector:
        return self._generator.standard_normal(self._document.size)

    def _shared(self) -> Vector:
        return self._generator.standard_normal(int(self._document[-1]) + 1)[self._document]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("| pair | documents | this test | document bootstrap | sign flips of influences |")
    print("|---|--:|--:|--:|--:|")
    for case in CASES:
        for documents in DOCUMENTS:
            shares = called_different(case, documents, arguments.sets, arguments.seed)
            print(f"| {case.name} | {documents} | {' | '.join(f'{share:.3f}' for share in shares)} |", flush=True)
    print()
    for line in family(arguments.seed):
        print(line)


def called_different(case: Case, documents: int, sets: int, seed: int) -> list[float]:
    """The share of sets in which each test calls the two judges different."""
    generator = np.random.default_rng([seed, documents, len(case.name)])
    called = np.zeros(3)
    for trial in range(sets):
        world = World(documents, generator)
        first, second = world.judge(case.noise[0]), world.judge(case.noise[1], case.shift)
        test = difference_test(spearman, first, second, world.rows).mean
        interval = paired_bootstrap(spearman, first, second, world.rows, n_resamples=500, seed=trial).mean.interval
        called += (test.p_value < 0.05, interval.excludes_zero, flipped(first, second, world.rows, trial) < 0.05)
    return [float(share) for share in called / sets]


def flipped(first: Vector, second: Vector, rows: RatedRows, seed: int, flips: int = 999) -> float:
    """The p-value of random signs before the influences of documents left out."""
    contrast = Contrast.difference(first, second, rows)
    (value,) = contrast.values(spearman, "pooled")
    statistic, count = contrast.statistic(spearman, "pooled"), rows.n_units
    without = np.concatenate([statistic(block)[:, 0] for block in leave_out(count, count)])
    pseudo = count * value - (count - 1) * without
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), (flips, count))
    return float((1 + (np.abs(signs @ pseudo) >= abs(pseudo.sum()) - 1e-12).sum()) / (1 + flips))


def family(seed: int) -> Iterator[str]:
    """1,330 comparisons: 20 judges of seven criteria, corrected together."""
    generator = np.random.default_rng([seed, 7])
    noises = np.linspace(0.5, 2.4, 20)
    tests, truly = [], []
    for _ in range(7):
        world = World(100, generator)
        judges = [world.judge(noise) for noise in noises]
        for (a, first), (b, second) in combinations(enumerate(judges), 2):
            tests.append(difference_test(spearman, first, second, world.rows).mean)
            truly.append(noises[a] - noises[b])
    result = corrected(tests)
    decided = np.array([each.interval.excludes_zero for each in result.estimates])
    wrong = sum(
        each.value * gap > 0 for each, gap in zip(result.estimates, truly, strict=True) if each.interval.excludes_zero
    )
    contradictions = int((decided != (np.array(result.p_values) < 0.05)).sum())
    alone = np.array([each.interval.excludes_zero for each in tests])
    yield f"{len(tests):,} comparisons: {int(decided.sum()):,} decided, {wrong} of them in the wrong direction."
    yield f"Verdicts that contradict their interval: {contradictions}. Uncorrected, {int(alone.sum()):,} exclude 0."
    smallest = min(each.p_value for each in tests if not math.isnan(each.p_value))
    yield f"The smallest p-value is {smallest:.1e}; 0.05 of {len(tests):,} needs {0.05 / len(tests):.1e}."


if __name__ == "__main__":
    main()
