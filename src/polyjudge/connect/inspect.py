"""Reads logs of Inspect AI as rows of scores, without that package: a log is JSON, or a zip archive of it.

A scorer is a judge. A scorer that returns one value scores the criterion of its name; one that returns a mapping
scores a criterion for each key. Human ratings are in the samples' metadata, or are the target. Each epoch is a
separate item in the document of its sample.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from polyjudge.datasets.raters import RATER, owner
from polyjudge.datasets.table import Row, Table, is_missing, is_number, rating_columns
from polyjudge.datasets.textfiles import check_unpacked, read_json
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.scale import Categorical
from polyjudge.errors import DataError, MissingExtra
from polyjudge.formatting.text import clipped

COLUMNS = ("id", "document", "criterion", "score", "judge", "layout", "rating", "rater")
# What the readers of zip and JSON raise.
_UNREADABLE = (ValueError, KeyError, EOFError, RecursionError, NotImplementedError, zlib.error, zipfile.BadZipFile)
# Inspect's letters for correct, partly correct, incorrect and no answer, as its own metrics count them.
GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}


def is_inspect_log(path: Path) -> bool:
    """Whether a file's name is that of a log: ``.eval``, or ``.json``, which no other format of scores has."""
    return path.suffix.casefold() in (".eval", ".json")


def inspect_table(path: Path, rubric: Rubric | None, judge: str = "") -> Table:
    """The scores of a log in the long form.

    Args:
        path: the log.
        rubric: names the criteria and the metadata that hold ratings; ``target`` is the sample's target. None: the
            metadata called like a criterion with a suffix (NAME_a, NAME.rating), else the target.
        judge: put before the scorers' names, to distinguish several logs.

    Raises:
        DataError: no such file, no log, or a log without scores.
        MissingExtra: a log that this Python cannot unpack.
    """
    try:
        samples = list(_samples(path))
        repeated = len({str(sample.get("epoch", 1)) for sample in samples}) > 1
        pairs = _scored_pairs(samples)
        graded = {criterion for _, criterion in pairs if _all_grades(samples, criterion, rubric)}
        rows = [
            row for sample in samples for row in _rows(sample, rubric, pairs, graded, repeated=repeated, judge=judge)
        ]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    except _UNREADABLE as error:
        raise DataError(f"{path}: is no log of Inspect ({clipped(str(error))}); give a .eval or .json log") from None
    if not rows:
        raise DataError(
            f"{path}: none of its {len(samples)} samples has a score and a human rating; ratings stand in the "
            f"samples' metadata under names that the criteria file gives, or as NAME_a, NAME_b, ..., or are the target"
        )
    return Table(str(path), COLUMNS, tuple(rows))


def _samples(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix.casefold() == ".json":
        log = read_json(path)
        samples = log.get("samples") if isinstance(log, dict) else None
        if not isinstance(samples, list):
            raise ValueError("it holds no samples")
        yield from (sample for sample in samples if isinstance(sample, dict))
        return
    unpack = _unpacker(path)
    with unpack.ZipFile(path) as archive:
        check_unpacked(path, path.stat().st_size, sum(entry.file_size for entry in archive.infolist()))
        for name in sorted(archive.namelist()):
            if name.startswith("samples/"):
                sample = json.loads(archive.read(name))
                if isinstance(sample, dict):
                    yield sample


def _unpacker(path: Path) -> ModuleType:
    """The zip reader for the log's compression; Python has Zstandard from 3.14 on."""
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


def _scored_pairs(samples: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], None]:
    """Every (scorer, criterion) of a log, in the order of their first score."""
    return {key: None for sample in samples for key in _scores(sample)}


def _scores(sample: Mapping[str, Any]) -> dict[tuple[str, str], object]:
    """(scorer, criterion) -> score of one sample."""
    scores: dict[tuple[str, str], object] = {}
    for scorer, score in _mapping(sample, "scores").items():
        value = score.get("value") if isinstance(score, dict) else score
        for criterion, cell in (value if isinstance(value, dict) else {scorer: value}).items():
            scores[str(scorer), str(criterion)] = cell
    return scores


def _all_grades(samples: Sequence[Mapping[str, Any]], criterion: str, rubric: Rubric | None) -> bool:
    """Whether all words that score and rate a criterion are Inspect's letters, and are not labels of its scale."""
    if rubric is not None and any(c.name == criterion and isinstance(c.scale, Categorical) for c in rubric.criteria):
        return False
    words = set()
    for sample in samples:
        cells = [cell for (_, name), cell in _scores(sample).items() if name == criterion]
        cells += _ratings(_cells(sample), criterion, rubric).values()
        words |= {cell for cell in cells if isinstance(cell, str) and not is_missing(cell) and not is_number(cell)}
    return words <= set(GRADES)


def _cells(sample: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a sample and its target."""
    metadata = {str(key): value for key, value in _mapping(sample, "metadata").items()}
    return {**metadata, "target": _target(sample.get("target"))}


def _rows(
    sample: Mapping[str, Any],
    rubric: Rubric | None,
    pairs: Iterable[tuple[str, str]],
    graded: Collection[str],
    *,
    repeated: bool,
    judge: str,
) -> Iterator[Row]:
    """A row for each scorer, criterion and rater; a sample that failed, or that a scorer left out, is unscored."""
    cells = _cells(sample)
    name = str(sample.get("id", ""))
    document = _plain(cells.get((rubric.document if rubric else None) or "document"))
    frame = {
        "id": f"{name}, epoch {sample.get('epoch')}" if repeated else name,
        "document": document or (name if repeated else ""),
        "layout": _plain(cells.get("layout")),
    }
    scores = {} if sample.get("error") else _scores(sample)
    for scorer, criterion in pairs:
        letters = criterion in graded
        for rater, rating in _ratings(cells, criterion, rubric).items():
            yield {
                **frame,
                "judge": f"{judge}: {scorer}" if judge else scorer,
                "criterion": criterion,
                "score": _number(scores.get((scorer, criterion)), letters),
                "rating": _number(rating, letters),
                "rater": rater,
            }


def _mapping(sample: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A mapping in a sample, empty if there is none; ``ValueError`` if it is anything else."""
    part = sample.get(key) or {}
    if not isinstance(part, dict):
        raise ValueError(f"the {key} of sample {sample.get('id')!r} are no mapping")
    return part


def _ratings(cells: Mapping[str, Any], criterion: str, rubric: Rubric | None) -> dict[str, object]:
    """Rater -> rating of one criterion, of the ratings that the sample has."""
    if rubric is not None:
        named = [column for c in rubric.criteria if c.name == criterion for column in rating_columns(c)]
    else:
        beside = [key for key in cells if owner(key, (criterion, *cells)) == criterion]
        named = [key for key in beside if RATER.fullmatch(key[len(criterion) + 1 :])] or ["target"]
    return {column: _plain(cells[column]) for column in named if not is_missing(_plain(cells.get(column)))}


def _number(value: object, letters: bool) -> object:
    """A score or rating as a table holds it; truth values and Inspect's letters become numbers."""
    if isinstance(value, bool):
        return float(value)
    return GRADES.get(value, value) if isinstance(value, str) and letters else value


def _target(target: object) -> object:
    return target[0] if isinstance(target, list) and len(target) == 1 else target


def _plain(value: object) -> str | float | int:
    """A cell that a table can hold; a nested value holds no rating and becomes empty."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else int(value)
    return value if isinstance(value, (str, int, float)) else ""
