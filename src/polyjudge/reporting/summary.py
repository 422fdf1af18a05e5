"""summary.md: what a run did and brought, for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from polyjudge.datasets.leaks import LeakReport
from polyjudge.formatting.text import many, percent, table_text
from polyjudge.llm.accounts import RoleAccount
from polyjudge.results.choice import CHOICE_COLUMNS, Choice
from polyjudge.results.money import cost_text, total_text
from polyjudge.results.outcome import (
    COLUMNS,
    PRIMARY,
    PRIMARY_NOTE,
    Outcome,
    metric_label,
    outcome_rows,
)
from polyjudge.results.result import Run
from polyjudge.results.rungs import RUNG_COLUMNS, rung_notes, rung_rows
from polyjudge.settings.config import RunConfig

PAPER_NOTE = (
    "The paper's protocol: batches overlap the validation rows, and the test rows are read while the run goes on, "
    "after every so many steps as evaluate_every says (0: at its end alone)."
)
# Below about so many clusters a percentile bootstrap covers less than it says.
FEW_DOCUMENTS = 20


def account_lines(accounts: Sequence[RoleAccount], seconds: float) -> list[str]:
    """What was asked of whom in this invocation, a line a role, and the time."""
    lines = []
    for account in accounts:
        free = account.from_cache + account.joined
        extras = [f"{free:,} more from the cache or shared, free"] if free else []
        extras += [f"{account.failures} failed"] if account.failures else []
        estimated = f" + {account.estimated_tokens:,} estimated" if account.estimated_tokens else ""
        cached = f" ({account.cached_tokens:,} cached)" if account.cached_tokens else ""
        tokens = (
            f"{account.prompt_tokens:,} prompt{cached} + {account.completion_tokens:,} completion{estimated} tokens"
        )
        also = f" ({', '.join(extras)})" if extras else ""
        lines.append(
            f"{account.role}: {many(account.sent, 'calls')} to {account.model}{also}, {tokens}{_cost(account)}"
        )
    if accounts:
        lines.append(f"cost: {total_text(accounts)}")
    lines.append(f"time: {seconds:.1f} s")
    return lines


def _cost(account: RoleAccount) -> str:
    return "" if account.cost is None else f", {cost_text(account.cost)}"


def warnings(outcome: Outcome) -> list[str]:
    """What should keep a reader from trusting the table blindly."""
    lines = [PRIMARY_NOTE] if outcome.metric == PRIMARY else []
    collapsed = [row.name for row in outcome.criteria if row.collapsed]
    if collapsed:
        lines.append(f"The fitted prompt gives nearly every row the same score on {', '.join(collapsed)}.")
    if 0 < outcome.documents < FEW_DOCUMENTS and not math.isnan(outcome.mean.low):
        units = many(outcome.documents, outcome.unit)
        lines.append(f"With {units} the intervals are too narrow; take them as a rough guide.")
    uncovered = [
        f"{row.name} ({percent(1 - row.coverage_initial)} initial, {percent(1 - row.coverage)} fitted)"
        for row in outcome.criteria
        if row.coverage < 1 or row.coverage_initial < 1
    ]
    if uncovered:
        text = ", ".join(uncovered)
        lines.append(f"Rows without a readable score: {text}. Figures are of the rows that both prompts scored.")
    return [*lines, *outcome.notes]


def ladder_lines(outcome: Outcome) -> list[str]:
    """The ladder as a table, with what happened on each rung; nothing where words alone were fitted."""
    if not outcome.rungs:
        return []
    notes = [f"- {line}" for line in rung_notes(outcome.rungs)]
    return [*table_text(rung_rows(outcome.rungs), RUNG_COLUMNS), "", *notes, ""]


def summary(done: Run, config: RunConfig, leaks: LeakReport) -> str:
    """The file's text."""
    outcome = done.outcome
    accepted = sum(step.status == "accepted" for step in done.steps)
    failed = sum(step.status == "failed" for step in done.steps)
    turns = sum(step.index > 0 for step in done.steps)
    lines = [
        f"# {done.path.name}",
        "",
        outcome.verdict,
        "",
        f"{metric_label(outcome.metric)}, pooled over {outcome.counted()}; differences are paired, intervals resample "
        f"{outcome.unit if outcome.documents else 'rows'}.",
        "",
        *ladder_lines(outcome),
        *table_text(outcome_rows(outcome), COLUMNS),
        "",
        *warnings(outcome),
        *([PAPER_NOTE] if config.protocol == "paper" else []),
        *([] if leaks.clean else ["", "The parts share rows or documents:", "", *map("- {}".format, leaks.lines())]),
        "",
        f"Judge {config.model}, layout {done.judge.layout}, scoring {_scoring(done)}; mode {config.mode}, preset "
        f"{config.preset}, seed {config.seed}. {many(turns, 'steps')}: {accepted} accepted, {failed} failed, "
        f"{turns - accepted - failed} rejected.",
        "",
        *_chosen(done.choice),
        *(f"- {line}" for line in account_lines(done.accounts, done.seconds)),
        "",
    ]
    return "\n".join(lines)


def _chosen(choice: Choice | None) -> list[str]:
    """How the configuration was chosen; nothing where it was not."""
    if choice is None:
        return []
    return [
        f"Configuration, chosen by the initial prompt on {choice.counted()}: {choice.reason}. Agreement is mean "
        f"{metric_label(choice.metric)}. Calls, tokens and cost are means a row; the cheapest takes the fewest "
        f"uncached tokens.",
        "",
        *(f"{line[0].upper()}{line[1:]}." for line in choice.price_lines()),
        "",
        *table_text(choice.cells(), CHOICE_COLUMNS),
        "",
    ]


def _scoring(done: Run) -> str:
    return done.judge.scoring + (f" of {done.judge.samples} samples" if done.judge.samples > 1 else "")
