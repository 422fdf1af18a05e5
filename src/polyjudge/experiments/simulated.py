"""The one place that says whether a result is simulated. What it returns stands in every artefact of a run.

A backend says of itself that no model answers (``Abilities.simulated``), a data set that nobody rated
(``Dataset.simulated``); everything else asks here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from polyjudge.domain.dataset import Dataset
from polyjudge.experiments.optimize.outcome import Outcome
from polyjudge.llm.request import SIMULATED, Asker


def simulated(models: Iterable[str], asker: Asker, dataset: Dataset | None = None) -> tuple[str, ...]:
    """What of a run is simulated, by name, models first; empty when nothing is."""
    found = [model for model in dict.fromkeys(models) if asker.abilities(model).simulated]
    if dataset is not None and dataset.simulated:
        found.append(f"data {dataset.name}")
    return tuple(found)


def marked(outcome: Outcome, parts: tuple[str, ...], *, unrelated: bool) -> Outcome:
    """An outcome whose verdict and notes say what of it is simulated."""
    if not parts:
        return outcome
    told = notice(parts, unrelated=unrelated)
    verdict = f"{SIMULATED}: {outcome.verdict}"
    return replace(outcome, verdict=verdict, notes=(told, *outcome.notes), simulated=parts)


def notice(parts: tuple[str, ...], *, unrelated: bool = False) -> str:
    """The sentence that stands beside every simulated result; "" when nothing is simulated.

    Args:
        parts: as ``simulated`` gives them.
        unrelated: whether the rows are not those of a world, so that its judge knows nothing of their ratings.
    """
    if not parts:
        return ""
    text = (
        f"{SIMULATED} ({', '.join(parts)}): this tests software; it says nothing about a real model or about people."
    )
    if unrelated:
        text += " The simulated judge draws its scores from a digest of each text, unrelated to these ratings."
    return text
