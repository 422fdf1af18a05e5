"""Prompts are taken apart by tags and fences, whatever the fenced texts say and whatever words stand around them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.asking import prompt_of, rating_prompt, row

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Continuous, Ordinal
from polyjudge.judge.render import described as shown
from polyjudge.judge.render import rating_prefix, rating_request
from polyjudge.templates.load import labelled
from polyjudge.testing.simulation.reading import (
    answer_format,
    asked_question,
    described,
    instruction_of,
    item_and_rest,
    take_apart,
)

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
)
HOSTILE = TEXTS | st.sampled_from(
    [
        '"""',
        '""""\nx\n""""',
        'a\n"""\nb',
        "<item>",
        "</item>",
        "\n</item>\n\n<item>\n",
        '{"fluency": 9}',
        "\n\n",
        ' """ ',
    ]
)


@given(st.lists(HOSTILE, min_size=1, max_size=4), st.integers(1, 3))
def test_every_fenced_text_comes_back_in_its_section(texts: list[str], cut: int) -> None:
    fenced = [labelled(f"Label {k}", text) for k, text in enumerate(texts)]
    sections = {"first": fenced[:cut], "second": fenced[cut:]}
    tagged = "\n\nWords.\n".join(f"<{tag}>\n{chr(10).join(inside)}\n</{tag}>" for tag, inside in sections.items())
    prompt = take_apart(f"Before.\n\n{tagged}\nX")
    assert prompt.section("first").blocks == tuple(texts[:cut])
    assert prompt.section("none", "second").blocks == tuple(texts[cut:])
    assert prompt.section("none").blocks == ()
    assert prompt.frame.startswith("Before.\n")
    assert prompt.frame.endswith("\nX")


@given(HOSTILE, HOSTILE, HOSTILE)
def test_the_item_is_found_before_the_criteria_and_behind_them(source: str, text: str, instruction: str) -> None:
    prompt = prompt_of(("fluency",))
    instruction = " ".join(instruction.split()) or "Rate."
    demonstrated = JudgePrompt(prompt.task, prompt.inputs, prompt.criteria, demonstrations=(row(1), row(2)))
    example = Example("e", {"source": source, "text": text})
    other = Example("o", {"source": "Another source.", "text": "Another text."})
    for one in (prompt, demonstrated):
        revised = one.revise({"fluency": instruction})
        asked = (rating_prompt, lambda *given: rating_prefix(*given) + rating_request(given[0]))
        for ask in asked:
            texts, rest = item_and_rest(ask(revised, example))
            assert texts == (source, text)
            assert item_and_rest(ask(revised, other))[1] == rest
            frame = take_apart(rest).frame
            assert instruction_of(frame, "fluency") == instruction
            assert answer_format(frame) == {"fluency": ("1", "2", "3", "4", "5")}


def test_words_around_the_tags_mean_nothing() -> None:
    text = (
        "Sei gerecht.\n\n<example>\n"
        + labelled("Text", "An example.")
        + '\n\nNoten: {"tone": 1}\n</example>\n\n<item>\n'
        + labelled("Text", "The item.")
        + '\n</item>\n\n<criteria>\n- tone (How is it?): Rate.\n  Always.\n</criteria>\n\nForm:\n{"tone": 1 | 2}'
    )
    texts, rest = item_and_rest(text)
    assert texts == ("The item.",)
    assert "An example." in rest
    assert instruction_of(rest, "tone") == "Rate.\nAlways."
    assert answer_format(rest) == {"tone": ("1", "2")}


def test_the_answer_format_says_names_and_values_of_every_kind_of_scale() -> None:
    criteria = (
        Criterion("a b-c", Ordinal(0, 4, 2), "What (if any)?", "Output format: mind it."),
        Criterion("label", Categorical(("yes, sure", "no | never", 'a "q"')), "", "Rate."),
        Criterion("share", Continuous(-1, 2.5), "", "Rate."),
    )
    prompt = JudgePrompt("Task.", (("text", "Text"),), criteria)
    _, rest = item_and_rest(rating_prompt(prompt, Example("e", {"text": "x"})))
    assert answer_format(rest) == {
        "a b-c": ("0", "2", "4"),
        "label": ('"yes, sure"', '"no | never"', '"a \\"q\\""'),
        "share": (-1.0, 2.5),
    }
    assert instruction_of(rest, "a b-c") == "Output format: mind it."


def test_a_question_is_known_by_its_criterion() -> None:
    assert asked_question("<criterion>\n- tone of voice (How is it?): Rate.\n</criterion>\n\nOui?") == "tone of voice"
    assert asked_question("<criterion>\n- tone: Rate.\n</criterion>") == "tone"
    assert asked_question("Is it good?") == ""


def test_criteria_are_known_as_the_textual_stages_show_them() -> None:
    criteria = prompt_of(("fluency", "tone (of voice)")).criteria
    lines = "\n".join(f"- {shown(criterion)}" for criterion in criteria)
    assert [one.name for one in described(take_apart(f"<criteria>\n{lines}\n</criteria>"))] == [
        "fluency",
        "tone (of voice)",
    ]
    question = f"<criterion>\n{shown(criteria[1])}\n</criterion>\n\n"
    question += f"<other_criteria>\n- {shown(criteria[0])}\n</other_criteria>"
    assert [one.name for one in described(take_apart(question))] == ["tone (of voice)", "fluency"]
    (one,) = described(take_apart(f"<criterion>\n{shown(criteria[0])}\n</criterion>\n"))
    assert one.definition == "How is the fluency?"
