"""The folder of a run: which files it holds, in which form and in which order they are written.

To add a file to a run, name it in ``results/store.py`` and give it a method here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from polyjudge import codec
from polyjudge.diagnosis.records import StepDiagnostics
from polyjudge.errors import ConfigError
from polyjudge.results.finished import RowScores, RunSummary
from polyjudge.results.judge_file import JudgeFile, dump_judge
from polyjudge.results.result import Run
from polyjudge.results.store import (
    ARCHIVE,
    DIAGNOSIS,
    DIAGNOSIS_PAGE,
    DIAGNOSTICS,
    INITIAL_JUDGE,
    JUDGE,
    ORIGIN,
    PREDICTIONS,
    REPORT,
    RESULT,
    STEPS,
    SUMMARY,
    TESTS,
    LockedFolder,
    ReplayedLines,
    sweep_drafts,
    unusable,
    write_whole,
)

# What is made of a run's lines, and made anew by a run that is taken up again.
_DERIVED = (PREDICTIONS, JUDGE, INITIAL_JUDGE, ARCHIVE, SUMMARY, REPORT, DIAGNOSIS, DIAGNOSIS_PAGE)


class RunFolder(LockedFolder):
    """An open run folder, and the one writer of a run's files.

    Raises:
        ConfigError: the folder cannot be written, belongs to another configuration, or another process runs in it.
    """

    def __init__(self, path: Path, config: str) -> None:
        """Open the folder for the configuration written as canonical JSON text."""
        super().__init__(path)
        self._lines: dict[str, ReplayedLines] = {}
        try:
            self._claim(config)
            sweep_drafts(path)
        except OSError as error:
            self.close()
            raise unusable(path, error) from error
        except BaseException:
            self.close()
            raise

    @property
    def finished(self) -> bool:
        """Whether the folder holds a whole run, which is final."""
        return (self.path / RESULT).exists()

    def begin(self, *, diagnostics: bool) -> None:
        """Take up a run that has not ended: what it derived goes, its lines stay to be confirmed.

        Args:
            diagnostics: whether the run rates its steps; the ratings of one that does not any more go, too.
        """
        for name in _DERIVED if diagnostics else (*_DERIVED, DIAGNOSTICS):
            (self.path / name).unlink(missing_ok=True)
        names = (STEPS, TESTS, DIAGNOSTICS) if diagnostics else (STEPS, TESTS)
        self._lines = {name: ReplayedLines(self.path / name, self._write_pending) for name in names}

    @property
    def has_steps(self) -> bool:
        """Whether an earlier process wrote steps."""
        return (self.path / STEPS).exists()

    @property
    def steps(self) -> ReplayedLines:
        """Where a run that has begun appends its steps."""
        return self._lines[STEPS]

    @property
    def tests(self) -> ReplayedLines:
        """Where a run that has begun appends the readings of its test rows."""
        return self._lines[TESTS]

    @property
    def diagnostics(self) -> ReplayedLines:
        """Where a run that has begun with diagnostics appends them."""
        return self._lines[DIAGNOSTICS]

    @property
    def has_diagnostics(self) -> bool:
        """Whether the steps of a finished run are rated."""
        return (self.path / DIAGNOSTICS).exists()

    def write_diagnostics(self, rated: Sequence[StepDiagnostics]) -> None:
        """Write the diagnostics of a finished run, all at once."""
        self._write(DIAGNOSTICS, _lines_of(rated))

    def write_origin(self, data: str | None, notice: str) -> None:
        """Write where the data came from, and the notice of a simulated world."""
        self._write(ORIGIN, codec.pretty({"data": data} | ({"notice": notice} if notice else {})) + "\n")

    def write_predictions(self, rows: Iterable[RowScores]) -> None:
        """Write how people and both prompts score the test rows."""
        self._write(PREDICTIONS, _lines_of(rows))

    def write_end(self, run: Run, initial: JudgeFile, summary: str) -> None:
        """Write what a run achieved: judges, archive, summary, and last the file that makes the folder final."""
        self._write(JUDGE, dump_judge(run.judge))
        self._write(INITIAL_JUDGE, dump_judge(initial))
        self._write(ARCHIVE, codec.pretty(run.archive) + "\n")
        self._write(SUMMARY, summary)
        result = RunSummary(run.outcome, run.accounts, round(run.seconds, 3), run.choice)
        self._write(RESULT, codec.pretty(result) + "\n")

    def _write(self, name: str, text: str) -> None:
        write_whole(self.path / name, text)

    def _write_pending(self) -> None:
        """Write the lines that wait, once all lines of all files are confirmed."""
        if all(lines.confirmed for lines in self._lines.values()):
            for lines in self._lines.values():
                lines.write_pending()

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


def _lines_of(records: Iterable[object]) -> str:
    return "".join(f"{codec.line(record)}\n" for record in records)


def _difference(held: bytes, config: str) -> str:
    """The names of the settings that differ, for the message."""
    try:
        old: Any = json.loads(held)
        new: Any = json.loads(config)
    except ValueError:
        return "its config.json is not readable"
    if not isinstance(old, dict):
        return "its config.json holds no settings"
    names = sorted(name for name in set(old) | set(new) if old.get(name) != new.get(name))
    return "it differs in " + ", ".join(names)
