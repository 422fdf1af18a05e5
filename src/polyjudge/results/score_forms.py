"""The files that scores are written to: CSV, JSON lines and Parquet, a row at a time, and to whom such a file belongs.

A file NAME that was written has a stamp ``.NAME.scored`` beside it, which says for which judge and data. Only a file
with a stamp that fits is written over.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from polyjudge.errors import ConfigError, MissingExtra
from polyjudge.formatting.text import inert
from polyjudge.results.store import write_whole

ENDINGS = (".csv", ".jsonl", ".ndjson", ".parquet", ".pq")
# Names that say of a file that it is none of these.
_OTHERS = frozenset({".json", ".xlsx", ".xls", ".yaml", ".yml", ".tsv", ".pdf", ".html", ".md", ".gz", ".zip"})
_BATCH = 1024
_LARGEST_WHOLE = 2**63
# The whole numbers up to here are exact as numbers with a fraction.
_LARGEST_EXACT = 2**53
# What a column becomes whose cells are of two kinds; of any others it holds their JSON.
_TOGETHER = {frozenset(("whole", "number")): "number", frozenset(("whole", "large")): "large"}


class Form(Protocol):
    """How rows become text."""

    def head(self, columns: Sequence[str]) -> str:
        """What stands before the rows."""
        ...

    def line(self, columns: Sequence[str], cells: Sequence[object]) -> str:
        """One row."""
        ...


def ending_of_scores(target: Path) -> str:
    """The form of a file by its ending; a name without a known ending is CSV.

    Raises:
        ConfigError: the ending says another kind of file.
        MissingExtra: Parquet without pyarrow.
    """
    ending = target.suffix.casefold()
    if ending in _OTHERS:
        raise ConfigError(
            f"cannot write {str(target)!r}: scores are written as .csv, .jsonl or .parquet; call it "
            f"{target.with_suffix('.csv').name!r}"
        )
    if ending in (".parquet", ".pq"):
        _pyarrow()
        return ".parquet"
    return ".jsonl" if ending in (".jsonl", ".ndjson") else ".csv"


def form_of(ending: str, scored: int) -> Form:
    """What writes the rows; those of Parquet are JSON lines until the file is whole.

    Args:
        ending: of ``ending_of_scores``.
        scored: how many columns come first that are not the input's.
    """
    return CsvForm(scored) if ending == ".csv" else JsonLines()


class CsvForm:
    """CSV in which no cell is a spreadsheet's formula; numbers of the first columns are rounded to six digits."""

    def __init__(self, scored: int) -> None:
        self._scored = scored
        self._text = io.StringIO()
        self._writer = csv.writer(self._text, lineterminator="\n")

    def head(self, columns: Sequence[str]) -> str:
        return self._line(columns)

    def line(self, columns: Sequence[str], cells: Sequence[object]) -> str:
        rounded = (f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells[: self._scored])
        return self._line(map(_cell_text, (*rounded, *cells[self._scored :])))

    def _line(self, cells: Iterable[str]) -> str:
        self._text.seek(0)
        self._text.truncate()
        self._writer.writerow(map(inert, cells))
        return self._text.getvalue()


class JsonLines:
    """One JSON object a line; what is missing is null."""

    def head(self, columns: Sequence[str]) -> str:
        return ""

    def line(self, columns: Sequence[str], cells: Sequence[object]) -> str:
        row = {column: _json_cell(cell) for column, cell in zip(columns, cells, strict=True)}
        return json.dumps(row, ensure_ascii=False, default=str) + "\n"


def _json_cell(cell: object) -> object:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _cell_text(cell: object) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, (Mapping, list, tuple)):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)


# Parquet


def kinds_of(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> dict[str, str]:
    """The kind of cells of each column of all rows: ``text``, ``whole``, ``large``, ``number``, ``truth`` or ``json``.

    A large whole number is exact as one, and would not be as a number with a fraction.
    """
    kinds: dict[str, str] = {}
    for cells in rows:
        for column, cell in zip(columns, cells, strict=True):
            if cell is not None:
                kind = _kind(cell)
                known = kinds.setdefault(column, kind)
                if known != kind:
                    kinds[column] = _TOGETHER.get(frozenset((known, kind)), "json")
    return {column: kinds.get(column, "text") for column in columns}


def _kind(cell: object) -> str:
    if isinstance(cell, str):
        return "text"
    if isinstance(cell, bool):
        return "truth"
    if isinstance(cell, int):
        if abs(cell) <= _LARGEST_EXACT:
            return "whole"
        return "large" if abs(cell) < _LARGEST_WHOLE else "json"
    return "number" if isinstance(cell, float) else "json"


def write_parquet(lines: Path, target: Path, kinds: Mapping[str, str]) -> None:
    """Turn JSON lines into a Parquet file, some rows at a time.

    Args:
        lines: of ``JsonLines``.
        target: is made.
        kinds: of all columns, in order.
    """
    pa = _pyarrow()
    types = {
        "text": pa.string(),
        "json": pa.string(),
        "whole": pa.int64(),
        "large": pa.int64(),
        "number": pa.float64(),
        "truth": pa.bool_(),
    }
    schema = pa.schema([(column, types[kind]) for column, kind in kinds.items()])
    with open(lines, encoding="utf-8") as file, pa.parquet.ParquetWriter(target, schema) as writer:
        for rows in _batches(file):
            cells = {column: [_stored(row.get(column), kind) for row in rows] for column, kind in kinds.items()}
            writer.write_table(pa.table(cells, schema=schema))


def _batches(lines: Iterable[str]) -> Iterator[list[dict[str, object]]]:
    rest = iter(lines)
    while batch := [json.loads(line) for line in islice(rest, _BATCH)]:
        yield batch


def _stored(cell: object, kind: str) -> object:
    return json.dumps(cell, ensure_ascii=False) if kind == "json" and cell is not None else cell


def read_rows(path: Path) -> Iterator[Mapping[str, object]]:
    """The rows of a file of scores that is not CSV."""
    if ending_of_scores(path) == ".parquet":
        for batch in _pyarrow().parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
        return
    with open(path, encoding="utf-8") as file:
        yield from map(json.loads, file)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", "writing Parquet files") from None
    return pyarrow


# Whose file it is


def check_own(target: Path, judge: str, data: str) -> None:
    """Refuse to write over a file that was not written for the same judge and data, or that was changed since.

    Raises:
        ConfigError: it is somebody else's; nothing was asked.
    """
    if not target.exists():
        return
    try:
        stamp = json.loads(_stamp(target).read_text("utf-8"))
    except (OSError, ValueError):
        stamp = None
    reason = ""
    if not isinstance(stamp, dict):
        reason = "was not written by polyjudge score"
    elif stamp.get("judge") != judge:
        reason = "holds the scores of another judge"
    elif stamp.get("data") != data:
        reason = "holds the scores of other data"
    elif stamp.get("written") != digest_of(target):
        reason = "was changed since it was written"
    if reason:
        raise ConfigError(f"{str(target)!r} is there already and {reason}; name another --output, or remove it")


def stamp_own(target: Path, judge: str, data: str) -> None:
    """Say for which judge and data a file was written."""
    stamp = {"judge": judge, "data": data, "written": digest_of(target)}
    write_whole(_stamp(target), json.dumps(stamp) + "\n")


def digest_of(path: Path) -> str:
    """sha256 of a file."""
    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _stamp(target: Path) -> Path:
    return target.with_name(f".{target.name}.scored")
