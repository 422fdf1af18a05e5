"""A criterion: what the judge scores."""

from __future__ import annotations

from dataclasses import dataclass

from polyjudge.domain.scale import Categorical, Scale


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion with its scale and the instruction that optimisation may change.

    Attributes:
        name: in files and replies; unique within a judge.
        scale: the values a score can take.
        definition: what is judged; frozen.
        instruction: how to judge it; the only part that a fit changes.
        ratings: the columns of the human raters.
        values: words of the ratings -> the number that each stands for; empty where ratings are numbers or labels.
        read: how a number is read out of a rating such as "4 - Good" or "★★★★": "leading-number" or "stars"; "" takes
            plain numbers alone.
        levels: level -> what it means, shown to the judge; may be empty, or name some levels only.
        weight: 1; criteria count alike in every mean over criteria.
        words: the word set of the cloze scoring method; may be empty.
    """

    name: str
    scale: Scale
    definition: str = ""
    instruction: str = ""
    ratings: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    values: tuple[tuple[str, float], ...] = ()
    read: str = ""
    levels: tuple[tuple[float, str], ...] = ()
    weight: float = 1.0

    @property
    def anchors(self) -> str:
        """What each level means, "1 = ..." on a line of its own; "" where nothing says it."""
        return "\n".join(f"{level:g} = {meaning}" for level, meaning in self.levels)


def default_instruction(scale: Scale) -> str:
    """The initial instruction when a criteria file gives none."""
    if isinstance(scale, Categorical):
        return f"Answer with one of: {', '.join(scale.names)}."
    return f"Rate from {scale.low:g} to {scale.high:g}."
