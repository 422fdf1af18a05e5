"""``polyjudge study``."""

from __future__ import annotations

from typing import Any

import click

from polyjudge.cli.options import bound_options, method_options, model_options, output_options, trust_option


@click.command("study")
@click.argument("study")
@click.option("--data", metavar="DATA", help="replaces the study's data; several with commas")
@click.option("--output", metavar="DIR", help="the study's folder; default runs/STUDY-DIGEST")
@click.option("--seeds", metavar="N,N", help="replaces the study's seeds; a single N means 0 to N - 1")
@click.option(
    "--retests",
    type=int,
    metavar="N",
    help="re-tests of each initial prompt; default: as many as a run evaluates the test rows",
)
@click.option("--dry-run", is_flag=True, help="print the planned calls of every run and ask no model")
@model_options
@method_options
@bound_options
@trust_option("the study's file")
@output_options
def command(
    study: str,
    data: str | None,
    output: str | None,
    model: str | None,
    seeds: str | None,
    retests: int | None,
    config: str | None,
    trust_address: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Run a grid of runs and make its tables.

    STUDY is a TOML file, or the name of a shipped study such as paper. --model and --data name several with commas; an
    option that is an axis of the study takes several too and replaces the axis' values. Run the same command again
    after an interruption: complete runs stand, the others go on where they were.
    """
    from polyjudge.cli.printing import print_study, print_study_plan
    from polyjudge.cli.progress import watching
    from polyjudge.settings.given import Settings
    from polyjudge.workflows.study import plan_study
    from polyjudge.workflows.study import study as run_study

    keywords: dict[str, Any] = {
        "data": data,
        "model": model,
        "seeds": seeds,
        "retests": retests,
        "config": config,
        "settings": Settings(**options),
    }
    if dry_run:
        print_study_plan(plan_study(study, **keywords), as_json)
        return
    with watching(quiet=quiet or as_json) as observer:
        result = run_study(study, output=output, trust_address=trust_address, observer=observer, **keywords)
    print_study(result, as_json)
    if result.failed:
        raise click.exceptions.Exit(1)
