"""Carry out a study: all runs with one client, the re-tests beside them, the tables and the report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from polyjudge import codec
from polyjudge.concurrency import together
from polyjudge.domain.dataset import Dataset
from polyjudge.domain.records import Step
from polyjudge.errors import ConfigError, TooManyUnscored
from polyjudge.formatting.notebook import snippet
from polyjudge.formatting.text import many
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.cache.store import AnswerStore
from polyjudge.llm.client import Client
from polyjudge.llm.request import Backend
from polyjudge.reporting.report import report_study
from polyjudge.reporting.tables.render import cell as cell_text
from polyjudge.reporting.tables.render import csv_text, markdown
from polyjudge.reporting.tables.study import Table, all_tables
from polyjudge.results.store import DIAGNOSTICS, EXTRAS, RESULT, StudyFolder
from polyjudge.results.study import SCHEMA, CellRecord, Extra, ratings_csv, read_study_folder
from polyjudge.settings.config import digest8
from polyjudge.settings.given import Budget, ModelLike, Settings, explicit, suggests
from polyjudge.version import __version__
from polyjudge.workflows.client import FileAddress, open_client
from polyjudge.workflows.events import CellEnded, Event, InCell, Noted, Observer, StudyPlanned, unwatched
from polyjudge.workflows.functions import takes_functions
from polyjudge.workflows.optimize import carry_out
from polyjudge.workflows.probe import probed
from polyjudge.workflows.study_file import Study, read_study
from polyjudge.workflows.study_grid import Cell, PreparedRun, assemble_all, cells, load_all
from polyjudge.workflows.study_plan import StudyPlan, plan_of_study
from polyjudge.workflows.study_retests import combined, judged_again, judged_on_validation
from polyjudge.workflows.sync import run

Names: TypeAlias = "str | Path | Sequence[str | Path]"
StudyData: TypeAlias = "Names | Dataset | Callable[[], Dataset] | Sequence[Dataset | Callable[[], Dataset]]"

# Enough runs to keep an endpoint busy while some of them write gradients; with more, each would only end later.
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

    def _repr_html_(self) -> str:
        told = [f"{many(len(self.cells), 'runs')}, {len(self.failed)} failed; tables in {self.path / 'tables'}"]
        shown = next((table for table in self.tables if table.name == "headlines"), None)
        if shown is None:
            return snippet(self.path.name, told, ("run", "failure"), [(c.name, c.failure or "") for c in self.cells])
        told += [shown.simulated] if shown.simulated else []
        rows = [[cell_text(value, c.kind) for value, c in zip(row, shown.columns, strict=True)] for row in shown.rows]
        return snippet(self.path.name, told, [column.label for column in shown.columns], rows)

    @property
    def failed(self) -> tuple[CellRecord, ...]:
        """The runs that ended with a failure."""
        return tuple(cell for cell in self.cells if cell.failure)


@suggests
@takes_functions
def study(
    study: str | Path | Mapping[str, Any],
    *,
    data: StudyData | None = None,
    model: Names | ModelLike | None = None,
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
    """Carry out every run of a study file, and make its tables.

    Args:
        study: a TOML file, the name of a shipped study such as ``paper``, or the file's content as a mapping,
            whose values may be objects: an optimizer, a gate, a metric, a scoring method, a data set.
        data: replaces the file's data sets; a name, a file, a data set or a function that gives one, a list of such,
            or a text with commas.
        model: replaces the file's models, likewise.
        seeds: replaces the file's seeds: a count, a list, or a text with commas.
        retests: how often the initial prompt is judged again on the test rows.
        budget: limits of calls, tokens and money, for all runs together.
        settings: hold for all runs; one that is an axis replaces the axis' values, and may name several.
        output: the folder; default ``runs/STUDY-DIGEST8``. With more values in the study, its runs are kept.
        config: a TOML file with settings, over which the study's own win.
        trust_address: whether the texts, but no key, may be sent to an address that only the study's file names.
        backends: model name -> an opened backend, instead of looking the name up.
        store: as for ``optimize``; all runs share it.
        observer: called with every event, such as the end of a run, a step or a count of calls.

    Raises:
        InputError: something is wrong before any call.
        Stopped: by the budget or the provider; the same call resumes from the cache.
    """
    keywords = {"data": data, "model": model, "seeds": seeds, "retests": retests, "config": config}
    study_file = read_study(study, explicit(settings, budget, keywords))
    grid = cells(study_file)
    address = _address(study_file, grid, trusted=trust_address)
    return run(_study(study_file, grid, load_all(grid), output, address, backends or {}, store, observer))


@suggests
@takes_functions
def plan_study(
    study: str | Path | Mapping[str, Any],
    *,
    data: StudyData | None = None,
    model: Names | ModelLike | None = None,
    seeds: int | str | Sequence[int] | None = None,
    retests: int | None = None,
    budget: Budget | None = None,
    settings: Settings | None = None,
    config: str | Path | None = None,
    backends: Mapping[str, Backend] | None = None,
) -> StudyPlan:
    """The calls that ``study`` would make, run by run; no model is asked.

    Raises:
        InputError: as ``study``.
    """
    keywords = {"data": data, "model": model, "seeds": seeds, "retests": retests, "config": config}
    study_file = read_study(study, explicit(settings, budget, keywords))
    grid = cells(study_file)
    return run(_plan(study_file, grid, load_all(grid), backends or {}))


def _address(asked: Study, grid: Sequence[Cell], *, trusted: bool) -> FileAddress | None:
    """The address that the study's file names, unless the user names one."""
    used = grid[0].settings if grid else None
    if not asked.address or used is None or used.origins.get("base_url") != "config file":
        return None
    return FileAddress(asked.source, trusted)


async def _plan(
    study: Study, grid: Sequence[Cell], datasets: Mapping[str, Dataset], backends: Mapping[str, Backend]
) -> StudyPlan:
    configs = [cell.settings.config for cell in grid]
    async with open_client(configs[0], backends, unwatched, planning=True, also=configs[1:]) as client:
        return plan_of_study(study, assemble_all(grid, datasets, client), client.tariffs)


async def _study(
    study: Study,
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
        prepared_runs = assemble_all(grid, datasets, client.part(BESIDE))
        with StudyFolder(Path(output) if output else _default_folder(study, prepared_runs)) as folder:
            _refuse_new_answers(folder.path, prepared_runs)
            _begin(folder, study, prepared_runs)
            observer(
                StudyPlanned(
                    str(folder.path), len(prepared_runs), plan_of_study(study, prepared_runs, client.tariffs).calls
                )
            )
            work = _Work(folder, client, frozenset(backends), observer, len(prepared_runs))
            records = await work.all(prepared_runs)
            complete = [prepared for prepared, cell in zip(prepared_runs, records, strict=True) if not cell.failure]
            if not folder.finished_as(_content(study, prepared_runs, records)):
                _end(folder, study, prepared_runs, records, await work.beside(study, complete))
            seconds, accounts = time.monotonic() - started, client.accounts.whole()
            tables = _tables(folder)
            report_study(folder.path, tables)
            return StudyResult(folder.path, tuple(records), tables, accounts, seconds)


@dataclass(slots=True)
class _Work:
    """Carries out the runs of a study, and counts those that have ended."""

    folder: StudyFolder
    client: Client
    trusted: frozenset[str]
    observer: Observer
    cells: int
    ended: int = 0
    noted: set[str] = field(default_factory=set)

    async def all(self, prepared_runs: Sequence[PreparedRun]) -> list[CellRecord]:
        """Carry out all runs, at most ``AT_ONCE`` at a time."""
        await self._probe(prepared_runs)
        slots = asyncio.Semaphore(AT_ONCE)

        async def carry_out_in_slot(prepared: PreparedRun) -> CellRecord:
            async with slots:
                return await self._carry_out(prepared)

        return await together(carry_out_in_slot(prepared) for prepared in prepared_runs)

    async def beside(self, study: Study, prepared_runs: Sequence[PreparedRun]) -> list[Extra]:
        """Evaluate what belongs to no single run."""
        folder = self.folder.runs
        groups = await together(
            [
                judged_again(study, prepared_runs),
                combined(prepared_runs, folder),
                judged_on_validation(prepared_runs, folder),
            ]
        )
        return [extra for extras in groups for extra in extras]

    async def _probe(self, prepared_runs: Sequence[PreparedRun]) -> None:
        """Probe the models run by run, so that the cache holds the answer when the next run asks the same."""
        for prepared in prepared_runs:
            if not _complete(
                self.folder.runs / prepared.cell.name, prepared.identity, diagnostics=prepared.config.diagnostics
            ):
                await probed(prepared.cell.settings, prepared.run_setup, self.client, self.trusted, self._note)

    async def _carry_out(self, prepared: PreparedRun) -> CellRecord:
        cell, path = prepared.cell, self.folder.runs / prepared.cell.name
        failure = ""
        if _complete(path, prepared.identity, diagnostics=prepared.config.diagnostics):
            verdict = "complete already"
        else:
            observer = _Watching(cell.name, prepared.config.steps, self)
            try:
                client = self.client.part(cell.name)
                run = await carry_out(cell.settings, prepared.run_setup.dataset, path, client, self.trusted, observer)
                verdict = run.outcome.verdict
            except TooManyUnscored as error:
                verdict = failure = str(error)
        self.ended += 1
        self.observer(CellEnded(cell.name, f"failed: {failure}" if failure else verdict, self.ended, self.cells))
        return _record(prepared, failure)

    def _note(self, event: Event) -> None:
        """Pass a note on once, although every run sends it."""
        if isinstance(event, Noted) and event.text not in self.noted:
            self.noted.add(event.text)
            self.observer(event)


@dataclass(frozen=True, slots=True)
class _Watching:
    """The observer of one run, which passes its events on to the study's."""

    cell: str
    steps: int
    work: _Work

    def __call__(self, event: Event) -> None:
        if isinstance(event, Step):
            self.work.observer(InCell(self.cell, self.steps, event))
        else:
            self.work._note(event)


def _complete(path: Path, identity: str, *, diagnostics: bool) -> bool:
    """Whether the folder holds a finished run of exactly this configuration."""
    config = path / "config.json"
    ended = (path / RESULT).exists() and (not diagnostics or (path / DIAGNOSTICS).exists())
    return ended and config.exists() and config.read_bytes() == identity.encode()


def _record(prepared: PreparedRun, failure: str) -> CellRecord:
    cell = prepared.cell
    name = f"{prepared.run_setup.dataset.name}-{prepared.rows[:8]}.csv"
    return CellRecord(cell.name, *cell.block, cell.values, cell.seed, name, failure)


def _default_folder(study: Study, prepared_runs: Sequence[PreparedRun]) -> Path:
    return Path("runs") / f"{study.name}-{digest8(''.join(prepared.identity for prepared in prepared_runs))}"


def _begin(folder: StudyFolder, study: Study, prepared_runs: Sequence[PreparedRun]) -> None:
    """Write study.json before the first run begins, so that the folder is recognised as a study."""
    if not (folder.path / "study.json").exists():
        folder.write(
            "study.json", _content(study, prepared_runs, [_record(prepared, UNFINISHED) for prepared in prepared_runs])
        )


def _end(
    folder: StudyFolder,
    study: Study,
    prepared_runs: Sequence[PreparedRun],
    records: Sequence[CellRecord],
    extras: Sequence[Extra],
) -> None:
    """Write what the study found. ``extras.jsonl`` is the last file: without it, the study has not ended."""
    folder.begin_end()
    for prepared, cell in zip(prepared_runs, records, strict=True):
        test = prepared.run_setup.split.test
        if not (folder.path / "ratings" / cell.ratings).exists():
            ids, simulated = (example.id for example in test), prepared.run_setup.dataset.simulated
            text = ratings_csv(prepared.run_setup.test_rows, ids, simulated=bool(simulated))
            folder.write(f"ratings/{cell.ratings}", text)
    folder.write("study.json", _content(study, prepared_runs, records))
    folder.write(EXTRAS, "".join(f"{codec.line(extra)}\n" for extra in extras))


def _content(study: Study, prepared_runs: Sequence[PreparedRun], records: Sequence[CellRecord]) -> str:
    simulated_parts = dict.fromkeys(part for prepared in prepared_runs for part in prepared.simulated)
    head = {"polyjudge": SCHEMA, "study": study.name, "simulated": list(simulated_parts), "axes": list(study.axes)}
    return codec.pretty({**head, "retests": study.retests, "cells": records, "version": __version__}) + "\n"


def _refuse_new_answers(path: Path, prepared_runs: Sequence[PreparedRun]) -> None:
    if prepared_runs[0].config.no_cache and (path / "study.json").exists():
        raise ConfigError(
            f"--no-cache asks every question again, but {str(path)!r} already holds runs; leave the option out to "
            f"resume, or choose another --output"
        )


def _tables(folder: StudyFolder) -> tuple[Table, ...]:
    tables = tuple(all_tables(read_study_folder(folder.path)))
    for table in tables:
        folder.write(f"tables/{table.name}.md", markdown(table))
        folder.write(f"tables/{table.name}.csv", csv_text(table))
    return tables
