"""The folder of a journal: which shards there are to read, and which one is ours to write."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from polyjudge.errors import JournalError
from polyjudge.llm.locks import FileLock
from polyjudge.llm.shard import NewerShard, Row, Shard, is_damage, set_aside, set_aside_unless_written

_NAME = re.compile(r"shard-(\d{4,})\.sqlite")

# A folder that changed less than so many seconds ago may change again without a new time stamp.
_STAMP_RESOLUTION = 2.0


class Readers:
    """All shards of a folder for reading, new ones as they appear.

    Args:
        folder: the journal's folder; it need not exist.
        warnings: where shards that cannot be used are named.
        but: the name of a shard to leave out.
    """

    def __init__(self, folder: Path, warnings: list[str], but: str = "") -> None:
        self._folder = folder
        self._warnings = warnings
        self._shards: dict[str, Shard] = {}
        self._passed_over = {but}
        self._stamp = -1.0

    def find(self, key: bytes) -> Row | None:
        """The newest answer of a key over all shards.

        Raises:
            JournalError: a shard cannot be read for a reason other than damage.
        """
        return self.find_all((key,)).get(key)

    def find_all(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        """The newest answers of some keys over all shards.

        Raises:
            JournalError: as ``find``.
        """
        found = self._newest(keys, self._shards.values())
        missing = [key for key in keys if key not in found]
        return found | self._newest(missing, self._appeared()) if missing else found

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()
        self._shards.clear()
        self._stamp = -1.0

    def _newest(self, keys: Sequence[bytes], shards: Iterable[Shard]) -> dict[bytes, Row]:
        newest: dict[bytes, Row] = {}
        for shard in tuple(shards):
            try:
                found = shard.find_all(keys)
            except sqlite3.Error as error:
                self._unusable(shard.path, error)
                continue
            for key, row in found.items():
                if key not in newest or row.created > newest[key].created:
                    newest[key] = row
        return newest

    def _appeared(self) -> list[Shard]:
        """Open the shards that came since the last look; one ``stat`` when there is nothing new."""
        try:
            stamp = self._folder.stat().st_mtime
            if stamp == self._stamp:
                return []
            names = shard_names(self._folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unreadable(self._folder, error) from error
        self._stamp = stamp if time.time() - stamp > _STAMP_RESOLUTION else -1.0
        new = [name for name in names if name not in self._shards and name not in self._passed_over]
        return [shard for name in new if (shard := self._open(self._folder / name)) is not None]

    def _open(self, path: Path) -> Shard | None:
        try:
            shard = Shard.open(path, write=False)
        except NewerShard as error:
            self._passed_over.add(path.name)
            self._warn(str(error))
            return None
        except sqlite3.Error as error:
            self._passed_over.add(path.name)
            self._unusable(path, error)
            return None
        self._shards[path.name] = shard
        return shard

    def _unusable(self, path: Path, error: sqlite3.Error) -> None:
        if not path.exists():
            gone = self._shards.pop(path.name, None)
            if gone is not None:
                gone.close()
        elif is_damage(error):
            # A shard that is still being written keeps its name, and what can be read of it is read.
            self._warn(set_aside_unless_written(path, error))
        else:
            raise unreadable(path, error) from error

    def _warn(self, sentence: str) -> None:
        if sentence not in self._warnings:
            self._warnings.append(sentence)


class Claim(NamedTuple):
    """A shard of one's own, open for writing, and the lock that makes it so."""

    shard: Shard
    lock: FileLock

    def close(self) -> None:
        self.shard.close()
        self.lock.close()


def claim(folder: Path, warnings: list[str]) -> Claim:
    """Take the first shard that no process writes, or make one, and the folder with it.

    So there are no more shards than there were processes at once.

    Raises:
        JournalError: the folder cannot be written or has no locks.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        return next(
            claimed for name in _candidates(folder) if (claimed := _claim_one(folder / name, warnings)) is not None
        )
    except (OSError, sqlite3.Error) as error:
        raise unwritable(folder, error) from error


def shard_names(folder: Path) -> list[str]:
    """The file names of a folder's shards, in order; those set aside are not among them."""
    return sorted(filter(_NAME.fullmatch, os.listdir(folder)), key=lambda name: (len(name), name))


def new_name(folder: Path) -> str:
    """A name that no shard of the folder has or had."""
    return _name(_next_number(folder))


def unwritable(folder: Path, error: Exception) -> JournalError:
    """The error for a journal that cannot be written."""
    return JournalError(
        f"the journal {str(folder)!r} cannot be written ({error}); make room or give rights there, or set "
        "POLYJUDGE_JOURNAL to another folder, and run the same command again: what it holds is kept"
    )


def unreadable(path: Path, error: Exception) -> JournalError:
    """The error for a journal that cannot be read."""
    return JournalError(
        f"the journal {str(path)!r} cannot be read ({error}); give rights there, or set POLYJUDGE_JOURNAL to "
        "another folder"
    )


def _claim_one(path: Path, warnings: list[str]) -> Claim | None:
    """Take one shard; None when another process writes it or it cannot be used."""
    lock = FileLock(path.with_suffix(".lock"))
    kept = False
    try:
        if not lock.take():
            return None
        existed = path.exists()
        claimed = Claim(Shard.open(path, write=True) if existed else Shard.create(path), lock)
        kept = True
    except NewerShard as error:
        warnings.append(str(error))
        return None
    except sqlite3.Error as error:
        if not (existed and is_damage(error)):
            raise
        warnings.append(set_aside(path, error))
        return None
    finally:
        if not kept:
            lock.close()
    return claimed


def _candidates(folder: Path) -> Iterator[str]:
    yield from shard_names(folder)
    for number in count(_next_number(folder)):
        yield _name(number)


def _next_number(folder: Path) -> int:
    # Numbers of shards set aside are not used again: whoever still reads such a shard under its old name
    # would never see a successor of that name.
    numbers = [int(found[1]) for name in os.listdir(folder) if (found := _NAME.match(name))]
    return max(numbers, default=0) + 1


def _name(number: int) -> str:
    return f"shard-{number:04d}.sqlite"
