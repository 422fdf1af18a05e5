"""Show progress on standard error: a Rich bar on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from textwrap import shorten
from typing import TYPE_CHECKING

import click

from polyjudge.diagnosis.records import StepDiagnostics
from polyjudge.domain.records import Step
from polyjudge.formatting.text import duration, many
from polyjudge.results.money import billed, total_text
from polyjudge.workflows.events import (
    CellEnded,
    Configured,
    Counted,
    Event,
    Expected,
    InCell,
    Noted,
    Observer,
    Planned,
    StudyPlanned,
    unwatched,
)

if TYPE_CHECKING:
    from rich.progress import TaskID

# The full reason is in steps.jsonl.
LONGEST_REASON = 160
SECONDS_A_LINE = 30


@contextmanager
def watching(*, quiet: bool) -> Iterator[Observer]:
    """An observer that shows the events; if standard error breaks, the run goes on without it."""
    if quiet or sys.stderr is None:
        yield unwatched
        return
    if not sys.stderr.isatty():
        yield _unharmed(Lines())
        return
    bar, done = _Bar(), False
    try:
        yield _unharmed(bar.see)
        done = True
    finally:
        with suppress(OSError, ValueError):
            bar.stop(done=done)


def _unharmed(show: Observer) -> Observer:
    """An observer that ignores a closed or broken standard error."""

    def see(event: Event) -> None:
        with suppress(OSError, ValueError):
            show(event)

    return see


class Lines:
    """A line for each event, and one every half minute on how far the calls are: for log files, CI and notebooks.

    Args:
        now: the time in seconds.
        write: takes a line.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, write: Callable[[str], object] | None = None
    ) -> None:
        self._now, self._write = now, write or partial(click.echo, err=True)
        self._begun = self._said = now()
        self._asked = 0
        self._expected: int | None = None

    def __call__(self, event: Event) -> None:
        self._expected = expected_calls(event) or self._expected
        line = self._progress(event) if isinstance(event, Counted) else _line(event)
        if line:
            self._write(line)

    def _progress(self, event: Counted) -> str:
        now = self._now()
        if now - self._said < SECONDS_A_LINE:
            return ""
        self._said = now
        return progress_line(event, self._expected, now - self._begun)


def expected_calls(event: Event) -> int | None:
    """The calls that an event announces; None if it announces none."""
    if isinstance(event, Planned | Configured):
        return sum(role.calls for role in event.roles)
    return event.calls if isinstance(event, Expected | StudyPlanned) else None


def progress_line(counted: Counted, expected: int | None, seconds: float) -> str:
    """``1,200 of about 4,000 calls, 300 from the cache, 15.0 a second, about 3 min 7 s left``."""
    done = counted.asked + counted.from_cache
    rate = counted.asked / seconds if seconds > 0 else 0.0
    parts = [f"{done:,} of about {expected:,} calls" if expected else many(done, "calls")]
    parts += [f"{counted.from_cache:,} from the cache"] if counted.from_cache else []
    parts += [f"{rate:.1f} a second"] if rate else []
    parts += [f"about {duration((expected - done) / rate)} left"] if expected and rate and expected > done else []
    return ", ".join(parts)


def _line(event: Event) -> str:
    if isinstance(event, Noted):
        return f"note: {event.text}"
    if isinstance(event, Configured):
        return "\n".join(event.choice.lines())
    if isinstance(event, Planned):
        calls = sum(role.calls for role in event.roles)
        merged = sum(role.merged for role in event.roles)
        merged_text = f", at most {merged:,} of them for merged prompts" if merged else ""
        money = f"; estimated cost: {total_text(event.roles)}" if billed(event.roles) else ""
        planned = f"{many(event.steps, 'steps')}, about {many(calls, 'calls')} planned"
        return f"run {event.folder}: {planned}{merged_text}{money}"
    if isinstance(event, Step):
        criterion = f" {event.criteria[0]}" if len(event.criteria) == 1 else ""
        return f"step {event.index}{criterion}: {event.status}, {shorten(event.reason, LONGEST_REASON)}"
    if isinstance(event, StepDiagnostics):
        return _diagnostics(event)
    if isinstance(event, InCell):
        return f"{event.cell}: {_line(event.event)}"
    if isinstance(event, CellEnded):
        return f"{event.done} of {many(event.cells, 'runs')}, {event.cell}: {shorten(event.verdict, LONGEST_REASON)}"
    if isinstance(event, StudyPlanned):
        return f"study {event.folder}: {many(event.cells, 'runs')}, about {many(event.calls, 'calls')} planned"
    return ""


def _diagnostics(event: StepDiagnostics) -> str:
    """The mean of each diagnostic rating of a step."""
    means = []
    for name in dict.fromkeys(rating.name for rating in event.ratings):
        scores = [rating.score for rating in event.ratings if rating.name == name and not math.isnan(rating.score)]
        means.append(f"{name} {math.fsum(scores) / len(scores):.1f}" if scores else f"{name} unreadable")
    criterion = f" {event.criteria[0]}" if len(event.criteria) == 1 else ""
    return f"diagnostics {event.step}{criterion}: {', '.join(means) or 'nothing to rate'}"


class _Bar:
    """A bar of answered calls below the lines of the steps; it starts with the plan or the first answer."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("calls, {task.fields[cache]} from the cache"),
            TextColumn("{task.fields[pace]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("calls", total=None, cache=0, pace="")
        self._begun = time.monotonic()
        self._cells: dict[str, TaskID] = {}

    def stop(self, *, done: bool = False) -> None:
        """End the bar; a finished run fills it, even if it needed fewer calls than planned."""
        if done:
            self._progress.update(self._task, total=self._progress.tasks[0].completed, pace="")
        self._progress.stop()

    def see(self, event: Event) -> None:
        from rich.text import Text

        if isinstance(event, Counted | Planned | StudyPlanned):
            self._progress.start()
        if isinstance(event, Counted):
            done = event.asked + event.from_cache
            self._progress.update(self._task, completed=done, cache=event.from_cache, pace=self._pace(event))
            return
        if isinstance(event, InCell):
            self._see_cell(event)
            return
        if (expected := expected_calls(event)) is not None:
            self._progress.update(self._task, total=expected)
        if isinstance(event, CellEnded) and event.cell in self._cells:
            self._progress.remove_task(self._cells.pop(event.cell))
        # Names and reasons are data, so they are shown as text and not as markup.
        if line := _line(event):
            self._progress.console.print(Text(line))

    def _pace(self, event: Counted) -> str:
        """Rate and time left."""
        total = self._progress.tasks[0].total
        line = progress_line(event, None if total is None else int(total), time.monotonic() - self._begun)
        return ", ".join(part for part in line.split(", ") if part.endswith(("second", "left")))

    def _see_cell(self, event: InCell) -> None:
        """A bar of steps for each run under way."""
        if event.cell not in self._cells:
            # Brackets in a name must not be read as markup.
            name = event.cell.replace("[", "\\[")
            self._cells[event.cell] = self._progress.add_task(name, total=event.steps, cache="", pace="")
        self._progress.update(self._cells[event.cell], completed=event.event.index)
