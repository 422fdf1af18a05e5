"""What a score and a rating may be."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.domain.criterion import default_instruction
from polyjudge.domain.scale import NAN, Categorical, Continuous, Ordinal, Scale, show

law = settings(deadline=None, max_examples=50)


@st.composite
def ordinals(draw: st.DrawFn) -> Ordinal:
    low, count = draw(st.integers(-20, 20)), draw(st.integers(1, 8))
    step = draw(st.integers(1, 5) | st.sampled_from([0.5, 0.25, 0.1, 0.2]))
    return Ordinal(low, round(low + step * count, 9), step)


@law
@given(ordinals())
def test_an_ordinal_scale_allows_its_levels_and_what_lies_between_only_as_a_rating(scale: Ordinal) -> None:
    assert scale.levels[0] == scale.low
    assert scale.levels[-1] == scale.high
    assert [float(label) for label in scale.labels] == list(scale.levels)
    assert all(scale.allows(level) and scale.allows_rating(level) for level in scale.levels)
    assert not scale.allows(scale.low + scale.step * 0.4)
    assert scale.allows_rating(scale.low + 0.1)
    for outside in (scale.low - 1, scale.high + 1, math.inf, -math.inf, NAN):
        assert not scale.allows(outside)
        assert not scale.allows_rating(outside)


@law
@given(st.lists(st.floats(0, 1) | st.just(NAN), max_size=6))
def test_raters_combine_to_the_mean_of_those_who_rated(ratings: list[float]) -> None:
    present = [rating for rating in ratings if not math.isnan(rating)]
    for scale in (Continuous(0, 1), Ordinal(0, 1)):
        mean = scale.combine(ratings)
        assert math.isnan(mean) == (not present)
        assert not present or math.isclose(mean, sum(present) / len(present), abs_tol=1e-12)


@law
@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, NAN]), max_size=9))
def test_raters_of_a_label_combine_to_the_majority_and_a_tie_to_nothing(ratings: list[float]) -> None:
    winner = Categorical(("a", "b", "c")).combine(ratings)
    votes = {label: ratings.count(label) for label in (0.0, 1.0, 2.0)}
    most = [label for label, count in votes.items() if count == max(votes.values()) and count]
    assert (winner == most[0]) if len(most) == 1 else math.isnan(winner)


def test_half_points_are_written_as_people_write_them() -> None:
    scale = Ordinal(1, 3, 0.5)
    assert scale.labels == ("1", "1.5", "2", "2.5", "3")
    assert [scale.allows(value) for value in (1.5, 1.25, 3.5)] == [True, False, False]
    assert scale.describe() == "1..3 by 0.5"
    for low, high, step in ((1, 5, 0.3), (1, 5, 0), (1, 5, -0.5), (1, math.inf, 0.5), (5, 1, 0.5)):
        with pytest.raises(ValueError, match="a step that divides the span"):
            Ordinal(low, high, step)


def test_labels_are_found_without_regard_to_case_and_blanks() -> None:
    scale = Categorical(("Refusal", "compliance"))
    assert scale.position(" refusal\n") == 0
    assert scale.position("COMPLIANCE") == 1
    assert scale.position("refuse") is None
    assert [scale.allows(value) for value in (0.0, 1.0, 2.0, 0.5, -1.0, NAN)] == [True, True] + [False] * 4


@pytest.mark.parametrize("bounds", [(1, 1, 1), (5, 1, 1), (1, 5, 3), (1, 5, 0), (1, 5, -1)])
def test_an_ordinal_scale_needs_a_span_that_its_step_divides(bounds: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="ordinal scale needs"):
        Ordinal(*bounds)


@pytest.mark.parametrize("bounds", [(1.0, 1.0), (2.0, 1.0), (NAN, 1.0), (0.0, math.inf)])
def test_a_continuous_scale_needs_a_finite_span(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="continuous scale needs"):
        Continuous(*bounds)


@pytest.mark.parametrize("labels", [(), ("a",), ("a", "A"), ("a", " a "), ("a", ""), ("a", "  ")])
def test_a_categorical_scale_needs_different_labels(labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="categorical scale needs"):
        Categorical(labels)


@pytest.mark.parametrize(
    ("scale", "value", "text"),
    [
        (Ordinal(1, 5), 4.0, "4"),
        (Ordinal(1, 5), 10 / 3, "3.33333"),
        (Continuous(0, 1), 0.25, "0.25"),
        (Categorical(("no", "yes")), 1.0, "yes"),
        (Ordinal(1, 5), NAN, ""),
        (Categorical(("no", "yes")), NAN, ""),
    ],
)
def test_a_score_is_shown_as_people_write_it(scale: Scale, value: float, text: str) -> None:
    assert show(scale, value) == text


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        (Ordinal(1, 5), "Rate from 1 to 5."),
        (Ordinal(-2, 2), "Rate from -2 to 2."),
        (Continuous(0, 0.5), "Rate from 0 to 0.5."),
        (Categorical(("no", "yes")), "Answer with one of: no, yes."),
    ],
)
def test_the_default_instruction_comes_from_the_scale(scale: Scale, text: str) -> None:
    assert default_instruction(scale) == text
