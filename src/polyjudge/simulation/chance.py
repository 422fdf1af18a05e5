"""Chance without state: what is drawn depends on what it is drawn for, and on nothing else."""

from __future__ import annotations

from hashlib import blake2b
from statistics import NormalDist

_STANDARD = NormalDist()
# 52 bits and a half: never 0, never 1.
_UNIT = 2.0**-52


def seeded(*parts: str | bytes | int) -> bytes:
    """Sixteen bytes that stand for these parts, in this order."""
    state = blake2b(digest_size=16)
    for part in parts:
        piece = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        state.update(len(piece).to_bytes(8, "little"))
        state.update(piece)
    return state.digest()


def uniform(seed: bytes) -> float:
    """A number between 0 and 1, neither included."""
    drawn = int.from_bytes(blake2b(seed, digest_size=8).digest(), "little")
    return ((drawn >> 12) + 0.5) * _UNIT


def normal(seed: bytes) -> float:
    """A standard normal number."""
    return _STANDARD.inv_cdf(uniform(seed))


class Stream:
    """Numbers one after the other, for whoever needs several and does not count them."""

    def __init__(self, *parts: str | bytes | int) -> None:
        self._seed = seeded(*parts)
        self._drawn = 0

    def uniform(self) -> float:
        self._drawn += 1
        return uniform(self._seed + self._drawn.to_bytes(4, "little"))

    def normal(self) -> float:
        return _STANDARD.inv_cdf(self.uniform())

    def happens(self, probability: float) -> bool:
        return self.uniform() < probability

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count - 1``."""
        return int(self.uniform() * count)
