"""A criteria file to start from, guessed from a table's columns."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from polyjudge.datasets.columns import (
    TEXTS,
    Column,
    Ratings,
    column_of,
    name_words,
    ratings_in,
    slips,
    why_no_rating,
    why_no_text,
)
from polyjudge.datasets.criteria import NAME, RESERVED
from polyjudge.datasets.long import RATER_COLUMNS
from polyjudge.datasets.raters import Split, raters_of
from polyjudge.datasets.table import Table, nested_paths, with_paths
from polyjudge.datasets.yamlfile import dump_yaml
from polyjudge.formatting.text import listed

_DOCUMENTS = ("document", "doc", "document_id", "doc_id", "docid", "documentid")
_ITEMS = ("item", "item_id", "example_id", "sample_id", "record_id", "id")
_ASPECTS = ("criterion", "criteria", "aspect", "dimension", "metric", "attribute", "quality", "category", "question")
_VALUES = ("rating", "score", "value", "label", "answer", "judgement", "judgment", "grade", "points", "response")
_PARTS = frozenset({"train", "training", "validation", "valid", "val", "dev", "test"})
_MOST_CRITERIA = 100


@dataclass(frozen=True, slots=True)
class Starter:
    """A criteria file for a table, for its owner to correct.

    Attributes:
        mapping: the file's content.
        left_out: column -> why the file does not use it.
        notes: what was guessed, for the user.
        rated: whether any column holds ratings; if not, the criterion is a placeholder.
    """

    mapping: Mapping[str, Any]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    rated: bool

    def text(self) -> str:
        """The YAML alone."""
        return dump_yaml(self.mapping)


def starter(table: Table) -> Starter:
    """Guess a criteria file from the names and cells of a table's columns.

    Ratings in columns NAME_ann and ``NAME (Ann)``, in lists, in a row for each rater or for each rating are
    recognised, and so are labels, ordered words, and the columns of documents, identifiers and splits. What holds no
    rating and no text to judge is left out with a reason.
    """
    guess = _Guess(table)
    guess.frame()
    if not guess.long():
        guess.wide()
    guess.inputs()
    return guess.result()


@dataclass(slots=True)
class _Guess:
    """Columns that nothing has claimed yet, and what the others were claimed for."""

    table: Table
    columns: dict[str, Column] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    criteria: list[dict[str, Any]] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    conversations: list[str] = field(default_factory=list)
    texts_left_out: list[Column] = field(default_factory=list)

    def __post_init__(self) -> None:
        paths = nested_paths(self.table)
        self.table = with_paths(self.table, [path for inner in paths.values() for path in inner])
        for name in self.table.columns:
            if name in paths or not name.strip():
                continue
            column = column_of(self.table, name)
            if not column.cells:
                self.left_out[name] = "it is empty"
            elif column.is_conversation:
                self.conversations.append(name)
            elif column.nested:
                self.left_out[name] = "it holds lists or objects, which a dotted path can lead into"
            else:
                self.columns[name] = column

    # The frame: identifiers, documents, splits

    def frame(self) -> None:
        ids = [column for column in self.columns.values() if _names_an_id(column)]
        split = next((c for c in self.columns.values() if c.name.casefold() == "split"), None)
        if split is not None and {text.casefold() for text in split.single} <= _PARTS and _is_full(split):
            self.named["split"] = split.name
        document = self._document(ids)
        if document is not None:
            self.named["document"] = document.name
        free = [column for column in ids if column is not document and column.identifies]
        chosen = next((column for column in free if column.name.casefold() == "id"), free[0] if free else None)
        if chosen is not None:
            self.named["id"] = chosen.name
        for name in self.named.values():
            self.columns.pop(name)

    def _document(self, ids: Sequence[Column]) -> Column | None:
        by_name = {column.name.casefold(): column for column in self.columns.values() if _is_full(column)}
        for name in _DOCUMENTS:
            if name in by_name and by_name[name].distinct > 1:
                return by_name[name]
        others = [column for column in ids if _is_full(column) and column.name.casefold() not in _ITEMS]
        repeated = [column for column in others if 1 < column.distinct < column.rows]
        alone = others if any(column.name.casefold() == "id" for column in ids) else []
        return next(iter(repeated or alone), None)

    # Ratings in rows

    def long(self) -> bool:
        """Ratings of several rows an item; False if the table has one row an item."""
        folded = {name.casefold(): name for name in self.columns}
        rater = next((folded[name] for name in folded if name in RATER_COLUMNS), None)
        aspect = next((folded[name] for name in _ASPECTS if name in folded and self._repeats(folded[name])), None)
        value = next((folded[name] for name in _VALUES if name in folded and folded[name] != aspect), None)
        if aspect and value and self._aspects(aspect, value):
            self._take_long({"rater": rater, "criterion": aspect, "value": value})
            return True
        if rater is not None and self._is_row_a_rater(rater):
            self._take_long({"rater": rater})
        return False

    def _repeats(self, name: str) -> bool:
        column = self.columns[name]
        return _is_full(column) and 2 * column.distinct <= column.rows and column.distinct <= _MOST_CRITERIA

    def _aspects(self, aspect: str, value: str) -> bool:
        """Make a criterion of each name in a column, if all have ratings; False otherwise."""
        cells: dict[str, list[Mapping[str, object]]] = {}
        for row in self.table.rows:
            cells.setdefault(str(row.get(aspect)).strip(), []).append(row)
        found: dict[str, Ratings | None] = {}
        for name, rows in cells.items():
            part = column_of(replace(self.table, rows=tuple(rows)), value)
            found[name] = None if why_no_rating(part) else ratings_in([part])
        if not all(found.values()) or len({name.casefold() for name in found}) < len(found):
            return False
        for name, ratings in found.items():
            if ratings is not None:
                self._add(name, ratings, [name])
        return True

    def _take_long(self, named: Mapping[str, str | None]) -> None:
        self.form = {key: name for key, name in named.items() if name}
        for name in self.form.values():
            self.columns.pop(name)
        self._take_item()

    def _take_item(self) -> None:
        """The column that identifies items, whose texts are equal in all rows of an item."""
        texts = [column.name for column in self.columns.values() if _is_judged(column)]
        for name in [name for name in self.columns if name.casefold() in _ITEMS or name_words(name)[-1:] == ("id",)]:
            first: dict[str, tuple[object, ...]] = {}
            rows = [(str(row.get(name)), tuple(row.get(text) for text in texts)) for row in self.table.rows]
            if all(first.setdefault(key, shown) == shown for key, shown in rows) and 1 < len(first) < len(rows):
                self.columns.pop(name)
                if "value" in self.form:
                    self.form = {"item": name, **self.form}
                self.named.setdefault("id", name)
                return
        self.named.pop("id", None)

    def _is_row_a_rater(self, rater: str) -> bool:
        texts = [column.name for column in self.columns.values() if _is_judged(column)]
        seen: dict[tuple[str, ...], list[str]] = {}
        for row in self.table.rows:
            seen.setdefault(tuple(str(row.get(text)) for text in texts), []).append(str(row.get(rater)))
        return any(len(set(names)) > 1 for names in seen.values()) and 3 * len(seen) <= 2 * len(self.table.rows)

    # Ratings in columns

    def wide(self) -> None:
        candidates = [column for column in list(self.columns.values()) if self._may_rate(column)]
        groups = raters_of([column.name for column in candidates], _together(candidates))
        by_name = {column.name: column for column in candidates}
        taken = {split.column for group in groups.values() for split in group}
        for name, group in groups.items():
            self._take_raters(name, group, by_name)
        for column in candidates:
            if column.name in taken or column.name not in self.columns:
                continue
            ratings, reason = ratings_in([column]), _one_value(column)
            if reason:
                self.left_out[column.name] = reason
            elif ratings is not None:
                self._add(column.name, ratings, [column.name])
            self.columns.pop(column.name)
        order = list(self.table.columns)
        self.criteria.sort(key=lambda criterion: order.index(criterion["ratings"][0]))

    def _may_rate(self, column: Column) -> bool:
        """Whether a column holds ratings; one that holds numbers of another kind is left out."""
        shape = ratings_in([column])
        if shape is not None and shape.is_labels:
            return not why_no_text(column) and not set(column.words[-1:]) & TEXTS
        reason = slips(column)
        if shape is not None or reason or all(_is_numeric(text) for text in column.single):
            reason = why_no_rating(column) or reason
            if column.name.casefold() in RESERVED:
                reason = "its name is that of a column of scores.csv"
            if shape is None and not reason:
                reason = "its values are no ratings on a scale"
        if reason:
            self.left_out[column.name] = reason
            self.columns.pop(column.name)
        return not reason and shape is not None

    def _take_raters(self, name: str, group: Sequence[Split], by_name: Mapping[str, Column]) -> None:
        columns = [by_name[split.column] for split in group]
        ratings = ratings_in(columns)
        if ratings is None:
            return
        if name in by_name and name in self.columns:
            self.left_out[name] = _why_not_beside(by_name[name], columns)
            self.columns.pop(name)
        self._add(name, ratings, [column.name for column in columns])
        if len(columns) > 1:
            self.notes.append(f"raters of {name!r}: {listed([split.rater for split in group], 6)}")
        for column in columns:
            self.columns.pop(column.name)

    def _add(self, written: str, ratings: Ratings, columns: Sequence[str]) -> None:
        name, scale = _free(_as_name(written), [criterion["name"] for criterion in self.criteria]), ratings.scale
        if (span := _SPAN.search(written)) and isinstance(scale, list):
            low, high = int(span[1]), int(span[2])
            if low < high and low <= scale[0] + (scale[0] == 0) and scale[1] <= max(high, 5):
                scale = [low, high]
        criterion = {"name": name, "definition": "", "scale": scale, "ratings": list(columns)}
        if ratings.read:
            criterion["read"] = ratings.read
        if ratings.about:
            self.notes.append(f"{name}: {ratings.about}")
        self.criteria.append(criterion)

    # Texts

    def inputs(self) -> None:
        for name in self.conversations:
            self.shown[name] = _label(name, self.shown.values())
            self.notes.append(f"{name}: lists of messages, which the judge is shown as a transcript")
        for column in self.columns.values():
            reason = why_no_text(column) if _is_text(column) else "its values are neither ratings nor text to judge"
            if reason or column.name.casefold() in RATER_COLUMNS:
                self.left_out[column.name] = reason or "it says who rated"
                self.texts_left_out.append(column)
            else:
                self.shown[column.name] = _label(column.name, self.shown.values())
        if not self.shown and self.texts_left_out:
            longest = max(self.texts_left_out, key=lambda column: sum(map(len, column.single)) / len(column.single))
            if sum(map(len, longest.single)) > 20 * len(longest.single):
                self.shown[longest.name] = _label(longest.name, ())
                del self.left_out[longest.name]

    def result(self) -> Starter:
        rated, texts = bool(self.criteria), bool(self.shown)
        if not texts:
            self.shown[_free("text", [criterion["name"].casefold() for criterion in self.criteria])] = "Text"
        if not rated:
            name = _free("quality", [column.casefold() for column in self.shown])
            self.criteria.append({"name": name, "scale": [1, 5], "ratings": [name]})
        judged = list(self.shown.values())[-1].casefold()
        mapping: dict[str, Any] = {"task": f"Evaluate the {judged}.", "inputs": self.shown}
        mapping |= {key: self.named[key] for key in ("document", "id", "split") if key in self.named}
        if self.form:
            mapping["long"] = self.form
        mapping["criteria"] = [_written(criterion, judged) for criterion in self.criteria]
        order = {name: position for position, name in enumerate(self.table.columns)}
        left_out = dict(sorted(self.left_out.items(), key=lambda item: order.get(item[0], len(order))))
        return Starter(mapping, left_out, tuple(self.notes), rated and texts)


_SPAN = re.compile(r"[(\[]\s*(-?\d+)\s*(?:-|–|to|\.\.+)\s*(-?\d+)\s*[)\]]")


def _written(criterion: Mapping[str, Any], judged: str) -> dict[str, Any]:
    name = str(criterion["name"])
    written: dict[str, Any] = {"name": name}
    question = str(criterion["ratings"][0]) if len(criterion["ratings"]) == 1 else ""
    told = " ".join(name.replace("_", " ").split())
    written["definition"] = question if question.endswith("?") else f"The {told.casefold()} of the {judged}."
    written |= {key: value for key, value in criterion.items() if key not in ("name", "definition")}
    if written["ratings"] == [name]:
        del written["ratings"]
    return written


def _names_an_id(column: Column) -> bool:
    words = column.words
    person = {"annotator", "rater", "worker", "coder", "labeler", "model", "system", "judge"} & set(words)
    return words[-1:] == ("id",) and not person


def _is_full(column: Column) -> bool:
    return len(column.single) == column.rows


def _is_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_text(column: Column) -> bool:
    return not column.lists and not all(_is_numeric(text) for text in column.single)


def _is_judged(column: Column) -> bool:
    """Whether a column may hold texts to judge, and not labels."""
    return _is_text(column) and ratings_in([column]) is None and not why_no_text(column)


def _one_value(column: Column) -> str:
    return "all rows have the same value" if column.rows > 1 and len(set(map(str, column.cells))) == 1 else ""


def _together(columns: Sequence[Column]) -> Any:
    by_name = {column.name: column for column in columns}

    def together(names: Iterable[str]) -> bool:
        """Whether columns may be on one scale."""
        shapes = [ratings_in([by_name[name]]) for name in names]
        kinds = {shape.is_labels for shape in shapes if shape is not None}
        return len(kinds) == 1 and ratings_in([by_name[name] for name in names]) is not None

    return together


def _why_not_beside(column: Column, raters: Sequence[Column]) -> str:
    """What a column NAME is beside the raters' columns of NAME."""
    names = listed([rater.name for rater in raters], 4)
    if len(raters) > 1 and all(len(c.cells) == c.rows and not c.lists for c in (column, *raters)):
        rows = list(zip(*(map(str, c.cells) for c in (column, *raters)), strict=True))
        if all(_is_numeric(cell) for row in rows for cell in row):
            numbers = [[float(cell) for cell in row] for row in rows]
            if all(abs(first - math.fsum(rest) / len(rest)) < 0.051 for first, *rest in numbers):
                return f"it is the mean of {names}"
    return f"beside {names} it may be a judge's score or a summary of the ratings"


def _as_name(written: str) -> str:
    """A criterion's name made of a column's."""
    name = " ".join(re.sub(r"[^\w\- ]+", " ", _SPAN.sub(" ", written)).split()).strip(" -_")[:60].strip(" -_")
    if not NAME.fullmatch(name):
        name = "criterion"
    return f"{name}_rating" if name.casefold() in RESERVED else name


def _free(name: str, taken: Collection[str]) -> str:
    """The name, or one like it that reads differently from those taken."""
    folded = {re.sub(r"[\s_-]+", "_", other.casefold()) for other in taken}
    number, free = 2, name
    while re.sub(r"[\s_-]+", "_", free.casefold()) in folded:
        free, number = f"{name}_{number}", number + 1
    return free


def _label(column: str, taken: Collection[str]) -> str:
    """The label of an input: the last part of a dotted path if no other input is called so."""
    folded = {other.casefold() for other in taken}
    for part in (column.rpartition(".")[2], column):
        label = " ".join(part.replace("_", " ").replace(".", " ").split()).capitalize() or "Text"
        if label.casefold() not in folded:
            break
    return label if label.casefold() not in folded else f"{label} ({len(taken) + 1})"
