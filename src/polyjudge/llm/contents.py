"""What a journal's folder holds; looking changes nothing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from polyjudge.llm.locks import FileLock
from polyjudge.llm.shard import NewerShard, Shard
from polyjudge.llm.shards import shard_names, unreadable


@dataclass(frozen=True, slots=True)
class Kept:
    """The answers of one model in one role; ``bytes`` counts their compressed texts."""

    role: str
    model: str
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder holds.

    Attributes:
        bytes: of all its files.
        shards: their file names.
        in_use: those that a process is writing now.
        aside: damaged files, set aside earlier.
        unreadable: shards that cannot be read now, with the reason.
        oldest: seconds since the epoch; None in an empty journal.
        newest: likewise.
    """

    folder: str
    bytes: int
    kept: tuple[Kept, ...]
    shards: tuple[str, ...]
    in_use: tuple[str, ...]
    aside: tuple[str, ...]
    unreadable: tuple[str, ...]
    oldest: float | None
    newest: float | None

    @property
    def entries(self) -> int:
        return sum(one.entries for one in self.kept)


def contents(folder: Path) -> Contents:
    """Look at a folder; changes nothing, also not a damaged shard.

    Raises:
        JournalError: the folder cannot be read.
    """
    kept: list[Kept] = []
    in_use: list[str] = []
    faulty: list[str] = []
    times: list[float] = []
    found = shards_in(folder)
    for name in found:
        try:
            with reading(folder / name) as connection:
                kept += kept_in(connection)
                times += [
                    t for t in connection.execute("SELECT min(created), max(created) FROM entries").fetchone() if t
                ]
        except (sqlite3.Error, NewerShard) as error:
            faulty.append(f"{name}: {error}")
        if _is_written(folder / name):
            in_use.append(name)
    files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    aside = tuple(sorted(path.name for path in files if path.name.endswith(".corrupt")))
    return Contents(
        str(folder), sum(path.stat().st_size for path in files), summed(kept), tuple(found), tuple(in_use), aside,
        tuple(faulty), min(times, default=None), max(times, default=None),
    )  # fmt: skip


def shards_in(folder: Path) -> list[str]:
    try:
        return shard_names(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error


def _is_written(path: Path) -> bool:
    """Whether a process holds the lock of a shard; leaves no trace."""
    lock_file = path.with_suffix(".lock")
    if not lock_file.exists() or not os.access(lock_file, os.W_OK):
        return False
    lock = FileLock(lock_file)
    try:
        return not lock.take()
    finally:
        lock.close()


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    shard = Shard.open(path, write=False)
    try:
        yield shard.connection
    finally:
        shard.close()


def kept_in(connection: sqlite3.Connection, where: str = "1", values: Sequence[object] = ()) -> list[Kept]:
    rows = connection.execute(
        f"SELECT role, model, count(*), sum(length(reply)) FROM entries WHERE {where} GROUP BY role, model",  # noqa: S608
        values,
    )
    return [Kept(*row) for row in rows]


def summed(kept: Sequence[Kept]) -> tuple[Kept, ...]:
    """One a model and role, the largest first."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for one in kept:
        entries, size = sums.get((one.role, one.model), (0, 0))
        sums[one.role, one.model] = entries + one.entries, size + one.bytes
    found = [Kept(role, model, entries, size) for (role, model), (entries, size) in sums.items()]
    return tuple(sorted(found, key=lambda one: (-one.bytes, one.model, one.role)))
