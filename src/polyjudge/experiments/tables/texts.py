"""How long the instructions become, step by step."""

from __future__ import annotations

from collections.abc import Sequence

from polyjudge.experiments.plan import CHARACTERS_A_TOKEN
from polyjudge.experiments.tables.agreement import Blocks, columns, head
from polyjudge.experiments.tables.configurations import Configuration
from polyjudge.experiments.tables.table import Column, Table, Value


def lengths(found: Blocks, axes: Sequence[str]) -> Table:
    """Mean length over runs of each criterion's instruction after each step."""
    rows: list[tuple[Value, ...]] = []
    for block, _ in found:
        for one in block.configurations:
            rows += [
                (*head(block, one), step, name, _words(one, step, name), _tokens(one, step, name))
                for step in range(one.runs[0].last + 1)
                for name in one.names
            ]
    return Table(
        "lengths",
        "Length of the instructions in force, step by step",
        columns(
            axes,
            Column("step", "step", "count"),
            Column("criterion", "criterion"),
            Column("words", "words", "figure"),
            Column("tokens", "tokens, about", "figure"),
        ),
        tuple(rows),
        (
            f"Mean over the runs. Tokens are estimated at {CHARACTERS_A_TOKEN} characters each.",
            "Published, in words: fluency's instruction grows to about 800 tokens, relevance's stays at about 4.",
        ),
        missing="Not there: no run is complete.",
    )


def _words(one: Configuration, step: int, name: str) -> float:
    return sum(len(run.instructions(step)[name].split()) for run in one.runs) / len(one.runs)


def _tokens(one: Configuration, step: int, name: str) -> float:
    characters = sum(len(run.instructions(step)[name]) for run in one.runs)
    return characters / CHARACTERS_A_TOKEN / len(one.runs)
