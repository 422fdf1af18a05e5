"""What the pages say of settings, options, files and words is what the code has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from polyjudge.cli import polyjudge
from polyjudge.registry import TABLES
from polyjudge.settings.config import RunConfig
from polyjudge.settings.presets import PRESETS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "polyjudge"
# The log keeps the names of its day.
PAGES = [ROOT / "README.md", *sorted(page for page in DOCS.rglob("*.md") if page.name != "log.md")]
# Options of other programs that the pages name.
FOREIGN = {
    "--count",
    "--items",
    "--kills",
    "--modes",
    "--latency",
    "--peers",
    "--short",
    "--strict",
    "--tokens",
    "--max-logprobs",
}


def options(command: click.Command) -> set[str]:
    """Every long option of a command and of the commands below it."""
    names = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            names |= options(below)
    return names


def table(page: str, header: str) -> list[list[str]]:
    """The rows of the first table of a page whose header begins with ``header``."""
    text = (DOCS / page).read_text(encoding="utf-8")
    lines = text[text.index(f"\n| {header} |") + 1 :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_every_setting_has_a_row_and_every_row_is_a_setting():
    names = {
        name.partition(".")[0]
        for row in table("configuration.md", "setting")
        for name in re.findall(r"`([^`]+)`", row[0])
    }
    assert names == set(RunConfig.model_fields)


def test_the_table_of_presets_gives_their_steps_and_batches():
    (row,) = [row for row in table("configuration.md", "preset") if row[0] == "steps, batch"]
    assert row[1:] == [f"{values['steps']}, {values['batch']}" for values in PRESETS.values()]


def test_every_scoring_method_and_optimizer_is_explained():
    assert {row[0].strip("`") for row in table("configuration.md", "method")} == set(TABLES["scoring"])
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in TABLES["optimizers"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_a_page_names_exists(page: Path):
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text(encoding="utf-8")))
    assert named - options(polyjudge) - FOREIGN <= {"--help", "--version"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_source_file_that_a_page_names_exists(page: Path):
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|toml|html))`", page.read_text(encoding="utf-8"))
    planned = {"optimizers/routing.py"}
    missing = [name for name in named if not any((root / name).is_file() for root in (ROOT, SOURCE.parent, SOURCE))]
    assert set(missing) <= planned


def test_the_site_lists_every_page():
    def paths(entries: object) -> set[str]:
        if isinstance(entries, str):
            return {entries}
        values = entries if isinstance(entries, list) else list(entries.values())  # type: ignore[attr-defined]
        return set().union(*map(paths, values))

    listed = paths(tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"])
    assert listed == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
