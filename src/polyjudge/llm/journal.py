"""Every call ever paid for, by content: the cache, the record, and the way to resume.

A folder of SQLite shards, one writer each, that all processes read. An answer counts as journalled only after
its commit; errors are never stored, and nothing is ever overwritten: of several answers the newest counts.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from polyjudge.errors import JournalError
from polyjudge.llm.entry import Entry, compress, entry_of, reply_text
from polyjudge.llm.request import Reply
from polyjudge.llm.shard import Row, Shard
from polyjudge.llm.shards import Readers, unreadable
from polyjudge.llm.writer import Answer, Writer


class Journal:
    """The journal in a folder. Not to be used on both sides of a fork.

    Reading claims no shard, so a run can be replayed from a folder that cannot be written.

    Args:
        folder: made, with a ``.gitignore``, when the first answer is to be written.
        reuse: False (``--no-cache``) asks everything anew: ``get`` then finds only what this object itself
            recorded, so that a run stays consistent with itself, and the new answers stand in later replays.
    """

    def __init__(self, folder: Path, *, reuse: bool = True) -> None:
        self._folder = folder
        self._reuse = reuse
        self._warnings: list[str] = []
        self._readers = Readers(folder, self._warnings)
        self._writer: Writer | None = None
        self._own: Shard | None = None
        self._gathered: list[Answer] = []
        self._coming: dict[str, asyncio.Future[Row]] = {}

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about shards and answers that could not be used."""
        return tuple(self._warnings)

    def claim(self) -> None:
        """Make sure that answers can be recorded; to be called before anything is paid.

        Raises:
            JournalError: the folder cannot be written, now or since an earlier answer.
        """
        self._open_writer()

    async def get(self, key: str) -> Entry | None:
        """The newest answer of a key (hexadecimal), or None; one on its way to the disk is waited for.

        Raises:
            JournalError: a shard cannot be read for a reason other than damage.
        """
        coming = self._coming.get(key)
        row = self._find(bytes.fromhex(key)) if coming is None else await asyncio.shield(coming)
        if row is None:
            return None
        entry = entry_of(row)
        if entry is None:
            sentence = f"the journal {str(self._folder)!r} holds a damaged answer (key {key!r}); it is asked for again"
            if sentence not in self._warnings:
                self._warnings.append(sentence)
        return entry

    async def put(self, key: str, reply: Reply, *, role: str, model: str, seconds: float) -> Entry:
        """Record an answer; done after its commit, and recorded even if the caller is cancelled meanwhile.

        Returns:
            The answer that stands for the key: another process's, if that was committed first.

        Raises:
            JournalError: it could not be written.
        """
        writer = self._open_writer()
        loop = asyncio.get_running_loop()
        stands: asyncio.Future[Row] = loop.create_future()
        packed = compress(reply_text(reply))
        if not self._gathered:
            loop.call_soon(self._hand_over, writer)
        self._gathered.append(
            Answer(bytes.fromhex(key), packed, _storable(role), _storable(model), seconds, loop, stands)
        )
        self._coming[key] = stands
        stands.add_done_callback(lambda _: self._forget(key, stands))
        entry = entry_of(await asyncio.shield(stands))
        if entry is None:
            raise JournalError(f"the journal {str(self._folder)!r} gave back a damaged answer (key {key!r})")
        return entry

    def close(self) -> None:
        """Commit what is on its way and close all files; closing twice changes nothing."""
        self._readers.close()
        if self._own is not None:
            self._own.close()
            self._own = None
        if self._writer is not None:
            self._hand_over(self._writer)
            self._writer.close()
            self._writer = None

    def _hand_over(self, writer: Writer) -> None:
        """Give the writer at once what came in one turn of the loop: each waking of its thread costs a call's time."""
        answers, self._gathered = self._gathered, []
        if answers:
            writer.write(answers)

    def _forget(self, key: str, stands: asyncio.Future[Row]) -> None:
        if self._coming.get(key) is stands:
            del self._coming[key]

    def _open_writer(self) -> Writer:
        if self._writer is None:
            self._writer = Writer(self._folder, reuse=self._reuse, warnings=self._warnings)
        if self._writer.failed is not None:
            raise JournalError(str(self._writer.failed))
        return self._writer

    def _find(self, key: bytes) -> Row | None:
        if self._reuse:
            return self._readers.find(key)
        if self._writer is None:
            return None
        mark = self._writer.mark
        try:
            if self._own is None or self._own.path != mark.path:
                self._own = Shard.open(mark.path, write=False)
            return self._own.find(key, mark.row)
        except sqlite3.Error as error:
            raise unreadable(mark.path, error) from error


def _storable(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")
