"""The written rules, case by case."""

from dataclasses import replace

import pytest

from polyjudge.diagnosis.dilution import audited
from polyjudge.diagnosis.records import MEAN, Adherence, Dilution, Figure, Interference, Rating, StepRating
from polyjudge.diagnosis.verdicts import on_dilution, on_interference, on_obedience
from polyjudge.metrics.estimates import Estimate, Interval

NAMES = ("a", "b")
NAN = float("nan")


def marks(separate, joint, concatenated, extracted, steps=6):
    """The same marks in every step but for a little that differs, so that there is an interval."""
    found = []
    for step in range(1, steps + 1):
        shift = 0.2 if step % 2 else -0.2
        for name in NAMES:
            given = [("specificity", (name,), separate), ("specificity", NAMES, joint)]
            given += [("concatenation", (name,), concatenated), ("extraction", NAMES, extracted)]
            found += [
                StepRating(step, Rating(kind, name, group, mark + shift * (len(group) - 1)))
                for kind, group, mark in given
            ]
    return Dilution(tuple(found), (), (), (), 1.0, 0)


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ((9, 3.7, 3.7, 9), "no"),
        ((9, 2.0, 3.7, 9), "yes"),
        ((9, 3.7, 3.7, 6), "yes"),
        ((9, 3.1, 3.7, 9), "yes"),
        ((9, 3.8, 3.7, 8.9), "no"),
        ((9, 9, 9, 9), "no"),
    ],
)
def test_scope_alone_is_no_dilution(given, answer):
    verdict = on_dilution(marks(*given), NAMES)
    assert verdict.answer == answer
    assert [one.of for one in verdict.evidence] == ["concatenation - joint", "separate - extraction"]


def test_a_wide_interval_or_too_few_steps_decide_nothing():
    assert on_dilution(marks(9, 3.7, 4.5, 9, steps=2), NAMES).answer == "undecided"
    wide = marks(9, 3.7, 4.2, 9, steps=3)
    shaken = [
        replace(one, rating=replace(one.rating, score=one.rating.score + (3 if one.step == 2 else 0)))
        if one.rating.name == "concatenation"
        else one
        for one in wide.ratings
    ]
    assert on_dilution(replace(wide, ratings=tuple(shaken)), NAMES).answer == "undecided"


def unread(found):
    return tuple(replace(one, rating=replace(one.rating, score=NAN)) for one in found.ratings)


def test_ratings_that_nobody_can_read_are_said_to_be_the_reason():
    found = replace(marks(9, 3.7, 3.7, 9), ratings=unread(marks(9, 3.7, 3.7, 9)))
    verdict = on_dilution(found, NAMES)
    assert (verdict.answer, verdict.because) == (
        "undecided",
        "48 of 48 ratings could not be read; choose another diagnostic model",
    )
    obeys = on_obedience(Adherence(found.ratings[:6], (), 6))
    assert (obeys.answer, obeys.because) == (
        "undecided",
        "6 of 6 ratings could not be read; choose another diagnostic model",
    )


def company(value, low, high):
    figure = Figure("together - apart", "fitted", MEAN, Estimate(value, Interval(low, high, 0.98), NAN, 30))
    return Interference("spearman", 100, "documents", 30, (), (), (figure,))


@pytest.mark.parametrize(
    ("interval", "answer"),
    [
        ((-0.10, -0.15, -0.05), "yes"),
        ((-0.01, -0.015, -0.001), "yes"),
        ((-0.02, -0.08, 0.04), "undecided"),
        ((0.00, -0.04, 0.04), "no"),
        ((0.10, 0.02, 0.18), "no"),
        ((0.05, -0.06, 0.16), "undecided"),
        ((0.05, NAN, NAN), "undecided"),
        ((NAN, NAN, NAN), "undecided"),
    ],
)
def test_interference_needs_a_credible_loss(interval, answer):
    for changed in (True, False):
        verdict = on_interference(company(*interval), changed=changed)
        assert verdict.answer == answer
        assert ("helps" in verdict.because) is (interval[1] > 0)


@pytest.mark.parametrize(("mark", "answer"), [(8, "yes"), (3, "no"), (5.5, "undecided")])
def test_obedience_is_held_against_the_middle_of_the_scale(mark, answer):
    ratings = [
        StepRating(step, Rating("adherence", "a", ("a",), mark + (0.5 if step % 2 else -0.5))) for step in range(1, 9)
    ]
    assert on_obedience(Adherence(tuple(ratings), (), 0)).answer == answer
    assert on_obedience(Adherence(tuple(ratings[:2]), (), 0)).answer == "undecided"


def test_the_audited_steps_are_chance_and_always_the_same():
    steps = range(1, 13)
    assert audited(steps, 1.0, 3) == tuple(steps)
    assert audited(steps, 0.25, 3) == audited(steps, 0.25, 3)
    assert len(audited(steps, 0.25, 3)) == 3
    assert len(audited(steps, 0.01, 3)) == 1
    assert audited((), 0.5, 3) == ()
    assert len({audited(steps, 0.25, seed) for seed in range(10)}) > 5
