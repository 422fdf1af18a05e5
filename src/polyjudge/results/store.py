"""A run's folder: one process at a time, whole files only, and step files that a replay confirms line by line.

A file that grows from front to back beside its place and gets its name when it is whole.

A study's folder: one process at a time, runs below it, and files that are written whole.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from polyjudge import codec
from polyjudge.diagnosis.records import StepDiagnostics
from polyjudge.domain.records import Reading, Step
from polyjudge.errors import ConfigError, DataError

T = TypeVar("T")
_DRAFT = re.compile(r"\..+\.\d+")  # as write_whole names them


class RunFolder:
    """An open run folder.

    Raises:
        ConfigError: the folder cannot be written, belongs to another configuration, or another process runs in it.
    """

    def __init__(self, path: Path, config: str) -> None:
        """Open the folder for the configuration written as canonical JSON text."""
        self.path = path
        self._lock = lock_folder(path)
        try:
            self._claim(config)
            self._sweep()
        except OSError as error:
            self.close()
            raise _unusable(path, error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the folder to other processes."""
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def lines(self, name: str) -> ReplayedLines:
        """A file of lines, such as ``steps.jsonl``, to be written in order."""
        return ReplayedLines(self.path / name)

    def write(self, name: str, text: str) -> Path:
        """Write a whole file at once: readers see the old text or the new one, never a part."""
        target = self.path / name
        write_whole(target, text)
        return target

    def _claim(self, config: str) -> None:
        file = self.path / "config.json"
        if not file.exists():
            # A kill during the very first write leaves our lock and a draft of the configuration.
            ours = (".lock", ".config.json.")
            strangers = [entry.name for entry in self.path.iterdir() if not entry.name.startswith(ours)]
            if strangers:
                raise ConfigError(
                    f"the folder {str(self.path)!r} is not a run of polyjudge (it holds {strangers[0]!r} and no "
                    f"config.json); choose another with --output"
                )
            write_whole(file, config)
        elif (held := file.read_bytes()) != config.encode():
            raise ConfigError(
                f"the folder {str(self.path)!r} holds a run with another configuration ({_difference(held, config)}); "
                f"choose another with --output, or remove it"
            )

    def _sweep(self) -> None:
        """Remove the drafts of whole files that kills have left; the lock says that nobody writes them any more."""
        for entry in self.path.iterdir():
            if _DRAFT.fullmatch(entry.name):
                entry.unlink(missing_ok=True)


class ReplayedLines:
    """A file of lines that is written again on every start: lines that stand there already are confirmed, and the
    file is cut at the first that differs, or that a kill left torn."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def append(self, text: str) -> None:
        """Confirm or write the next line."""
        data = text.encode() + b"\n"
        with open(self.path, "r+b" if self.path.exists() else "w+b") as file:
            file.seek(self._offset)
            if file.read(len(data)) != data:
                file.truncate(self._offset)
                file.seek(self._offset)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        self._offset += len(data)

    def finish(self) -> None:
        """Cut off what an earlier, longer run left behind the last line."""
        if self.path.exists():
            os.truncate(self.path, self._offset)


def lock_folder(path: Path) -> int:
    """Make a folder and take its lock; the handle is to be closed.

    Raises:
        ConfigError: the folder cannot be used, or another process works in it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        return _lock(
            path / ".lock",
            f"another process runs in {str(path)!r}; wait for it, or choose another folder with --output",
        )
    except OSError as error:
        raise _unusable(path, error) from error


def read_readings(run: Path) -> Iterator[Reading]:
    """The test readings of a run, in order; none where it has none yet.

    Raises:
        DataError: as ``read_steps``.
    """
    if (run / "tests.jsonl").exists():
        yield from read_lines(run / "tests.jsonl", Reading)


def read_steps(run: Path) -> Iterator[Step]:
    """The steps of a run, in order.

    Raises:
        DataError: the file cannot be read, or a line is not a Step; a torn last line counts as not written.
    """
    yield from read_lines(run / "steps.jsonl", Step)


def read_lines(file: Path, kind: type[T]) -> Iterator[T]:
    """The records of a file of a run, one a line, in order.

    Raises:
        DataError: as ``read_steps``.
    """
    try:
        whole = file.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise DataError(f"cannot read {str(file)!r}: {error.strerror or error}; name the folder of a run") from error
    for number, text in enumerate(whole, 1):
        yield codec.record(kind, text, f"{str(file)!r}, line {number}")


def read_diagnostics(run: Path) -> tuple[StepDiagnostics, ...]:
    """The step diagnostics of a run, in the order of the steps; empty where it was run without ``--diagnostics``.

    Raises:
        DataError: as ``read_steps``.
    """
    file = run / "diagnostics.jsonl"
    return tuple(read_lines(file, StepDiagnostics)) if file.exists() else ()


def writable(output: str | Path | None, sources: Sequence[str | Path]) -> Path | None:
    """The file to write, looked at before anything is paid; None = none.

    Raises:
        ConfigError: it is one of the sources, no file, or its folder cannot be written.
    """
    if output is None:
        return None
    target = Path(output)
    reason = ""
    try:
        if target.exists() and any(Path(source).exists() and target.samefile(source) for source in sources):
            reason = "it is read from too"
        elif target.exists() and not target.is_file():
            reason = "it is no file"
        elif not os.access(target.absolute().parent, os.W_OK | os.X_OK):
            reason = "its folder does not exist, or may not be written to"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise ConfigError(f"cannot write {str(target)!r}: {reason}; name another file with --output")
    return target


def write_whole(target: Path, text: str) -> None:
    """Write a file so that it is never seen in part, also after a kill."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(draft, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise ConfigError(f"cannot write {str(target)!r}: {error.strerror or error}") from error


def _unusable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"the run folder {str(path)!r} cannot be used: {error.strerror or error}; choose another with --output"
    )


def _lock(path: Path, taken: str) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass  # Without fcntl (Windows) nothing guards the folder; whole-file writes still hold.
    except OSError as error:
        os.close(handle)
        if not isinstance(error, BlockingIOError):
            raise
        raise ConfigError(taken) from None
    return handle


def _difference(held: bytes, config: str) -> str:
    """The names of the settings that differ, for the message."""
    import json

    try:
        old: Any = json.loads(held)
        new: Any = json.loads(config)
    except ValueError:
        return "its config.json is not readable"
    if not isinstance(old, dict):
        return "its config.json holds no settings"
    names = sorted(name for name in set(old) | set(new) if old.get(name) != new.get(name))
    return "it differs in " + ", ".join(names)


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
            self._lock = _lock(
                self.path,
                f"another process is writing {str(target)!r}; wait for it, or name another file with --output",
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
                os.close(self._lock)
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
                os.close(self._lock)

    def _unwritable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"cannot write {str(self.path)!r}: {error.strerror or error}; make room or give rights, and give the same "
            f"command again: what was answered is kept"
        )


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
