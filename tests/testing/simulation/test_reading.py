"""Prompts are taken apart by fences and labels, whatever the fenced texts say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.asking import prompt_of, row

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Continuous, Ordinal
from polyjudge.judge.render import described as shown
from polyjudge.judge.render import rating_prompt
from polyjudge.templates.load import labelled
from polyjudge.testing.simulation.reading import answer_format, described, instruction_of, item_and_frame, take_apart

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"))
HOSTILE = TEXTS | st.sampled_from(
    ['"""', '""""\nx\n""""', 'a\n"""\nb', "The material to judge stands between quotation fences", "\n\n", ' """ ']
)


@given(st.lists(HOSTILE, min_size=1, max_size=4))
def test_every_fenced_text_comes_back_under_its_label(texts: list[str]) -> None:
    prompt = take_apart(
        "Before.\n" + "\n\n".join(labelled(f"Label {k}", text) for k, text in enumerate(texts)) + "\nX"
    )
    assert [(block.label, block.text) for block in prompt.blocks] == [
        (f"Label {k}", text) for k, text in enumerate(texts)
    ]
    assert prompt.frame.startswith("Before.\n")
    assert prompt.frame.endswith("\nX")


@given(HOSTILE, HOSTILE, HOSTILE)
def test_the_item_is_what_stands_behind_its_announcement(source: str, text: str, instruction: str) -> None:
    prompt = prompt_of(("fluency",))
    instruction = " ".join(instruction.split()) or "Rate."
    demonstrated = JudgePrompt(prompt.task, prompt.inputs, prompt.criteria, demonstrations=(row(1), row(2)))
    example = Example("e", {"source": source, "text": text})
    other = Example("o", {"source": "Another source.", "text": "Another text."})
    for one in (prompt, demonstrated):
        revised = one.revise({"fluency": instruction})
        texts, frame = item_and_frame(rating_prompt(revised, example))
        assert texts == (source, text)
        assert item_and_frame(rating_prompt(revised, other))[1] == frame
        assert instruction_of(frame, "fluency") == instruction


def test_an_item_that_stands_first_is_found_too() -> None:
    text = (
        "You are an evaluator.\n\nExample 1, whose ratings stand with the criteria:\n\n"
        + labelled("Text", "An example.")
        + "\n\nThe material to judge stands between quotation fences. The criteria follow it.\n\n"
        + labelled("Text", "The item.")
        + '\n\nCriteria:\n- tone (How is it?): Rate.\n  Always.\n\nOutput format:\n{"tone": 1 | 2}'
    )
    texts, frame = item_and_frame(text)
    assert texts == ("The item.",)
    assert instruction_of(frame, "tone") == "Rate.\nAlways."
    assert answer_format(frame) == {"tone": ("1", "2")}


def test_the_answer_format_says_names_and_values_of_every_kind_of_scale() -> None:
    criteria = (
        Criterion("a b-c", Ordinal(0, 4, 2), "What (if any)?", "Output format: mind it."),
        Criterion("label", Categorical(("yes, sure", "no | never", 'a "q"')), "", "Rate."),
        Criterion("share", Continuous(-1, 2.5), "", "Rate."),
    )
    prompt = JudgePrompt("Task.", (("text", "Text"),), criteria)
    _, frame = item_and_frame(rating_prompt(prompt, Example("e", {"text": "x"})))
    assert answer_format(frame) == {
        "a b-c": ("0", "2", "4"),
        "label": ('"yes, sure"', '"no | never"', '"a \\"q\\""'),
        "share": (-1.0, 2.5),
    }
    assert instruction_of(frame, "a b-c") == "Output format: mind it."


def test_criteria_are_known_as_the_textual_stages_show_them() -> None:
    criteria = prompt_of(("fluency", "tone of voice")).criteria
    lines = "\n".join(f"- {shown(criterion)}" for criterion in criteria)
    assert [one.name for one in described(f"Criteria:\n{lines}\n")] == ["fluency", "tone of voice"]
    question = f"The criterion in question: {shown(criteria[1])}\n\nThe others:\n- {shown(criteria[0])}\n"
    assert [one.name for one in described(question)] == ["tone of voice", "fluency"]
    assert described(f"Criterion: {shown(criteria[0])}\n")[0].definition == "How is the fluency?"
