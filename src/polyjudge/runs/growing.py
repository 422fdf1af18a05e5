"""A file that grows from front to back beside its place and gets its name when it is whole."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from polyjudge.errors import ConfigError
from polyjudge.llm.locks import FileLock


class GrowingFile:
    """``NAME.partial``, written anew by each process that begins, held by one at a time; ``finish`` makes it NAME.

    A process that ends before leaves what it wrote, unless that is nothing.

    Raises:
        ConfigError: it cannot be written, or another process writes it.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path = target.with_name(f"{target.name}.partial")
        try:
            self._lock = FileLock(self.path)
            if not self._lock.take():
                self._lock.close()
                raise ConfigError(
                    f"another process is writing {str(target)!r}; wait for it, or name another file with --output"
                )
            self._file = open(self.path, "w", encoding="utf-8", errors="backslashreplace", newline="\n")  # noqa: SIM115
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, text: str) -> None:
        """Append to the file."""
        try:
            self._file.write(text)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self) -> None:
        """Give the file its name."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if sys.platform == "win32":
                self._lock.close()
            os.replace(self.path, self._target)
        except OSError as error:
            raise self._unwritable(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
            if kind is not None and self.path.exists() and not self.path.stat().st_size:
                self.path.unlink()
        except OSError as fault:
            if kind is None:
                raise self._unwritable(fault) from fault
        finally:
            if sys.platform != "win32" or kind is not None:
                self._lock.close()

    def _unwritable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"cannot write {str(self.path)!r}: {error.strerror or error}; make room or give rights, and give the same "
            f"command again: what was answered is kept"
        )
