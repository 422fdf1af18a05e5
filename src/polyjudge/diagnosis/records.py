"""What a diagnosis finds: flat tables of figures with their intervals, and verdicts in words.

A figure without a meaning or a value is NaN. An interval that cannot be given has NaN ends.

The tables of a diagnosis consist of means of ratings with intervals by step, and of shares of successes.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from polyjudge.domain.decomposition import Group
from polyjudge.domain.scale import NAN
from polyjudge.metrics import ppi
from polyjudge.metrics.estimates import Estimate, Interval
from polyjudge.metrics.ppi import t_quantile


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
class StepDiagnostics:
    """Specificity and adherence of one step, as ``--diagnostics`` writes them: one line of diagnostics.jsonl.

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
        held_out: new minus old on rows that chose nothing; nan = not measured.
    """

    step: int
    criterion: str
    metric: str
    validation: float
    held_out: float = NAN


@dataclass(frozen=True, slots=True)
class StepRating:
    """A rating and the step it belongs to."""

    step: int
    rating: Rating


PARTS = ("dilution", "adherence", "interference", "text")
"""What a diagnosis consists of; each can be asked for alone."""

MEAN = "mean"
"""The row of a table that stands for all criteria."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of a table.

    Attributes:
        name: what was measured, such as "specificity" or "blind attribution".
        of: on what, such as "separate", "joint" or "joint - separate".
        criterion: its name, or ``MEAN``.
        estimate: the value with its interval.
    """

    name: str
    of: str
    criterion: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer in words, by a rule of docs/diagnosis.md.

    Attributes:
        question: "dilution", "interference" or "optimizer obeys".
        answer: "yes", "no", "undecided" or "not defined".
        because: the rule as it came out, with its figures, in a sentence.
        evidence: the figures that the rule looked at.
    """

    question: str
    answer: str
    because: str
    evidence: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Dilution:
    """How specific the gradients are, with the controls.

    Attributes:
        ratings: (step, rating), in the order of the steps.
        attributions: blind ones.
        edits: every accepted change.
        figures: specificity, concatenation, extraction, blind attribution, edit yield, and the model-free estimate.
        audited: share of the steps that the diagnostic model rated, 0..1.
        unreadable: how many of its replies could not be read.
    """

    ratings: tuple[StepRating, ...]
    attributions: tuple[Attribution, ...]
    edits: tuple[Edit, ...]
    figures: tuple[Figure, ...]
    audited: float
    unreadable: int


@dataclass(frozen=True, slots=True)
class Adherence:
    """How closely new instructions follow the criticism.

    Attributes:
        ratings: in the order of the steps.
        figures: by criterion and over all.
        unreadable: how many replies could not be read.
    """

    ratings: tuple[StepRating, ...]
    figures: tuple[Figure, ...]
    unreadable: int


@dataclass(frozen=True, slots=True)
class Cell:
    """Agreement of some instructions in some company, on held-out rows; each cell on the rows that it scored.

    Attributes:
        instructions: "initial", "fitted", "padded" (the fitted ones, the shorter as long as the longest by neutral
            sentences), "cut" (the longer cut at sentence ends to the median length) or "picked" (the best step of
            each criterion).
        company: "apart" (a call each) or "together" (one call for all).
        criterion: its name, or ``MEAN``.
        agreement: by the primary metric.
        coverage: share of the rated rows that were scored, 0..1.
        words: length of the instruction; of all of them in the row ``MEAN``.
    """

    instructions: str
    company: str
    criterion: str
    agreement: Estimate
    coverage: float
    words: int


@dataclass(frozen=True, slots=True)
class Pair:
    """What a fitted criterion gains (loses, below 0) in the company of another: together minus alone."""

    criterion: str
    company: str
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Pick:
    """The instruction of a criterion that was best by itself.

    Attributes:
        criterion: whose.
        run: the run it is from, where several were looked at; "" in a diagnosis of one.
        step: the step after which it stood.
        value: its agreement on the rows it was chosen by; NaN where a gate chose it.
        text: the instruction.
    """

    criterion: str
    run: str
    step: int
    value: float
    text: str


@dataclass(frozen=True, slots=True)
class CherryPick:
    """The paper's experiment: the best instruction of each criterion, put into one prompt.

    Attributes:
        metric: by which they were chosen.
        chosen_on: "validation", or "test" as in the paper, where the rows that choose also report.
        picks: one a criterion.
        cells: initial together, picked apart and picked together, by criterion and mean.
        figures: picked together minus picked apart, and minus initial together; paired.
    """

    metric: str
    chosen_on: str
    picks: tuple[Pick, ...]
    cells: tuple[Cell, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Interference:
    """What sharing a call does to the criteria.

    Attributes:
        metric: the primary one.
        rows: held-out rows.
        unit: what the intervals resample: "documents", "different texts" or "rows".
        clusters: how many of them.
        cells: the 2x2, and the length controls.
        figures: together minus apart for each set of instructions, and differences between these; paired.
        evidence: those of them that the verdict looks at, with its own level.
        pairs: criterion by criterion; empty for fewer than two.
        cherry_pick: None when it was not asked for.
    """

    metric: str
    rows: int
    unit: str
    clusters: int
    cells: tuple[Cell, ...]
    figures: tuple[Figure, ...]
    evidence: tuple[Figure, ...]
    pairs: tuple[Pair, ...] = ()
    cherry_pick: CherryPick | None = None


@dataclass(frozen=True, slots=True)
class InstructionFacts:
    """One criterion's instruction after one step.

    Attributes:
        step: the step's index.
        criterion: whose.
        characters: its length.
        words: its length.
        tokens: estimated, four characters a token.
        sentences: how many it has.
        naming_others: share of its sentences that name another criterion, 0..1.
        drift: how unlike the initial instruction it is, 0 = the same letters, 1 = nothing in common; of letters,
            not of meaning.
    """

    step: int
    criterion: str
    characters: int
    words: int
    tokens: int
    sentences: int
    naming_others: float
    drift: float


@dataclass(frozen=True, slots=True)
class Similarity:
    """How alike the gradients of two criteria are in a step, 0..1; of letters, not of meaning."""

    step: int
    one: str
    other: str
    value: float


@dataclass(frozen=True, slots=True)
class Texts:
    """What the texts show without a model.

    Attributes:
        instructions: by step and criterion, the initial ones first.
        similarities: of gradients across criteria; empty where one text speaks for all.
        naming_others: share of the gradients' sentences that name another criterion, by criterion and mean.
    """

    instructions: tuple[InstructionFacts, ...]
    similarities: tuple[Similarity, ...]
    naming_others: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was found out about a run; parts that were not asked for are None.

    Attributes:
        run: its folder's name.
        mode: "SSS" and so on.
        gate: as the run used it.
        models: role -> model.
        criteria: their names.
        simulated: whether any answer came from a simulated world.
        verdicts: dilution, interference, optimizer obeys: those whose part was asked for.
        notes: what a reader must know to read the figures rightly.
    """

    run: str
    mode: str
    gate: str
    models: dict[str, str]
    criteria: Group
    simulated: bool
    verdicts: tuple[Verdict, ...]
    dilution: Dilution | None = None
    adherence: Adherence | None = None
    interference: Interference | None = None
    texts: Texts | None = None
    notes: tuple[str, ...] = field(default=())


RATING_RANGE = (1.0, 10.0)
SHARES = (0.0, 1.0)
# Of the intervals that a verdict looks at: a rule looks at one end, which 1 in 100 passes by chance.
VERDICT_LEVEL = 0.98


def mean_of(
    scores: Sequence[float],
    clusters: Sequence[Hashable],
    predictions: Sequence[float] | None = None,
    *,
    level: float = 0.95,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """The mean of scores (NaN = not rated) by cluster; corrected predictions stand in for what was not rated.

    The ends lie ``within`` what a mean can be.
    """
    mean = ppi.mean(ppi.Sample(scores, predictions, clusters), level=level)
    low, high = (end if math.isnan(end) else min(max(end, within[0]), within[1]) for end in (mean.low, mean.high))
    return Estimate(mean.value, Interval(low, high, level), mean.standard_error, mean.n_clusters)


def difference_of(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    level: float = 0.95,
) -> Estimate:
    """The mean of ``first`` minus ``second`` over the places that have both."""
    return mean_of([one - other for one, other in zip(first, second, strict=True)], clusters, level=level)


def share_of(successes: int, count: int, level: float = 0.95) -> Estimate:
    """A share with Wilson's interval, each a trial of its own; nan of nothing."""
    if not count:
        return Estimate.undecided(math.nan, level, 0)
    z = t_quantile((1 + level) / 2, 1e6)
    share, weight = successes / count, 1 + z * z / count
    middle = (share + z * z / (2 * count)) / weight
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / weight
    ends = Interval(max(0.0, middle - reach), min(1.0, middle + reach), level)
    return Estimate(share, ends, math.sqrt(share * (1 - share) / count), count)
