"""Seeded picks built on `Random.random()` alone, whose sequence Python promises never to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def pick(rng: Random, options: Sequence[T]) -> T:
    """One of `options`, all equally likely."""
    return options[int(rng.random() * len(options))]


def shuffled(rng: Random, items: Iterable[T]) -> list[T]:
    """All of `items` in random order."""
    rest = list(items)
    result = []
    while rest:
        result.append(rest.pop(int(rng.random() * len(rest))))
    return result
