"""A study from its file to its tables: all runs by one client, what is judged beside them, and the folder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from polyjudge import codec
from polyjudge.concurrency import together
from polyjudge.domain.dataset import Dataset
from polyjudge.domain.records import Step
from polyjudge.errors import ConfigError, TooManyUnscored
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.cache.store import AnswerStore
from polyjudge.llm.client import Client
from polyjudge.llm.request import Backend
from polyjudge.reporting.report import report_study
from polyjudge.reporting.tables.render import csv_text, markdown
from polyjudge.reporting.tables.study import Table, all_tables
from polyjudge.results.store import DIAGNOSTICS, RESULT, StudyFolder
from polyjudge.results.study import SCHEMA, CellRecord, Extra, ratings_csv, read_study_folder
from polyjudge.settings.config import digest8
from polyjudge.settings.given import Budget, Settings, explicit, suggests
from polyjudge.version import __version__
from polyjudge.workflows.client import FileAddress, open_client
from polyjudge.workflows.events import CellEnded, Event, InCell, Noted, Observer, StudyPlanned, unwatched
from polyjudge.workflows.optimize import carry_out
from polyjudge.workflows.probe import probed
from polyjudge.workflows.study_file import Study, read_study
from polyjudge.workflows.study_grid import Cell, Ready, assemble_all, cells, load_all
from polyjudge.workflows.study_plan import StudyPlan, plan_of
from polyjudge.workflows.study_retests import combined, judged_again, judged_on_validation
from polyjudge.workflows.sync import run

Names: TypeAlias = "str | Path | Sequence[str | Path]"

# Enough to fill the endpoint while some of them write gradients; more would only end later.
AT_ONCE = 8
BESIDE = "beside the runs"
UNFINISHED = "not run to its end yet"


@dataclass(frozen=True, slots=True)
class StudyResult:
    """A finished study.

    Attributes:
        path: its folder.
        cells: its runs.
        tables: as they stand in ``tables``.
        accounts: what was asked of whom in this invocation.
        seconds: of this invocation.
    """

    path: Path
    cells: tuple[CellRecord, ...]
    tables: tuple[Table, ...] = field(repr=False)
    accounts: tuple[RoleAccount, ...]
    seconds: float

    @property
    def failed(self) -> tuple[CellRecord, ...]:
        """The runs that ended with a failure."""
        return tuple(cell for cell in self.cells if cell.failure)


@suggests
def study(
    study: str | Path | Mapping[str, Any],
    *,
    data: Names | None = None,
    model: Names | None = None,
    seeds: int | str | Sequence[int] | None = None,
    retests: int | None = None,
    budget: Budget | None = None,
    settings: Settings | None = None,
    output: str | Path | None = None,
    config: str | Path | None = None,
    trust_address: bool = False,
    backends: Mapping[str, Backend] | None = None,
    store: AnswerStore | None = None,
    observer: Observer = unwatched,
) -> StudyResult:
    """Run every combination of a study file, and make its tables.

    Args:
        study: a TOML file, the name of a shipped study such as ``paper``, or the file's content as a mapping.
        data: replaces the file's data sets; one name or file, a list of them, or a text with commas.
        model: replaces the file's models, likewise.
        seeds: replaces the file's seeds: a count, a list, or a text with commas.
        retests: how often the initial prompt is judged again on the test rows.
        budget: the most that this call may ask or pay.
        settings: hold for all runs; one that is an axis replaces the axis' values, and may name several.
        output: the folder; default ``runs/STUDY-DIGEST8``. With more values in the study, its runs are kept.
        config: a TOML file with settings, over which the study's own win.
        trust_address: whether the texts, but no key, may be sent to an address that only the study's file names.
        backends: model name -> an opened backend, instead of looking the name up.
        store: as for ``optimize``; all runs share it.
        observer: told of runs, steps and calls as they happen.

    Raises:
        InputError: something is wrong before any call.
        Stopped: budget or provider; the same call goes on from the cache.
    """
    beside = {"data": data, "model": model, "seeds": seeds, "retests": retests, "config": config}
    asked = read_study(study, explicit(settings, budget, beside))
    grid = cells(asked)
    address = _address(asked, grid, trusted=trust_address)
    return run(_study(asked, grid, load_all(grid), output, address, backends or {}, store, observer))


@suggests
def plan_study(
    study: str | Path | Mapping[str, Any],
    *,
    data: Names | None = None,
    model: Names | None = None,
    seeds: int | str | Sequence[int] | None = None,
    retests: int | None = None,
    budget: Budget | None = None,
    settings: Settings | None = None,
    config: str | Path | None = None,
    backends: Mapping[str, Backend] | None = None,
) -> StudyPlan:
    """What ``study`` would ask, run by run; nothing is asked.

    Raises:
        InputError: what ``study`` would refuse too.
    """
    beside = {"data": data, "model": model, "seeds": seeds, "retests": retests, "config": config}
    asked = read_study(study, explicit(settings, budget, beside))
    grid = cells(asked)
    return run(_plan(asked, grid, load_all(grid), backends or {}))


def _address(asked: Study, grid: Sequence[Cell], *, trusted: bool) -> FileAddress | None:
    """The address that the study's file names, unless the user names one."""
    used = grid[0].settings if grid else None
    if not asked.address or used is None or used.origins.get("base_url") != "config file":
        return None
    return FileAddress(used.config.base_url, asked.source, trusted)


async def _plan(
    asked: Study, grid: Sequence[Cell], datasets: Mapping[str, Dataset], backends: Mapping[str, Backend]
) -> StudyPlan:
    configs = [cell.settings.config for cell in grid]
    async with open_client(configs[0], backends, unwatched, planning=True, also=configs[1:]) as client:
        return plan_of(asked, assemble_all(grid, datasets, client), client.tariffs)


async def _study(
    asked: Study,
    grid: Sequence[Cell],
    datasets: Mapping[str, Dataset],
    output: str | Path | None,
    address: FileAddress | None,
    backends: Mapping[str, Backend],
    store: AnswerStore | None,
    observer: Observer,
) -> StudyResult:
    started = time.monotonic()
    configs = [cell.settings.config for cell in grid]
    async with open_client(configs[0], backends, observer, store=store, also=configs[1:], address=address) as client:
        ready = assemble_all(grid, datasets, client.part(BESIDE))
        with StudyFolder(Path(output) if output else _default_folder(asked, ready)) as folder:
            _refuse_new_answers(folder.path, ready)
            _begin(folder, asked, ready)
            observer(StudyPlanned(str(folder.path), len(ready), plan_of(asked, ready, client.tariffs).calls))
            work = _Work(folder, client, frozenset(backends), observer, len(ready))
            done = await work.all(ready)
            complete = [one for one, cell in zip(ready, done, strict=True) if not cell.failure]
            if not folder.finished_as(_content(asked, ready, done)):
                _end(folder, asked, ready, done, await work.beside(asked, complete))
            seconds, accounts = time.monotonic() - started, client.accounts.whole()
            tables = _tables(folder)
            report_study(folder.path, tables)
            return StudyResult(folder.path, tuple(done), tables, accounts, seconds)


@dataclass(slots=True)
class _Work:
    """The runs under way."""

    folder: StudyFolder
    client: Client
    given: frozenset[str]
    observer: Observer
    cells: int
    ended: int = 0
    told: set[str] = field(default_factory=set)

    async def all(self, ready: Sequence[Ready]) -> list[CellRecord]:
        """All runs, some at once."""
        await self._probe(ready)
        places = asyncio.Semaphore(AT_ONCE)

        async def one(cell: Ready) -> CellRecord:
            async with places:
                return await self._one(cell)

        return await together(one(cell) for cell in ready)

    async def beside(self, asked: Study, ready: Sequence[Ready]) -> list[Extra]:
        """The judgings that belong to no run."""
        runs = self.folder.runs
        found = await together([judged_again(asked, ready), combined(ready, runs), judged_on_validation(ready, runs)])
        return [extra for extras in found for extra in extras]

    async def _probe(self, ready: Sequence[Ready]) -> None:
        """One after the other, so that what one model was asked is in the cache for the next run."""
        for one in ready:
            if not _complete(self.folder.runs / one.cell.name, one.identity, diagnostics=one.config.diagnostics):
                await probed(one.cell.settings, one.house, self.client, self.given, self._note)

    async def _one(self, one: Ready) -> CellRecord:
        cell, path = one.cell, self.folder.runs / one.cell.name
        failure = ""
        if _complete(path, one.identity, diagnostics=one.config.diagnostics):
            verdict = "complete already"
        else:
            watching = _Watching(cell.name, one.config.steps, self)
            try:
                client = self.client.part(cell.name)
                found = await carry_out(cell.settings, one.house.dataset, path, client, self.given, watching)
                verdict = found.outcome.verdict
            except TooManyUnscored as error:
                verdict = failure = str(error)
        self.ended += 1
        self.observer(CellEnded(cell.name, f"failed: {failure}" if failure else verdict, self.ended, self.cells))
        return _record(one, failure)

    def _note(self, event: Event) -> None:
        """Tell a note once, though every run would tell it."""
        if isinstance(event, Noted) and event.text not in self.told:
            self.told.add(event.text)
            self.observer(event)


@dataclass(frozen=True, slots=True)
class _Watching:
    """The observer of one run, which tells the study's."""

    cell: str
    steps: int
    work: _Work

    def __call__(self, event: Event) -> None:
        if isinstance(event, Step):
            self.work.observer(InCell(self.cell, self.steps, event))
        else:
            self.work._note(event)


def _complete(path: Path, identity: str, *, diagnostics: bool) -> bool:
    """Whether a run of this very configuration has been written to its end."""
    config = path / "config.json"
    ended = (path / RESULT).exists() and (not diagnostics or (path / DIAGNOSTICS).exists())
    return ended and config.exists() and config.read_bytes() == identity.encode()


def _record(one: Ready, failure: str) -> CellRecord:
    cell = one.cell
    name = f"{one.house.dataset.name}-{one.rows[:8]}.csv"
    return CellRecord(cell.name, *cell.block, cell.values, cell.seed, name, failure)


def _default_folder(asked: Study, ready: Sequence[Ready]) -> Path:
    return Path("runs") / f"{asked.name}-{digest8(''.join(one.identity for one in ready))}"


def _begin(folder: StudyFolder, asked: Study, ready: Sequence[Ready]) -> None:
    """Make the folder known as this study's before the first run is in it."""
    if not (folder.path / "study.json").exists():
        folder.write("study.json", _content(asked, ready, [_record(one, UNFINISHED) for one in ready]))


def _end(
    folder: StudyFolder, asked: Study, ready: Sequence[Ready], done: Sequence[CellRecord], extras: Sequence[Extra]
) -> None:
    for one, cell in zip(ready, done, strict=True):
        test = one.house.split.test
        if not (folder.path / "ratings" / cell.ratings).exists():
            ids, simulated = (example.id for example in test), one.house.dataset.simulated
            text = ratings_csv(one.house.test_rows, ids, simulated=bool(simulated))
            folder.write(f"ratings/{cell.ratings}", text)
    folder.remove_tables()
    folder.write("extras.jsonl", "".join(f"{codec.line(extra)}\n" for extra in extras))
    folder.write("study.json", _content(asked, ready, done))


def _content(asked: Study, ready: Sequence[Ready], done: Sequence[CellRecord]) -> str:
    parts = dict.fromkeys(part for one in ready for part in one.simulated)
    head = {"polyjudge": SCHEMA, "study": asked.name, "simulated": list(parts), "axes": list(asked.axes)}
    return codec.pretty({**head, "retests": asked.retests, "cells": done, "version": __version__}) + "\n"


def _refuse_new_answers(path: Path, ready: Sequence[Ready]) -> None:
    if ready[0].config.no_cache and (path / "study.json").exists():
        raise ConfigError(
            f"--no-cache asks everything anew, and {str(path)!r} holds runs already; leave it out to go on, or choose "
            f"another --output"
        )


def _tables(folder: StudyFolder) -> tuple[Table, ...]:
    tables = tuple(all_tables(read_study_folder(folder.path)))
    for table in tables:
        folder.write(f"tables/{table.name}.md", markdown(table))
        folder.write(f"tables/{table.name}.csv", csv_text(table))
    return tables
