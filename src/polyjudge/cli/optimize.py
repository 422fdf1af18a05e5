"""``polyjudge optimize``."""

from __future__ import annotations

from typing import Any

import click

from polyjudge.cli.options import bound_options, method_options, model_options, output_options


@click.command("optimize")
@click.argument("data")
@click.option("--criteria", metavar="FILE", help="criteria.yaml; registered data bring their own")
@click.option("--output", metavar="DIR", help="the run folder; default runs/DATA-MODEL-DIGEST")
@click.option("--dry-run", is_flag=True, help="print the plan and ask no model")
@model_options
@method_options
@bound_options
@output_options
def command(
    data: str,
    criteria: str | None,
    output: str | None,
    config: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Fit a judge's prompt to human ratings.

    DATA is a CSV, JSONL or Parquet file, or a registered name such as moods or briefs. Run the same command again
    after an interruption: it goes on where it was.
    """
    from polyjudge.cli.printing import print_check, print_run
    from polyjudge.cli.progress import watching
    from polyjudge.settings.given import Settings
    from polyjudge.workflows.check import check
    from polyjudge.workflows.optimize import optimize

    settings = Settings(**options)
    if dry_run:
        print_check(check(data, criteria=criteria, config=config, settings=settings), as_json)
        return
    with watching(quiet=quiet or as_json) as observer:
        run = optimize(data, criteria=criteria, output=output, config=config, settings=settings, observer=observer)
    print_run(run, as_json)
