"""How results are written, so that a kill at any moment leaves parts of one run alone.

A run's folder belongs to one configuration and to one process at a time. Its files of lines (steps, test readings,
diagnostics) grow while it runs. A run that is taken up again confirms every line that stands there before it adds one;
where it would write another line, the answers are others, and the folder is left as it is. All further files are
derived from these lines. They are removed when a run is taken up again, and written anew at its end; result.json is
the last of them. A folder with result.json is finished, and nothing in it is written again.

No link is followed when a file is written.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from polyjudge import codec
from polyjudge.diagnosis.records import StepDiagnostics
from polyjudge.domain.records import Reading, Step
from polyjudge.errors import ConfigError, DataError

T = TypeVar("T")

_DRAFT = re.compile(r"\..+\.\d+")  # as ``write_whole`` names them

# The files of a run that grow line by line.
STEPS, TESTS, DIAGNOSTICS = "steps.jsonl", "tests.jsonl", "diagnostics.jsonl"
# Where the data came from; outside of what a folder belongs to, because a file may be moved.
ORIGIN = "origin.json"
PREDICTIONS, ARCHIVE, SUMMARY, REPORT = "predictions.jsonl", "archive.json", "summary.md", "report.html"
JUDGE, INITIAL_JUDGE = "judge.yaml", "judge.initial.yaml"
# Written at the very end of a run: with it, the folder is final.
RESULT = "result.json"
# Written at the very end of a study.
EXTRAS = "extras.jsonl"
DIAGNOSIS, DIAGNOSIS_PAGE = "diagnosis.json", "diagnosis.md"


class ReplayedLines:
    """A file of lines that a run writes from its beginning on every start.

    Lines that stand there are compared with those that come, and new ones are written only when all that stand are
    confirmed. A last line that a kill tore counts as not written.

    Args:
        path: the file.
        ready: called when a line is confirmed or waits to be written, to call ``write_pending`` as soon as that may
            be; None: as soon as this file is confirmed.
    """

    def __init__(self, path: Path, ready: Callable[[], None] | None = None) -> None:
        self.path = path
        self._ready = ready or self._write_if_confirmed
        self._standing = _whole_lines(path)
        self._confirmed = 0
        self._pending: list[bytes] = []
        self._end = sum(map(len, self._standing))

    @property
    def confirmed(self) -> bool:
        """Whether every line that stands in the file came again."""
        return self._confirmed == len(self._standing)

    def append(self, text: str) -> None:
        """Confirm or write the next line.

        Raises:
            ConfigError: another line stands there.
        """
        line = text.encode() + b"\n"
        if self.confirmed:
            self._pending.append(line)
        elif line == self._standing[self._confirmed]:
            self._confirmed += 1
        else:
            raise self._other(self._confirmed + 1)
        self._ready()

    def finish(self) -> None:
        """Say that the last line came.

        Raises:
            ConfigError: more lines stand there.
        """
        if not self.confirmed:
            raise self._other(self._confirmed + 1)

    def write_pending(self) -> None:
        """Write the lines that wait."""
        if not self._pending:
            return
        with open(_opened(self.path, os.O_RDWR | os.O_CREAT), "r+b") as file:
            file.truncate(self._end)
            file.seek(self._end)
            file.write(b"".join(self._pending))
            file.flush()
            os.fsync(file.fileno())
        self._end += sum(map(len, self._pending))
        self._pending.clear()

    def _write_if_confirmed(self) -> None:
        if self.confirmed:
            self.write_pending()

    def _other(self, number: int) -> ConfigError:
        return ConfigError(
            f"{str(self.path)!r}, line {number}: the folder holds a run that began with other answers than the "
            f"response cache gives now; choose another folder with --output, or remove this one"
        )


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of a file, without one that a kill tore; none of a file that is not there."""
    try:
        with open(_opened(path, os.O_RDONLY), "rb") as file:
            return [line + b"\n" for line in file.read().split(b"\n")[:-1]]
    except FileNotFoundError:
        return []


def _refuse_links(study: Path) -> None:
    """Refuse the folder of a study that leads elsewhere.

    Raises:
        ConfigError: a file or folder in it, or a run, is a link.
    """
    runs = study / "runs"
    for entry in (*study.iterdir(), *(runs.iterdir() if runs.is_dir() else ())):
        if entry.is_symlink():
            raise _link(entry)


def _link(path: Path) -> ConfigError:
    return ConfigError(f"{str(path)!r} is a link, which is not followed; remove it")


def _opened(path: Path, flags: int) -> int:
    """A handle of a file that is no link.

    Raises:
        ConfigError: it is a link, which might lead to a file of somebody else's.
    """
    try:
        return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0), 0o644)
    except OSError:
        if path.is_symlink():
            raise _link(path) from None
        raise


def write_diagnosis(run: Path, record: str, page: str) -> None:
    """Write the diagnosis of a run; what shows an earlier one, its report too, goes first.

    Raises:
        ConfigError: the folder cannot be written.
    """
    for name in (DIAGNOSIS_PAGE, REPORT):
        (run / name).unlink(missing_ok=True)
    write_whole(run / DIAGNOSIS, record)
    write_whole(run / DIAGNOSIS_PAGE, page)


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
        raise unusable(path, error) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a folder.

    Raises:
        ConfigError: as ``lock_folder``.
    """
    handle = lock_folder(path)
    try:
        yield
    finally:
        os.close(handle)


def sweep_drafts(*folders: Path) -> None:
    """Remove the drafts of whole files that kills have left; a lock says that nobody writes them any more."""
    for folder in folders:
        for entry in folder.iterdir() if folder.is_dir() else ():
            if _DRAFT.fullmatch(entry.name):
                entry.unlink(missing_ok=True)


def read_readings(run: Path) -> Iterator[Reading]:
    """The test readings of a run, in order; none where it has none yet.

    Raises:
        DataError: as ``read_steps``.
    """
    if (run / TESTS).exists():
        yield from read_lines(run / TESTS, Reading)


def read_steps(run: Path) -> Iterator[Step]:
    """The steps of a run, in order.

    Raises:
        DataError: the file cannot be read, or a line is not a Step; a torn last line counts as not written.
    """
    yield from read_lines(run / STEPS, Step)


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
    file = run / DIAGNOSTICS
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
        # The draft is made new: a link that somebody left in its place is not followed.
        draft.unlink(missing_ok=True)
        with open(draft, "x", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise ConfigError(f"cannot write {str(target)!r}: {error.strerror or error}") from error


def unusable(path: Path, error: OSError) -> ConfigError:
    """A run folder that the system refuses."""
    return ConfigError(
        f"the run folder {str(path)!r} cannot be used: {error.strerror or error}; choose another with --output"
    )


def _lock(path: Path, taken: str) -> int:
    handle = _opened(path, os.O_RDWR | os.O_CREAT)
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
            handle = _opened(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            self._file = open(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n")  # noqa: SIM115 (closed by close)
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, text: str) -> None:
        """Append to the file."""
        try:
            self._file.write(text)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self, convert: Callable[[Path, Path], None] | None = None) -> None:
        """Give the file its name; ``convert`` first makes another file of it, which gets the name instead."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if convert is not None:
                converted = self._target.with_name(f".{self._target.name}.{os.getpid()}")
                convert(self.path, converted)
                os.replace(converted, self.path)
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


class LockedFolder:
    """A folder that one process works in, until it is closed.

    Raises:
        ConfigError: the folder cannot be made, or another process works in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = lock_folder(path)

    def close(self) -> None:
        """Release the folder to other processes."""
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class StudyFolder(LockedFolder):
    """An open study folder. It may hold more runs than a study names: a study's lists may grow and shrink.

    Raises:
        ConfigError: the folder cannot be written, holds something else, or another process works in it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            _refuse_links(path)
            strangers = [one.name for one in path.iterdir() if not one.name.startswith((".lock", ".study.json."))]
            if strangers and not (path / "study.json").exists():
                raise ConfigError(
                    f"the folder {str(path)!r} is not a study of polyjudge (it holds {strangers[0]!r} and no "
                    f"study.json); choose another with --output"
                )
            sweep_drafts(path, path / "ratings", path / "tables")
        except BaseException:
            self.close()
            raise

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    def finished_as(self, content: str) -> bool:
        """Whether the folder holds this very study to its end, which is then final."""
        file = self.path / "study.json"
        return (self.path / EXTRAS).exists() and file.exists() and file.read_bytes() == content.encode()

    def begin_end(self) -> None:
        """Remove what was made of the records, before other records are written; the sign of a whole study first."""
        for made in (self.path / EXTRAS, self.path / REPORT, *(self.path / "tables").glob("*")):
            made.unlink(missing_ok=True)

    def write(self, name: str, text: str) -> Path:
        """Write a whole file at once, in a folder below if the name says so."""
        target = self.path / name
        target.parent.mkdir(exist_ok=True)
        write_whole(target, text)
        return target
