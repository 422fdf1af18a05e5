"""One file of a journal: an append-only SQLite file of answers.

SQLite up to 3.51.2 may corrupt a file in WAL mode that several connections write or checkpoint at once, so a
shard is written by the one process that holds its lock file; everybody may read it. It appears under its
name only when it is complete, and one that is damaged is renamed, never deleted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from polyjudge.errors import JournalError
from polyjudge.llm.locks import FileLock

SCHEMA_VERSION = 1
_SCHEMA = f"""
BEGIN;
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, created REAL NOT NULL, seconds REAL NOT NULL,
    role TEXT NOT NULL, model TEXT NOT NULL, reply BLOB NOT NULL
);
CREATE INDEX entries_by_key ON entries (key);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
# The casts: a flipped bit may make a text of a number, and SQLite does not mind.
_FIND = """
SELECT key,
    CAST(created AS REAL), CAST(seconds AS REAL), CAST(role AS TEXT), CAST(model AS TEXT), CAST(reply AS BLOB)
FROM entries WHERE id > ? AND key IN (%s) ORDER BY id
"""
_ADD = "INSERT INTO entries (key, created, seconds, role, model, reply) VALUES %s"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


class Row(NamedTuple):
    """One answer as a shard holds it.

    Attributes:
        created: seconds since the epoch.
        seconds: what the answer took.
        reply: compressed.
    """

    created: float
    seconds: float
    role: str
    model: str
    reply: bytes


class NewerShard(JournalError):
    """A shard whose schema this version does not know."""


class Shard:
    """One open shard."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path, *, write: bool) -> Shard:
        """Open an existing shard.

        Raises:
            sqlite3.Error: it cannot be opened, or it is no shard (``is_damage`` tells these apart).
            NewerShard: a newer polyjudge wrote it.
        """
        try:
            connection = _connect(path, "mode=rw" if write else "mode=ro")
        except sqlite3.OperationalError:
            # Where nothing may be written, SQLite reads a WAL file only if told that it never changes.
            if write or _size(beside(path, "-wal")):
                raise
            connection = _connect(path, "mode=ro&immutable=1")
        shard = cls(path, connection)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise NewerShard(
                    f"the journal's shard {str(path)!r} was written by a newer polyjudge (schema {version}) and "
                    "is passed over; update polyjudge to use it"
                )
            shard.find(b"")
            shard.last()
            if write:
                connection.execute("PRAGMA synchronous = NORMAL")
        except (sqlite3.Error, NewerShard):
            connection.close()
            raise
        return shard

    @classmethod
    def create(cls, path: Path) -> Shard:
        """Make a shard; the caller holds its lock."""
        draft = path.with_suffix(".draft")
        for leftover in (draft, beside(draft, "-wal"), beside(draft, "-shm")):
            leftover.unlink(missing_ok=True)
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        finally:
            connection.close()
        draft.replace(path)
        return cls.open(path, write=True)

    @property
    def connection(self) -> sqlite3.Connection:
        """For whoever puts a journal in order; answers go through ``add``."""
        return self._connection

    def find(self, key: bytes, after: int = 0) -> Row | None:
        """The newest answer of a key among the rows after number ``after``."""
        return self.find_all((key,), after).get(key)

    def find_all(self, keys: Sequence[bytes], after: int = 0) -> dict[bytes, Row]:
        """The same of some keys at once: each statement lets another thread have the interpreter, and keep it."""
        found = self._connection.execute(_FIND % ", ".join("?" * len(keys)), (after, *keys))
        return {key: Row(*row) for key, *row in found}

    def last(self) -> int:
        """The number of the last row; 0 when there is none."""
        (number,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM entries").fetchone()
        return int(number)

    def begin(self) -> None:
        """Start a batch."""
        self._connection.execute("BEGIN IMMEDIATE")

    def add(self, rows: Sequence[tuple[bytes, Row]]) -> None:
        """Append rows to the batch."""
        if rows:
            values = [value for key, row in rows for value in (key, *row)]
            self._connection.execute(_ADD % ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(rows)), values)

    def commit(self) -> None:
        """Make the batch last, and seen by others."""
        self._connection.execute("COMMIT")

    def roll_back(self) -> None:
        """Undo the batch; harmless where SQLite itself has done so already."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


def is_damage(error: sqlite3.Error) -> bool:
    """Whether a file is broken or no shard, unlike one that cannot be reached, locked or written."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def set_aside(path: Path, error: sqlite3.Error) -> str:
    """Rename a damaged shard and what SQLite keeps beside it; the caller holds its lock.

    Returns:
        A sentence that says what happened.
    """
    aside = beside(path, ".corrupt")
    try:
        for tail in ("-wal", "-shm"):
            if beside(path, tail).exists():
                beside(path, tail).replace(beside(aside, tail))
        path.replace(aside)
    except OSError:
        return _left(path, error)
    return (
        f"the journal's shard {str(path)!r} is damaged ({error}); it was set aside as {aside.name!r}, its answers "
        "are asked for again when they are needed; to try and restore it: sqlite3 FILE .recover"
    )


def set_aside_unless_written(path: Path, error: sqlite3.Error) -> str:
    """Set a damaged shard aside if no process is writing it."""
    try:
        lock = FileLock(path.with_suffix(".lock"))
    except OSError:
        return _left(path, error)
    try:
        return set_aside(path, error) if lock.take() else _left(path, error)
    finally:
        lock.close()


def beside(path: Path, tail: str) -> Path:
    """The path whose name is longer by ``tail``."""
    return path.with_name(path.name + tail)


def _left(path: Path, error: sqlite3.Error) -> str:
    return (
        f"the journal's shard {str(path)!r} is damaged ({error}) and cannot be set aside now; what cannot be read "
        "of it is asked for again"
    )


def _connect(path: Path, query: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?{query}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = _text
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
