"""The user's own prompt, from text to pieces and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge import codec
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.prompt_template import (
    OF_CALL,
    OF_CRITERION,
    Piece,
    PromptTemplate,
    TemplateMessage,
    parse,
    written,
)

COLUMNS = ("question", "answer", "format", "the answer", "fit: it")
CRITERIA = ("fluency", "faithful to source")

tricky = st.sampled_from(
    [
        "{{",
        "}}",
        "{",
        "}",
        "{%",
        '"',
        "'",
        "{{ x }}",
        "{{ answer }}",
        "{{# fit }}",
        "{{/ fit }}",
        "\r\n",
        "\n",
        " ",
        "é",
    ]
)
texts = st.lists(tricky | st.text(max_size=5), min_size=1, max_size=8).map("".join).filter(bool)
places = st.one_of(
    st.sampled_from([Piece("column", column) for column in COLUMNS]),
    st.sampled_from([Piece(kind) for kind in OF_CALL]),
    st.builds(Piece, st.sampled_from(OF_CRITERION), st.sampled_from([*CRITERIA, ""])),
)


@st.composite
def pieces(draw: st.DrawFn) -> tuple[Piece, ...]:
    """Pieces as a parser makes them: no two texts side by side."""
    drawn = draw(st.lists(places | st.builds(Piece, st.just("text"), texts), max_size=8))
    return tuple(
        piece for before, piece in zip([None, *drawn], drawn, strict=False) if not before or piece.kind != before.kind
    )


def kinds(source: str, columns: tuple[str, ...] = COLUMNS, criteria: tuple[str, ...] = CRITERIA) -> list[object]:
    parsed = parse(source, columns, criteria)
    assert not parsed.faults, parsed.faults
    return [piece.value if piece.kind == "text" else (piece.kind, piece.value) for piece in parsed.pieces]


def faults(source: str) -> list[tuple[int, str]]:
    return [(fault.line, fault.message) for fault in parse(source, COLUMNS, CRITERIA).faults]


@given(pieces())
def test_written_pieces_are_read_as_themselves(made: tuple[Piece, ...]) -> None:
    parsed = parse(written(made), COLUMNS, CRITERIA)
    assert not parsed.faults
    assert parsed.pieces == made


@given(st.text(alphabet=st.characters(blacklist_characters="{}")))
def test_a_text_without_braces_is_one_piece(text: str) -> None:
    assert kinds(text) == [text] * bool(text)


@given(st.text(), st.text())
def test_what_fills_a_place_is_never_read_again(one: str, two: str) -> None:
    template = PromptTemplate((TemplateMessage("user", parse("{{ question }}|{{ answer }}", COLUMNS, ()).pieces),))
    filled = template.rendered(lambda place: {"question": one, "answer": two}[place.value])
    assert filled == (("user", (one, "|", two)),)


def test_places_are_told_from_text() -> None:
    assert kinds('A {{answer}} {{  the answer }} {"a": {"b": 1}} {{"a": 1}} {answer} {{ "{{" }}x') == [
        "A ",
        ("column", "answer"),
        " ",
        ("column", "the answer"),
        ' {"a": {"b": 1}} {{"a": 1}} {answer} {{x',
    ]
    assert kinds("{{{ answer }}}") == ["{", ("column", "answer"), "}"]
    assert kinds("{{ format }}{{ column:format }}{{ instruction:fluency }}") == [
        ("format", ""),
        ("column", "format"),
        ("instruction", "fluency"),
    ]


def test_the_one_criterion_needs_no_name() -> None:
    assert kinds("{{ instruction:fluency }}", criteria=("fluency",)) == [("instruction", "")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a {{# fit fluency }}Be fluent.{{/ fit }} b", ["a ", ("instruction", "fluency"), " b"]),
        ("a\n{{# fit fluency }}\nBe\n fluent.\n{{/ fit }}\nb", ["a\n", ("instruction", "fluency"), "\nb"]),
        (
            "a\r\n  {{# fit fluency }}  \r\nBe fluent.\r\n{{/ fit fluency }}",
            ["a\r\n", ("instruction", "fluency"), "\r\n"],
        ),
        ("a\n{{# fit fluency }}\n\n Be fluent. \n\n{{/ fit }}\n", ["a\n\n ", ("instruction", "fluency"), " \n\n"]),
    ],
)
def test_a_marked_region_leaves_the_text_as_it_was(source: str, expected: list[object]) -> None:
    parsed = parse(source, COLUMNS, CRITERIA)
    assert kinds(source) == expected
    assert [" ".join(text.split()) for text in parsed.fitted.values()] == ["Be fluent."]


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("a\n\n{{ anser }}", 3, "{{ anser }} names nothing (did you mean 'answer'?)"),
        ("a\r\n{{ instruction:fluent }}", 2, "there is no criterion 'fluent' (did you mean 'fluency'?)"),
        ("{{ zzz }}", 1, "it may name question, answer"),
        ("{% if answer %}", 1, "no statements"),
        ("x\n{{# fit fluency }}\nand on", 2, "the region is not closed"),
        ("x {{/ fit }}", 1, "closes no region"),
        ("{{# fit fluency }} \n {{/ fit }}", 1, "is empty"),
        ("{{# fit fluency }}\nfor {{ answer }}{{/ fit }}", 2, "plain text alone"),
        ("{{# fit fluensy }}a{{/ fit }}", 1, "did you mean 'fluency'?"),
    ],
)
def test_a_fault_has_its_line_and_a_remedy(source: str, line: int, message: str) -> None:
    ((at, said),) = faults(source)
    assert at == line
    assert message in said


def test_a_rubric_without_a_prompt_of_its_own_has_the_digest_that_it_had() -> None:
    rubric = Rubric("task", (("answer", "Answer"),), ())
    assert "template" not in codec.plain(rubric)
    own = PromptTemplate((TemplateMessage("user", (Piece("column", "answer"),)),))
    held = Rubric("task", (("answer", "Answer"),), (), template=own)
    assert codec.record(PromptTemplate, codec.line(own), "here") == own
    assert codec.plain(held)["template"] == codec.plain(own)
