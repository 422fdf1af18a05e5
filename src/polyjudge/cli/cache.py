"""``polyjudge cache``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from polyjudge.formatting.text import many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyjudge.llm.contents import Kept


@click.group("cache", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """The journal of answers: what it holds, and keeping it in order."""


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def show(as_json: bool) -> None:
    """Say what the journal holds, by model and role."""
    from datetime import datetime

    from polyjudge import codec
    from polyjudge.workflows.maintenance import cache_show

    found = cache_show()
    if as_json:
        click.echo(codec.pretty(found))
        return
    click.echo(f"journal  {found.folder}")
    click.echo(
        f"holds    {many(found.entries, 'answers')}, {many(found.bytes, 'bytes')} "
        f"in {many(len(found.shards), 'shards')}"
    )
    if found.oldest is not None and found.newest is not None:
        since, until = (datetime.fromtimestamp(when).strftime("%Y-%m-%d") for when in (found.oldest, found.newest))
        click.echo(f"from     {since} to {until}")
    for title, names in (("in use", found.in_use), ("aside", found.aside), ("unread", found.unreadable)):
        for name in names:
            click.echo(f"{title:<8} {name}")
    _table(found.kept)


@command.command("merge")
@click.argument("folders", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def merge(folders: tuple[str, ...], as_json: bool) -> None:
    """Bring the journals FOLDERS into this one; without any, its own shards into one.

    FOLDERS are only read. Shards that a process is writing are left alone.
    """
    from polyjudge import codec
    from polyjudge.workflows.maintenance import cache_merge

    done = cache_merge(folders)
    if as_json:
        click.echo(codec.pretty(done))
        return
    if done.shard:
        repeated = f", {done.repeated:,} repeated ones dropped" if done.repeated else ""
        replaced = many(len(done.removed), "shards")
        click.echo(f"{done.shard}: {many(done.entries, 'answers')}{repeated}; {replaced} replaced by it")
    else:
        click.echo("nothing to merge")
    _left(done.left)


@command.command("prune")
@click.option("--older-than", type=float, metavar="DAYS", help="answers older than this")
@click.option("--model", metavar="M", help="answers of this model, as you named it")
@click.option("--dry-run", is_flag=True, help="only say what would be removed")
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def prune(older_than: float | None, model: str | None, dry_run: bool, as_json: bool) -> None:
    """Remove answers for good; a run that needs one asks, and pays, again."""
    from polyjudge import codec
    from polyjudge.workflows.maintenance import cache_prune

    done = cache_prune(older_than=older_than, model=model, dry_run=dry_run)
    if as_json:
        click.echo(codec.pretty(done))
        return
    click.echo(
        f"{'would remove' if dry_run else 'removed'} {many(done.entries, 'answers')}, {many(done.bytes, 'bytes')}"
    )
    _table(done.kept)
    _left(done.left)


def _table(kept: Sequence[Kept]) -> None:
    from polyjudge.formatting.text import table_text

    if kept:
        click.echo()
    rows = [(one.role, one.model, f"{one.entries:,}", f"{one.bytes:,}") for one in kept]
    for line in table_text(rows, ("role", "model", "answers", "bytes")) if rows else ():
        click.echo(line)


def _left(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(f"left as it is: {line}")
