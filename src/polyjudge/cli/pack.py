"""``polyjudge pack``."""

from __future__ import annotations

from typing import Any

import click

from polyjudge.cli.options import bound_options, judge_options, model_options, output_options


@click.command("pack")
@click.argument("data")
@click.option("--criteria", metavar="FILE", help="criteria.yaml; registered data bring their own")
@click.option("--margin", type=float, default=0.03, metavar="X", show_default=True, help="the largest loss allowed")
@click.option("--dry-run", is_flag=True, help="print the planned calls and ask no model")
@model_options
@judge_options
@bound_options
@output_options
def command(
    data: str,
    criteria: str | None,
    margin: float,
    dry_run: bool,
    config: str | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Plan which criteria may share a judge call, with a certificate.

    Pairs of criteria are judged on one half of the training and validation rows. The cheapest partition that should
    keep the margin is then tested on the other half, and split if it does not. DATA is as for optimize.
    """
    from polyjudge import codec
    from polyjudge.cli.progress import watching
    from polyjudge.reporting.packing import packing_lines
    from polyjudge.settings.given import Settings
    from polyjudge.workflows.pack import pack, planned_packing

    settings = Settings(**options)
    if dry_run:
        roles = planned_packing(data, criteria=criteria, settings=settings, config=config)
        calls, tokens = sum(role.calls for role in roles), sum(role.prompt_tokens for role in roles)
        click.echo(codec.pretty(roles) if as_json else f"at most {calls:,} calls with about {tokens:,} tokens")
        return
    with watching(quiet=quiet or as_json) as observer:
        plan = pack(data, criteria=criteria, margin=margin, config=config, settings=settings, observer=observer)
    click.echo(codec.pretty(plan) if as_json else "\n".join(packing_lines(plan)))
