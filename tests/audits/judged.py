"""Invented scores of two judges, under two layouts, beside three raters: as matrices, and as files of both forms."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CRITERIA = ("fluency", "relevance")
RATERS = ("a", "b", "c")


@dataclass(frozen=True)
class Judged:
    ids: list[str]
    documents: list[str]
    raters: dict[str, np.ndarray]  # criterion -> (n, 3), nan = none
    scores: dict[tuple[str, str], np.ndarray]  # (judge, layout) -> (n, K)

    @property
    def human(self) -> np.ndarray:
        return np.column_stack([np.nanmean(self.raters[name], axis=1) for name in CRITERIA])


def judged(documents: int = 30, each: int = 4, seed: int = 0, harm: float = 0.0) -> Judged:
    """A good judge and a poor one; ``harm`` mixes noise into the good judge's relevance when scored jointly."""
    random = np.random.default_rng(seed)
    n = documents * each
    truth = random.normal(0, 1, (n, 2)) + 0.5 * np.repeat(random.normal(0, 1, (documents, 2)), each, axis=0)

    def level(values: np.ndarray) -> np.ndarray:
        return np.clip(np.round(3 + values), 1, 5)

    raters = {name: level(truth[:, [k]] + random.normal(0, 0.5, (n, 3))) for k, name in enumerate(CRITERIA)}
    raters["fluency"][random.random(n) < 0.2, 2] = math.nan
    good, poor = random.normal(0, 0.6, (n, 2)), random.normal(0, 2.0, (n, 2))
    scores = {
        ("good", "separate"): level(truth + good),
        ("good", "joint"): level(truth + good + np.array([0, harm]) * random.normal(0, 1, (n, 2))),
        ("poor", "separate"): level(truth + poor + 0.8),
    }
    scores["good", "separate"][3, 0] = math.nan
    return Judged([f"i{k}" for k in range(n)], [f"d{k // each}" for k in range(n)], raters, scores)


def write_wide(path: Path, data: Judged) -> Path:
    columns = [f"{name}_{rater}" for name in CRITERIA for rater in RATERS]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "document", "judge", "layout", *CRITERIA, "error", *columns])
        for (judge, layout), scores in data.scores.items():
            for row, (item, document) in enumerate(zip(data.ids, data.documents, strict=True)):
                ratings = [data.raters[name][row, r] for name in CRITERIA for r in range(3)]
                writer.writerow([item, document, judge, layout, *map(_cell, scores[row]), "", *map(_cell, ratings)])
    return path


def write_long(path: Path, data: Judged) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "document", "criterion", "score", "judge", "layout", "rating", "rater"])
        for (judge, layout), scores in data.scores.items():
            for row, (item, document) in enumerate(zip(data.ids, data.documents, strict=True)):
                for k, name in enumerate(CRITERIA):
                    for r, rater in enumerate(RATERS):
                        rating = data.raters[name][row, r]
                        cells = [_cell(scores[row, k]), judge, layout, _cell(rating), rater]
                        writer.writerow([item, document, name, *cells])
    return path


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:g}"
