"""Are the gradients of several criteria, written in one call, less specific than those of one?

A rating of a joint text confounds two things: the text speaks of other criteria too (scope), and it says less that
serves any of them (dilution proper). So the same step is criticised twice, jointly and separately, from the same
prompt and predictions. The diagnosis asks for the one that the run did not write. Then

    separate - joint            what the paper reports
    separate - concatenation    of it, scope: separate gradients of all criteria, joined, rated the same way
    concatenation - joint       of it, dilution
    separate - extraction       the criterion's own sentences of the joint gradients against its separate gradients

and blind attribution asks, with the criteria's names masked, which criterion a text serves.

The tables hold ratings and attributions, and the differences between kinds of ratings that take scope out.

Edit yield: of the new instructions that were accepted, how many raised the agreement on their own criterion.

Specificity is a means; this is the end. On the rows that chose them the share is optimistic by construction (a gate
lets nothing else through), so that it counts on held-out rows, and there beside one half, what noise would give.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from polyjudge.concurrency import together
from polyjudge.diagnosis.prompts import joined
from polyjudge.diagnosis.rater import Rater, rated_gradients
from polyjudge.diagnosis.records import (
    MEAN,
    RATING_RANGE,
    SHARES,
    VERDICT_LEVEL,
    Attribution,
    Dilution,
    Edit,
    Figure,
    Rating,
    StepRating,
    difference_of,
    mean_of,
    share_of,
)
from polyjudge.diagnosis.texts import speaking
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.decomposition import Group
from polyjudge.domain.records import Gradient, Measured, Step
from polyjudge.domain.scale import NAN
from polyjudge.optimizers.base import Turn
from polyjudge.optimizers.vocabulary import Vocabulary, sentences

LOWEST, HIGHEST = RATING_RANGE
KINDS = (("specificity", "separate"), ("specificity", "joint"), ("concatenation", "separate"), ("extraction", "joint"))
CONTRASTS = (
    ("drop", "separate - joint"),
    ("scope", "separate - concatenation"),
    ("dilution", "concatenation - joint"),
    ("dilution", "separate - extraction"),
)
_SIDES = {
    "separate": ("specificity", "separate"),
    "joint": ("specificity", "joint"),
    "concatenation": ("concatenation", "separate"),
    "extraction": ("extraction", "joint"),
}


def specificity_figures(ratings: Sequence[StepRating], names: Group) -> Iterator[Figure]:
    """The four kinds of ratings, and the three differences between them, by criterion and over all."""
    for name, of in KINDS:
        for criterion in (*names, MEAN):
            places, scores = _column(ratings, name, of, criterion, names)
            if scores:
                yield Figure(name, of, criterion, mean_of(scores, [step for step, _ in places], within=RATING_RANGE))
    for name, of in CONTRASTS:
        for criterion in (*names, MEAN):
            if len(names) > 1:
                yield contrast(ratings, names, name, of, criterion)


def contrast(
    ratings: Sequence[StepRating], names: Group, name: str, of: str, criterion: str = MEAN, level: float = 0.95
) -> Figure:
    """The mean difference between two kinds of ratings of the same steps and criteria, steps being the units."""
    first, second = (_column(ratings, *_SIDES[side], criterion, names) for side in of.split(" - "))
    other = dict(zip(*second, strict=True))
    pairs = [(place, score, other[place]) for place, score in zip(*first, strict=True) if place in other]
    steps = [step for (step, _), _, _ in pairs]
    estimate = difference_of([score for _, score, _ in pairs], [score for _, _, score in pairs], steps, level)
    return Figure(name, of, criterion, estimate)


def _column(
    ratings: Sequence[StepRating], name: str, of: str, criterion: str, names: Group
) -> tuple[list[tuple[int, str]], list[float]]:
    """(step, criterion) and score of one kind, of one criterion or of all."""
    selected = [
        ((rating.step, rating.rating.criterion), rating.rating.score)
        for rating in ratings
        if rating.rating.name == name
        and (len(rating.rating.group) > 1) == (of == "joint")
        and rating.rating.criterion in (names if criterion == MEAN else (criterion,))
    ]
    return [place for place, _ in selected], [score for _, score in selected]


def attribution_figures(attributions: Sequence[Attribution], names: Group) -> Iterator[Figure]:
    """Shares of blind attributions that are right; a step's are not independent, so that steps are the units."""
    for of in ("separate", "joint"):
        for criterion in (*names, MEAN):
            selected = [
                attribution
                for attribution in attributions
                if (len(attribution.group) > 1) == (of == "joint") and criterion in (MEAN, attribution.criterion)
            ]
            if selected:
                right = [float(attribution.said == attribution.criterion) for attribution in selected]
                steps = [attribution.step for attribution in selected]
                yield Figure("blind attribution", of, criterion, mean_of(right, steps, within=SHARES))


def model_free_figures(
    criteria: Sequence[Criterion], steps: Mapping[int, Sequence[Gradient]], ratings: Sequence[StepRating]
) -> Iterator[Figure]:
    """Of the run's own gradients in all steps: the vocabulary's estimate, and the ratings that it helps to extend."""
    words, names = Vocabulary(criteria), [criterion.name for criterion in criteria]
    rated = {
        (rating.step, rating.rating.criterion): rating.rating.score
        for rating in ratings
        if rating.rating.name == "specificity" and not rating.rating.asked
    }
    shares = {
        (step, name): words.share(joined(texts), name)
        for step, gradients in steps.items()
        for name in names
        if (texts := speaking(gradients, name))
    }
    for criterion in (*names, MEAN):
        places = [key for key in shares if criterion in (MEAN, key[1])]
        guessed = [LOWEST + (HIGHEST - LOWEST) * shares[key] for key in places]
        scores, clusters = [rated.get(key, math.nan) for key in places], [step for step, _ in places]
        yield Figure("model-free", "run", criterion, mean_of(guessed, clusters, within=RATING_RANGE))
        yield Figure(
            "specificity", "run, all steps", criterion, mean_of(scores, clusters, guessed, within=RATING_RANGE)
        )


def dilution_evidence(dilution: Dilution, names: Group) -> tuple[Figure, ...]:
    """The two differences that the verdict looks at, with its own level."""
    return tuple(
        contrast(dilution.ratings, names, name, of, level=VERDICT_LEVEL)
        for name, of in CONTRASTS
        if name == "dilution"
    )


def edits_of(steps: Sequence[Step], higher_is_better: Mapping[str, bool]) -> tuple[Edit, ...]:
    """Every accepted change of a run, with what the gate measured.

    Args:
        steps: in order; those of each criterion in turn under ST.
        higher_is_better: of the gate's metric, by criterion; empty where it measures nothing.
    """
    edits: list[Edit] = []
    before: dict[str, Measured | None] = {}
    for step in steps:
        for name in step.kept:
            rise = _rise(before.get(name), step.measured, name)
            sign = 1 if higher_is_better.get(name, True) else -1
            edits.append(Edit(step.index, name, step.measured.metric if step.measured else "", sign * rise))
        before |= dict.fromkeys(step.criteria, step.measured)
    return tuple(edits)


def on_held_out_rows(edits: Sequence[Edit], values: Mapping[int, Mapping[str, float]]) -> tuple[Edit, ...]:
    """The same with what they did to rows that chose nothing.

    Args:
        edits: accepted changes.
        values: step -> criterion -> agreement of the prompt that stood after it on the held-out rows, higher being
            better; the initial prompt's under 0, and none of steps that changed nothing.
    """

    def before(edit: Edit) -> float:
        return values[max(step for step in values if step < edit.step)][edit.criterion]

    return tuple(
        replace(edit, held_out=values[edit.step][edit.criterion] - before(edit)) if edit.step in values else edit
        for edit in edits
    )


def yield_figures(edits: Sequence[Edit], names: Group) -> Iterator[Figure]:
    """The share of edits that raised their criterion, and their mean effect, steps being the units of the latter."""
    for of, values in (("validation", "validation"), ("held-out", "held_out")):
        for criterion in (*names, MEAN):
            accepted = [edit for edit in edits if criterion in (MEAN, edit.criterion)]
            known = [(edit.step, value) for edit in accepted if not math.isnan(value := getattr(edit, values))]
            if known:
                rises = [value for _, value in known]
                yield Figure("edit yield", of, criterion, share_of(sum(value > 0 for value in rises), len(rises)))
                yield Figure("edit effect", of, criterion, mean_of(rises, [step for step, _ in known]))


def _rise(before: Measured | None, after: Measured | None, name: str) -> float:
    if before is None or after is None:
        return NAN
    return after.values[name] - before.values[name]


class Criticising(Protocol):
    """Writes the gradients of a turn in one decomposition."""

    async def gradients(self, turn: Turn) -> tuple[Gradient, ...]: ...


@dataclass(frozen=True, slots=True)
class Criticised:
    """One step of a run, all criteria together (under ST the steps of one index).

    Attributes:
        turn: what the step's optimizer was given.
        gradients: that the run wrote.
    """

    turn: Turn
    gradients: tuple[Gradient, ...]

    @property
    def index(self) -> int:
        return self.turn.index

    @property
    def joint(self) -> bool:
        return any(len(gradient.group) > 1 for gradient in self.gradients)


@dataclass(frozen=True, slots=True)
class _Audit:
    """What the diagnostic model said of one step."""

    step: int
    ratings: tuple[Rating, ...]
    attributions: tuple[Attribution, ...]
    unreadable: int


@dataclass(frozen=True, slots=True)
class Controls:
    """What the controls need besides the diagnostic model.

    Attributes:
        separate: writes gradients criterion by criterion.
        joint: writes one for all.
    """

    separate: Criticising
    joint: Criticising


def audited(steps: Sequence[int], share: float, seed: int) -> tuple[int, ...]:
    """The steps that the diagnostic model rates: drawn by chance, at least one, in order."""
    count = min(len(steps), max(1, round(share * len(steps)))) if steps else 0
    return tuple(sorted(Random(f"{seed}/diagnosis/audit").sample(list(steps), count)))


async def dilution(
    rater: Rater,
    controls: Controls,
    steps: Sequence[Criticised],
    edits: Sequence[Edit],
    share: float,
    seed: int,
) -> Dilution:
    """Specificity of a run's gradients with all controls.

    Args:
        rater: the model that rates.
        controls: writers of the gradients that the run did not write.
        steps: those that have gradients.
        edits: accepted changes, for the edit yield.
        share: of the steps to rate, 0..1; the model-free estimate stands in for the rest.
        seed: the run's; decides which.
    """
    chosen = audited([step.index for step in steps], share, seed)
    audits = await together(_audit(rater, controls, step) for step in steps if step.index in chosen)
    ratings = tuple(StepRating(audit.step, rating) for audit in audits for rating in audit.ratings)
    attributions = tuple(attribution for audit in audits for attribution in audit.attributions)
    names = rater.names
    figures = [
        *specificity_figures(ratings, names),
        *attribution_figures(attributions, names),
        *model_free_figures(rater.criteria, {step.index: step.gradients for step in steps}, ratings),
        *yield_figures(edits, names),
    ]
    unreadable = sum(audit.unreadable for audit in audits) + sum(math.isnan(rating.rating.score) for rating in ratings)
    return Dilution(ratings, attributions, tuple(edits), tuple(figures), len(chosen) / len(steps), unreadable)


def planned_dilution(
    names: int, batch: int, steps: int, share: float, *, joint: bool, joint_loss: bool
) -> dict[str, int]:
    """Calls by role, at most: of the diagnostic model and of the controls' writers.

    Args:
        names: how many criteria.
        batch: examples a step.
        steps: with gradients.
        share: of them to rate.
        joint: whether the run's gradients are joint, so that the separate ones are asked for.
        joint_loss: whether its losses are joint too, so that separate losses are.
    """
    count = min(steps, max(1, round(share * steps)))
    # Specificity of either, concatenation, extraction; two attributions; sentences of each joint gradient.
    scores = names * (4 + 2) + batch if names > 1 else names
    controls = {"gradient": batch * (names if joint else 1), "loss": batch * names if joint_loss else 0}
    return {"diagnostic": count * scores} | {role: count * n for role, n in controls.items() if n and names > 1}


async def _audit(rater: Rater, controls: Controls, step: Criticised) -> _Audit:
    names = rater.names
    if len(names) == 1:
        rating = await rated_gradients(rater, speaking(step.gradients, names[0]), names[0])
        return _Audit(step.index, (rating,) if rating else (), (), 0)
    asked = await (controls.separate if step.joint else controls.joint).gradients(step.turn)
    separate, joint = (asked, step.gradients) if step.joint else (step.gradients, asked)
    parts, unreadable = await _parts(rater, joint)
    everything = joined([gradient for name in names for gradient in speaking(separate, name)])
    rated = await together(
        _rate(
            rater,
            name,
            _Texts(speaking(separate, name), speaking(joint, name), everything, parts.get(name)),
            step,
        )
        for name in names
    )
    return _Audit(
        step.index,
        tuple(rating for ratings, _, _ in rated for rating in ratings),
        tuple(attribution for _, attributions, _ in rated for attribution in attributions),
        unreadable + sum(count for _, _, count in rated),
    )


@dataclass(frozen=True, slots=True)
class _Texts:
    """What speaks for one criterion in one step; ``extracted`` is None where the sentences could not be told."""

    separate: tuple[Gradient, ...]
    joint: tuple[Gradient, ...]
    everything: str
    extracted: str | None


async def _rate(
    rater: Rater, name: str, texts: _Texts, step: Criticised
) -> tuple[list[Rating], list[Attribution], int]:
    """The ratings and blind attributions of one criterion, and how many attributions could not be read."""
    if not texts.separate or not texts.joint:
        return [], [], 0
    alone, whole = texts.separate[0].group, texts.joint[0].group
    apart, beside, concatenated, extracted = await together(
        [
            rater.specificity(name, joined(texts.separate)),
            rater.specificity(name, joined(texts.joint)),
            rater.specificity(name, texts.everything),
            _extraction(rater, name, texts.extracted),
        ]
    )
    ratings = [
        Rating("specificity", name, alone, apart, asked=step.joint),
        Rating("specificity", name, whole, beside, asked=not step.joint),
        Rating("concatenation", name, alone, concatenated, asked=step.joint),
    ]
    known = [(alone, joined(texts.separate), step.joint)]
    if texts.extracted is not None:
        ratings.append(Rating("extraction", name, whole, extracted, asked=not step.joint))
        known.append((whole, texts.extracted, not step.joint))
    answers = await together(_blind(rater, text) for _, text, _ in known)
    attributions = [
        Attribution(step.index, name, group, answer, len(rater.names), asked)
        for (group, _, asked), answer in zip(known, answers, strict=True)
        if answer is not None
    ]
    return ratings, attributions, len(known) - len(attributions)


async def _extraction(rater: Rater, name: str, text: str | None) -> float:
    """Of a joint gradient without a sentence on the criterion: the lowest rating, without asking."""
    if text is None:
        return math.nan
    return await rater.specificity(name, text) if text else RATING_RANGE[0]


async def _blind(rater: Rater, text: str) -> str | None:
    """The attribution of a text; "", a miss, of none."""
    return await rater.attribution(text) if text else ""


async def _parts(rater: Rater, joint: Sequence[Gradient]) -> tuple[dict[str, str], int]:
    """Criterion -> its sentences in joint gradients, and how many gradients could not be told apart.

    One such gradient spoils the step: what it says of a criterion is then unknown.
    """
    texts = [sentences(gradient.text) for gradient in joint]
    served = await together(rater.served(parts) for parts in texts)
    unreadable = served.count(None)
    if unreadable:
        return {}, unreadable
    sentences_of: dict[str, list[str]] = {name: [] for name in rater.names}
    for parts, criteria in zip(texts, served, strict=True):
        for part, names in zip(parts, criteria or (), strict=True):
            for name in names:
                sentences_of[name].append(part)
    return {name: "\n".join(parts) for name, parts in sentences_of.items()}, 0
