"""``polyjudge check``."""

from __future__ import annotations

from typing import Any

import click

from polyjudge.cli.options import bound_options, method_options, model_options, output_options


@click.command("check")
@click.argument("data")
@click.option("--criteria", metavar="FILE", help="criteria.yaml; registered data bring their own")
@click.option("--show", metavar="N", type=int, default=0, help="show what the judge is sent about N rows")
@model_options
@method_options
@bound_options
@output_options
def command(
    data: str, criteria: str | None, show: int, config: str | None, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Say what is known before anything is paid, without asking a model.

    It shows splits, leaks, what one annotator and a constant answer reach, the power of the rows, and planned calls.

    DATA is a CSV, JSONL or Parquet file, or a registered name such as moods or briefs.
    """
    from polyjudge.cli.printing import print_check
    from polyjudge.settings.given import Settings
    from polyjudge.workflows.check import check

    checked = check(data, criteria=criteria, show=show, config=config, settings=Settings(**options))
    print_check(checked, as_json)
