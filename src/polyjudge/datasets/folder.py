"""The data sets that the user keeps in ``POLYJUDGE_DATA``: NAME/train.parquet and NAME/test.parquet."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from polyjudge.datasets.columns import OWN_ID
from polyjudge.datasets.examples import read_examples
from polyjudge.datasets.table import Table
from polyjudge.datasets.tables import read_table
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.example import Example
from polyjudge.errors import DataError

VARIABLE = "POLYJUDGE_DATA"
PARTS = ("train", "test")


def part_tables(name: str, digests: Mapping[str, str]) -> dict[str, Table]:
    """The tables of the parts of a data set.

    Args:
        name: the folder under ``POLYJUDGE_DATA``.
        digests: part -> sha256 of the file that is known; another one is noted, not refused.

    Raises:
        DataError: the variable is unset, or a file is missing or damaged.
        MissingExtra: pyarrow is not installed.
    """
    folder = os.environ.get(VARIABLE, "").strip()
    layout = f"{name}/train.parquet and {name}/test.parquet"
    if not folder:
        raise DataError(
            f"{name!r} is read from your own copy: set {VARIABLE} in the environment to the folder that "
            f"holds {layout}, or to one where 'polyjudge data pull {name}' may put them"
        )
    tables: dict[str, Table] = {}
    for part in PARTS:
        path = Path(folder).expanduser() / name / f"{part}.parquet"
        if not path.is_file():
            raise DataError(
                f"{path}: no such file; {VARIABLE} must name the folder that holds {layout}, which "
                f"'polyjudge data pull {name}' puts there"
            )
        table = read_table(path)
        if part in digests and hashlib.sha256(path.read_bytes()).hexdigest() != digests[part]:
            note = f"{part}.parquet differs from the file that polyjudge knows (another sha256)"
            table = replace(table, notes=(*table.notes, note))
        tables[part] = table
    return tables


def parts_dataset(
    name: str,
    tables: Mapping[str, Table],
    rubric: Rubric,
    notes: tuple[str, ...],
    ratings_required: bool = True,
    *,
    source: str = "",
) -> Dataset:
    """One data set of several tables, each a split of that name; ids are PART-ROW, or PART-ID of a named column.

    Raises:
        DataError: as ``read_examples``.
    """
    examples: list[Example] = []
    splits: list[str] = []
    told = list(notes)
    for part, table in tables.items():
        # A column of identifiers counts in its own file only; over all parts PART-ROW identifies.
        columns = tuple(column for column in table.columns if column != OWN_ID or rubric.id == OWN_ID)
        reading = read_examples(replace(table, columns=columns), rubric, ratings_required=ratings_required)
        examples += [
            replace(example, id=f"{part}-{example.id if rubric.id in columns else example.row}")
            for example in reading.examples
        ]
        splits += [part] * len(reading.examples)
        told += [f"{part}: {note}" for note in reading.notes]
    folder = str(Path(next(iter(tables.values())).source).parent)
    return Dataset(name, source or folder, rubric, tuple(examples), tuple(splits), tuple(told))
