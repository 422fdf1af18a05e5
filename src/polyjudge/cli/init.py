"""``polyjudge init``."""

from __future__ import annotations

import click


@click.command("init")
@click.argument("data")
@click.option("--output", metavar="FILE", help="the criteria file to write, such as criteria.yaml; default: print it")
@click.option("--prompt", metavar="FILE", help="your own prompt: text, or messages in JSON or YAML")
@click.option("--from", "source", metavar="FILE", help="another tool's file; goes with --form")
@click.option("--form", metavar="TOOL", help="promptfoo, deepeval, mlflow or openevals")
@click.option("--judge", metavar="NAME", help="one of several judges in that file")
@click.option("--column", "columns", metavar="NAME=COLUMN", multiple=True, help="the column that a placeholder shows")
def command(
    data: str,
    output: str | None,
    prompt: str | None,
    source: str | None,
    form: str | None,
    judge: str | None,
    columns: tuple[str, ...],
) -> None:
    """Write a criteria file for rated data, guessed from the columns; no model is asked.

    DATA is a file of rated rows: raters in columns NAME_ann or "NAME (Ann)", in rows or in lists, scores or labels.
    With --prompt or --from it brings in a judge that you have: placeholders become columns, and what is to be fitted
    is marked. A file is read as data and never run.
    """
    from polyjudge.workflows.init import init

    named = dict(_pair(text) for text in columns)
    draft = init(data, output=output, prompt=prompt, source=source, form=form, judge=judge, columns=named)
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


def _pair(text: str) -> tuple[str, str]:
    name, sign, column = text.partition("=")
    if not sign or not name.strip() or not column.strip():
        raise click.BadParameter(f"{text!r} is no NAME=COLUMN", param_hint="--column")
    return name.strip(), column.strip()
