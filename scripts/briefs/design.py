"""Which severities meet in which summary: a balanced design instead of independent draws.

An orthogonal array of strength two (the lines of the affine plane over the integers modulo 5) holds every pair of
levels of every two criteria exactly once in 25 rows. Twelve arrays, each with its levels renamed at random, make the
300 summaries of 50 notes: over the whole data set every pair of levels meets twelve times, so that the ratings of
two criteria are exactly uncorrelated. Ten arrays fall into blocks of five rows in which every level of every
criterion occurs once; a note gets one such block, and one row of the two arrays left over.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from itertools import count
from random import Random

from briefs.chance import shuffled

LEVELS = 5
NOTES = 50
ROWS_PER_NOTE = 6
CRITERIA = ("fluency", "coherence", "consistency", "relevance")


@dataclass(frozen=True, slots=True)
class Severities:
    """How badly each criterion of one summary is damaged, 0 (not at all) to 4."""

    fluency: int
    coherence: int
    consistency: int
    relevance: int

    @property
    def ratings(self) -> tuple[int, ...]:
        """The ratings 5 (best) to 1 in the order of `CRITERIA`."""
        return tuple(LEVELS - severity for severity in astuple(self))


Block = list[Severities]


def design(seed: str) -> tuple[tuple[Severities, ...], ...]:
    """The severities of every summary, shape (`NOTES`, `ROWS_PER_NOTE`)."""
    deals = (_dealt(Random(f"{seed}/design" + (f"/{attempt}" if attempt else ""))) for attempt in count())
    return next(notes for notes in deals if notes is not None)


def _dealt(rng: Random) -> tuple[tuple[Severities, ...], ...] | None:
    """One deal; None when the rows that are left over would repeat a row within a note."""
    blocks = [block for _ in range(NOTES // LEVELS) for block in _array(rng)]
    arrays_left = NOTES * ROWS_PER_NOTE // LEVELS**2 - NOTES // LEVELS
    extras = [row for _ in range(arrays_left) for block in _array(rng) for row in block]
    extras = shuffled(rng, extras)
    notes = []
    for block in shuffled(rng, blocks):
        position = next((i for i, row in enumerate(extras) if row not in block), None)
        if position is None:
            return None
        notes.append(tuple(shuffled(rng, [*block, extras.pop(position)])))
    return tuple(notes)


def _array(rng: Random) -> list[Block]:
    """One orthogonal array as five blocks; `x + 4y` names the block, the other four slopes give the criteria."""
    names = [shuffled(rng, range(LEVELS)) for _ in CRITERIA]
    blocks: list[Block] = [[] for _ in range(LEVELS)]
    for x in range(LEVELS):
        for y in range(LEVELS):
            levels = [names[slope][(x + slope * y) % LEVELS] for slope in range(len(CRITERIA))]
            blocks[(x + 4 * y) % LEVELS].append(Severities(*levels))
    return blocks
