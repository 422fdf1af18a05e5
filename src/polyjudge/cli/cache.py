"""``polyjudge cache``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from polyjudge.formatting.text import many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyjudge.llm.cache.maintenance import AnswerGroup


@click.group("cache", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """The response cache: what it holds, and keeping it in order."""


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def show(as_json: bool) -> None:
    """Say what the response cache holds, by model and role."""
    from datetime import datetime

    from polyjudge import codec
    from polyjudge.workflows.maintenance import cache_show

    contents = cache_show()
    if as_json:
        click.echo(codec.pretty(contents))
        return
    click.echo(f"cache    {contents.folder}")
    click.echo(f"holds    {many(contents.entries, 'answers')}, {many(contents.bytes, 'bytes')}")
    if contents.oldest is not None and contents.newest is not None:
        oldest, newest = (
            datetime.fromtimestamp(time).strftime("%Y-%m-%d") for time in (contents.oldest, contents.newest)
        )
        click.echo(f"from     {oldest} to {newest}")
    for name in contents.aside:
        click.echo(f"aside    {name}")
    if contents.unreadable:
        click.echo(f"damaged  {contents.unreadable}")
    _table(contents.kept)


@command.command("merge")
@click.argument("folders", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def merge(folders: tuple[str, ...], as_json: bool) -> None:
    """Copy the answers of other response caches, in FOLDERS, into this one. FOLDERS are only read."""
    from polyjudge import codec
    from polyjudge.workflows.maintenance import cache_merge

    result = cache_merge(folders)
    if as_json:
        click.echo(codec.pretty(result))
        return
    click.echo(f"{many(result.added, 'answers')} added, {result.known:,} known already")


@command.command("prune")
@click.option("--older-than", type=float, metavar="DAYS", help="answers older than this")
@click.option("--model", metavar="M", help="answers of this model, as you named it")
@click.option("--dry-run", is_flag=True, help="only say what would be removed")
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def prune(older_than: float | None, model: str | None, dry_run: bool, as_json: bool) -> None:
    """Remove answers for good; a run that needs one asks, and pays, again."""
    from polyjudge import codec
    from polyjudge.workflows.maintenance import cache_prune

    result = cache_prune(older_than=older_than, model=model, dry_run=dry_run)
    if as_json:
        click.echo(codec.pretty(result))
        return
    click.echo(
        f"{'would remove' if dry_run else 'removed'} {many(result.entries, 'answers')}, {many(result.bytes, 'bytes')}"
    )
    _table(result.kept)


def _table(entries: Sequence[AnswerGroup]) -> None:
    from polyjudge.formatting.text import table_text

    if entries:
        click.echo()
    rows = [(row.role, row.model, f"{row.entries:,}", f"{row.bytes:,}") for row in entries]
    for line in table_text(rows, ("role", "model", "answers", "bytes")) if rows else ():
        click.echo(line)
