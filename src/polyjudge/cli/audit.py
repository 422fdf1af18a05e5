"""``polyjudge audit``."""

from __future__ import annotations

import click

from polyjudge.errors import QualityGateFailed


@click.command("audit")
@click.argument("scores", nargs=-1, required=True)
@click.option(
    "--criteria", metavar="FILE", help="criteria.yaml; names and scales are enough; without it they are guessed"
)
@click.option("--drift", metavar="COLUMN", default="", help="look for errors that move along this column")
@click.option("--by", multiple=True, metavar="COLUMN", help="show the agreement for each value of this column")
@click.option(
    "--system",
    metavar="COLUMN",
    default="",
    help="show whether the judge ranks these systems as people do; FIRST,SECOND of preferences",
)
@click.option(
    "--margin", type=float, metavar="X", help="accepted loss of agreement when criteria share a call; default 0.03"
)
@click.option(
    "--fail-under",
    "fail_under",
    multiple=True,
    metavar="METRIC[:CRITERION]=X",
    help="exit 100 when a judge is worse, in the mean or on a criterion; METRIC primary is each criterion's own",
)
@click.option("--seed", type=int, default=0, metavar="N", help="seed of the resamples")
@click.option("--output", metavar="FILE", help="also write the audit as Markdown, or as JSON to a .json file")
@click.option("--json", "as_json", is_flag=True, help="print the audit as JSON")
def command(
    scores: tuple[str, ...],
    criteria: str | None,
    drift: str,
    by: tuple[str, ...],
    system: str,
    margin: float | None,
    fail_under: tuple[str, ...],
    seed: int,
    output: str | None,
    as_json: bool,
) -> None:
    """Audit a judge that already scores, from any tool; no model is asked.

    SCORES are one or more files: scores.csv of this tool, the wide or long form of docs/audit.md, or logs of Inspect.
    """
    from polyjudge import codec
    from polyjudge.audits.interference import MARGIN
    from polyjudge.cli.printing import print_lines
    from polyjudge.reporting.audit import audit_lines
    from polyjudge.results.audit import Audit
    from polyjudge.results.store import writable, write_whole
    from polyjudge.workflows.audit import audit

    def show(result: Audit) -> None:
        text = "\n".join(audit_lines(result))
        if target:
            write_whole(target, (codec.pretty(result) if target.suffix == ".json" else text) + "\n")
        print_lines([codec.pretty(result) if as_json else text])

    target = writable(output, [*scores, *filter(None, [criteria])])
    try:
        result = audit(
            list(scores),
            criteria=criteria,
            drift=drift,
            by=by,
            system=system,
            fail_under=fail_under,
            margin=MARGIN if margin is None else margin,
            seed=seed,
        )
    except QualityGateFailed as failed:
        if isinstance(failed.audit, Audit):
            show(failed.audit)
        raise
    show(result)
