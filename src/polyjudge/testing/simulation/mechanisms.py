"""The parameters of each mechanism of a world; ``docs/simulation.md`` says what they mean and what switches them off.

``low`` and ``high`` in a field's metadata bound what a world's file may hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


def _number(low: float, high: float = math.inf) -> Any:
    return field(metadata={"low": low, "high": high})


@dataclass(frozen=True, slots=True)
class Data:
    """The items of the world's own data set.

    Attributes:
        criteria: their names.
        documents: how many.
        summaries: items a document.
        train: how many documents the data's own split trains on.
        raters: how many rate each item.
        disagreement: standard deviation of one rater's error; qualities have 1.
    """

    criteria: tuple[str, ...]
    documents: int = _number(2, 100_000)
    summaries: int = _number(1, 1000)
    train: int = _number(1, 100_000)
    raters: int = _number(1, 100)
    disagreement: float = _number(0, 10)


@dataclass(frozen=True, slots=True)
class Truth:
    """Latent qualities, each standard normal.

    Attributes:
        correlation: between the qualities of one item.
        document: share of their variance that items of one document have in common.
    """

    correlation: float = _number(0, 1)
    document: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class Perception:
    """How well a judge sees a quality.

    Attributes:
        fidelity: correlation of perception and quality under an instruction without rules.
        leniency: added to every perception.
        item: share of the error's variance that belongs to the item, whatever the prompt.
        impression: share of the item's error that is common to all its criteria.
        call: standard deviation of what a call adds at temperature 1; also the spread of the told probabilities.
        unreadable: probability of a reply without scores.
    """

    fidelity: float = _number(0, 1)
    leniency: float = _number(-5, 5)
    item: float = _number(0, 1)
    impression: float = _number(0, 1)
    call: float = _number(0.01, 10)
    unreadable: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules that instructions may hold; ``gain`` and ``harm`` 0 switch them off.

    Attributes:
        count: rules a criterion.
        good: probability that a rule helps.
        gain: a helpful rule adds up to this to the fidelity.
        harm: a harmful one takes up to this.
        words: shortest and longest text of a rule.
    """

    words: tuple[int, int]
    count: int = _number(1, 200)
    good: float = _number(0, 1)
    gain: float = _number(0, 1)
    harm: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class Interference:
    """What sharing a judge call does; each is off at 0.

    Attributes:
        gamma: attention goes with the instruction's length to this power.
        crowding: share of the fidelity lost for each criterion beside it.
        halo: weight of the mean over all criteria of a call in each perception.
        contrast: share of the common impression that judging side by side removes.
    """

    gamma: float = _number(0, 10)
    crowding: float = _number(0, 1)
    halo: float = _number(0, 1)
    contrast: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class Dilution:
    """What sharing a gradient call does; off when ``shared`` and ``delta`` are 0.

    Attributes:
        slots: sentences a gradient call writes.
        shared: 1 = the criteria of a call share them, 0 = each has so many.
        delta: the probability of a specific sentence falls with the number of criteria to this power.
        specific: that probability for one criterion alone.
    """

    slots: int = _number(1, 100)
    shared: float = _number(0, 1)
    delta: float = _number(0, 10)
    specific: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class Writers:
    """What loss, gradient and optimizer make of what they hear.

    Attributes:
        insight: probability that the loss names a rule for a criterion; it falls with their number as ``delta`` says.
        helpful: probability that a rule that is named helps.
        proposes: probability that a specific sentence asks for a change.
        obedience: probability that the optimizer does what a sentence asks for, else something of its own.
    """

    insight: float = _number(0, 1)
    helpful: float = _number(0, 1)
    proposes: float = _number(0, 1)
    obedience: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """How well the diagnostic model reads.

    Attributes:
        noise: standard deviation of its ratings from 1 to 10.
        error: probability of an attribution by chance.
    """

    noise: float = _number(0, 10)
    error: float = _number(0, 1)
