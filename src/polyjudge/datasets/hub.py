"""Data sets of the Hugging Face hub, ``hf:OWNER/NAME@CONFIG:SPLIT``, through its package (the extra ``hf``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from polyjudge.datasets.examples import PARTS
from polyjudge.datasets.table import Table
from polyjudge.errors import DataError, MissingExtra
from polyjudge.formatting.text import clipped, listed, nearest

PREFIX = "hf:"
FORM = "hf:OWNER/NAME, hf:OWNER/NAME@CONFIG or hf:OWNER/NAME@CONFIG:SPLIT"
_NAME = re.compile(r"hf:(?P<path>[\w.-]+/[\w.-]+)(?:@(?P<config>[^:@\s]+))?(?::(?P<split>[\w.-]+))?")


class HubName(NamedTuple):
    """What ``hf:OWNER/NAME@CONFIG:SPLIT`` names; configuration and split may be left out."""

    path: str
    config: str | None
    split: str | None


def hub_name(data: str) -> HubName:
    """Parse a name.

    Raises:
        DataError: it has another form.
    """
    match = _NAME.fullmatch(data)
    if match is None:
        raise DataError(f"{clipped(data)} names no data set of the hub; write {FORM}")
    return HubName(match["path"], match["config"], match["split"])


def hub_tables(data: str, columns: frozenset[str] | None) -> dict[str, Table]:
    """The tables of a data set by the name of their split: the split that the name has, else all.

    Args:
        data: as the user wrote it.
        columns: whose cells are read, if they exist, so that other images and sounds are not decoded; None: all.

    Raises:
        DataError: no such data set, configuration or split, no way to the hub, or splits that must be chosen from.
        MissingExtra: the package is not installed.
    """
    name = hub_name(data)
    with _quiet():
        parts = _loaded(data, name)
    if name.split is not None:
        if name.split not in parts:
            raise DataError(
                f"{data}: no split {name.split!r}{nearest(name.split, parts)}; it has {listed(map(repr, parts))}"
            )
        parts = {name.split: parts[name.split]}
    if len(parts) > 1 and not set(parts) <= set(PARTS):
        raise DataError(
            f"{data}: has the splits {listed(map(repr, parts))}; name one: {PREFIX}{name.path}"
            f"{'@' + name.config if name.config else ''}:{next(iter(parts))}"
        )
    whole = len(parts) == 1
    return {part: _table(data if whole else f"{data} ({part})", rows, columns) for part, rows in parts.items()}


def _loaded(data: str, name: HubName) -> dict[str, Any]:
    from datasets.exceptions import DatasetNotFoundError

    from datasets import load_dataset

    try:
        return dict(load_dataset(name.path, name.config))
    except DatasetNotFoundError as error:
        raise DataError(
            f"{data}: {_first_line(error)}; check owner and name, and for private or gated data set HF_TOKEN"
        ) from None
    except (ConnectionError, OSError) as error:
        raise DataError(
            f"{data}: cannot be fetched ({_first_line(error)}); check the network, or give a file instead"
        ) from None
    except ValueError as error:
        remedy = "" if name.config else f"; name one, as in {PREFIX}{name.path}@CONFIG"
        raise DataError(f"{data}: {_first_line(error)}{remedy}") from None
    except Exception as error:
        # The package does not wrap the exceptions of its file readers and network libraries.
        raise DataError(f"{data}: cannot be loaded ({type(error).__name__}: {_first_line(error)})") from error


def _table(source: str, rows: Any, columns: frozenset[str] | None) -> Table:
    names = tuple(rows.column_names)
    read = [name for name in names if columns is None or name in columns]
    if not rows.num_rows:
        raise DataError(f"{source}: no rows; name another split")
    cells = rows.select_columns(read) if read else rows.select_columns([])
    return Table(source, names, tuple(cells) if read else tuple({} for _ in range(rows.num_rows)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the package's progress bars, which would mix with ours."""
    try:
        import datasets
    except ImportError:
        raise MissingExtra("datasets", "hf", "reading data sets of the hub") from None
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
