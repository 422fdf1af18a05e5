"""Results as text or JSON on standard output."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence

import click

from polyjudge import codec
from polyjudge.formatting.text import many, number, percent, table_text
from polyjudge.reporting.diagnosis import verdict_lines
from polyjudge.reporting.summary import PAPER_NOTE, account_lines, ladder_lines, warnings
from polyjudge.reporting.tables.render import lines
from polyjudge.results.money import PlannedRole, billed, cost_text, remedy, total_text, unpriced
from polyjudge.results.outcome import COLUMNS, metric_label, notice, outcome_rows
from polyjudge.results.result import Run
from polyjudge.results.scores import Scores
from polyjudge.results.store import REPORT
from polyjudge.workflows.check import Check, CriterionCheck
from polyjudge.workflows.diagnose import Diagnosed
from polyjudge.workflows.prompt import SentPrompt
from polyjudge.workflows.prompt import lines as prompt_lines
from polyjudge.workflows.study import StudyResult
from polyjudge.workflows.study_plan import StudyPlan


def print_check(check: Check, as_json: bool) -> None:
    """The plan."""
    if as_json:
        click.echo(codec.pretty(check))
        return
    print_lines(_check_lines(check))


def print_prompt(shown: SentPrompt, as_json: bool) -> None:
    """What a judge is sent."""
    if as_json:
        click.echo(codec.pretty(shown))
        return
    print_lines(prompt_lines(shown))


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
    print_lines(
        [
            "",
            f"{metric_label(outcome.metric)} on {outcome.counted('test' if paper else 'sealed test')}",
            "",
            *ladder_lines(outcome),
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


def print_diagnosis(diagnosed: Diagnosed, as_json: bool) -> None:
    """The verdicts, and where the rest stands."""
    if as_json:
        click.echo(
            codec.pretty(
                {"path": str(diagnosed.path), "diagnosis": diagnosed.diagnosis, "accounts": diagnosed.accounts}
            )
        )
        return
    print_lines(
        [
            "",
            *verdict_lines(diagnosed.verdicts),
            *diagnosed.diagnosis.notes,
            "",
            *account_lines(diagnosed.accounts, diagnosed.seconds),
            "",
            f"diagnosis: {diagnosed.path / 'diagnosis.md'}",
            f"report:    {diagnosed.path / REPORT}",
        ]
    )


def print_plan(roles: Sequence[PlannedRole], as_json: bool) -> None:
    """What a diagnosis or a scoring would ask."""
    if as_json:
        click.echo(codec.pretty(roles))
        return
    print_lines(_planned(roles, "what the cache holds is free"))


def print_scores(scores: Scores, as_json: bool, err: bool = False) -> None:
    """Where the scores lie and how many are missing; to standard error if the scores themselves went out."""
    total = scores.rows * len(scores.rubric.names)
    if as_json:
        click.echo(
            codec.pretty(
                {
                    "output": None if scores.path is None else str(scores.path),
                    "rows": scores.rows,
                    "scores": total - scores.unscored,
                    "unscored": scores.unscored,
                    "accounts": scores.accounts,
                    "simulated": scores.simulated,
                }
            ),
            err=err,
        )
        return
    lines = [f"{many(scores.rows, 'rows')}, {many(total - scores.unscored, 'scores')}, {scores.unscored} unscored"]
    lines += [f"scores: {scores.path}"] if scores.path is not None else []
    lines += [f"cost: {total_text(scores.accounts)}"] if billed(scores.accounts) else []
    lines += [notice(scores.simulated)] if scores.simulated else []
    for line in lines:
        click.echo(line, err=err)


def print_study_plan(plan: StudyPlan, as_json: bool) -> None:
    """What a study will ask, a line a run."""
    if as_json:
        cells = [{"name": run.name, "calls": run.calls, "tokens": run.tokens, "roles": run.paid} for run in plan.cells]
        click.echo(codec.pretty({"study": plan.study, "calls": plan.calls, "tokens": plan.tokens, "cells": cells}))
        return
    columns = ("run", "calls", "shared, free", "tokens, about", "money, about")
    paid = [role for cell in plan.cells for role in cell.paid]
    rows = [_planned_cell(run.name, run.calls, run.shared, run.tokens, run.paid) for run in plan.cells]
    rows.append(_planned_cell("all", plan.calls, sum(run.shared for run in plan.cells), plan.tokens, paid))
    text = (
        "Calls to be paid at most, parse and network retries not counted; tokens are an estimate, none of them cached."
    )
    money = [f"Money: {total_text(paid)}."] if billed(paid) else []
    print_lines([*table_text(rows, columns), "", text, *money, *plan.notes])


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
    print_lines([*shown, "", *account_lines(study.accounts, study.seconds), *failed, "", f"study:  {study.path}"])
    print_lines([f"tables: {study.path / 'tables'}", f"report: {study.path / REPORT}"])


def _check_lines(check: Check) -> Iterable[str]:
    yield f"data      {check.data}"
    documents = f" of {many(check.documents, 'documents')}" if check.documents else ""
    yield f"rows      {check.rows}{documents}, split by {check.split_by}"
    for name, (rows, kept) in check.parts.items():
        yield f"          {name}: {many(rows, 'rows')}" + (f", {many(kept, 'documents')}" if kept else "")
    yield "leaks     " + "\n          ".join(check.leaks)
    if check.dropped:
        yield "dropped   " + "\n          ".join(check.dropped)
    for note in check.notes:
        yield f"note      {note}"
    yield ""
    yield from _ratings(check)
    yield ""
    yield (
        "Which difference the test rows can show is unknown: they are too few, or rated all the same."
        if math.isnan(check.detectable)
        else f"The test rows can show a difference of {number(check.detectable)} in mean {metric_label(check.metric)} "
        f"(80 % power). {check.assumptions}"
    )
    yield ""
    for shown in check.shown:
        yield f"The judge is sent about the row {shown.item!r}:"
        yield from prompt_lines(shown)
        yield ""
    if not check.roles:
        yield "No --model named: no calls planned."
        return
    yield from _plan(check)


def _ratings(check: Check) -> Iterable[str]:
    floors = list(dict.fromkeys(name for criterion in check.criteria for name in criterion.floors))
    columns = ["criterion", "rated", "raters", "commonest", f"one annotator ({metric_label(check.metric)})"]
    columns += [f"constant's {name}" for name in floors] + ["smallest difference"]
    yield from table_text([_criterion(criterion, floors) for criterion in check.criteria], columns)
    if any(math.isnan(criterion.one_annotator) for criterion in check.criteria):
        yield "What one annotator reaches is unknown where fewer than two rated the same rows."
    yield check.annotators_verdict


def _criterion(criterion: CriterionCheck, floors: list[str]) -> list[str]:
    cells = [
        criterion.name,
        str(criterion.rated),
        str(criterion.raters),
        percent(criterion.constant),
        number(criterion.one_annotator, "unknown"),
    ]
    return [*cells, *(number(criterion.floors.get(name, math.nan)) for name in floors), number(criterion.detectable)]


def _plan(check: Check) -> Iterable[str]:
    yield from _planned(check.roles, "instructions grow as accepted steps make them")


def _planned(roles: Sequence[PlannedRole], *more: str) -> Iterable[str]:
    columns = ("role", "model", "calls", "prompt tokens", "completion tokens", "USD")
    yield from table_text([_role(role) for role in roles], columns)
    merged = sum(role.merged for role in roles)
    of_them = f" (at most {merged:,} of them for merged prompts)" if merged else ""
    calls = sum(role.calls for role in roles)
    tokens = sum(role.prompt_tokens + role.completion_tokens for role in roles)
    text = "; ".join(("estimate", *more, "parse and network retries not counted"))
    yield f"Planned: {many(calls, 'calls')}{of_them}, about {tokens:,} tokens ({text})."
    choosing = sum(role.choosing for role in roles)
    if choosing:
        yield f"{choosing:,} calls only serve to configure the judge; the rest is planned for the one of most calls."
    yield f"Estimated cost, with nothing cached: {total_text(roles)}."
    if unknown := unpriced(roles):
        text = remedy(unknown)
        yield f"{text[0].upper()}{text[1:]}."


def _role(role: PlannedRole) -> tuple[str, ...]:
    cost = role.unpriced.partition(":")[0] if role.cost is None else cost_text(role.cost).removesuffix(" USD")
    tokens = (f"{role.prompt_tokens:,}", f"{role.completion_tokens:,}")
    return (role.role, role.model, f"{role.calls:,}", *tokens, cost)


def print_lines(lines: Iterable[str]) -> None:
    """Print the lines; on a terminal without the characters that would steer it, which names and texts may hold."""
    terminal = sys.stdout.isatty()
    for line in lines:
        click.echo(_harmless(line) if terminal else line)


def _harmless(line: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in line)
