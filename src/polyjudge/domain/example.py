"""One item to be judged, with its human ratings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import NAN


@dataclass(frozen=True, slots=True)
class Example:
    """An item.

    Attributes:
        id: unique within a data set.
        inputs: column -> text shown to the judge.
        document: the source that groups items (an article, a writer); None when the data names none.
        ratings: criterion -> one float a rater, nan where that rater gave none.
        row: 1-based row of the file it came from, for messages; 0 when there is no file.
    """

    id: str
    inputs: Mapping[str, str]
    document: str | None = None
    ratings: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    row: int = 0

    def human(self, criterion: Criterion) -> float:
        """The raters' mean (categorical: majority) on a criterion; nan when nobody rated it."""
        raters = self.ratings.get(criterion.name, ())
        return criterion.scale.combine(raters) if raters else NAN
