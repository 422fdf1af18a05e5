"""Whom a criticism serves, told without a model: its sentences, and the words by which criteria are told apart."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from polyjudge.domain.criterion import Criterion

_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9\[])|\n+")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+|^#+\s*")


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, and its lines; headings and bullets count as such, what holds no word does not."""
    parts = (_BULLET.sub("", part).strip() for part in _END.split(text.strip()))
    return tuple(part for part in parts if any(character.isalnum() for character in part))


class Vocabulary:
    """The words by which criteria are told apart: those of a criterion's name, definition and initial instruction
    that no other criterion of the run has. The model-free estimate of whom a sentence serves.

    Args:
        criteria: all of the run, with their initial instructions.
    """

    def __init__(self, criteria: Sequence[Criterion]) -> None:
        stems_of = {c.name: _stems(f"{c.name.replace('_', ' ')} {c.definition} {c.instruction}") for c in criteria}
        shared = Counter(stem for stems in stems_of.values() for stem in stems)
        self._names = tuple(stems_of)
        self._own = {name: {stem for stem in stems if shared[stem] == 1} for name, stems in stems_of.items()}

    def serves(self, sentence: str) -> tuple[str, ...]:
        """The criteria whose own words a sentence has most of; () where it has none, several when they tie."""
        stems = _stems(sentence)
        counts = {name: len(stems & self._own[name]) for name in self._names}
        most = max(counts.values())
        return tuple(name for name, count in counts.items() if most and count == most)

    def share(self, text: str, name: str) -> float:
        """The share of a text's sentences that serve a criterion, one that serves n counting 1/n; 0 of no sentence."""
        parts = [self.serves(part) for part in sentences(text)]
        return math.fsum(1 / len(names) for names in parts if name in names) / len(parts) if parts else 0.0


# So many letters tell a word in all its forms from others well enough: "coherence", "coherent".
_STEM = 6
_SHORTEST = 3
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """and are but for from has have how into its not one out rate rated rating score that the their them then
        there these they this those what when where which with within would you your instruction criterion judge
        text""",
    )
)


def _stems(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_]+", text.casefold())
    return {word[:_STEM] for word in words if len(word) >= _SHORTEST and word not in _COMMON}
