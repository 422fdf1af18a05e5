"""``polyjudge diagnose``."""

from __future__ import annotations

from typing import Any

import click

from polyjudge.cli.options import base_url_option, output_options, trust_option


@click.command("diagnose")
@click.argument("run")
@click.option("--data", metavar="DATA", help="the run's data, if they have moved")
@click.option("--only", metavar="PARTS", help="some of dilution,adherence,interference,text; default: all")
@click.option("--diagnostic-model", metavar="M", help="rates gradients and instructions; default: the optimizer's")
@base_url_option("another address than the run's")
@click.option("--limit", type=int, metavar="N", help="at most N held-out rows")
@click.option("--audit", type=float, metavar="SHARE", default=1.0, help="share of the steps to rate; default 1")
@click.option("--pick", metavar="ROWS", default="validation", help="cherry-pick by validation (default) or test rows")
@click.option("--config", metavar="FILE", help="settings in a TOML file")
@click.option("--max-calls", type=int, metavar="N", help="stop before more calls than this")
@click.option("--max-tokens", type=int, metavar="N", help="stop before more tokens than this")
@click.option("--max-cost", type=float, metavar="USD", help="stop before more money than this; prices must be known")
@click.option("--max-concurrency", type=int, metavar="N", help="calls at once")
@click.option("--threads", type=int, metavar="N", help="threads of an embedded model; default: by idle cores")
@click.option("--dry-run", is_flag=True, help="print the planned calls and ask no model")
@trust_option("the run's folder")
@output_options
def command(
    run: str,
    data: str | None,
    only: str | None,
    limit: int | None,
    audit: float,
    pick: str,
    config: str | None,
    trust_address: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Diagnose what went wrong in a finished run: diluted gradients, interfering criteria, a disobedient optimizer.

    RUN is the folder of a run of optimize. Verdicts, evidence and tables are written into it as diagnosis.json and
    diagnosis.md; docs/diagnosis.md says how to read them.
    """
    from polyjudge.cli.printing import print_diagnosis, print_plan
    from polyjudge.cli.progress import watching
    from polyjudge.diagnosis.records import PARTS
    from polyjudge.settings.given import Settings
    from polyjudge.workflows.diagnose import diagnose, plan_diagnosis

    keywords: dict[str, Any] = {
        "data": data,
        "only": PARTS if only is None else only,
        "limit": limit,
        "audit": audit,
        "pick": pick,
        "config": config,
        "settings": Settings(**options),
    }
    if dry_run:
        print_plan(plan_diagnosis(run, **keywords), as_json)
        return
    with watching(quiet=quiet or as_json) as observer:
        diagnosed = diagnose(run, trust_address=trust_address, observer=observer, **keywords)
    print_diagnosis(diagnosed, as_json)
