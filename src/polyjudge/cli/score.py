"""``polyjudge score``."""

from __future__ import annotations

import sys
from typing import Any

import click

from polyjudge.cli.options import bound_options, model_options, output_options, trust_option


@click.command("score")
@click.argument("judge")
@click.argument("data")
@click.option(
    "--output",
    metavar="FILE",
    help="the table to write, .csv, .jsonl or .parquet; - is standard output; default scores.csv, or - if DATA is -",
)
@click.option("--distribution", is_flag=True, help="also write each label's probability (scoring expected)")
@click.option("--reasons", is_flag=True, help="also write the judge's reason for each score (scoring reasoned)")
@click.option("--members", is_flag=True, help="also write the scores of a jury's members")
@click.option("--dry-run", is_flag=True, help="print the planned calls, tokens and money, and ask no model")
@model_options
@bound_options
@trust_option("the judge file")
@output_options
def command(
    judge: str,
    data: str,
    output: str | None,
    distribution: bool,
    reasons: bool,
    members: bool,
    dry_run: bool,
    config: str | None,
    trust_address: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Score new texts with a fitted judge.

    JUDGE is a judge.yaml; DATA a file with the judge's input columns, a registered name, or - for standard input. The
    table keeps the columns of DATA. A file that is there is only written over if it holds scores of the same judge
    and data.
    """
    from polyjudge.cli.printing import print_plan, print_scores
    from polyjudge.cli.progress import watching
    from polyjudge.cli.streams import standard_input
    from polyjudge.settings.given import Settings
    from polyjudge.workflows.score import plan_score, score

    settings = Settings(**options)
    to_stream = output == "-" or (output is None and data == "-")
    with standard_input(data) as source:
        if dry_run:
            print_plan(plan_score(judge, source, settings=settings, config=config), as_json)
            return
        with watching(quiet=quiet or as_json) as observer:
            scores = score(
                judge,
                source,
                output=sys.stdout if to_stream else output or "scores.csv",
                distribution=distribution,
                reasons=reasons,
                members=members,
                settings=settings,
                config=config,
                trust_address=trust_address,
                observer=observer,
            )
    if not to_stream:
        print_scores(scores, as_json)
    elif not quiet:
        print_scores(scores, as_json, err=True)
