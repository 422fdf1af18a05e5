"""``polyjudge init``."""

from __future__ import annotations

import click


@click.command("init")
@click.argument("data")
@click.option("--output", metavar="FILE", help="the criteria file to write, such as criteria.yaml; default: print it")
def command(data: str, output: str | None) -> None:
    """Write a criteria file for rated data, guessed from the columns; no model is asked.

    DATA is a file of rated rows: raters in columns NAME_ann or "NAME (Ann)", in rows or in lists, scores or labels.
    """
    from polyjudge.workflows.init import init

    draft = init(data, output=output)
    if output is None:
        click.echo(draft.text, nl=False)
    for note in draft.notes:
        click.echo(f"note: {note}", err=True)
    for column, reason in draft.left_out.items():
        click.echo(f"left out: {column}, because {reason}", err=True)
    if draft.refused:
        click.echo(f"check refuses these data so far: {draft.refused}", err=True)
    elif output is not None:
        click.echo(f"{output} is written; next: polyjudge check {data} --criteria {output}", err=True)
