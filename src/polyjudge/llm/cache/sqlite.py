"""The response cache in a folder: an ``AnswerStore`` that all processes of a machine share.

The event loop reads. One thread writes, and commits together what arrived while it was busy. Nothing is ever
overwritten: of several answers to one call the newest counts.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from polyjudge.errors import CacheError
from polyjudge.llm.cache.database import (
    FILE,
    Database,
    Row,
    aside_files,
    create,
    file_id,
    is_busy,
    is_damage,
    newest,
    replace_damaged,
    unreadable,
    unwritable,
    writing,
)
from polyjudge.llm.cache.encoding import decode, encode
from polyjudge.llm.request import Reply

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

BATCH = 128
# While another process commits, a lookup waits without holding up the event loop.
_FIRST_WAIT, _LONGEST_WAIT, _PATIENCE = 0.0005, 0.01, 30.0


class _Waiting(NamedTuple):
    """An answer to be written; ``stored`` becomes the encoded reply that is then stored under its key."""

    row: Row
    stored: asyncio.Future[bytes]


class SqliteStore:
    """The answers in a folder. Not to be used on both sides of a fork.

    Reading writes nothing, so a run can be replayed from a read-only folder.

    Args:
        folder: made, with a ``.gitignore``, when the first answer is to be written.
        reuse: False (``--no-cache``) asks everything anew: ``get`` then finds only what this object has put, so that
            a run stays consistent with itself. Later replays find the new answers.
    """

    def __init__(self, folder: Path, *, reuse: bool = True) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._reuse = reuse
        self._warnings: list[str] = []
        self._reader: Database | None = None
        self._writer: _Writer | None = None
        self._claims: _Claims | None = None
        self._own: dict[str, Reply] = {}
        self._coming: dict[str, asyncio.Future[bytes]] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    def claim(self, key: str) -> bool:
        self._open_writer()
        if not self._reuse:
            return True
        if self._claims is None:
            try:
                self._claims = _Claims(self._folder / "calls.lock")
            except OSError as error:
                raise unwritable(self._folder, error) from error
        return self._claims.take(key)

    def release(self, key: str) -> None:
        if self._claims is not None:
            self._claims.give(key)

    async def get(self, key: str) -> Reply | None:
        coming = self._coming.get(key)
        if coming is not None:
            return decode(await asyncio.shield(coming))
        return await self._find(key) if self._reuse else self._own.get(key)

    async def put(self, key: str, reply: Reply, *, role: str, model: str, seconds: float) -> Reply:
        writer = self._open_writer()
        stored = asyncio.get_running_loop().create_future()
        row = Row(bytes.fromhex(key), 0, time.time(), seconds, _storable(role), _storable(model), encode(reply))
        self._coming[key] = stored
        stored.add_done_callback(lambda _: self._forget(key, stored))
        writer.write(_Waiting(row, stored))
        answer = decode(await asyncio.shield(stored))
        if answer is None:
            raise CacheError(f"the response cache {str(self._folder)!r} gave back a damaged answer (key {key!r})")
        if not self._reuse:
            self._own[key] = answer
        return answer

    def close(self) -> None:
        for resource in (self._reader, self._writer, self._claims):
            if resource is not None:
                resource.close()
        self._reader = self._writer = self._claims = None

    async def _find(self, key: str) -> Reply | None:
        """The newest readable answer in the file; another process may be writing it."""
        digest, wait, until = bytes.fromhex(key), _FIRST_WAIT, time.monotonic() + _PATIENCE
        while True:
            damaged = self._reader.file if self._reader is not None else file_id(self._path)
            try:
                reader = self._open_reader()
                rows = reader.find((digest,)).get(digest) if reader is not None else None
                break
            except sqlite3.Error as error:
                if is_damage(error):
                    if not await self._replaced(damaged, error):
                        return None
                elif is_busy(error) and time.monotonic() < until:
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, _LONGEST_WAIT)
                elif self._path.exists():
                    raise unreadable(self._folder, error) from error
        for row in reversed(rows or ()):
            reply = decode(row.reply)
            if reply is not None:
                return reply
            self._warn(
                f"the response cache {str(self._folder)!r} holds a damaged answer (key {key!r}); it is asked for again"
            )
        return None

    async def _replaced(self, damaged: tuple[int, int] | None, error: sqlite3.Error) -> bool:
        """Replace a damaged file; False when that is not possible, and the file must not be read again."""
        try:
            self._warn(await asyncio.to_thread(_replace, self._path, damaged, error))
        except OSError:
            self._warn(
                f"the response cache {str(self._path)!r} is damaged ({error}) and cannot be set aside now; what "
                "cannot be read of it is asked for again"
            )
            return False
        return True

    def _open_reader(self) -> Database | None:
        """The connection to the file that is there now."""
        if self._reader is not None and file_id(self._path) != self._reader.file:
            self._reader.close()
            self._reader = None
        if self._reader is None:
            self._reader = Database.open(self._path, busy=0.0)
        return self._reader

    def _open_writer(self) -> _Writer:
        if self._writer is None:
            self._writer = _Writer(self._folder, reuse=self._reuse, warn=self._warn)
        if self._writer.failed is not None:
            raise CacheError(str(self._writer.failed))
        return self._writer

    def _warn(self, sentence: str) -> None:
        if sentence and sentence not in self._warnings:
            self._warnings.append(sentence)

    def _forget(self, key: str, stored: asyncio.Future[bytes]) -> None:
        if self._coming.get(key) is stored:
            del self._coming[key]


class _Writer:
    """The thread of a process that writes.

    If another process has committed an answer to the same call before, that answer is returned and stays: so all
    processes, and later replays, go on from the same answer.

    Raises:
        CacheError: the folder cannot be written.
    """

    def __init__(self, folder: Path, *, reuse: bool, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._reuse = reuse
        self._warn = warn
        self.failed: CacheError | None = None
        self._waiting: deque[_Waiting] = deque()
        self._woken = False
        self._database = self._open()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="polyjudge-cache")

    def write(self, answer: _Waiting) -> None:
        """Commit an answer soon, together with others of this turn of the event loop.

        They are committed together because waking the thread costs as much as a call.
        """
        self._waiting.append(answer)
        if not self._woken:
            self._woken = True
            answer.stored.get_loop().call_soon(self._wake)

    def close(self) -> None:
        """Commit what was handed over, and end the thread."""
        self._thread.submit(self._work)
        self._thread.shutdown()
        self._database.close()

    def _wake(self) -> None:
        self._woken = False
        with suppress(RuntimeError):  # it was closed meanwhile and has committed everything
            self._thread.submit(self._work)

    def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            standing: list[bytes] = []
            if self.failed is None:
                try:
                    standing = self._commit([answer.row for answer in batch])
                except CacheError as error:
                    self.failed = error
                except (OSError, sqlite3.Error) as error:
                    self.failed = unwritable(self._folder, error)
                except Exception as error:
                    # If a bug ended the thread, every caller would wait for ever.
                    self.failed = CacheError(f"the response cache failed: {error!r}; please report this")
            with suppress(RuntimeError):  # the loop was closed, so no caller waits any more
                batch[0].stored.get_loop().call_soon_threadsafe(_resolve, batch, standing, self.failed)

    def _commit(self, rows: Sequence[Row]) -> list[bytes]:
        """Append the answers to calls that have none yet; returns the encoded replies that are stored now."""
        try:
            with writing(self._folder):
                self._follow()
                try:
                    return self._append(rows)
                except sqlite3.Error as error:
                    if not is_damage(error):
                        raise
                    self._database.close()
                    self._warn(replace_damaged(self._path, self._database.file, error))
                    self._database = self._open_file()
                    return self._append(rows)
        except OSError as error:
            raise self._gone() if file_id(self._path) is None else error from error

    def _append(self, rows: Sequence[Row]) -> list[bytes]:
        standing: list[bytes] = []
        new: list[Row] = []
        with self._database.transaction():
            stored = self._database.find([row.key for row in rows])
            for row in rows:
                answers = stored.setdefault(row.key, [])
                answer = newest(answers) if self._reuse else None
                if answer is None:
                    answer = row._replace(number=answers[-1].number + 1 if answers else 1)
                    new.append(answer)
                    answers.append(answer)
                standing.append(answer.reply)
            self._database.add(new)
        return standing

    def _follow(self) -> None:
        """Switch to the successor of a file that was damaged and set aside.

        Raises:
            CacheError: the file is not where it was, so that nobody would ever find what is written to it.
        """
        if file_id(self._path) == self._database.file:
            return
        if self._database.file not in map(file_id, aside_files(self._path)):
            raise self._gone()
        self._database.close()
        self._database = self._open_file()

    def _gone(self) -> CacheError:
        return CacheError(
            f"the response cache {str(self._path)!r} was deleted, moved or replaced during the run; nothing more is "
            "asked. Put it back if you can, and run the same command again: what is missing is asked again"
        )

    def _open(self) -> Database:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            ignore = self._folder / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
            with writing(self._folder):
                try:
                    return self._open_file()
                except sqlite3.Error as error:
                    if not is_damage(error):
                        raise
                    self._warn(replace_damaged(self._path, file_id(self._path), error))
                    return self._open_file()
        except (OSError, sqlite3.Error) as error:
            raise unwritable(self._folder, error) from error

    def _open_file(self) -> Database:
        """The file, made if there is none; the caller holds the lock.

        Raises:
            OSError: it may not be written.
        """
        if not self._path.exists():
            create(self._path)
        elif not os.access(self._path, os.W_OK):
            raise PermissionError(f"{FILE} may not be written")
        database = Database.open(self._path)
        if database is None:
            raise self._gone()
        return database


class _Claims:
    """The calls that this process is making, announced to others by locks on single bytes of a file.

    Locks end with their process and cost no write. They separate processes, not two stores of one process.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def take(self, key: str) -> bool:
        """Whether no other process makes this call; always True where the file system has no such locks."""
        try:
            self._lock(key, take=True)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True
        return True

    def give(self, key: str) -> None:
        with suppress(OSError):
            self._lock(key, take=False)

    def close(self) -> None:
        os.close(self._file)

    def _lock(self, key: str, *, take: bool) -> None:
        offset = int(key[:8], 16) >> 1
        if sys.platform == "win32":
            os.lseek(self._file, offset, os.SEEK_SET)
            msvcrt.locking(self._file, msvcrt.LK_NBLCK if take else msvcrt.LK_UNLCK, 1)
        else:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB if take else fcntl.LOCK_UN, 1, offset)


def _replace(path: Path, damaged: tuple[int, int] | None, error: sqlite3.Error) -> str:
    with writing(path.parent):
        return replace_damaged(path, damaged, error)


def _resolve(batch: Sequence[_Waiting], standing: Sequence[bytes], failed: CacheError | None) -> None:
    for position, answer in enumerate(batch):
        if answer.stored.done():
            continue
        if position < len(standing):
            answer.stored.set_result(standing[position])
        else:
            answer.stored.set_exception(CacheError(str(failed)))


def _storable(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")
