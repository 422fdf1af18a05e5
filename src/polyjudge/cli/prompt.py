"""``polyjudge prompt``."""

from __future__ import annotations

import click


@click.command("prompt")
@click.argument("judge", metavar="JUDGE.yaml")
@click.option("--data", metavar="FILE", help="rows with the judge's inputs; default: {{ COLUMN }} stands for each")
@click.option("--row", metavar="N", type=int, default=1, show_default=True, help="the row of DATA to show")
@click.option("--member", metavar="NAME", help="which member of a jury; default: all")
@click.option("--model", metavar="M", help="the judge, PROVIDER/MODEL, instead of the file's")
@click.option("--config", metavar="FILE", help="settings in a TOML file")
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def command(
    judge: str,
    data: str | None,
    row: int,
    member: str | None,
    model: str | None,
    config: str | None,
    as_json: bool,
) -> None:
    """Print exactly what a judge is sent; no model is asked.

    It shows all messages of all calls about a row, the schema that the reply is held to, and the parameters.
    """
    from polyjudge import codec
    from polyjudge.cli.printing import print_prompt
    from polyjudge.results.judge_file import read_judge
    from polyjudge.workflows.prompt import prompt

    file = read_judge(judge)
    every: list[str | None] = [one.name for one in file.members]
    members = [member] if member is not None else every or [None]
    shown = [prompt(file, data, row=row, model=model, config=config, member=one) for one in members]
    if len(shown) > 1 and as_json:
        click.echo(codec.pretty(dict(zip(map(str, members), shown, strict=True))))
        return
    for one, sent in zip(members, shown, strict=True):
        if len(shown) > 1:
            click.echo(f"##### member {one} #####")
        print_prompt(sent, as_json)
