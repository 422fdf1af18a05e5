"""SIMULATED: how often intervals with a nominal 95 % hold the truth when there are few clusters.

    python benchmarks/interval_coverage.py [--draws 2000]

Bootstrap: Spearman's correlation of a judge with people on five-point scales, four rows a document that share 30 % of
their variance, documents resampled. Powered: a mean of rows that share 40 % of their variance, half of the clusters
labelled, predictions that correlate at .7 with the labels and are biased; "labels alone" is the t interval without
them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np

from polyjudge.metrics import bootstrap, metric_of
from polyjudge.metrics.ppi import Sample, mean
from polyjudge.metrics.rated import RatedRows

EACH = 4
CLUSTERS = (5, 6, 8, 10, 15, 20, 30, 40, 60, 100)


def nested(generator: np.random.Generator, clusters: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal rows (n,) and the cluster of each, clusters alike by ``share``."""
    names = np.repeat(np.arange(clusters), EACH)
    shared = generator.normal(size=clusters)[names]
    return math.sqrt(share) * shared + math.sqrt(1 - share) * generator.normal(size=names.size), names


def five_point(generator: np.random.Generator, documents: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    people, names = nested(generator, documents, 0.3)
    noise, _ = nested(generator, documents, 0.3)
    judge = 0.4 * people + math.sqrt(1 - 0.16) * noise
    rated = [np.clip(np.round(3 + 1.2 * latent), 1, 5) for latent in (judge, people)]
    return rated[0], rated[1], names.tolist()


def of_bootstrap(documents: int, draws: int) -> float:
    generator, spearman = np.random.default_rng(documents), metric_of("spearman")
    judge, people, _ = five_point(np.random.default_rng(0), 250_000)
    truth, held = spearman(judge, people), []
    for seed in range(draws):
        judge, people, names = five_point(generator, documents)
        found = bootstrap(spearman, judge, RatedRows.of(people, documents=names), n_resamples=1000, seed=seed).mean
        held.append(found.low <= truth <= found.high)
    return float(np.mean(held))


def of_powered(labelled: int, draws: int) -> tuple[float, float, float]:
    """Coverage with predictions and without, and how much narrower the former are."""
    generator, held, alone, widths = np.random.default_rng(labelled), [], [], []
    for _ in range(draws):
        truth, names = nested(generator, 2 * labelled, 0.4)
        guessed = 0.7 * truth + math.sqrt(0.51) * generator.normal(size=truth.size) + 3
        chosen = np.isin(names, generator.permutation(2 * labelled)[:labelled])
        labels = np.where(chosen, truth, np.nan)
        powered, plain = mean(Sample(labels, guessed, names.tolist())), mean(Sample(labels, None, names.tolist()))
        held.append(powered.low <= 0 <= powered.high)
        alone.append(plain.low <= 0 <= plain.high)
        widths.append((powered.high - powered.low) / (plain.high - plain.low))
    return float(np.mean(held)), float(np.mean(alone)), float(np.mean(widths))


def rows(draws: int) -> Iterator[tuple[str, ...]]:
    yield "clusters", "bootstrap", "powered", "labels alone", "width of powered / alone"
    for clusters in CLUSTERS:
        held, alone, width = of_powered(clusters, draws)
        yield str(clusters), f"{of_bootstrap(clusters, draws):.3f}", f"{held:.3f}", f"{alone:.3f}", f"{width:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000, help="simulations behind each figure")
    chosen = parser.parse_args()
    for number, row in enumerate(rows(chosen.draws)):
        print("| " + " | ".join(row) + " |", flush=True)
        if not number:
            print("|" + "---|" * len(row))


if __name__ == "__main__":
    main()
