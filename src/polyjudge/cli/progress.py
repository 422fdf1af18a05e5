"""Show progress on standard error: a Rich bar on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from textwrap import shorten
from typing import TYPE_CHECKING

import click

from polyjudge.diagnosis.records import StepDiagnostics
from polyjudge.domain.records import Step
from polyjudge.formatting.text import many
from polyjudge.results.money import billed, total_text
from polyjudge.workflows.events import (
    CellEnded,
    Configured,
    Counted,
    Event,
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


@contextmanager
def watching(*, quiet: bool) -> Iterator[Observer]:
    """An observer that shows the events; if standard error breaks, the run goes on without it."""
    if quiet or sys.stderr is None:
        yield unwatched
        return
    if not sys.stderr.isatty():
        yield _unharmed(_plain)
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


def _plain(event: Event) -> None:
    line = _line(event)
    if line:
        click.echo(line, err=True)


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
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("calls", total=None, cache=0)
        self._cells: dict[str, TaskID] = {}

    def stop(self, *, done: bool = False) -> None:
        """End the bar; a finished run fills it, even if it needed fewer calls than planned."""
        if done:
            self._progress.update(self._task, total=self._progress.tasks[0].completed)
        self._progress.stop()

    def see(self, event: Event) -> None:
        from rich.text import Text

        if isinstance(event, Counted | Planned | StudyPlanned):
            self._progress.start()
        if isinstance(event, Counted):
            done = event.asked + event.from_cache
            self._progress.update(self._task, completed=done, cache=event.from_cache)
            return
        if isinstance(event, InCell):
            self._see_cell(event)
            return
        if isinstance(event, Planned | Configured):
            self._progress.update(self._task, total=sum(role.calls for role in event.roles))
        if isinstance(event, StudyPlanned):
            self._progress.update(self._task, total=event.calls)
        if isinstance(event, CellEnded) and event.cell in self._cells:
            self._progress.remove_task(self._cells.pop(event.cell))
        # Names and reasons are data, so they are shown as text and not as markup.
        self._progress.console.print(Text(_line(event)))

    def _see_cell(self, event: InCell) -> None:
        """A bar of steps for each run under way."""
        if event.cell not in self._cells:
            # Brackets in a name must not be read as markup.
            name = event.cell.replace("[", "\\[")
            self._cells[event.cell] = self._progress.add_task(name, total=event.steps, cache="")
        self._progress.update(self._cells[event.cell], completed=event.event.index)
