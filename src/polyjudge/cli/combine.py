"""``polyjudge combine``."""

from __future__ import annotations

import click


@click.command("combine")
@click.argument("scores", nargs=-1, required=True)
@click.option(
    "--criteria", metavar="FILE", help="criteria.yaml; names and scales are enough; without it they are guessed"
)
@click.option("--members", type=int, metavar="M", help="of the jury, at most; default 4")
@click.option(
    "--judge", "judges", multiple=True, metavar="NAME", help="only these judges; patterns such as 'gpt-*' too"
)
@click.option("--splits", type=int, metavar="N", help="further halves, for the estimate; default 20")
@click.option("--seed", type=int, default=0, metavar="N", help="seed of the halves")
@click.option("--apply", "jury", metavar="JURY.yaml", help="score with this jury instead of choosing one")
@click.option("--output", metavar="FILE", help="the jury as jury.yaml; with --apply its scores as CSV")
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def command(
    scores: tuple[str, ...],
    criteria: str | None,
    members: int | None,
    judges: tuple[str, ...],
    splits: int | None,
    seed: int,
    jury: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Make one judge of several from scores at hand; no model is asked.

    SCORES are what audit reads, or "hanna", the recorded scores that come with the package. The best single judge, a
    jury, and a calibration are chosen on one half of the documents and measured on the other.
    """
    from polyjudge import codec
    from polyjudge.cli.printing import print_lines
    from polyjudge.errors import ConfigError
    from polyjudge.reporting.combination import combination_lines
    from polyjudge.workflows.combine import MEMBERS, SPLITS, combine
    from polyjudge.workflows.jury import apply_jury

    if jury is not None:
        chosen = {"--criteria": criteria, "--members": members, "--judge": judges or None, "--splits": splits}
        given = [name for name, value in chosen.items() if value is not None]
        if given or as_json:
            raise ConfigError(f"--apply takes its choice from {jury}; leave out {', '.join(given) or '--json'}")
        applied = apply_jury(jury, list(scores), output=output)
        click.echo(applied.summary() if output else applied.csv(), nl=bool(output))
        return
    result = combine(
        list(scores),
        criteria=criteria,
        members=MEMBERS if members is None else members,
        judges=judges,
        splits=SPLITS if splits is None else splits,
        output=output,
        seed=seed,
    )
    print_lines([codec.pretty(result)] if as_json else combination_lines(result))
    if output and not as_json:
        click.echo(f"\nThe jury: {output}. Apply it with: polyjudge combine --apply {output} SCORES --output FILE")
