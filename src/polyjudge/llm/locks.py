"""Locks between processes that die with their holder, so that a killed process never leaves one behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from polyjudge.errors import JournalError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLock:
    """An exclusive lock on a file, between processes and between objects of one process.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def take(self) -> bool:
        """Take the lock if it is free.

        Raises:
            JournalError: the file system has no locks.
        """
        try:
            if sys.platform == "win32":
                msvcrt.locking(self._file, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise JournalError(
                f"the file system of {str(self._path.parent)!r} has no file locks ({error}); set "
                "POLYJUDGE_JOURNAL to a folder on a local disk"
            ) from error
        return True

    def take_within(self, seconds: float) -> bool:
        """Take the lock, waiting for it at most so long."""
        until = time.monotonic() + seconds
        while not self.take():
            if time.monotonic() > until:
                return False
            time.sleep(0.0005)
        return True

    def give(self) -> None:
        """Let others take it."""
        if sys.platform == "win32":
            msvcrt.locking(self._file, msvcrt.LK_UNLCK, 1)
        else:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the lock up for good."""
        os.close(self._file)
