"""What is true of an item, and what any judge mistakes about it: drawn from the item's text, so that a text is enough
to know both, and the same text is the same item wherever it stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from polyjudge.simulation.chance import normal, seeded
from polyjudge.simulation.world import World

# Standard deviations that a scale spans.
_SPAN = 5.0


@dataclass(slots=True)
class Item:
    """An item as a world sees it.

    Attributes:
        seed: stands for the item's texts in this world.
        impression: the error that is common to its criteria, standard normal.
        known: criterion -> its quality and its own error, standard normal; filled as criteria are heard of.
    """

    seed: bytes
    impression: float
    known: dict[str, tuple[float, float]] = field(default_factory=dict)


class Latents:
    """Qualities and errors in a world."""

    def __init__(self, world: World) -> None:
        self._seed = seeded(world.seed, "items")
        self._truth = world.truth

    def item(self, texts: Sequence[str]) -> Item:
        """The item that these texts make; where there are several, the first is the document."""
        seed = seeded(self._seed, *texts)
        return Item(seed, normal(seed + b"impression"))

    def of(self, item: Item, texts: Sequence[str], criterion: str) -> tuple[float, float]:
        """An item's quality on a criterion, and the error that every prompt makes on it."""
        found = item.known.get(criterion)
        if found is None:
            quality = self._quality(item.seed, criterion)
            if len(texts) > 1 and self._truth.document > 0:
                share = self._truth.document
                common = self._quality(seeded(self._seed, "document", texts[0]), criterion)
                quality = math.sqrt(1 - share) * quality + math.sqrt(share) * common
            found = (quality, normal(seeded(item.seed, "error", criterion)))
            item.known[criterion] = found
        return found

    def _quality(self, seed: bytes, criterion: str) -> float:
        r = self._truth.correlation
        own = normal(seeded(seed, "quality", criterion))
        return math.sqrt(r) * normal(seed + b"quality") + math.sqrt(1 - r) * own


def edges(levels: int) -> tuple[float, ...]:
    """Where one level of a scale ends and the next begins, in standard deviations (levels - 1,)."""
    return tuple(_SPAN * (k / levels - 0.5) for k in range(1, levels))


def level(value: float, bounds: Sequence[float]) -> int:
    """The level that a value falls into, from 0."""
    return sum(value > bound for bound in bounds)
