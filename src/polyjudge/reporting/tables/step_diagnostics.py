"""The diagnostic model's ratings: how specific gradients are, and how closely the optimizer follows them.

How long the instructions become, step by step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from polyjudge.domain.decomposition import decomposition
from polyjudge.formatting.text import CHARACTERS_A_TOKEN
from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.replicated import crossed_difference
from polyjudge.reporting.tables.agreement import Blocks, columns, head
from polyjudge.reporting.tables.configurations import Block, Configuration
from polyjudge.reporting.tables.published import Published
from polyjudge.reporting.tables.render import Column, Table, Value

NOT_MEASURED = "not measured (run with --diagnostics)"


def specificity(blocks: Blocks, axes: Sequence[str]) -> Table:
    """How specific a step's gradients are to a criterion, 1..10."""
    return _table(
        blocks,
        axes,
        "specificity",
        "Specificity of the gradients, 1 to 10",
        lambda paper, one: paper.specificity(one.mode),
        "The gradients of a step are rated joined, for one criterion; a text that must serve several cannot score "
        "high, so that this measures scope as well as focus: `polyjudge diagnose RUN` has the controls.",
    )


def adherence(blocks: Blocks, axes: Sequence[str]) -> Table:
    """How closely a new instruction follows the gradients, 1..10."""
    return _table(
        blocks,
        axes,
        "adherence",
        "Adherence of the new instructions to the feedback, 1 to 10",
        lambda paper, one: paper.adherence(one),
        "Rated from the old instruction, the gradients and the new instruction.",
    )


def dilution(block: Block) -> tuple[float, float, Estimate, Estimate] | None:
    """Specificity of separate and of joint gradients, and the change from one to the other, absolute and relative.

    None where either is unknown: ``why_unknown`` says why.
    """
    sides = [
        _stacked(
            [
                _ratings(configuration, "specificity")
                for configuration in block.configurations
                if _separate(configuration) == kind
            ]
        )
        for kind in (False, True)
    ]
    if any(not side.size or np.isnan(side).all() for side in sides):
        return None
    steps = min(side.shape[1] for side in sides)
    joint, separate = (side[:, :steps] for side in sides)
    absolute, relative = crossed_difference(joint, separate)
    return float(np.nanmean(separate)), float(np.nanmean(joint)), absolute, relative


def why_unknown(block: Block) -> str:
    """What hinders ``dilution`` where it is None."""
    if not any(run.diagnostics for configuration in block.configurations for run in configuration.runs):
        return NOT_MEASURED
    for kind, gradients in ((True, "separate"), (False, "joint")):
        rated = [configuration for configuration in block.configurations if _separate(configuration) == kind]
        if not rated:
            return f"not measured (needs a mode with {gradients} gradients)"
        scores = [score for configuration in rated for score in _scores(configuration, "specificity", "mean")]
        if all(map(math.isnan, scores)):
            return f"unknown: of {len(scores)} ratings of {gradients} gradients none was readable"
    return NOT_MEASURED


def _table(
    blocks: Blocks,
    axes: Sequence[str],
    name: str,
    title: str,
    printed: Callable[[Published, Configuration], Mapping[str, float]],
    note: str,
) -> Table:
    rows: list[tuple[Value, ...]] = []
    beside = any(paper for _, paper in blocks)
    for block, paper in blocks:
        for configuration in block.configurations:
            message = printed(paper, configuration) if paper else {}
            for criterion in (*configuration.names, "mean"):
                scores = _scores(configuration, name, criterion)
                if scores:
                    shown = (message.get(criterion),) if beside else ()
                    rows.append((*head(block, configuration), criterion, *_figures(scores), *shown))
    measured = columns(
        axes,
        Column("criterion", "criterion"),
        Column(name, name, "number"),
        Column("spread", "standard deviation", "number"),
        Column("ratings", "ratings", "count"),
        Column("unreadable", "unreadable", "count"),
        *([Column("published", "published", "number")] if beside else []),
    )
    text = (note, *dict.fromkeys(paper.note for _, paper in blocks if paper)) if rows else ()
    return Table(name, title, measured, tuple(rows), text, missing=f"{name}: {NOT_MEASURED}")


def _separate(configuration: Configuration) -> bool:
    """Whether each criterion has gradients of its own."""
    return all(len(group) == 1 for group in decomposition(configuration.mode, configuration.names).gradient)


def _scores(configuration: Configuration, name: str, criterion: str) -> list[float]:
    wanted = configuration.names if criterion == "mean" else (criterion,)
    return [
        rating.score
        for run in configuration.runs
        for line in run.diagnostics
        for rating in line.ratings
        if rating.name == name and rating.criterion in wanted
    ]


def _figures(scores: Sequence[float]) -> tuple[Value, ...]:
    known = [score for score in scores if not math.isnan(score)]
    mean = math.fsum(known) / len(known) if known else math.nan
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else math.nan
    return mean, spread, len(known), len(scores) - len(known)


def _ratings(configuration: Configuration, name: str) -> Matrix:
    """Means over the criteria by run and step, (runs, steps), NaN where there are none."""
    means = np.full((len(configuration.runs), configuration.runs[0].last), np.nan)
    for row, run in enumerate(configuration.runs):
        for step in range(1, run.last + 1):
            ratings = [rating for line in run.diagnostics if line.step == step for rating in line.ratings]
            scores = [rating.score for rating in ratings if rating.name == name and not math.isnan(rating.score)]
            means[row, step - 1] = math.fsum(scores) / len(scores) if scores else math.nan
    return means


def _stacked(parts: Sequence[Matrix]) -> Matrix:
    if not parts:
        return np.empty((0, 0))
    steps = min(part.shape[1] for part in parts)
    return np.vstack([part[:, :steps] for part in parts])


def lengths(blocks: Blocks, axes: Sequence[str]) -> Table:
    """Mean length over runs of each criterion's instruction after each step."""
    rows: list[tuple[Value, ...]] = []
    for block, _ in blocks:
        for configuration in block.configurations:
            rows += [
                (
                    *head(block, configuration),
                    step,
                    name,
                    _words(configuration, step, name),
                    _tokens(configuration, step, name),
                )
                for step in range(configuration.runs[0].last + 1)
                for name in configuration.names
            ]
    return Table(
        "lengths",
        "Length of the instructions in force, step by step",
        columns(
            axes,
            Column("step", "step", "count"),
            Column("criterion", "criterion"),
            Column("words", "words", "number"),
            Column("tokens", "tokens, about", "number"),
        ),
        tuple(rows),
        (
            f"Mean over the runs. Tokens are estimated at {CHARACTERS_A_TOKEN} characters each.",
            "Published, in words: fluency's instruction grows to about 800 tokens, relevance's stays at about 4.",
        ),
        missing="Not there: no run is complete.",
    )


def _words(configuration: Configuration, step: int, name: str) -> float:
    return sum(len(run.instructions(step)[name].split()) for run in configuration.runs) / len(configuration.runs)


def _tokens(configuration: Configuration, step: int, name: str) -> float:
    characters = sum(len(run.instructions(step)[name]) for run in configuration.runs)
    return characters / CHARACTERS_A_TOKEN / len(configuration.runs)
