"""What a run took, how it was set, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polyjudge.formatting.markup import Html, table, tag
from polyjudge.formatting.text import duration
from polyjudge.llm.accounts import RoleAccount
from polyjudge.reporting.html.categories import stacked
from polyjudge.reporting.html.chart import Chart, Point
from polyjudge.reporting.html.page import Section, folded, paragraphs
from polyjudge.reporting.report_data import ReportData
from polyjudge.results.choice import CHOICE_COLUMNS, Choice
from polyjudge.results.money import cost_text, total_text

# What config.json says of files and versions rather than of the method.
_FACTS = ("data", "data_digest", "prompt_digest", "templates", "version", "layout_used", "scoring_used", "endpoints")


def spending_section(accounts: Sequence[RoleAccount], seconds: float) -> Section:
    """Calls, tokens, money and time by role."""
    return Section(
        "cost",
        "What it took",
        (
            paragraphs([f"Money: {total_text(accounts)}. Time: {duration(seconds)}."] if accounts else []),
            _accounts(accounts),
            _tokens(accounts),
            paragraphs(["Calls answered from the cache, or shared with one under way, cost nothing."], "soft"),
        ),
        "Cost",
    )


def settings_section(run: ReportData) -> Section:
    """Configuration and lineage."""
    lineage = run.judge.lineage
    facts = {
        "data": f"{run.config['data']}, {run.config['data_digest']}",
        "split": f"by {lineage.get('split_by', 'unknown')}, seed {run.config['split_seed']}",
        "models": ", ".join(f"{role} {model}" for role, model in _models(lineage).items()),
        "layout": run.judge.layout,
        "scoring": run.judge.scoring + (f" of {run.judge.samples} samples" if run.judge.samples > 1 else ""),
        "preset": f"{run.config['preset']}, mode {run.config['mode']}, seed {run.config['seed']}",
        "made by": f"polyjudge {run.config['version']}, templates {run.config['templates']}",
        "folder": run.path.name,
    }
    settings = [[name, text] for name, text in _flat(run.config) if not name.startswith(_FACTS)]
    return Section(
        "settings",
        "Configuration and lineage",
        (
            _pairs(facts),
            _layouts(run.summary.layout),
            folded("All settings", table(("setting", "value"), settings, "As config.json holds them.", texts=(1,))),
            folded("Digests and endpoints", _pairs({key: text for key, text in _flat(run.config) if _is_fact(key)})),
            paragraphs(
                ["judge.yaml beside this file is the fitted judge; polyjudge score applies it to new texts."], "soft"
            ),
        ),
        "Settings",
    )


def _layouts(choice: Choice | None) -> Html | None:
    """What the stage ``configure`` measured."""
    if choice is None:
        return None
    caption = (
        f"Configuration {choice.name} was chosen on {choice.counted()}: {choice.reason}. "
        f"Calls and tokens are means a row."
    )
    return table(CHOICE_COLUMNS, choice.cells(), caption)


def _accounts(accounts: Sequence[RoleAccount]) -> Html | None:
    if not accounts:
        return None
    columns = (
        "role", "model", "calls", "from the cache or shared", "prompt tokens", "cached", "completion tokens",
        "time in calls", "money",
    )  # fmt: skip
    rows = [
        [
            account.role,
            account.model,
            f"{account.sent:,}",
            f"{account.from_cache + account.joined:,}",
            f"{account.prompt_tokens:,}",
            f"{account.cached_tokens:,}",
            f"{account.completion_tokens:,}"
            + (f" + {account.estimated_tokens:,} estimated" if account.estimated_tokens else ""),
            duration(account.seconds),
            cost_text(account.cost) if account.cost is not None else account.unpriced.partition(":")[0] or "unknown",
        ]
        for account in accounts
    ]
    return table(columns, rows, "By role and model.", texts=(1,))


def _tokens(accounts: Sequence[RoleAccount]) -> Chart:
    points = [
        Point(account.role, kind, float(count))
        for account in accounts
        for kind, count in (
            ("prompt", account.prompt_tokens - account.cached_tokens),
            ("prompt, cached", account.cached_tokens),
            ("completion", account.completion_tokens),
            ("estimated", account.estimated_tokens),
        )
        if count
    ]
    return stacked("tokens", "Tokens by role.", points, "tokens", of="role")


def _models(lineage: Mapping[str, Any]) -> dict[str, str]:
    models = lineage.get("models", {})
    return {str(role): str(model) for role, model in models.items()} if isinstance(models, Mapping) else {}


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", _text(value)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_fact(key: str) -> bool:
    return key.startswith(_FACTS)


def _pairs(facts: Mapping[str, str]) -> Html:
    return tag("dl", [[tag("dt", name), tag("dd", text)] for name, text in facts.items() if text], class_="pairs")
