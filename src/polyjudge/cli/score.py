"""``polyjudge score``."""

from __future__ import annotations

from typing import Any

import click

from polyjudge.cli.options import bound_options, model_options, output_options, trust_option


@click.command("score")
@click.argument("judge")
@click.argument("data")
@click.option("--output", metavar="FILE", default="scores.csv", show_default=True, help="the table to write")
@click.option("--distribution", is_flag=True, help="also write each label's probability (scoring expected)")
@model_options
@bound_options
@trust_option("the judge file")
@output_options
def command(
    judge: str,
    data: str,
    output: str,
    distribution: bool,
    config: str | None,
    trust_address: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Score new texts with a fitted judge.

    JUDGE is a judge.yaml; DATA a file with the judge's input columns, or a registered name.
    """
    from polyjudge.cli.printing import print_scores
    from polyjudge.cli.progress import watching
    from polyjudge.settings.given import Settings
    from polyjudge.workflows.score import score

    with watching(quiet=quiet or as_json) as observer:
        scores = score(
            judge,
            data,
            output=output,
            distribution=distribution,
            settings=Settings(**options),
            config=config,
            trust_address=trust_address,
            observer=observer,
        )
    print_scores(scores, as_json)
