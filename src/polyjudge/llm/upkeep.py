"""Putting a journal's folder in order: many shards into one, old answers out.

A shard is touched only under its lock, so never while a process writes it, and removed only after everything in it
was committed elsewhere. Lock files stay, and numbers are not used again: a process may still hold either.
"""

from __future__ import annotations

import errno
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from polyjudge.errors import ConfigError, JournalError
from polyjudge.llm.contents import Kept, kept_in, reading, shards_in, summed
from polyjudge.llm.locks import FileLock
from polyjudge.llm.shard import NewerShard, Shard, beside, is_damage
from polyjudge.llm.shards import new_name, unwritable

_DAY = 86400.0
_COLUMNS = "key, created, seconds, role, model, reply"


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did.

    Attributes:
        entries: in the shard that it wrote.
        repeated: answers that stood in several shards and stand there once.
        shard: the one that was written; "" when there was nothing to do.
        removed: this folder's shards whose answers stand in it now.
        left: shards left as they are, with the reason.
    """

    entries: int
    repeated: int
    shard: str
    removed: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed (under ``dry_run``: what would be); ``bytes`` counts compressed texts."""

    kept: tuple[Kept, ...]
    left: tuple[str, ...]
    dry_run: bool

    @property
    def entries(self) -> int:
        return sum(one.entries for one in self.kept)

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.kept)


def merge(folder: Path, others: Sequence[Path] = ()) -> Merged:
    """Bring the answers of other folders, and this folder's shards that nobody writes, into one new shard.

    Other folders are only read. Every answer is kept, also one that a newer answer to the same call supersedes.

    Raises:
        ConfigError: another folder is no journal, is this one, or is being written.
        JournalError: this folder cannot be written, or another one not be read.
    """
    taken: list[tuple[FileLock, Path]] = []
    try:
        foreign = [path for other in others for path in _foreign(other, folder, taken)]
        own, left = _own(folder, taken)
        if not foreign and len(own) < 2:
            return Merged(0, 0, "", (), tuple(left))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / new_name(folder)
        lock = FileLock(path.with_suffix(".lock"))
        taken.append((lock, path))
        if not lock.take():
            raise JournalError(f"another process has just begun to write {str(path)!r}; give the same command again")
        merged, read, whole = _gather(path, [*own, *foreign], left)
        removed = [one for one in own if one in whole]
        for one in removed:
            for tail in ("", "-wal", "-shm"):
                beside(one, tail).unlink(missing_ok=True)
        return Merged(merged, read - merged, path.name, tuple(one.name for one in removed), tuple(left))
    except (OSError, sqlite3.Error) as error:
        raise unwritable(folder, error) from error
    finally:
        for lock, _ in taken:
            lock.close()


def prune(folder: Path, *, older_than: float | None, model: str | None, dry_run: bool) -> Pruned:
    """Remove answers for good; whoever needs one asks for it again.

    Args:
        older_than: days; None: of any age.
        model: as the user named it; None: any.
        dry_run: only count.

    Raises:
        ConfigError: neither is given, or a negative age.
        JournalError: the folder cannot be written.
    """
    if older_than is None and model is None:
        raise ConfigError("what shall be removed? Give --older-than DAYS, --model M, or both (both must then hold)")
    if older_than is not None and not older_than >= 0:
        raise ConfigError(f"--older-than {older_than:g}: give a number of days, 0 or more")
    before = time.time() - _DAY * older_than if older_than is not None else None
    chosen = [(sql, value) for sql, value in (("created < ?", before), ("model = ?", model)) if value is not None]
    where, values = " AND ".join(sql for sql, _ in chosen), [value for _, value in chosen]
    taken: list[tuple[FileLock, Path]] = []
    found: list[Kept] = []
    try:
        own, left = _own(folder, taken)
        for path in own:
            try:
                with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                    counted = kept_in(connection, where, values)
                    if counted and not dry_run:
                        connection.execute(f"DELETE FROM entries WHERE {where}", values)  # noqa: S608 (our words)
                        connection.execute("VACUUM")
                        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    found += counted
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                left.append(f"{path.name}: {error}")
    except (OSError, sqlite3.Error) as error:
        raise unwritable(folder, error) from error
    finally:
        for lock, _ in taken:
            lock.close()
    return Pruned(summed(found), tuple(left), dry_run)


def _gather(path: Path, sources: Sequence[Path], left: list[str]) -> tuple[int, int, set[Path]]:
    """Write a shard of what the sources hold, oldest first: how many answers, how many were read, from which."""
    shard = Shard.create(path)
    shard.close()
    read, whole = 0, set()
    with closing(sqlite3.connect(path, isolation_level=None)) as target:
        target.execute(f"CREATE TEMP TABLE found ({_COLUMNS})")
        target.execute("BEGIN")
        for source in sources:
            try:
                with reading(source) as connection:
                    before = target.total_changes
                    rows = connection.execute(f"SELECT {_COLUMNS} FROM entries ORDER BY id")  # noqa: S608
                    target.executemany("INSERT INTO found VALUES (?, ?, ?, ?, ?, ?)", rows)
                    read += target.total_changes - before
                    whole.add(source)
            except NewerShard as error:
                left.append(f"{source.name}: {error}")
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                left.append(f"{source.name}: damaged ({error}); what could be read of it was taken")
        # Of one key the row with the highest number counts: so the newest answer comes last.
        target.execute(
            f"INSERT INTO entries ({_COLUMNS}) SELECT {_COLUMNS} FROM found "  # noqa: S608
            "GROUP BY key, created, reply ORDER BY created, min(rowid)"
        )
        target.execute("COMMIT")
        (merged,) = target.execute("SELECT count(*) FROM entries").fetchone()
        target.execute("PRAGMA synchronous = FULL")
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return merged, read, whole


def _own(folder: Path, taken: list[tuple[FileLock, Path]]) -> tuple[list[Path], list[str]]:
    """This folder's shards that could be locked, and those that are left alone."""
    free: list[Path] = []
    left: list[str] = []
    for name in shards_in(folder):
        lock = FileLock((folder / name).with_suffix(".lock"))
        taken.append((lock, folder / name))
        if lock.take():
            free.append(folder / name)
        else:
            left.append(f"{name}: a process is writing it")
    return free, left


def _foreign(other: Path, folder: Path, taken: list[tuple[FileLock, Path]]) -> list[Path]:
    """Another folder's shards, locked where it can be written at all; what nobody can write, nobody does."""
    if other.exists() and not other.is_dir():
        raise ConfigError(f"{str(other)!r} is no folder; name the folder of another journal")
    names = shards_in(other)
    if not names:
        raise ConfigError(f"{str(other)!r} holds no journal (no shard-NNNN.sqlite); check the path")
    if folder.is_dir() and other.samefile(folder):
        raise ConfigError(f"{str(other)!r} is this journal itself; without a folder its own shards are merged")
    for name in names:
        try:
            lock = FileLock((other / name).with_suffix(".lock"))
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            continue
        taken.append((lock, other / name))
        if not lock.take():
            raise ConfigError(f"{str(other / name)!r} is being written by a process; wait for it to end")
    return [other / name for name in names]
