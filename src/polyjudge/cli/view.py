"""``polyjudge view``."""

from __future__ import annotations

import click


@click.command("view")
@click.argument("path", metavar="RUN|STUDY")
def command(path: str) -> None:
    """Open the report of a run or a study in the browser; it is written first where it is missing.

    Where there is no browser, its path is printed.
    """
    from polyjudge.reporting.report import view

    shown = view(path)
    click.echo(f"report: {shown.file}" + ("" if shown.opened else " (no browser was found; open the file yourself)"))
