"""Maintenance of a response cache: show what it holds, merge the answers of others, remove old ones."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from polyjudge.errors import CacheError, ConfigError
from polyjudge.llm.cache.database import (
    FILE,
    Database,
    Row,
    aside_files,
    create,
    unreadable,
    unwritable,
    writing,
)

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class AnswerGroup:
    """The answers of one model in one role; ``bytes`` counts their compressed texts."""

    role: str
    model: str
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder holds.

    Attributes:
        bytes: the size of all its files.
        kept: its answers, the largest group first.
        aside: damaged files, set aside earlier.
        unreadable: why the file cannot be read now; "" when it can.
        oldest: seconds since the epoch; None in an empty cache.
        newest: likewise.
    """

    folder: str
    bytes: int
    kept: tuple[AnswerGroup, ...]
    aside: tuple[str, ...]
    unreadable: str
    oldest: float | None
    newest: float | None

    @property
    def entries(self) -> int:
        return sum(group.entries for group in self.kept)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did.

    Attributes:
        added: answers that are new here.
        known: answers that this cache had, or had newer ones for.
    """

    added: int
    known: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed (under ``dry_run``: what would be); ``bytes`` counts compressed texts."""

    kept: tuple[AnswerGroup, ...]
    dry_run: bool

    @property
    def entries(self) -> int:
        return sum(group.entries for group in self.kept)

    @property
    def bytes(self) -> int:
        return sum(group.bytes for group in self.kept)


def contents(folder: Path) -> Contents:
    """What a folder holds; nothing is changed, not even a damaged file.

    Raises:
        CacheError: the folder cannot be read.
    """
    kept: tuple[AnswerGroup, ...] = ()
    times: tuple[float | None, float | None] = (None, None)
    reason = ""
    try:
        files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
        size = sum(path.stat().st_size for path in files)
        with _opened(folder) as database:
            if database is not None:
                kept = _groups(database)
                ((oldest, newest),) = database.connection.execute("SELECT min(created), max(created) FROM answers")
                times = oldest, newest
    except OSError as error:
        raise unreadable(folder, error) from error
    except (sqlite3.Error, CacheError) as error:
        reason = str(error)
    aside = tuple(path.name for path in aside_files(folder / FILE))
    return Contents(str(folder), size, kept, aside, reason, *times)


def merge(folder: Path, others: Sequence[Path]) -> Merged:
    """Copy the answers of other folders into this one, unless it has the same or a newer answer to the call.

    The other folders are only read; processes may write them meanwhile.

    Raises:
        ConfigError: no other folder, or one that holds no cache, or this one itself.
        CacheError: this folder cannot be written, or another one not be read.
    """
    if not others:
        raise ConfigError("which answers shall be merged? Name the folder of another response cache")
    for other in others:
        if not (other / FILE).is_file():
            raise ConfigError(f"{str(other)!r} is no folder of a response cache (no {FILE} in it); check the path")
        if folder.is_dir() and other.samefile(folder):
            raise ConfigError(f"{str(other)!r} is this response cache itself; name another one")
    added = known = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with writing(folder):
            if not (folder / FILE).exists():
                create(folder / FILE)
            with _opened(folder) as database:
                assert database is not None
                for other in others:
                    with database.transaction():
                        is_new = [_append(database, row) for row in _read(other)]
                    added, known = added + sum(is_new), known + len(is_new) - sum(is_new)
    except (OSError, sqlite3.Error) as error:
        raise unwritable(folder, error) from error
    return Merged(added, known)


def prune(folder: Path, *, older_than: float | None, model: str | None, dry_run: bool) -> Pruned:
    """Remove answers for good; a run that needs one pays for it again.

    Args:
        folder: of the cache.
        older_than: days; None: of any age.
        model: as the user named it; None: any.
        dry_run: only count.

    Raises:
        ConfigError: neither is given, or a negative age.
        CacheError: the folder cannot be written.
    """
    if older_than is None and model is None:
        raise ConfigError("what shall be removed? Give --older-than DAYS, --model M, or both (both must then hold)")
    if older_than is not None and not older_than >= 0:
        raise ConfigError(f"--older-than {older_than:g}: give a number of days, 0 or more")
    before = time.time() - _DAY * older_than if older_than is not None else None
    filters = [(sql, value) for sql, value in (("created < ?", before), ("model = ?", model)) if value is not None]
    where, values = " AND ".join(sql for sql, _ in filters), [value for _, value in filters]
    if not (folder / FILE).exists():
        return Pruned((), dry_run)
    try:
        with writing(folder), _opened(folder) as database:
            assert database is not None
            groups = _groups(database, where, values)
            if groups and not dry_run:
                database.connection.execute(f"DELETE FROM answers WHERE {where}", values)  # noqa: S608 (our words)
                database.connection.execute("VACUUM")
    except (OSError, sqlite3.Error) as error:
        raise unwritable(folder, error) from error
    return Pruned(groups, dry_run)


def _read(folder: Path) -> Iterator[Row]:
    """The answers of another cache.

    Raises:
        CacheError: it cannot be read.
    """
    try:
        with _opened(folder) as database:
            yield from database.rows() if database is not None else ()
    except sqlite3.Error as error:
        raise unreadable(folder, error) from error


def _append(database: Database, row: Row) -> bool:
    """Append an answer, unless the database has it or a newer one."""
    stored = database.find((row.key,)).get(row.key, [])
    if any(other.created >= row.created for other in stored):
        return False
    database.add([row._replace(number=stored[-1].number + 1 if stored else 1)])
    return True


@contextmanager
def _opened(folder: Path) -> Iterator[Database | None]:
    database = Database.open(folder / FILE)
    try:
        yield database
    finally:
        if database is not None:
            database.close()


def _groups(database: Database, where: str = "1", values: Sequence[object] = ()) -> tuple[AnswerGroup, ...]:
    """Counts by model and role, the largest first."""
    rows = database.connection.execute(
        f"SELECT role, model, count(*), sum(length(reply)) FROM answers WHERE {where} GROUP BY role, model",  # noqa: S608 (our words)
        values,
    )
    return tuple(
        sorted((AnswerGroup(*row) for row in rows), key=lambda group: (-group.bytes, group.model, group.role))
    )
