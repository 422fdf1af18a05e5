"""The tables of marks and attributions, and the differences between kinds of marks that take scope out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from polyjudge.diagnosis.estimates import MARKS, SHARES, VERDICT_LEVEL, difference_of, mean_of
from polyjudge.diagnosis.observed import Attribution, StepRating
from polyjudge.diagnosis.records import MEAN, Dilution, Figure
from polyjudge.diagnosis.texts import Vocabulary, speaking
from polyjudge.diagnosis.wording import joined
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.decomposition import Group
from polyjudge.domain.records import Gradient

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


def specificity_figures(ratings: Sequence[StepRating], names: Group) -> Iterator[Figure]:
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


def attribution_figures(attributions: Sequence[Attribution], names: Group) -> Iterator[Figure]:
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


def model_free_figures(
    criteria: Sequence[Criterion], steps: Mapping[int, Sequence[Gradient]], ratings: Sequence[StepRating]
) -> Iterator[Figure]:
    """Of the run's own gradients in all steps: the vocabulary's estimate, and the marks that it helps to extend."""
    words, names = Vocabulary(criteria), [criterion.name for criterion in criteria]
    own = {
        (one.step, one.rating.criterion): one.rating.score
        for one in ratings
        if one.rating.name == "specificity" and not one.rating.asked
    }
    shares = {
        (step, name): words.share(joined(texts), name)
        for step, gradients in steps.items()
        for name in names
        if (texts := speaking(gradients, name))
    }
    for criterion in (*names, MEAN):
        places = [place for place in shares if criterion in (MEAN, place[1])]
        guessed = [LOWEST + (HIGHEST - LOWEST) * shares[place] for place in places]
        marks, clusters = [own.get(place, math.nan) for place in places], [step for step, _ in places]
        yield Figure("model-free", "run", criterion, mean_of(guessed, clusters, within=MARKS))
        yield Figure("specificity", "run, all steps", criterion, mean_of(marks, clusters, guessed, within=MARKS))


def dilution_evidence(found: Dilution, names: Group) -> tuple[Figure, ...]:
    """The two differences that the verdict looks at, with its own level."""
    return tuple(
        contrast(found.ratings, names, name, of, level=VERDICT_LEVEL) for name, of in CONTRASTS if name == "dilution"
    )
