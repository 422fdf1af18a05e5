"""What the parts of a split share: documents, texts, and rows of train that are also validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from polyjudge.datasets.split import paper_batch
from polyjudge.datasets.table import Key, exact, loose
from polyjudge.domain.dataset import Split
from polyjudge.domain.example import Example
from polyjudge.formatting.text import clipped, listed, many

_PARTS = ("train", "validation", "test")
MOST_ROWS = 40


@dataclass(frozen=True, slots=True)
class Repeat:
    """A row whose inputs also occur in an earlier part.

    Attributes:
        row: of the second part.
        repeats: rows of the first part with the same inputs.
    """

    row: int
    repeats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SharedColumn:
    """An input column whose texts recur in another part, where no document groups the rows.

    Attributes:
        column: of the inputs.
        texts: how many different texts of the first part also occur in the second, white space aside.
    """

    column: str
    texts: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two parts share. Rows are 1-based rows of the file the row came from.

    Attributes:
        first, second: names of the parts.
        documents: names of the shared documents.
        documents_of_first: how many documents the first part has.
        same: rows that are in both parts.
        repeats: rows of the second part, not in the first, whose inputs equal some of the first but for white space.
        alike: likewise, where case and punctuation differ too.
        columns: of several input columns each that has texts in both parts, only where no row names a document. A
            column that holds the same text throughout groups nothing and is passed over.
    """

    first: str
    second: str
    documents: tuple[str, ...]
    documents_of_first: int
    same: tuple[int, ...]
    repeats: tuple[Repeat, ...]
    alike: tuple[Repeat, ...]
    columns: tuple[SharedColumn, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether the parts share no document, row or text of a column; rows that are only alike do not count."""
        return not (self.documents or self.same or self.repeats or self.columns)

    def lines(self) -> list[str]:
        """Lines for the user; rows that are only alike are listed too."""
        pair = f"{self.first} / {self.second}"
        lines: list[str] = []
        if self.same:
            lines.append(f"{pair}: {many(len(self.same), 'rows')} in both: {listed(self.same, MOST_ROWS)}")
        if self.documents:
            names = listed((clipped(name, 40) for name in self.documents), 8)
            lines.append(
                f"{pair}: {len(self.documents)} of {self.documents_of_first} documents of {self.first} recur in "
                f"{self.second}: {names}"
            )
        lines += [
            f"{pair}: column {shared.column!r}: {many(shared.texts, 'texts')} of {self.first} "
            f"{'recurs' if shared.texts == 1 else 'recur'} in {self.second}; name the column that groups rows with "
            f"'document'"
            for shared in self.columns
        ]
        for repeats, likeness in (
            (self.repeats, "with the same inputs"),
            (self.alike, "alike but for case and punctuation"),
        ):
            if repeats:
                pairs = (f"{self.second} {r.row} = {self.first} {listed(r.repeats, 3)}" for r in repeats)
                lines.append(f"{pair}: {many(len(repeats), 'rows')} {likeness} (by row): {listed(pairs, MOST_ROWS)}")
        return lines


@dataclass(frozen=True, slots=True)
class Draws:
    """The training draws of the paper's preset that are also validation rows.

    Attributes:
        total: draws, steps times batch.
        inside: draws of a row that is also a validation row.
        distinct: different train rows ever drawn.
        train: rows of train.
        rows: the rows drawn inside, each once, ascending.
    """

    total: int
    inside: int
    distinct: int
    train: int
    rows: tuple[int, ...]

    def line(self) -> str:
        return (
            f"training draws: {self.inside} of {self.total} lie in validation ({many(len(self.rows), 'rows')}: "
            f"{listed(self.rows, MOST_ROWS)}); {self.distinct} of {self.train} train rows are ever drawn"
        )


@dataclass(frozen=True, slots=True)
class LeakReport:
    """Overlaps of train / validation, train / test and validation / test, and the draws where they were asked for."""

    overlaps: tuple[Overlap, ...]
    draws: Draws | None = None

    @property
    def clean(self) -> bool:
        return all(overlap.clean for overlap in self.overlaps) and not (self.draws and self.draws.inside)

    def between(self, first: str, second: str) -> Overlap:
        """The overlap of two parts, in the order train, validation, test."""
        return next(o for o in self.overlaps if (o.first, o.second) == (first, second))

    def lines(self) -> list[str]:
        """Lines for the user that name documents and rows; one line when nothing is shared."""
        lines = [line for overlap in self.overlaps for line in overlap.lines()]
        if self.draws and self.draws.inside:
            lines.append(self.draws.line())
        return lines or ["no document, row or text stands in two parts"]


def leaks(split: Split, *, steps: int = 0, batch: int = 0) -> LeakReport:
    """What the parts of a split share.

    Args:
        split: any.
        steps, batch: of the paper's preset, whose draws from train are then compared with validation; 0: not asked.
    """
    parts = [
        _Part(name, examples, [exact(e.inputs) for e in examples], [loose(e.inputs) for e in examples])
        for name, examples in zip(_PARTS, (split.train, split.validation, split.test), strict=True)
    ]
    overlaps = tuple(_overlap(first, second) for first, second in combinations(parts, 2))
    return LeakReport(overlaps, draws_in_validation(split, steps, batch) if steps and batch else None)


def draws_in_validation(split: Split, steps: int, batch: int) -> Draws:
    """The draws of steps 1..``steps`` of the paper's preset that fall on validation rows."""
    validation_ids = {example.id for example in split.validation}
    drawn = [
        split.train[position]
        for step in range(1, steps + 1)
        for position in paper_batch(step, len(split.train), batch)
    ]
    inside = [example for example in drawn if example.id in validation_ids]
    return Draws(
        total=len(drawn),
        inside=len(inside),
        distinct=len({example.id for example in drawn}),
        train=len(split.train),
        rows=tuple(sorted({example.row for example in inside})),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    examples: Sequence[Example]
    exact: Sequence[Key]
    loose: Sequence[Key]


def _overlap(first: _Part, second: _Part) -> Overlap:
    ids = {example.id for example in first.examples}
    documents = dict.fromkeys(e.document for e in first.examples if e.document is not None)
    recurring = {example.document for example in second.examples}
    repeats = _repeats(first, second, first.exact, second.exact, ids)
    same_inputs = {repeat.row for repeat in repeats}
    return Overlap(
        first=first.name,
        second=second.name,
        documents=tuple(name for name in documents if name in recurring),
        documents_of_first=len(documents),
        same=tuple(example.row for example in second.examples if example.id in ids),
        repeats=repeats,
        alike=tuple(r for r in _repeats(first, second, first.loose, second.loose, ids) if r.row not in same_inputs),
        columns=_shared_columns(first.examples, second.examples),
    )


def _repeats(
    first: _Part, second: _Part, before: Sequence[Key], after: Sequence[Key], ids: set[str]
) -> tuple[Repeat, ...]:
    """The second part's rows, those of ``ids`` aside, whose key the first part has."""
    rows: dict[Key, list[int]] = {}
    for example, key in zip(first.examples, before, strict=True):
        rows.setdefault(key, []).append(example.row)
    return tuple(
        Repeat(example.row, tuple(rows[key]))
        for example, key in zip(second.examples, after, strict=True)
        if key in rows and example.id not in ids
    )


def _shared_columns(first: Sequence[Example], second: Sequence[Example]) -> tuple[SharedColumn, ...]:
    """The columns, among several inputs, with texts in both parts; none if a row names its document."""
    rows = [*first, *second]
    if not (first and second) or len(first[0].inputs) < 2 or any(e.document is not None for e in rows):
        return ()
    shared: list[SharedColumn] = []
    for position, column in enumerate(first[0].inputs):
        before, after = ({exact(e.inputs)[position] for e in part} - {""} for part in (first, second))
        if before & after and len(before | after) > 1:
            shared.append(SharedColumn(column, len(before & after)))
    return tuple(shared)
