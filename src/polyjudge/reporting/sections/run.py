"""A run's report: the sections in their order."""

from __future__ import annotations

from collections.abc import Iterator

from polyjudge.formatting.text import interval, number, signed
from polyjudge.reporting.html.page import Fact, Page, Section
from polyjudge.reporting.report_data import ReportData
from polyjudge.reporting.sections.agreement import agreement_section
from polyjudge.reporting.sections.disagreements import disagreements_section
from polyjudge.reporting.sections.failures import failures_section
from polyjudge.reporting.sections.ladder import ladder_section
from polyjudge.reporting.sections.pareto import pareto_section
from polyjudge.reporting.sections.spending import settings_section, spending_section
from polyjudge.reporting.sections.trajectory import instructions_section, trajectory_section
from polyjudge.reporting.summary import PAPER_NOTE, warnings
from polyjudge.results.outcome import notice
from polyjudge.version import __version__


def run_page(run: ReportData) -> Page:
    """The page."""
    outcome = run.outcome
    banner = notice(outcome.simulated)
    notices = [note for note in warnings(outcome) if note != banner]
    return Page(
        kind="Run",
        title=run.path.name,
        verdict=outcome.verdict,
        tone=_tone(run),
        facts=_facts(run),
        notices=(*notices, *([PAPER_NOTE] if run.paper else [])),
        sections=tuple(section for section in _sections(run) if section is not None),
        generator=f"polyjudge {__version__}",
        banner=banner,
    )


def _sections(run: ReportData) -> Iterator[Section | None]:
    yield ladder_section(run)
    yield agreement_section(run)
    yield trajectory_section(run)
    yield failures_section(run)
    yield pareto_section(run)
    yield instructions_section(run)
    yield disagreements_section(run)
    yield spending_section(run.summary.accounts, run.summary.seconds)
    yield settings_section(run)


def _tone(run: ReportData) -> str:
    mean, better = run.outcome.mean, run.metric.higher_is_better
    if mean.low > 0 or mean.high < 0:
        return "good" if (mean.low > 0) is better else "bad"
    return ""


def _facts(run: ReportData) -> tuple[Fact, ...]:
    outcome = run.outcome
    turns = [step for step in run.steps if step.index]
    accepted = sum(step.status == "accepted" for step in turns)
    sent = sum(account.sent for account in run.summary.accounts)
    return (
        Fact(f"Mean {run.metric_label}", *_change(run)),
        Fact(
            "Test rows", f"{outcome.rows:,}", f"of {outcome.documents:,} {outcome.unit}" if outcome.documents else ""
        ),
        Fact("Steps accepted", f"{accepted} of {len(turns)}", f"mode {run.config['mode']}"),
        Fact("Judge", run.judge.model, outcome.rungs[-1].judge if outcome.rungs else _asked(run)),
        Fact("Calls", f"{sent:,}", f"{sum(account.tokens for account in run.summary.accounts):,} tokens"),
    )


def _asked(run: ReportData) -> str:
    return f"{run.judge.layout}, {run.judge.scoring}"


def _change(run: ReportData) -> tuple[str, str]:
    mean = run.outcome.mean
    if not run.changed:
        return number(mean.initial), "the initial prompt stands"
    change = f"{signed(mean.difference)}, {interval(mean.low, mean.high)}"
    return f"{number(mean.initial)} → {number(mean.fitted)}", change
