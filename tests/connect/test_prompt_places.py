"""Placeholders of other tools become columns, and the text of each criterion is marked; what is sent stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.connect.prompt_marks import marked
from polyjudge.connect.prompt_places import Columns, converted
from polyjudge.domain.prompt_template import INSTRUCTION, TEXT, parse
from polyjudge.errors import ConfigError

TEXTS = ("question", "answer", "ground truth")


def columns(**named: str) -> Columns:
    return Columns(TEXTS, ("score",), named)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Q: {question}", "Q: {{ question }}"),
        ('Q: {question!r:>3} {{"a": 1}}', 'Q: {{ question }} {"a": 1}'),
        ("Q: {{question}} {not_a_place}", "Q: {{ question }} {not_a_place}"),
        ("Q: {{{ question }}} {{ inputs.answer | trim }}", "Q: {{ question }} {{ answer }}"),
        ("Q: ${question} {json}", "Q: {{ question }} {json}"),
        ("Q: %(question)s 50%", "Q: {{ question }} 50%"),
        ("Q: {query} {output}", "Q: {{ question }} {{ answer }}"),
        ("{item['answer']} {reference}", "{{ answer }} {{ ground truth }}"),
        ("{rubric} {format_instructions} {criterion}", "{{ instruction }} {{ format }} {{ criterion }}"),
        (
            "{question} {{# fit }}x{{/ fit }} {{ instruction:tone }}",
            "{{ question }} {{# fit }}x{{/ fit }} {{ instruction:tone }}",
        ),
        ('no place, {"a": {"b": 1}}', 'no place, {"a": {"b": 1}}'),
    ],
)
def test_a_placeholder_becomes_the_column_that_it_means(text: str, expected: str) -> None:
    assert converted(text, "p", columns()) == expected


def test_a_column_can_be_named() -> None:
    chosen = columns(thing="answer")
    assert converted("{thing}", "p", chosen) == "{{ answer }}"
    assert chosen.shown == ["answer"]
    assert chosen.notes == ["the placeholder 'thing' shows the column 'answer'"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a\n\n{qestion}",
            "p, line 3: the placeholder 'qestion' names no column of the data (did you mean 'question'?)",
        ),
        ("{zzz}", "--column 'zzz=COLUMN'"),
        ("{{ score }}", "would show the judge the ratings of the column 'score'"),
    ],
)
def test_a_placeholder_without_a_column_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        converted(text, "p", columns())


ITEMS = "Rate:\n- Tone: is it kind,\n  and calm?\n- **Depth** (1-5): does it explain?\n\nThen {{ answer }}"
HEADED = "# Tone\nKind words.\nCalm ones.\n\n## Depth\n\nIt explains.\n\n# Input\n{{ answer }}\n"
TAGGED = "<tone>\nKind words.\n</tone>\n<depth>It explains.</depth>{{ answer }}"


def fitted(text: str, *criteria: str) -> dict[str, str]:
    found = marked([text], criteria)
    parsed = parse(found.texts[0], TEXTS, criteria)
    assert not parsed.faults, parsed.faults
    return dict(parsed.fitted)


@pytest.mark.parametrize(
    ("text", "tone", "depth"),
    [
        (ITEMS, "is it kind,\n  and calm?", "does it explain?"),
        (HEADED, "Kind words.\nCalm ones.", "It explains."),
        (TAGGED, "Kind words.", "It explains."),
    ],
)
def test_the_text_of_each_criterion_is_found(text: str, tone: str, depth: str) -> None:
    assert fitted(text, "tone", "depth") == {"tone": tone, "depth": depth}


def test_the_only_criterion_has_the_paragraph_that_speaks_of_it() -> None:
    text = "You are a grader.\n\nA kind tone is calm and warm.\nGive 5 for it, and 1 for rudeness.\n\n{{ answer }}\n"
    assert fitted(text, "tone") == {"": "A kind tone is calm and warm.\nGive 5 for it, and 1 for rudeness."}


def test_a_criterion_of_which_nothing_is_said_is_not_found() -> None:
    found = marked(["- tone: kind words\n{{ answer }}"], ["tone", "depth"])
    assert found.found == ("tone",)
    assert marked(["{{ answer }}"], ["tone"]).found == ()


def test_marks_that_stand_are_left_alone() -> None:
    text = "- tone: kind\n{{# fit depth }}x{{/ fit }}"
    assert marked([text], ["tone", "depth"]).texts == (text,)


LINES = (
    *(
        "- tone: be kind",
        "depth: explain",
        "# Tone",
        "## depth",
        "Plain words, some more of them.",
        "{{ answer }}",
        "",
    ),
    *("  go on", "<tone>x</tone>", "5 = warm, 1 = cold", "**Depth** (0 to 3): yes"),
)
lines = st.lists(st.sampled_from(LINES), max_size=9)


@given(lines, st.sampled_from(["\n", "\r\n"]), st.sampled_from([("tone",), ("tone", "depth")]))
def test_marks_change_nothing_that_is_sent(parts: list[str], end: str, criteria: tuple[str, ...]) -> None:
    text = end.join(parts)
    found = marked([text], criteria)
    parsed = parse(found.texts[0], TEXTS, criteria)
    assert not parsed.faults, (found.texts, parsed.faults)
    sent = "".join(
        piece.value
        if piece.kind == TEXT
        else parsed.fitted[piece.value]
        if piece.kind == INSTRUCTION
        else "{{ answer }}"
        for piece in parsed.pieces
    )
    assert sent == text
