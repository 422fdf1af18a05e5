"""Rows shaped like SummEval's, from a seed: 16 summaries of each document, four criteria, three raters, 1 to 5."""

from __future__ import annotations

from random import Random
from typing import Any

from benchmarks.server import CRITERIA

SYSTEMS = 16
RUBRIC = {
    "task": "Evaluate the summary of the article.",
    "inputs": {"article": "Article", "summary": "Summary"},
    "document": "article_id",
    "id": "id",
    "criteria": [
        {"name": name, "definition": f"How good is its {name}?", "scale": [1, 5]}
        | {"ratings": [f"{name}_{rater}" for rater in "abc"]}
        for name in CRITERIA
    ],
}
_SYLLABLES = ("ka", "ro", "mi", "len", "sta", "ver", "to", "ni", "shu", "bar", "del", "es")


def items(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """So many rows; each summary begins with a word that names its row, by which a server's log knows it."""
    chance = Random(seed)
    words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 3))) for _ in range(3000)]
    rows: list[dict[str, Any]] = []
    for number in range(count):
        if number % SYSTEMS == 0:
            article = _text(chance, words, 360)
        quality = chance.gauss(3.2, 0.8)
        ratings = {
            f"{name}_{rater}": min(5, max(1, round(chance.gauss(quality, 0.7))))
            for name in CRITERIA
            for rater in "abc"
        }
        summary = f"item-{number}- {_text(chance, words, 63)}"
        rows.append(
            {"id": f"r{number}", "article_id": f"d{number // SYSTEMS}", "article": article, "summary": summary}
        )
        rows[-1] |= ratings
    return rows


def _text(chance: Random, words: list[str], length: int) -> str:
    text = " ".join(chance.choices(words, k=length))
    return f"{text.capitalize()}."
