"""The words of the textual stages: what is told of a prediction, and that told texts stay within their fences."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.asking import NAMES, prompt_of, row

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Call, Critique, Gradient, Prediction, Rejected
from polyjudge.domain.scale import NAN, Categorical, Continuous, Ordinal, Scale
from polyjudge.judge.cloze import ClozeScoring
from polyjudge.judge.expected import ExpectedScoring
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.scoring import Scoring
from polyjudge.optimizers import wording

law = settings(deadline=None, max_examples=60)
INTEGER, CLOZE = JsonScoring(), ClozeScoring({"a": ("angry",)})


def told(scale: Scale, score: float, human: float, scoring: Scoring = INTEGER) -> str:
    """The line about one criterion ``a``."""
    prompt = JudgePrompt("Judge.", (("text", "Text"),), (Criterion("a", scale),))
    example = Example("e", {"text": "It is."}, ratings={"a": (human,)})
    text = wording.loss(prompt, example, Prediction("e", {"a": score}, ()), scoring, True)
    return next(line for line in text.splitlines() if line.startswith("- a:"))


@pytest.mark.parametrize(
    ("scale", "score", "human", "line"),
    [
        (Ordinal(1, 5), 4.0, 4.0, "- a: the judge gave 4, the human rating is 4 (scale 1..5): right"),
        (Ordinal(1, 5), 4.0, 3.5, "- a: the judge gave 4, the human rating is 3.5 (scale 1..5): right"),
        (
            Ordinal(1, 5),
            4.0,
            3.4,
            "- a: the judge gave 4, the human rating is 3.4 (scale 1..5): wrong, too high by 0.6",
        ),
        (Ordinal(1, 5), 2.0, 5.0, "- a: the judge gave 2, the human rating is 5 (scale 1..5): wrong, too low by 3"),
        (
            Ordinal(0, 100, 10),
            40.0,
            44.0,
            "- a: the judge gave 40, the human rating is 44 (scale 0..100 by 10): right",
        ),
        (
            Ordinal(0, 100, 10),
            40.0,
            60.0,
            "- a: the judge gave 40, the human rating is 60 (scale 0..100 by 10): wrong, too low by 20",
        ),
        (Continuous(0, 1), 0.1, 0.2, "- a: the judge gave 0.1, the human rating is 0.2 (scale 0 to 1): right"),
        (
            Continuous(0, 1),
            0.9,
            0.5,
            "- a: the judge gave 0.9, the human rating is 0.5 (scale 0 to 1): wrong, too high by 0.4",
        ),
        (Categorical(("no", "ja")), 1.0, 1.0, "- a: the judge gave ja, the human rating is ja (scale no | ja): right"),
        (Categorical(("no", "ja")), 1.0, 0.0, "- a: the judge gave ja, the human rating is no (scale no | ja): wrong"),
        (Ordinal(1, 5), NAN, 3.0, "- a: the judge gave no readable score, the human rating is 3 (scale 1..5)"),
    ],
)
def test_a_result_says_by_how_much_and_in_which_direction(scale: Scale, score: float, human: float, line: str) -> None:
    assert told(scale, score, human) == line


@pytest.mark.parametrize(
    ("score", "human", "line"),
    [
        (3.4321, 3.0, "- a: the judge gave 3.4, the human rating is 3 (scale 1..5): right"),
        (3.5, 3.0, "- a: the judge gave 3.5, the human rating is 3 (scale 1..5): right"),
        (3.96, 3.0, "- a: the judge gave 4, the human rating is 3 (scale 1..5): wrong, too high by 0.96"),
    ],
)
def test_an_expected_score_is_told_to_a_tenth_and_right_within_half_a_step(
    score: float, human: float, line: str
) -> None:
    assert told(Ordinal(1, 5), score, human, ExpectedScoring()) == line


def test_a_strength_has_no_right_and_wrong() -> None:
    for human in (0.0, 3.0):
        line = told(Ordinal(0, 3), math.log(0.25), human, CLOZE)
        strength = "- a: the judge gave a strength of 25% among all the criteria"
        assert line == f"{strength}, the human rating is {human:g} (scale 0..3)"
    prompt = prompt_of()
    strengths = Prediction("row-1", dict.fromkeys(NAMES, math.log(0.25)), ())
    for reduced in (prompt, prompt.only(NAMES[:1])):
        text = wording.loss(reduced, row(1), strengths, CLOZE, True).lower()
        assert "right" not in text
        assert ": wrong" not in text
        assert "too high" not in text


def test_a_combined_result_counts_the_right_ones() -> None:
    example = row(1)
    scores = {c.name: example.human(c) for c in prompt_of().criteria}
    scores["coherence"] += 1 if scores["coherence"] < 5 else -1
    scores["relevance"] = NAN
    text = wording.loss(prompt_of(), example, Prediction(example.id, scores, ()), INTEGER, False)
    assert "(2 of 4 right)" in text


def test_an_unrated_criterion_is_not_spoken_of() -> None:
    example = replace(row(1), ratings={**row(1).ratings, "relevance": (NAN,)})
    judged = Prediction(example.id, dict.fromkeys(NAMES, 3.0), ())
    text = wording.loss(prompt_of(), example, judged, INTEGER, True)
    assert "relevance" not in text
    assert all(name in text for name in NAMES if name != "relevance")


def test_the_replies_shown_are_those_that_speak_of_the_group() -> None:
    calls = tuple(Call((name,), f"asked {name}", f"answered {name}") for name in NAMES)
    judged = Prediction("e", dict.fromkeys(NAMES, 3.0), calls)
    group = ("fluency", "relevance")
    text = wording.gradient(prompt_of().only(group), "asked", judged, [Critique(group, "e", "It is off.")])
    assert [name for name in NAMES if f"answered {name}" in text] == list(group)


def test_a_combined_revision_is_asked_for_as_json_with_every_name() -> None:
    group = ("fluency", "relevance")
    judged = Prediction("e", dict.fromkeys(NAMES, 3.0), ())
    text = wording.optimizer(prompt_of().only(group), ["asked"], [judged], [Gradient(group, "e", "Keep it.")])
    assert text.endswith('\n<new_instructions>\n{"fluency": "...", "relevance": "..."}\n</new_instructions>')
    alone = wording.optimizer(prompt_of().only(group[:1]), ["asked"], [judged], [Gradient(group[:1], "e", "Keep it.")])
    assert "JSON" not in alone
    assert alone.endswith("\n<new_instruction>\n...\n</new_instruction>")


@pytest.mark.parametrize("group", [NAMES[:1], NAMES[:2]])
def test_rejected_instructions_are_told_with_their_effect_and_change_nothing_else(group: tuple[str, ...]) -> None:
    asked = prompt_of().only(group), ["asked"], [Prediction("e", {}, ())], [Gradient(group, "e", "Keep it.")]
    rejected = [
        Rejected(1, "fluency", "Count the commas.", "spearman", 0.31, 0.284),
        Rejected(2, "fluency", "Be kind.", "spearman", NAN, 0.4, together=True),
    ]
    plain, told = wording.optimizer(*asked), wording.optimizer(*asked, rejected)
    first, second = told.index("Count the commas."), told.index("Be kind.")
    assert first < second
    assert 'For fluency, spearman 0.310 -> 0.284:\n"""\nCount the commas.\n"""\n' in told
    assert "For fluency, spearman undefined -> 0.400, refused with the changes that were tried beside it:" in told
    start, end = told.index("\nEarlier rewrites"), told.index("\nWrite ")
    assert told[:start] + told[end:] == plain
    assert 'Keep it.\n"""\n</feedback>\n\nWrite ' in plain


nasty = st.lists(st.sampled_from(["a", " ", "\n", '"', '"""', "{{ gradients }}", "On fluency:", "<&>"])).map("".join)


@law
@given(nasty, nasty, nasty, nasty)
def test_what_models_wrote_stays_within_its_fences(reply: str, critique: str, instruction: str, rejected: str) -> None:
    prompt = prompt_of().only(NAMES[:1]).revise({"fluency": f"x{instruction}"})
    judged = Prediction("e", {"fluency": 3.0}, (Call(NAMES[:1], "asked", reply),))
    texts = (
        wording.gradient(prompt, "asked", judged, [Critique(NAMES[:1], "e", critique)]),
        wording.optimizer(
            prompt,
            ["asked"],
            [judged],
            [Gradient(NAMES[:1], "e", critique)],
            [Rejected(1, "fluency", rejected, "mae", 0, 1)],
        ),
    )
    for text in texts:
        outside = unquoted(text)
        plain = wording.gradient if text is texts[0] else wording.optimizer
        assert outside == unquoted(
            plain(prompt_of().only(NAMES[:1]), *harmless(plain is wording.gradient)),
        )


def harmless(gradient: bool) -> tuple[object, ...]:
    judged = Prediction("e", {"fluency": 3.0}, (Call(NAMES[:1], "asked", "x"),))
    if gradient:
        return "asked", judged, [Critique(NAMES[:1], "e", "x")]
    edit = Rejected(1, "fluency", "x", "mae", 0, 1)
    return ["asked"], [judged], [Gradient(NAMES[:1], "e", "x")], [edit]


def unquoted(text: str) -> list[str]:
    """The lines of a text that stand outside its fences."""
    outside: list[str] = []
    closing = ""
    for line in text.split("\n"):
        if closing:
            closing = "" if line == closing else closing
        elif len(line) >= 3 and set(line) == {'"'}:
            closing = line
        else:
            outside.append(line)
    assert not closing
    return outside
