"""The one thread of a process that writes the journal: it gathers answers and commits them in batches."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from polyjudge.errors import JournalError
from polyjudge.llm.entry import entry_of
from polyjudge.llm.locks import FileLock
from polyjudge.llm.shard import Row, is_damage, set_aside
from polyjudge.llm.shards import Claim, Readers, claim, unwritable

BATCH = 64

# A process that is stopped in the middle of a commit must not stop all others for good.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on its way to the disk.

    Attributes:
        reply: compressed.
        stands: resolved after the commit with the row that stands for the key from now on.
    """

    key: bytes
    reply: bytes
    role: str
    model: str
    seconds: float
    loop: asyncio.AbstractEventLoop
    stands: asyncio.Future[Row]


class Mark(NamedTuple):
    """Where the answers of this writer are: in a shard, after a row."""

    path: Path
    row: int


class Writer:
    """Commits answers to a shard of its own.

    Where another process has committed an answer to the same call first, that one stands and is given
    back: so all processes go on from the same answer, and a replay does too. A lock of the folder, held
    for the length of a commit, makes "first" exact.

    Args:
        folder: the journal's folder; it is made when missing.
        reuse: False appends the new answer in any case.
        warnings: where damaged shards are named.

    Raises:
        JournalError: the folder cannot be written.
    """

    def __init__(self, folder: Path, *, reuse: bool, warnings: list[str]) -> None:
        self._folder = folder
        self._reuse = reuse
        self._warnings = warnings
        self._settle_in()
        try:
            self._order = FileLock(folder / "commit.lock")
        except OSError as error:
            self._claim.close()
            raise unwritable(folder, error) from error
        self.failed: JournalError | None = None
        self._queue: SimpleQueue[Sequence[Answer] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="polyjudge-journal", daemon=True)
        self._thread.start()

    def write(self, answers: Sequence[Answer]) -> None:
        """Hand over answers; they are committed even if nobody waits for them any more."""
        self._queue.put(answers)

    def close(self) -> None:
        """Commit what was handed over, and end."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        more = True
        while more:
            batch: list[Answer] = []
            while more and (not batch or (len(batch) < BATCH and not self._queue.empty())):
                answers = self._queue.get()
                more = answers is not None
                batch.extend(answers or ())
            for start in range(0, len(batch), BATCH):
                self._settle(batch[start : start + BATCH])
        self._others.close()
        self._claim.close()
        self._order.close()

    def _settle(self, batch: list[Answer]) -> None:
        """Commit a batch and tell who waits for it."""
        rows: list[Row] = []
        if self.failed is None:
            try:
                rows = self._commit(batch)
            except JournalError as error:
                self.failed = error
            except (OSError, sqlite3.Error) as error:
                self.failed = unwritable(self._folder, error)
            except Exception as error:
                # A thread that died of a mistake of ours would leave every caller waiting for ever.
                self.failed = JournalError(f"the journal's writer failed: {error!r}; please report this")
        outcomes: list[Row | JournalError] = [*rows]
        if self.failed is not None:
            outcomes = [JournalError(str(self.failed)) for _ in batch]
        for loop in {answer.loop for answer in batch}:
            told = [
                (answer.stands, outcome)
                for answer, outcome in zip(batch, outcomes, strict=True)
                if answer.loop is loop
            ]
            # A loop that was closed in the meantime has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_tell, told)

    def _commit(self, batch: list[Answer]) -> list[Row]:
        ordered = self._order.take_within(_PATIENCE)
        try:
            self._check_place()
            try:
                return self._append(batch)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                self._move(error)
                return self._append(batch)
        finally:
            if ordered:
                self._order.give()

    def _check_place(self) -> None:
        """A file that was deleted or moved still takes writes, which nobody would ever find.

        Raises:
            JournalError: the shard is not where it was.
        """
        path = self._claim.shard.path
        if _file_of(path) != self._file:
            raise JournalError(
                f"the journal's shard {str(path)!r} was deleted, moved or replaced during the run; nothing more is "
                "asked. Put it back if you can, and run the same command again: what is missing is asked again"
            )

    def _append(self, batch: list[Answer]) -> list[Row]:
        shard = self._claim.shard
        rows: list[Row] = []
        new: list[tuple[bytes, Row]] = []
        try:
            shard.begin()
            standing = self._standing([answer.key for answer in batch]) if self._reuse else {}
            for answer in batch:
                row = standing.get(answer.key)
                if row is None:
                    row = Row(time.time(), answer.seconds, answer.role, answer.model, answer.reply)
                    new.append((answer.key, row))
                    if self._reuse:
                        standing[answer.key] = row
                rows.append(row)
            shard.add(new)
            shard.commit()
        except BaseException:
            shard.roll_back()
            raise
        return rows

    def _standing(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        """The answers that were committed before and can be read."""
        standing: dict[bytes, Row] = {}
        for found in (self._claim.shard.find_all(keys), self._others.find_all(keys)):
            for key, row in found.items():
                if (key not in standing or row.created > standing[key].created) and entry_of(row) is not None:
                    standing[key] = row
        return standing

    def _move(self, error: sqlite3.Error) -> None:
        """Leave a shard that turned out to be damaged, and take another."""
        old = self._claim
        old.shard.close()
        self._warnings.append(set_aside(old.shard.path, error))
        old.lock.close()
        self._others.close()
        self._settle_in()

    def _settle_in(self) -> None:
        self._claim: Claim = claim(self._folder, self._warnings)
        path = self._claim.shard.path
        self._file = _file_of(path)
        self._others = Readers(self._folder, self._warnings, but=path.name)
        self.mark = Mark(path, self._claim.shard.last())


def _file_of(path: Path) -> tuple[int, int] | None:
    """Which file stands under a name; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _tell(outcomes: list[tuple[asyncio.Future[Row], Row | JournalError]]) -> None:
    for stands, outcome in outcomes:
        if stands.done():
            continue
        if isinstance(outcome, JournalError):
            stands.set_exception(outcome)
        else:
            stands.set_result(outcome)
