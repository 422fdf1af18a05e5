"""``polyjudge optimize``."""

from __future__ import annotations

from typing import Any

import click

from polyjudge.cli.options import bound_options, method_options, model_options, output_options


@click.command("optimize")
@click.argument("data")
@click.option("--criteria", metavar="FILE", help="criteria.yaml; registered data bring their own")
@click.option("--from", "start", metavar="JUDGE.yaml", help="go on from a fitted judge: its instructions come first")
@click.option("--output", metavar="DIR", help="the run folder; default runs/DATA-MODEL-DIGEST")
@click.option("--dry-run", is_flag=True, help="print the plan and ask no model")
@model_options
@method_options
@bound_options
@output_options
def command(
    data: str,
    criteria: str | None,
    start: str | None,
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
    from polyjudge.workflows.going_on import start_of
    from polyjudge.workflows.optimize import optimize

    settings = Settings(**options)
    if dry_run:
        shown = start_of(start, criteria).rubric if start else criteria
        print_check(check(data, criteria=shown, config=config, settings=settings), as_json)
        return
    with watching(quiet=quiet or as_json) as observer:
        run = optimize(
            data, criteria=criteria, start=start, output=output, config=config, settings=settings, observer=observer
        )
    print_run(run, as_json)
