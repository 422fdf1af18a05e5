"""Logs of Inspect AI as rows of scores, read without that package: a log is JSON, or a zip of it.

A scorer is a judge. A scorer that gives one value scores the criterion of its own name, one that gives a mapping
scores a criterion a key. Human ratings stand in the samples' metadata, or are the target. Epochs are items of their
own in the document of their sample.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from polyjudge.datasets.problems import clipped
from polyjudge.datasets.table import Row, Table, is_missing, rating_columns
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.scale import Categorical
from polyjudge.errors import DataError, MissingExtra

COLUMNS = ("id", "document", "criterion", "score", "judge", "layout", "rating", "rater")
# Inspect's letters for correct, partly correct, incorrect and no answer, as its own metrics count them.
GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}


def is_inspect_log(path: Path) -> bool:
    """Whether a file's name is that of a log: ``.eval``, or ``.json``, which is no other form of ours."""
    return path.suffix.casefold() in (".eval", ".json")


def inspect_table(path: Path, rubric: Rubric | None, judge: str = "") -> Table:
    """The scores of a log in the long form.

    Args:
        path: the log.
        rubric: names the criteria and the metadata that hold ratings; ``target`` is the sample's target. None takes
            the metadata called like a criterion and a suffix (NAME_a, NAME.rating), else the target.
        judge: put before the scorers' names, to tell several logs apart.

    Raises:
        DataError: no such file, no log, or a log without scores.
        MissingExtra: a log that this Python cannot unpack.
    """
    try:
        samples = list(_samples(path))
        repeated = len({str(sample.get("epoch", 1)) for sample in samples}) > 1
        rows = [row for sample in samples for row in _rows(sample, rubric, repeated=repeated, judge=judge)]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    except (ValueError, KeyError, RecursionError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is no log of Inspect ({clipped(str(error))}); give a .eval or .json log") from None
    if not rows:
        raise DataError(
            f"{path}: none of its {len(samples)} samples has a score and a human rating; ratings stand in the "
            f"samples' metadata under names that the criteria file gives, or as NAME_a, NAME_b, ..., or are the target"
        )
    return Table(str(path), COLUMNS, tuple(rows))


def _samples(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix.casefold() == ".json":
        log = json.loads(path.read_text(encoding="utf-8"))
        samples = log.get("samples") if isinstance(log, dict) else None
        if not isinstance(samples, list):
            raise ValueError("it holds no samples")
        yield from (sample for sample in samples if isinstance(sample, dict))
        return
    unpack = _unpacker(path)
    with unpack.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.startswith("samples/"):
                sample = json.loads(archive.read(name))
                if isinstance(sample, dict):
                    yield sample


def _unpacker(path: Path) -> ModuleType:
    """The zip reader that knows how the log is packed; Zstandard came into Python with 3.14."""
    with zipfile.ZipFile(path) as archive:
        if all(entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in archive.infolist()):
            return zipfile
    if hasattr(zipfile, "ZIP_ZSTANDARD"):
        return zipfile
    try:
        from backports.zstd import zipfile as unpacker
    except ImportError:
        raise MissingExtra("backports.zstd", "inspect", f"reading {str(path)!r}") from None
    reader: ModuleType = unpacker
    return reader


def _rows(sample: Mapping[str, Any], rubric: Rubric | None, *, repeated: bool, judge: str) -> Iterator[Row]:
    cells = {
        **{str(key): value for key, value in _mapping(sample, "metadata").items()},
        "target": _target(sample.get("target")),
    }
    name = str(sample.get("id", ""))
    document = _plain(cells.get((rubric.document if rubric else None) or "document"))
    frame = {
        "id": f"{name}, epoch {sample.get('epoch')}" if repeated else name,
        "document": document or (name if repeated else ""),
        "layout": _plain(cells.get("layout")),
    }
    for scorer, score in _mapping(sample, "scores").items():
        value = score.get("value") if isinstance(score, dict) else score
        for criterion, cell in (value if isinstance(value, dict) else {scorer: value}).items():
            ratings = _ratings(cells, str(criterion), rubric)
            for rater, rating in ratings.items():
                yield {
                    **frame,
                    "judge": f"{judge}: {scorer}" if judge else str(scorer),
                    "criterion": str(criterion),
                    "score": _score(cell, str(criterion), rubric),
                    "rating": rating,
                    "rater": rater,
                }


def _mapping(sample: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A part of a sample, empty where there is none; ``ValueError`` where it has another form."""
    part = sample.get(key) or {}
    if not isinstance(part, dict):
        raise ValueError(f"the {key} of sample {sample.get('id')!r} are no mapping")
    return part


def _ratings(cells: Mapping[str, Any], criterion: str, rubric: Rubric | None) -> dict[str, object]:
    """Rater -> rating of one criterion, those that the sample has; empty for a criterion that nobody asked about."""
    if rubric is not None:
        named = [column for c in rubric.criteria if c.name == criterion for column in rating_columns(c)]
    else:
        named = [key for key in cells if key.startswith((f"{criterion}_", f"{criterion}."))] or ["target"]
    return {column: _plain(cells[column]) for column in named if not is_missing(_plain(cells.get(column)))}


def _score(value: object, criterion: str, rubric: Rubric | None) -> object:
    labelled = rubric is not None and any(
        c.name == criterion and isinstance(c.scale, Categorical) for c in rubric.criteria
    )
    if isinstance(value, bool):
        return float(value)
    return GRADES.get(value, value) if isinstance(value, str) and not labelled else value


def _target(target: object) -> object:
    return target[0] if isinstance(target, list) and len(target) == 1 else target


def _plain(value: object) -> str | float | int:
    """A cell that a table can hold; nested material holds no rating."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else int(value)
    return value if isinstance(value, (str, int, float)) else ""
