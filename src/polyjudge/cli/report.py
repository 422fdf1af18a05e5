"""``polyjudge report``."""

from __future__ import annotations

import click


@click.command("report")
@click.argument("path", metavar="RUN|STUDY")
@click.option("--output", metavar="FILE", help="the file; default report.html in the folder")
@click.option("--figures", metavar="DIR", help="also export every chart as SVG and PNG (extra 'figures')")
@click.option("--data", metavar="DATA", help="the run's data, if they have moved")
def command(path: str, output: str | None, figures: str | None, data: str | None) -> None:
    """Write the report of a run or a study: one HTML file that needs nothing else.

    optimize, diagnose and study write it by themselves.
    """
    from polyjudge.reporting.report import report

    click.echo(f"report: {report(path, output=output, figures=figures, data=data)}")
