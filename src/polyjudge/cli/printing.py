"""Results as text or JSON on standard output."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import click

from polyjudge import codec
from polyjudge.formatting.text import many, number, percent, table_text
from polyjudge.reporting.diagnosis import verdict_lines
from polyjudge.reporting.report import FILE as REPORT
from polyjudge.reporting.summary import PAPER_NOTE, account_lines, warnings
from polyjudge.reporting.tables.render import lines
from polyjudge.results.money import PlannedRole, billed, cost_text, remedy, total_text, unpriced
from polyjudge.results.outcome import COLUMNS, metric_label, notice, outcome_rows
from polyjudge.results.result import Run
from polyjudge.results.scores import Scores
from polyjudge.workflows.check import Check, CriterionCheck
from polyjudge.workflows.diagnose import Diagnosed
from polyjudge.workflows.study import StudyResult
from polyjudge.workflows.study_plan import StudyPlan


def print_check(found: Check, as_json: bool) -> None:
    """The plan."""
    if as_json:
        click.echo(codec.pretty(found))
        return
    _lines(_check_lines(found))


def print_run(run: Run, as_json: bool) -> None:
    """What a run brought."""
    if as_json:
        click.echo(
            codec.pretty(
                {
                    "path": str(run.path),
                    "outcome": run.outcome,
                    **({"layout": run.choice} if run.choice else {}),
                    "accounts": run.accounts,
                    "seconds": run.seconds,
                }
            )
        )
        return
    outcome = run.outcome
    paper = run.judge.lineage["protocol"] == "paper"
    _lines(
        [
            "",
            f"{metric_label(outcome.metric)} on {outcome.counted('test' if paper else 'sealed test')}",
            "",
            *table_text(outcome_rows(outcome), COLUMNS),
            "",
            *account_lines(run.accounts, run.seconds),
            *warnings(outcome),
            *([PAPER_NOTE] if paper else []),
            "",
            outcome.verdict,
            "",
            f"run:    {run.path}",
            f"judge:  {run.path / 'judge.yaml'}",
            f"report: {run.path / REPORT}",
        ]
    )


def print_diagnosis(found: Diagnosed, as_json: bool) -> None:
    """The verdicts, and where the rest stands."""
    if as_json:
        click.echo(codec.pretty({"path": str(found.path), "diagnosis": found.diagnosis, "accounts": found.accounts}))
        return
    _lines(
        [
            "",
            *verdict_lines(found.verdicts),
            *found.diagnosis.notes,
            "",
            *account_lines(found.accounts, found.seconds),
            "",
            f"diagnosis: {found.path / 'diagnosis.md'}",
            f"report:    {found.path / REPORT}",
        ]
    )


def print_diagnosis_plan(roles: Sequence[PlannedRole], as_json: bool) -> None:
    """What a diagnosis would ask."""
    if as_json:
        click.echo(codec.pretty(roles))
        return
    _lines(_planned(roles, "what the cache holds is free"))


def print_scores(scores: Scores, as_json: bool) -> None:
    """Where the scores lie and how many are missing."""
    total = scores.rows * len(scores.rubric.names)
    if as_json:
        click.echo(
            codec.pretty(
                {
                    "output": str(scores.path),
                    "rows": scores.rows,
                    "scores": total - scores.unscored,
                    "unscored": scores.unscored,
                    "accounts": scores.accounts,
                    "simulated": scores.simulated,
                }
            )
        )
        return
    click.echo(f"{many(scores.rows, 'rows')}, {many(total - scores.unscored, 'scores')}, {scores.unscored} unscored")
    click.echo(f"scores: {scores.path}")
    if billed(scores.accounts):
        click.echo(f"cost: {total_text(scores.accounts)}")
    if scores.simulated:
        click.echo(notice(scores.simulated))


def print_study_plan(plan: StudyPlan, as_json: bool) -> None:
    """What a study will ask, a line a run."""
    if as_json:
        cells = [{"name": one.name, "calls": one.calls, "tokens": one.tokens, "roles": one.paid} for one in plan.cells]
        click.echo(codec.pretty({"study": plan.study, "calls": plan.calls, "tokens": plan.tokens, "cells": cells}))
        return
    columns = ("run", "calls", "shared, free", "tokens, about", "money, about")
    paid = [role for one in plan.cells for role in one.paid]
    rows = [_planned_cell(one.name, one.calls, one.shared, one.tokens, one.paid) for one in plan.cells]
    rows.append(_planned_cell("all", plan.calls, sum(one.shared for one in plan.cells), plan.tokens, paid))
    told = (
        "Calls to be paid at most, parse and network retries not counted; tokens are an estimate, none of them cached."
    )
    money = [f"Money: {total_text(paid)}."] if billed(paid) else []
    _lines([*table_text(rows, columns), "", told, *money, *plan.notes])


def _planned_cell(name: str, calls: int, shared: int, tokens: int, roles: Sequence[PlannedRole]) -> tuple[str, ...]:
    known = [role.cost for role in roles if role.cost is not None]
    money = cost_text(sum(known)) if len(known) == len(roles) else "unknown" if billed(roles) else "-"
    return (name, f"{calls:,}", f"{shared:,}", f"{tokens:,}", money)


def print_study(study: StudyResult, as_json: bool) -> None:
    """The findings, and where the tables lie."""
    if as_json:
        tables = {
            table.name: {"columns": [c.key for c in table.columns], "rows": table.rows} for table in study.tables
        }
        content = {"path": str(study.path), "cells": study.cells, "tables": tables}
        click.echo(codec.pretty({**content, "accounts": study.accounts, "seconds": study.seconds}))
        return
    shown = [line for table in study.tables if table.name in ("headlines", "honest") for line in ("", *lines(table))]
    failed = [f"failed: {cell.name}: {cell.failure}" for cell in study.failed]
    _lines([*shown, "", *account_lines(study.accounts, study.seconds), *failed, "", f"study:  {study.path}"])
    _lines([f"tables: {study.path / 'tables'}", f"report: {study.path / REPORT}"])


def _check_lines(found: Check) -> Iterable[str]:
    yield f"data      {found.data}"
    documents = f" of {many(found.documents, 'documents')}" if found.documents else ""
    yield f"rows      {found.rows}{documents}, split by {found.split_by}"
    for name, (rows, kept) in found.parts.items():
        yield f"          {name}: {many(rows, 'rows')}" + (f", {many(kept, 'documents')}" if kept else "")
    yield "leaks     " + "\n          ".join(found.leaks)
    for note in found.notes:
        yield f"note      {note}"
    yield ""
    yield from _ratings(found)
    yield ""
    yield (
        "Which difference the test rows can show is unknown: they are too few, or rated all the same."
        if math.isnan(found.detectable)
        else f"The test rows can show a difference of {number(found.detectable)} in mean {metric_label(found.metric)} "
        f"(80 % power). {found.assumptions}"
    )
    yield ""
    if not found.roles:
        yield "No --model named: no calls planned."
        return
    yield from _plan(found)


def _ratings(found: Check) -> Iterable[str]:
    floors = list(dict.fromkeys(name for one in found.criteria for name in one.floors))
    columns = ["criterion", "rated", "raters", "commonest", f"one annotator ({metric_label(found.metric)})"]
    columns += [f"constant's {name}" for name in floors] + ["smallest difference"]
    yield from table_text([_criterion(one, floors) for one in found.criteria], columns)
    if any(math.isnan(one.one_annotator) for one in found.criteria):
        yield "What one annotator reaches is unknown where fewer than two rated the same rows."
    yield found.annotators_verdict


def _criterion(one: CriterionCheck, floors: list[str]) -> list[str]:
    cells = [one.name, str(one.rated), str(one.raters), percent(one.constant), number(one.one_annotator, "unknown")]
    return [*cells, *(number(one.floors.get(name, math.nan)) for name in floors), number(one.detectable)]


def _plan(found: Check) -> Iterable[str]:
    yield from _planned(found.roles)


def _planned(roles: Sequence[PlannedRole], *more: str) -> Iterable[str]:
    columns = ("role", "model", "calls", "prompt tokens", "completion tokens", "USD")
    yield from table_text([_role(role) for role in roles], columns)
    merged = sum(role.merged for role in roles)
    of_them = f" (at most {merged:,} of them for merged prompts)" if merged else ""
    calls = sum(role.calls for role in roles)
    tokens = sum(role.prompt_tokens + role.completion_tokens for role in roles)
    said = "; ".join(
        ("estimate", "instructions at their present length", *more, "parse and network retries not counted")
    )
    yield f"Planned: {many(calls, 'calls')}{of_them}, about {tokens:,} tokens ({said})."
    choosing = sum(role.choosing for role in roles)
    if choosing:
        yield f"{choosing:,} calls only serve to choose the layout; the rest is planned for the one of most calls."
    yield f"Estimated cost, with nothing cached: {total_text(roles)}."
    if unknown := unpriced(roles):
        said = remedy(unknown)
        yield f"{said[0].upper()}{said[1:]}."


def _role(role: PlannedRole) -> tuple[str, ...]:
    cost = role.unpriced.partition(":")[0] if role.cost is None else cost_text(role.cost).removesuffix(" USD")
    tokens = (f"{role.prompt_tokens:,}", f"{role.completion_tokens:,}")
    return (role.role, role.model, f"{role.calls:,}", *tokens, cost)


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
