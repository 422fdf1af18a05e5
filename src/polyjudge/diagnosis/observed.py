"""What is observed of a run's steps, one record an observation; what is concluded from them is in ``records``."""

from __future__ import annotations

from dataclasses import dataclass

from polyjudge.domain.decomposition import Group
from polyjudge.domain.scale import NAN


@dataclass(frozen=True, slots=True)
class Rating:
    """One whole number from 1 to 10 by the diagnostic model.

    Attributes:
        name: "specificity" (a step's gradients that speak for the criterion, joined), "concatenation" (separate
            gradients of all criteria, joined), "extraction" (the criterion's own sentences) or "adherence".
        criterion: for which it was rated.
        group: the criteria that the rated gradients were written for in one call.
        score: nan = unreadable.
        candidate: adherence: which of the step's candidates.
        asked: whether the gradients were written for the diagnosis, as a control, and not in the run.
    """

    name: str
    criterion: str
    group: Group
    score: float
    candidate: int = 0
    asked: bool = False


@dataclass(frozen=True, slots=True)
class StepMeters:
    """Specificity and adherence of one step, as ``--meters`` writes them: one line of meters.jsonl.

    Attributes:
        step: the step's index.
        criteria: what the step fits (one name in each run of ST).
        model: the diagnostic model.
        ratings: specificity of every criterion, then adherence of every criterion that got a new instruction.
        notice: what whoever reads this record must know, such as "SIMULATED".
    """

    step: int
    criteria: Group
    model: str
    ratings: tuple[Rating, ...]
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Which criterion a criticism serves, said by the diagnostic model without seeing the criteria's names in it.

    Attributes:
        step: the step's index.
        criterion: the one it was written for.
        group: the criteria that the gradients were written for in one call.
        said: the model's answer; "" = nothing was said of the criterion, which counts as a miss. An answer that
            cannot be read is no attribution, and counted.
        choices: how many criteria there were to choose from.
        asked: as in ``Rating``.
    """

    step: int
    criterion: str
    group: Group
    said: str
    choices: int
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """An accepted change of one criterion's instruction, and whether it raised that criterion's agreement.

    Attributes:
        step: when.
        criterion: whose.
        metric: for which higher is better.
        validation: new minus old on the rows that chose it, so that it is optimistic; nan = not measured.
        fresh: new minus old on rows that chose nothing; nan = not measured.
    """

    step: int
    criterion: str
    metric: str
    validation: float
    fresh: float = NAN


@dataclass(frozen=True, slots=True)
class StepRating:
    """A rating and the step it belongs to."""

    step: int
    rating: Rating
