"""A data set of invented letters with ratings from 1 to 5."""

from __future__ import annotations

from random import Random

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.scale import Ordinal

NAMES = ("clarity", "warmth")


def letters() -> Dataset:
    chance = Random("guest")
    criteria = tuple(Criterion(name, Ordinal(1, 5), instruction=f"Rate {name} from 1 to 5.") for name in NAMES)
    examples = tuple(
        Example(
            f"letter-{row}",
            {"letter": f"Dear neighbour {row}, the hedge is {row + 2} feet high."},
            f"street-{row // 2}",
            {name: (float(chance.randint(1, 5)),) for name in NAMES},
            row,
        )
        for row in range(40)
    )
    rubric = Rubric("Judge the letter.", (("letter", "Letter"),), criteria)
    return Dataset("guest-letters", "invented", rubric, examples)
