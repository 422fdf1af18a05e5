"""A study's folder: one process at a time, runs below it, and files that are written whole."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from polyjudge.errors import ConfigError
from polyjudge.runs.store import lock_folder, write_whole


class StudyFolder:
    """An open study folder. It may hold more runs than a study names: a study's lists may grow and shrink.

    Raises:
        ConfigError: the folder cannot be written, holds something else, or another process works in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = lock_folder(path)
        try:
            strangers = [one.name for one in path.iterdir() if not one.name.startswith((".lock", ".study.json."))]
            if strangers and not (path / "study.json").exists():
                raise ConfigError(
                    f"the folder {str(path)!r} is not a study of polyjudge (it holds {strangers[0]!r} and no "
                    f"study.json); choose another with --output"
                )
        except BaseException:
            self.close()
            raise

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    def write(self, name: str, text: str) -> Path:
        """Write a whole file at once, in a folder below if the name says so."""
        target = self.path / name
        target.parent.mkdir(exist_ok=True)
        write_whole(target, text)
        return target

    def close(self) -> None:
        """Release the folder to other processes."""
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
