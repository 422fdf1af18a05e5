"""Are the gradients of several criteria, written in one call, less specific than those of one?

A mark of a joint text confounds two things: it speaks of other criteria too (scope), and it says less that serves
any of them (dilution proper). So the same step is criticised twice, jointly and separately, from the same prompt and
predictions: whichever of the two the run did not write is asked for. Then

    separate - joint            what the paper reports
    separate - concatenation    of it, scope: separate gradients of all criteria, joined, marked the same way
    concatenation - joint       of it, dilution
    separate - extraction       the criterion's own sentences of the joint gradients against its separate gradients

and blind attribution asks, with the criteria's names masked, which criterion a text serves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from polyjudge.diagnosis.estimates import MARKS, SHARES, VERDICT_LEVEL, difference_of, mean_of
from polyjudge.diagnosis.meters import Diagnostician, rated_gradients
from polyjudge.diagnosis.records import MEAN, Attribution, Dilution, Edit, Figure, Rating, StepRating
from polyjudge.diagnosis.texts import Vocabulary, sentences
from polyjudge.diagnosis.wording import joined
from polyjudge.diagnosis.yields import yield_figures
from polyjudge.domain.decomposition import Group
from polyjudge.domain.records import Gradient
from polyjudge.llm.together import together
from polyjudge.optimizers.base import Turn

LOWEST, HIGHEST = MARKS
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
    diagnostician: Diagnostician,
    controls: Controls,
    steps: Sequence[Criticised],
    edits: Sequence[Edit],
    share: float,
    seed: int,
) -> Dilution:
    """Specificity of a run's gradients with all controls.

    Args:
        diagnostician: the model that rates.
        controls: writers of the gradients that the run did not write.
        steps: those that have gradients.
        edits: accepted changes, for the edit yield.
        share: of the steps to rate, 0..1; the model-free estimate stands in for the rest.
        seed: the run's; decides which.
    """
    chosen = audited([step.index for step in steps], share, seed)
    audits = await together(_audit(diagnostician, controls, step) for step in steps if step.index in chosen)
    ratings = tuple(StepRating(audit.step, rating) for audit in audits for rating in audit.ratings)
    attributions = tuple(one for audit in audits for one in audit.attributions)
    names = diagnostician.names
    figures = [
        *_specificity(ratings, names),
        *_attributed(attributions, names),
        *_model_free(diagnostician, steps, ratings),
        *yield_figures(edits, names),
    ]
    unreadable = sum(audit.unreadable for audit in audits) + sum(math.isnan(one.rating.score) for one in ratings)
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
    marks = names * (4 + 2) + batch if names > 1 else names
    controls = {"gradient": batch * (names if joint else 1), "loss": batch * names if joint_loss else 0}
    return {"diagnostic": count * marks} | {role: count * n for role, n in controls.items() if n and names > 1}


async def _audit(diagnostician: Diagnostician, controls: Controls, step: Criticised) -> _Audit:
    names = diagnostician.names
    if len(names) == 1:
        rating = await rated_gradients(diagnostician, _of(step.gradients, names[0]), names[0])
        return _Audit(step.index, (rating,) if rating else (), (), 0)
    asked = await (controls.separate if step.joint else controls.joint).gradients(step.turn)
    separate, joint = (asked, step.gradients) if step.joint else (step.gradients, asked)
    parts, unreadable = await _parts(diagnostician, joint)
    everything = joined([gradient for name in names for gradient in _of(separate, name)])
    found = await together(
        _rate(diagnostician, name, _Texts(_of(separate, name), _of(joint, name), everything, parts.get(name)), step)
        for name in names
    )
    return _Audit(
        step.index,
        tuple(rating for ratings, _, _ in found for rating in ratings),
        tuple(one for _, attributions, _ in found for one in attributions),
        unreadable + sum(count for _, _, count in found),
    )


@dataclass(frozen=True, slots=True)
class _Texts:
    """What speaks for one criterion in one step; ``extracted`` is None where the sentences could not be told."""

    separate: tuple[Gradient, ...]
    joint: tuple[Gradient, ...]
    everything: str
    extracted: str | None


async def _rate(
    diagnostician: Diagnostician, name: str, texts: _Texts, step: Criticised
) -> tuple[list[Rating], list[Attribution], int]:
    """The marks and blind attributions of one criterion, and how many attributions could not be read."""
    if not texts.separate or not texts.joint:
        return [], [], 0
    own, whole = texts.separate[0].group, texts.joint[0].group
    apart, beside, concatenated, extracted = await together(
        [
            diagnostician.specificity(name, joined(texts.separate)),
            diagnostician.specificity(name, joined(texts.joint)),
            diagnostician.specificity(name, texts.everything),
            _extraction(diagnostician, name, texts.extracted),
        ]
    )
    ratings = [
        Rating("specificity", name, own, apart, asked=step.joint),
        Rating("specificity", name, whole, beside, asked=not step.joint),
        Rating("concatenation", name, own, concatenated, asked=step.joint),
    ]
    known = [(own, joined(texts.separate), step.joint)]
    if texts.extracted is not None:
        ratings.append(Rating("extraction", name, whole, extracted, asked=not step.joint))
        known.append((whole, texts.extracted, not step.joint))
    said = await together(_blind(diagnostician, text) for _, text, _ in known)
    attributions = [
        Attribution(step.index, name, group, answer, len(diagnostician.names), asked)
        for (group, _, asked), answer in zip(known, said, strict=True)
        if answer is not None
    ]
    return ratings, attributions, len(known) - len(attributions)


async def _extraction(diagnostician: Diagnostician, name: str, text: str | None) -> float:
    """Of a joint gradient without a sentence on the criterion: the lowest mark, unasked."""
    if text is None:
        return math.nan
    return await diagnostician.specificity(name, text) if text else LOWEST


async def _blind(diagnostician: Diagnostician, text: str) -> str | None:
    """The attribution of a text; "", a miss, of none."""
    return await diagnostician.attribution(text) if text else ""


async def _parts(diagnostician: Diagnostician, joint: Sequence[Gradient]) -> tuple[dict[str, str], int]:
    """Criterion -> its sentences in joint gradients, and how many gradients could not be told apart.

    One such gradient spoils the step: what it says of a criterion is then unknown.
    """
    texts = [sentences(gradient.text) for gradient in joint]
    served = await together(diagnostician.served(parts) for parts in texts)
    unreadable = sum(one is None for one in served)
    if unreadable:
        return {}, unreadable
    found: dict[str, list[str]] = {name: [] for name in diagnostician.names}
    for parts, criteria in zip(texts, served, strict=True):
        for part, names in zip(parts, criteria or (), strict=True):
            for name in names:
                found[name].append(part)
    return {name: "\n".join(parts) for name, parts in found.items()}, 0


def _of(gradients: Sequence[Gradient], name: str) -> tuple[Gradient, ...]:
    return tuple(gradient for gradient in gradients if name in gradient.group)


def _specificity(ratings: Sequence[StepRating], names: Group) -> Iterator[Figure]:
    """The four kinds of marks, and the three differences between them, by criterion and over all."""
    for name, of in KINDS:
        for criterion in (*names, MEAN):
            places, marks = _column(ratings, name, of, criterion, names)
            if marks:
                yield Figure(name, of, criterion, mean_of(marks, [step for step, _ in places], within=MARKS))
    for name, of in CONTRASTS:
        for criterion in (*names, MEAN):
            if len(names) > 1:
                yield contrast(ratings, names, name, of, criterion)


def contrast(
    ratings: Sequence[StepRating], names: Group, name: str, of: str, criterion: str = MEAN, level: float = 0.95
) -> Figure:
    """The mean difference between two kinds of marks of the same steps and criteria, steps being the units."""
    first, second = (_column(ratings, *_SIDES[side], criterion, names) for side in of.split(" - "))
    other = dict(zip(*second, strict=True))
    pairs = [(place, mark, other[place]) for place, mark in zip(*first, strict=True) if place in other]
    steps = [step for (step, _), _, _ in pairs]
    estimate = difference_of([mark for _, mark, _ in pairs], [mark for _, _, mark in pairs], steps, level)
    return Figure(name, of, criterion, estimate)


def _column(
    ratings: Sequence[StepRating], name: str, of: str, criterion: str, names: Group
) -> tuple[list[tuple[int, str]], list[float]]:
    """(step, criterion) and mark of one kind, of one criterion or of all."""
    found = [
        ((one.step, one.rating.criterion), one.rating.score)
        for one in ratings
        if one.rating.name == name
        and (len(one.rating.group) > 1) == (of == "joint")
        and one.rating.criterion in (names if criterion == MEAN else (criterion,))
    ]
    return [place for place, _ in found], [mark for _, mark in found]


def _attributed(attributions: Sequence[Attribution], names: Group) -> Iterator[Figure]:
    """Shares of blind attributions that are right; a step's are not independent, so that steps are the units."""
    for of in ("separate", "joint"):
        for criterion in (*names, MEAN):
            found = [
                one
                for one in attributions
                if (len(one.group) > 1) == (of == "joint") and criterion in (MEAN, one.criterion)
            ]
            if found:
                right, steps = [float(one.said == one.criterion) for one in found], [one.step for one in found]
                yield Figure("blind attribution", of, criterion, mean_of(right, steps, within=SHARES))


def _model_free(
    diagnostician: Diagnostician, steps: Sequence[Criticised], ratings: Sequence[StepRating]
) -> Iterator[Figure]:
    """Of the run's own gradients in all steps: the vocabulary's estimate, and the marks that it helps to extend."""
    words = Vocabulary(diagnostician.criteria)
    own = {
        (one.step, one.rating.criterion): one.rating.score
        for one in ratings
        if one.rating.name == "specificity" and not one.rating.asked
    }
    for criterion in (*diagnostician.names, MEAN):
        places = [
            (step, name)
            for step in steps
            for name in (diagnostician.names if criterion == MEAN else (criterion,))
            if _of(step.gradients, name)
        ]
        guessed = [
            LOWEST + (HIGHEST - LOWEST) * words.share(joined(_of(step.gradients, name)), name) for step, name in places
        ]
        marks = [own.get((step.index, name), math.nan) for step, name in places]
        clusters = [step.index for step, _ in places]
        yield Figure("model-free", "run", criterion, mean_of(guessed, clusters, within=MARKS))
        yield Figure("specificity", "run, all steps", criterion, mean_of(marks, clusters, guessed, within=MARKS))


def dilution_evidence(found: Dilution, names: Group) -> tuple[Figure, ...]:
    """The two differences that the verdict looks at, with its own level."""
    return tuple(
        contrast(found.ratings, names, name, of, level=VERDICT_LEVEL) for name, of in CONTRASTS if name == "dilution"
    )
