"""``polyjudge export``."""

from __future__ import annotations

import click


@click.command("export")
@click.argument("judge", metavar="JUDGE.yaml")
@click.option("--to", metavar="FORMAT", default="text", help="text (default), messages, or an installed exporter")
@click.option("--member", metavar="NAME", help="which member of a jury")
@click.option("--output", metavar="FILE", help="the file; default: standard output")
def command(judge: str, to: str, member: str | None, output: str | None) -> None:
    """Write a fitted judge for another tool; no model is asked.

    text holds the prompts, messages the chat messages and the JSON schema of the reply as JSON; {{COLUMN}} stands
    where an input of the item goes.
    """
    from polyjudge.workflows.export import export

    text = export(judge, to=to, output=output, member=member)
    if output is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"{to}: {output}")
