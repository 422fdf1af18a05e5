"""Scores of other items by a jury of jury.yaml, from the scores of its members."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyjudge.audits.read import Rows
from polyjudge.audits.sources import Files, read_scores
from polyjudge.audits.table import ScoreTable
from polyjudge.combining import Combined
from polyjudge.datasets.criteria import scale_to
from polyjudge.domain.scale import Categorical, Scale, show
from polyjudge.errors import DataError
from polyjudge.formatting.text import inert, listed, many, number
from polyjudge.results.jury_file import JuryFile, read_jury
from polyjudge.results.store import writable, write_whole

NAME = "jury"


@dataclass(frozen=True, slots=True, eq=False)
class JuryScores:
    """What a jury says of items.

    Attributes:
        jury: that was applied.
        table: the members' scores that were read, with the raters' ratings if there are any.
        combined: scores (n, K), NaN = no member scored the item, and how many members did.
    """

    jury: JuryFile
    table: ScoreTable
    combined: Combined

    def __len__(self) -> int:
        return len(self.table.ids)

    def __iter__(self) -> Iterator[dict[str, float | str | None]]:
        """Each item: ``id``, ``document`` if there are any, and a score a criterion, None = unscored."""
        documents = self.table.rows.documents
        for row, item in enumerate(self.table.ids):
            document = {} if documents is None else {"document": str(documents[row])}
            values = zip(self.jury.criteria, self.combined.scores[row].tolist(), strict=True)
            yield {"id": item, **document, **{c.name: _value(c.scale, score) for c, score in values}}

    @property
    def unscored(self) -> int:
        """How many single scores are missing."""
        return int(np.isnan(self.combined.scores).sum())

    def csv(self) -> str:
        """The scores as ``audit`` reads them, with how many members scored each and the ratings that were read."""
        names = self.jury.names
        raters = [(k, column) for k in range(len(names)) for column in range(self.table.rows.raters[k].shape[1])]
        header = [f"{names[k]}.{column + 1}" for k, column in raters]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        documents = [] if self.table.rows.documents is None else ["document"]
        counts = [f"{name}.n" for name in names]
        writer.writerow(["id", *documents, "judge", *map(inert, names), *map(inert, counts), *map(inert, header)])
        for row, item in enumerate(self):
            cells = [item[key] for key in ("id", *documents)]
            scored = ["" if item[name] is None else item[name] for name in names]
            ratings = [
                _written(self.jury.criteria[k].scale, float(self.table.rows.raters[k][row, column]))
                for k, column in raters
            ]
            writer.writerow(
                [inert(str(cell)) for cell in cells]
                + [NAME, *scored, *self.combined.n_members[row].tolist(), *ratings]
            )
        return text.getvalue()

    def summary(self) -> str:
        """One sentence: how many items, criteria and scores, and how many are unscored."""
        counts = self.combined.n_members
        full = int((counts == len(self.jury.fitted.members)).sum())
        return (
            f"{many(len(self), 'items')} on {many(len(self.jury.criteria), 'criteria')}"
            f": {many(counts.size, 'scores')}, {full:,} by all {len(self.jury.fitted.members)} members, "
            f"{self.unscored:,} unscored"
        )


def apply_jury(jury: str | Path | JuryFile, scores: Files | Rows, *, output: str | Path | None = None) -> JuryScores:
    """Score items by a jury, from the scores that its members gave.

    Args:
        jury: jury.yaml, or ``Combination.jury``.
        scores: what ``audit`` reads; ratings are not needed. Judges are named as when the jury was chosen.
        output: a CSV file to write, which ``audit`` reads.

    Raises:
        InputError: files that cannot be used, or a member without scores.
    """
    sources = [jury, *([scores] if isinstance(scores, (str, Path)) else scores if isinstance(scores, list) else [])]
    target = writable(output, [source for source in sources if isinstance(source, (str, Path))])
    file = jury if isinstance(jury, JuryFile) else read_jury(jury)
    found = _read(file, scores)
    if found.names != file.names:
        raise DataError(f"{found.source}: its criteria are {listed(found.names)}, the jury's {listed(file.names)}")
    pool = {judgement.name: judgement.scores for judgement in found.judgements}
    missing = [member for member in file.fitted.members if member not in pool]
    if missing:
        raise DataError(
            f"{found.source}: no scores of {listed(map(repr, missing))}, of which the jury consists; the judges there "
            f"are {listed(map(repr, pool))}. Name judges as when the jury was chosen (a column 'judge', or the file)"
        )
    result = JuryScores(file, found, file.fitted.combine(pool))
    if target is not None:
        write_whole(target, result.csv())
    return result


def _read(file: JuryFile, scores: Files | Rows) -> ScoreTable:
    if isinstance(scores, list) and len(scores) == 1:
        scores = scores[0]
    criteria = [
        {"name": c.name, "scale": scale_to(c.scale), **({"ratings": list(c.ratings)} if c.ratings else {})}
        for c in file.criteria
    ]
    return read_scores(scores, {"criteria": criteria}, rated=False)


def _value(scale: Scale, score: float) -> float | str | None:
    if math.isnan(score):
        return None
    return show(scale, score) if isinstance(scale, Categorical) else round(score, 6)


def _written(scale: Scale, rating: float) -> str:
    value = _value(scale, rating)
    return (
        "" if value is None else value if isinstance(value, str) else number(value, digits=6).rstrip("0").rstrip(".")
    )
