"""A criteria file to start from, guessed from a table's columns."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from polyjudge.datasets.criteria import LARGEST, NAME, RESERVED
from polyjudge.datasets.table import Table, is_missing, is_number
from polyjudge.datasets.yamlfile import dump_yaml


def starter(table: Table) -> str:
    """A criteria file for a table, for its owner to correct.

    Each column of numbers becomes a criterion on the span of its numbers; NAME_ann and NAME_bob become one criterion
    with two raters; other columns become inputs. ``id``, ``document`` and ``split`` are recognised by their names.
    """
    named = {key: _named(table, key) for key in ("document", "id", "split")}
    free = [column for column in table.columns if column not in named.values()]
    raters = _raters([column for column in free if _span(table, [column]) is not None])
    criteria: dict[str, dict[str, Any]] = {}
    inputs: dict[str, str] = {}
    for column in free:
        name, columns = raters.get(column, (column, [column]))
        span = _span(table, columns)
        if span is None and column.strip():
            inputs[column] = _label(column, inputs.values())
        elif _may_be_named(name):
            ratings = {"ratings": columns} if len(columns) > 1 else {}
            criterion = {"name": name, "definition": f"What is {name}?", "scale": span, **ratings}
            criteria.setdefault(name.casefold(), criterion)
    if not inputs:
        inputs[_free("text", criteria)] = "Text"
    if not criteria:
        name = _free("quality", [column.casefold() for column in inputs])
        criteria[name] = {"name": name, "definition": f"What is {name}?", "scale": [1, 5]}
    mapping: dict[str, Any] = {
        "task": "Evaluate the text.",
        "inputs": inputs,
        **{key: column for key, column in named.items() if column},
        "criteria": list(criteria.values()),
    }
    return dump_yaml(mapping)


def _named(table: Table, key: str) -> str | None:
    for column in table.columns:
        folded = column.casefold()
        if folded == key or (key == "document" and (folded == "doc" or folded.endswith("_id"))):
            return column
    return None


def _may_be_named(name: str) -> bool:
    return NAME.fullmatch(name) is not None and name.casefold() not in RESERVED


def _raters(columns: Sequence[str]) -> dict[str, tuple[str, list[str]]]:
    """Column -> criterion and its raters' columns, where NAME_ann and NAME_bob seem to be raters of NAME.

    They seem to be raters if another criterion has the same ones, or if their names are one or two letters long.
    """
    by_name: dict[str, list[str]] = {}
    for column in columns:
        by_name.setdefault(column.rpartition("_")[0], []).append(column)
    ends = {name: {column[len(name) + 1 :] for column in members} for name, members in by_name.items()}
    raters: dict[str, tuple[str, list[str]]] = {}
    for name, members in by_name.items():
        alike = sum(other == ends[name] for other in ends.values()) > 1
        if len(members) > 1 and _may_be_named(name) and (alike or all(len(end) <= 2 for end in ends[name])):
            raters |= {column: (name, members) for column in members if name not in columns}
    return raters


def _free(name: str, taken: Collection[str]) -> str:
    """A placeholder that is not the name of a column."""
    return name if name not in taken else _free(f"{name}_", taken)


def _label(column: str, taken: Collection[str]) -> str:
    label = " ".join(column.replace("_", " ").split()).capitalize() or "Text"
    folded = {other.casefold() for other in taken}
    return label if label.casefold() not in folded else f"{label} ({len(taken) + 1})"


def _span(table: Table, columns: Sequence[str]) -> list[int] | dict[str, object] | None:
    """The scale that the numbers of some columns suggest; None for columns of anything else."""
    cells = [row.get(column) for column in columns for row in table.rows]
    texts = [str(cell) for cell in cells if not is_missing(cell)]
    if not texts or not all(is_number(text) for text in texts):
        return None
    numbers = [float(text) for text in texts]
    if any(abs(number) > LARGEST for number in numbers):
        return None
    low, high = _bounds(numbers)
    if high - low <= 100:
        return [low, high]
    return {"low": low, "high": high, "step": "any"}


def _bounds(numbers: Sequence[float]) -> tuple[int, int]:
    """The usual scale around the numbers: 0..3 and 1..5 rather than 2..4."""
    low, high = math.floor(min(numbers)), math.ceil(max(numbers))
    low = min(low, 1)
    return low, max(high, 5 if low == 1 else low + 1)
