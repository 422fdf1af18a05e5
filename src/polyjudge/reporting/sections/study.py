"""A study's report: its findings, tables and figures, with what the paper printed beside them where both compare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from polyjudge.formatting.markup import Html, join, table, tag
from polyjudge.formatting.text import duration, many
from polyjudge.llm.accounts import by_role
from polyjudge.llm.request import SIMULATED
from polyjudge.metrics.estimates import Interval
from polyjudge.reporting.html.chart import Chart
from polyjudge.reporting.html.page import Fact, Page, Part, Section, folded, listed, paragraphs
from polyjudge.reporting.sections import study_charts as charts
from polyjudge.reporting.sections.spending import spending_section
from polyjudge.reporting.tables.render import cell
from polyjudge.reporting.tables.study import Table
from polyjudge.results.finished import RunSummary, read_run_summary
from polyjudge.results.outcome import notice
from polyjudge.results.study import StudyRecord
from polyjudge.version import __version__

HEAD = ("data", "model")
TEXT = "text"
# So many findings stand in the headline.
SHOWN = 2


def study_page(path: Path, study: StudyRecord, made: Iterable[Table]) -> Page:
    """The page of a study.

    Args:
        path: its folder.
        study: what the folder says.
        made: all tables of it.

    Raises:
        DataError: a file of a run is missing or cannot be read.
    """
    tables = {table.name: table for table in made}
    summaries = {run.cell.name: read_run_summary(path / "runs" / run.cell.name) for run in study.runs}
    return Page(
        kind="Study",
        title=f"{study.name} ({path.name})" if study.name != path.name else study.name,
        verdict=_verdict(study, tables),
        tone="",
        facts=_facts(study, summaries.values()),
        notices=tuple(f"Without a result, and in no table: {cell.name} ({cell.failure})." for cell in study.failed),
        sections=tuple(_sections(study, tables, summaries)),
        generator=f"polyjudge {__version__}",
        banner=notice(study.simulated),
    )


def _verdict(study: StudyRecord, tables: Mapping[str, Table]) -> str:
    """What the study found: whether fitting helped, and which findings hold."""
    mark = f"{SIMULATED}: " if study.simulated else ""
    changes = [change for change in tables["honest"].column("interval") if isinstance(change, Interval)]
    if not changes:
        return f"{mark}No run is complete, so that nothing could be compared."
    better, worse = sum(change.above_zero for change in changes), sum(change.below_zero for change in changes)
    configurations = many(len(changes), "configurations")
    fitting = f"Fitting improved agreement reliably in {better} of {configurations} and lowered it in {worse}."
    headlines = tables["headlines"]
    answers = list(zip(headlines.column("finding"), headlines.column("holds"), strict=True))
    tested = [(finding, holds) for finding, holds in answers if holds in ("yes", "no", "undecided")]
    holding = [str(finding) for finding, holds in tested if holds == "yes"]
    shown = "; ".join(holding[:SHOWN]) + (f"; {len(holding) - SHOWN} more" if len(holding) > SHOWN else "")
    findings = f" Reliable: {shown}." if holding else " No loss by combining criteria is reliable." if tested else ""
    undecided = sum(holds == "undecided" for _, holds in tested)
    rest = f" {undecided} of {many(len(tested), 'tested findings')} are undecided." if undecided else ""
    return f"{mark}{fitting}{findings}{rest}"


def _facts(study: StudyRecord, summaries: Iterable[RunSummary]) -> tuple[Fact, ...]:
    seeds = {run.cell.seed for run in study.runs}
    configurations = {(run.cell.data, run.cell.model, *run.cell.values.values()) for run in study.runs}
    data, models = ({getattr(run.cell, name) for run in study.runs} for name in HEAD)
    calls = sum(account.sent for summary in summaries for account in summary.accounts)
    failed = f"{len(study.failed)} without a result" if study.failed else "all with a result"
    return (
        Fact("Runs", f"{len(study.runs):,}", failed),
        Fact("Configurations", f"{len(configurations):,}", f"by {', '.join(study.axes)}" if study.axes else ""),
        Fact("Seeds", f"{len(seeds):,}"),
        Fact("Data", ", ".join(sorted(data)) if len(data) < 3 else f"{len(data)} sets"),
        Fact("Judge", ", ".join(sorted(models)) if len(models) < 3 else f"{len(models)} models"),
        Fact("Calls", f"{calls:,}", "as the runs recorded them"),
    )


def _sections(study: StudyRecord, tables: dict[str, Table], summaries: dict[str, RunSummary]) -> Iterator[Section]:
    axes = study.axes
    honest, main, course = tables["honest"], tables["main"], tables["trajectories"]
    small = charts.by_criterion(course, axes)
    yield Section("findings", "The findings", (_shown(tables["headlines"]),), "Findings")
    yield Section(
        "gains",
        "Did fitting help?",
        (
            *charts.gains(honest, axes),
            _shown(honest),
            tag("h3", "As the paper chooses: the best step on the test rows"),
            *charts.best(main, axes),
            _shown(main),
            tag("h3", "Axis by axis"),
            _shown(tables["effects"]),
        ),
        "Gains",
    )
    yield Section(
        "trajectory",
        "Along the steps",
        (
            *charts.trajectories(course, axes),
            tag("h3", "Criterion by criterion") if small else None,
            small,
            _shown(course, fold=True),
        ),
        "Trajectory",
    )
    yield Section(
        "dilution",
        "Gradient dilution",
        tuple(part for name in ("specificity", "adherence") for part in _diagnostic(tables[name], axes, name)),
        "Dilution",
    )
    yield Section(
        "interference",
        "Instruction interference",
        (
            tuple(charts.combined(tables["cherrypick"])) or None,
            _shown(tables["combining"]),
            _shown(tables["cherrypick"], fold=True) if tables["cherrypick"].rows else None,
        ),
        "Interference",
    )
    yield Section("front", "Hypervolume and its null", _volumes(main, axes), "Hypervolume")
    yield Section(
        "lengths",
        "Length of the instructions",
        (*charts.lengths(tables["lengths"], axes), _shown(tables["lengths"], fold=True)),
        "Lengths",
    )
    accounts = by_role(account for summary in summaries.values() for account in summary.accounts)
    yield spending_section(accounts, sum(summary.seconds for summary in summaries.values()))
    yield Section("runs", "The runs", (_runs(study, summaries),), "Runs")


def _diagnostic(table: Table, axes: Sequence[str], what: str) -> Iterator[Part]:
    yield from charts.diagnostic(table, axes, what)
    yield _shown(table, fold=bool(table.rows))


def _volumes(main: Table, axes: Sequence[str]) -> tuple[Part, ...]:
    drawn: tuple[Chart, ...] = tuple(charts.volumes(main, axes))
    text = (
        "It rises by construction, so that only what exceeds as many re-tests of an unchanged prompt means anything."
    )
    return (*drawn, paragraphs([text if drawn else main.missing], "soft"))


def _shown(made: Table, *, fold: bool = False) -> Html:
    """A table of the study as the page shows it, with its notes; what is the same in all rows is left out."""
    if not made.rows:
        return tag("p", made.missing or "Nothing to show.", class_="soft")
    same = [key for key in HEAD if len(set(made.column(key))) == 1]
    places = [at for at, column in enumerate(made.columns) if column.key not in same]
    columns = [made.columns[at] for at in places]
    rows = [[cell(row[at], made.columns[at].kind) for at in places] for row in made.rows]
    texts = [index for index, column in enumerate(columns) if column.kind == TEXT]
    shown = table([column.label for column in columns], rows, made.title, texts=texts)
    notes = folded("How to read this", listed(made.notes)) if made.notes else None
    return folded(made.title, shown, notes) if fold else join([shown, notes])


def _runs(study: StudyRecord, summaries: dict[str, RunSummary]) -> Html:
    rows = [[name, summary.outcome.verdict, duration(summary.seconds)] for name, summary in summaries.items()]
    rows += [[cell.name, f"failed: {cell.failure}", ""] for cell in study.failed]
    caption = "polyjudge report runs/NAME, in the study's folder, writes the report of one."
    return table(("run", "verdict", "time"), rows, caption, texts=(1,))
