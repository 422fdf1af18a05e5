"""The file of the response cache: append-only answers in one SQLite file with a rollback journal.

Several processes share the file. SQLite's locks keep readers and writers apart; a process that changes or replaces the
file holds ``answers.lock``. The file appears under its name only when it is complete. A damaged file is renamed, never
deleted, and what can be read of it is copied into its successor.

WAL is not used: SQLite up to 3.51.2 may corrupt a WAL file that several connections write at once, and a connection
that is closed deletes by name the WAL of the file that is there by then. Writes are not synchronous: a commit that
waits for the disk took 16 ms, one that does not took 0.4. A killed process loses nothing that was committed; a power
failure may cost the answers of the last seconds and damage the file. It never gives one call the answer of another,
because key and answer are one record of one tree, and each answer has a checksum.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from polyjudge.errors import CacheError
from polyjudge.llm.cache.encoding import decode

FILE = "answers.sqlite"
LOCK = "answers.lock"
SCHEMA_VERSION = 1
_SCHEMA = f"""
BEGIN;
CREATE TABLE answers (
    key BLOB NOT NULL, number INTEGER NOT NULL, created REAL NOT NULL, seconds REAL NOT NULL,
    role TEXT NOT NULL, model TEXT NOT NULL, reply BLOB NOT NULL, PRIMARY KEY (key, number)
) WITHOUT ROWID;
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
# The casts are needed because a flipped bit may turn a number into a text, which SQLite accepts.
_ROWS = """
SELECT CAST(key AS BLOB), CAST(number AS INTEGER), CAST(created AS REAL), CAST(seconds AS REAL), CAST(role AS TEXT),
    CAST(model AS TEXT), CAST(reply AS BLOB)
FROM answers
"""
_ADD = "INSERT INTO answers (key, number, created, seconds, role, model, reply) VALUES %s"
_MARKS = "(?, ?, ?, ?, ?, ?, ?)"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
# A process that is suspended in the middle of a commit must not block all others for good.
_PATIENCE = 30.0

FileId = tuple[int, int]


class Row(NamedTuple):
    """One answer as the file holds it.

    Attributes:
        key: 32 bytes.
        number: counts the answers to one call; the highest is the newest.
        created: seconds since the epoch.
        seconds: from sending to the answer.
        reply: encoded.
    """

    key: bytes
    number: int
    created: float
    seconds: float
    role: str
    model: str
    reply: bytes


class Database:
    """One connection to the file.

    Attributes:
        path: of the file when it was opened.
        file: identifies the file, even if another one is at ``path`` later.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, file: FileId) -> None:
        self.path = path
        self.file = file
        self.connection = connection

    @classmethod
    def open(cls, path: Path, *, busy: float = _PATIENCE) -> Database | None:
        """Open the file, for writing where that is permitted; None when there is none.

        Args:
            path: of the file.
            busy: seconds to wait while another process writes.

        Raises:
            sqlite3.Error: it cannot be opened, or it is damaged (``is_damage`` tells these apart).
            CacheError: a newer polyjudge wrote it.
        """
        file = file_id(path)
        if file is None:
            return None
        connection = _connect(path, "mode=rw", busy)
        try:
            ((version,),) = connection.execute("PRAGMA user_version").fetchall()
            if version > SCHEMA_VERSION:
                raise CacheError(
                    f"the response cache {str(path)!r} is of a newer polyjudge (schema {version}); install that one, "
                    "or set POLYJUDGE_CACHE to another folder"
                )
            database = cls(path, connection, file)
            database.find((b"",))
        except (sqlite3.Error, CacheError):
            connection.close()
            raise
        # A rollback journal that is cut to nothing costs less than one that is deleted.
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = OFF")
        return database

    def find(self, keys: Sequence[bytes]) -> dict[bytes, list[Row]]:
        """The answers of some keys, the oldest first.

        All keys go into one statement, because each statement may hand the interpreter to another thread.
        """
        marks = ", ".join("?" * len(keys))
        rows: dict[bytes, list[Row]] = {}
        # All rows are fetched at once, because an unfinished statement holds its lock.
        for row in self.connection.execute(f"{_ROWS} WHERE key IN ({marks}) ORDER BY key, number", keys).fetchall():
            rows.setdefault(row[0], []).append(Row(*row))
        return rows

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes inside together, or none of them."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows, within a transaction."""
        if rows:
            marks = ", ".join([_MARKS] * len(rows))
            self.connection.execute(_ADD % marks, [value for row in rows for value in row])

    def rows(self, *, backwards: bool = False) -> Iterator[Row]:
        """All rows in the order of their keys, or from the other end.

        Raises:
            sqlite3.Error: the file is damaged; the rows before that are fine.
        """
        order = "DESC" if backwards else "ASC"
        for row in self.connection.execute(f"{_ROWS} ORDER BY key {order}, number {order}"):
            yield Row(*row)

    def close(self) -> None:
        self.connection.close()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the lock under which the file may be changed or replaced.

    Raises:
        OSError: the folder cannot be written.
        CacheError: another process holds the lock for too long.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / LOCK, timeout=_PATIENCE, poll_interval=0.001):
            yield
    except Timeout:
        raise CacheError(
            f"the response cache {str(folder)!r} has been locked by another process for {_PATIENCE:g} s; end or "
            "continue that process, or set POLYJUDGE_CACHE to another folder"
        ) from None


def create(path: Path, rows: Iterable[Row] = ()) -> int:
    """Make the file with some rows and return their number; the caller holds the lock."""
    draft = suffixed(path, ".draft")
    for leftover in (draft, suffixed(draft, "-journal")):
        leftover.unlink(missing_ok=True)
    count = 0
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")
        for row in rows:
            connection.execute(_ADD % _MARKS, row)
            count += 1
        connection.execute("COMMIT")
    draft.replace(path)
    return count


def replace_damaged(path: Path, damaged: FileId | None, error: sqlite3.Error) -> str:
    """Rename a damaged file and make a new one of what can be read of it; the caller holds the lock.

    Args:
        path: of the file.
        damaged: identifies the damaged file; a file that has replaced it is left alone.
        error: of SQLite.

    Returns:
        A warning for the user; "" when another process replaced the file before.

    Raises:
        OSError: the folder cannot be written.
    """
    if file_id(path) != damaged:
        return ""
    aside = next(name for name in _aside_names(path) if not name.exists())
    journal = suffixed(path, "-journal")
    if journal.exists() and journal.stat().st_size:
        journal.replace(suffixed(aside, "-journal"))
    path.replace(aside)
    count = create(path, _salvaged(aside))
    return (
        f"the response cache {str(path)!r} is damaged ({error}); it was set aside as {aside.name!r}, {count} of its "
        f"answers could be read and are kept, the others are asked for again when they are needed; to try and restore "
        f"it: sqlite3 FILE .recover"
    )


def newest(rows: Sequence[Row]) -> Row | None:
    """The newest of a call's answers that can be decoded; SQLite does not notice damaged ones."""
    return next((row for row in reversed(rows) if decode(row.reply) is not None), None)


def aside_files(path: Path) -> list[Path]:
    """The damaged files that were set aside."""
    return [name for name in sorted(path.parent.glob(f"{path.name}.corrupt*")) if not name.name.endswith("-journal")]


def is_damage(error: sqlite3.Error) -> bool:
    """Whether a file is broken or no answer file, rather than out of reach, locked or not writable."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process is writing at this moment."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def file_id(path: Path) -> FileId | None:
    """Identifies the file at a path; None when there is none."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_dev, state.st_ino


def suffixed(path: Path, suffix: str) -> Path:
    """The path with ``suffix`` appended to its name."""
    return path.with_name(path.name + suffix)


def unwritable(folder: Path, error: Exception) -> CacheError:
    """The error for a cache that cannot be written."""
    return CacheError(
        f"the response cache {str(folder)!r} cannot be written ({error}); make room or give rights there, or set "
        "POLYJUDGE_CACHE to another folder, and run the same command again: what it holds is kept"
    )


def unreadable(folder: Path, error: Exception) -> CacheError:
    """The error for a cache that cannot be read."""
    return CacheError(
        f"the response cache {str(folder)!r} cannot be read ({error}); give rights there, or set POLYJUDGE_CACHE to "
        "another folder"
    )


def _salvaged(path: Path) -> Iterator[Row]:
    """The rows of a damaged file that can be read: from its beginning to the damage, and from its end to it."""
    readable: dict[tuple[bytes, int], Row] = {}
    for backwards in (False, True):
        connection = _connect(path, "mode=ro&immutable=1", 0.0)
        with closing(connection), suppress(sqlite3.Error, ValueError, OverflowError):
            for row in Database(path, connection, (0, 0)).rows(backwards=backwards):
                if len(row.key) == 32 and decode(row.reply) is not None:
                    readable[row.key, row.number] = row
            break
    return iter(readable.values())


def _aside_names(path: Path) -> Iterator[Path]:
    yield suffixed(path, ".corrupt")
    for number in range(2, 1_000_000):
        yield suffixed(path, f".corrupt-{number}")


def _connect(path: Path, query: str, busy: float) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?{query}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=busy)
    connection.text_factory = _text
    return connection


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")
