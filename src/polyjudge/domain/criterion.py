"""One thing the judge scores."""

from __future__ import annotations

from dataclasses import dataclass

from polyjudge.domain.scale import Categorical, Scale


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion with its scale and the instruction that optimisation may change.

    Attributes:
        name: how files and replies call it; unique within a judge.
        scale: the values a score can take.
        definition: what is judged; frozen.
        instruction: how to judge it; the only part that a fit changes.
        ratings: the columns of the human raters.
        words: the word set of the cloze scoring method; may be empty.
    """

    name: str
    scale: Scale
    definition: str = ""
    instruction: str = ""
    ratings: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def default_instruction(scale: Scale) -> str:
    """The initial instruction when a criteria file gives none."""
    if isinstance(scale, Categorical):
        return f"Answer with one of: {', '.join(scale.names)}."
    return f"Rate from {scale.low:g} to {scale.high:g}."
