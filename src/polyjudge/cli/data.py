"""``polyjudge data``."""

from __future__ import annotations

import click


@click.group("data", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """The registered data sets."""


@command.command("list")
def listed() -> None:
    """List the registered data sets."""
    from polyjudge import registry

    names = registry.names("datasets")
    width = max(map(len, names))
    for name in names:
        click.echo(f"{name:<{width}} {_first_line(registry.lookup('datasets', name).__doc__)}")


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Say where a data set comes from, its licence and its sizes."""
    import inspect

    from polyjudge import registry

    text = inspect.cleandoc(registry.lookup("datasets", name).__doc__ or "no description")
    click.echo(text.partition("\nRaises:")[0].replace("``", "").rstrip())


@command.command("pull")
@click.argument("name")
@click.option("--from", "source", metavar="URL", help="a mirror that holds NAME/train.parquet and NAME/test.parquet")
def pull(name: str, source: str | None) -> None:
    """Fetch a published data set into POLYJUDGE_DATA, after its licence; digests are checked."""
    from polyjudge.workflows import maintenance as upkeep

    upkeep.pull(name, source=source, notify=click.echo)


@command.command("convert")
@click.argument("file")
@click.option("--form", required=True, metavar="TOOL", help="whose export it is: label-studio, argilla or langfuse")
@click.option("--output", required=True, metavar="FILE.jsonl", help="the rated rows to write, for polyjudge init")
def convert(file: str, form: str, output: str) -> None:
    """Make rated rows of an annotation tool's JSON export: one row an item, a list of ratings for each question."""
    from polyjudge.workflows import maintenance as upkeep

    count = upkeep.convert(file, form=form, output=output)
    click.echo(f"{count} rows are in {output}; next: polyjudge init {output}")


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
