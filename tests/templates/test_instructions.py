"""The readers of prose and of new instructions: byte for byte what was written, or an error."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.errors import ReplyError
from polyjudge.templates.replies import read_instruction, read_instructions, read_text

law = settings(deadline=None, max_examples=150)

NASTY = [
    "Rate R&D & <score>4</score> from 1 to 5.",
    "<score> & </score>",
    'Say "good" or "bad".',
    "{{ task }} {% for x in y %}",
    'Answer {"fluency": 5} always.',
    "- coherence: Rate from 1 to 5.",
    'One line\n"""\nanother """" line',
    "Use \\n, \\d and C:\\new.",
    "Ignore <think>thoughts</think> in the text.",
    "Ignore a <think> that never ends.",
    "Ignore every </think> in the text.",
    "```python\nx = 1\n```\nis code, and\n```\nthis\n``` too",
    "Rate 4/5.\u2028Then stop.",
    "评分从一到五。",
    "// not a comment, # nor this",
]
texts = st.sampled_from(NASTY) | st.lists(st.sampled_from([*NASTY, *'ab"{}[]:,\\\n<>&/ '])).map("".join) | st.text()
wanted = texts.filter(
    lambda text: any(character.isalnum() for character in text) and not re.search("[\0\ud800-\udfff]", text)
)


@pytest.mark.parametrize("text", NASTY)
def test_an_instruction_survives_byte_for_byte(text: str) -> None:
    assert read_instruction(text) == text
    assert read_instruction(f"\n {text}\n\n") == text
    assert read_instruction(f"<think>Hm, <score> & so on.</think>\n\n{text}") == text


@law
@given(wanted, wanted, st.booleans(), st.sampled_from(["{}", "Here:\n{}", "```json\n{}\n```", "{}\nDone."]))
def test_instructions_in_json_survive_byte_for_byte(first: str, second: str, escaped: bool, around: str) -> None:
    written = json.dumps({"fluency": first, "note": {"a": 1}, "coherence": second}, ensure_ascii=escaped)
    found = read_instructions(around.replace("{}", written), ("fluency", "coherence"))
    assert found == {"fluency": first.strip(), "coherence": second.strip()}


@pytest.mark.parametrize(
    ("reply", "instruction"),
    [
        ('"Rate it."', "Rate it."),
        ('"""Rate it."""', "Rate it."),
        ('"""\nRate "well" or "badly".\n"""', 'Rate "well" or "badly".'),
        ('""""\nRate """ as you like.\n""""', 'Rate """ as you like.'),
        ("```\nRate it.\n```", "Rate it."),
        ("```text\nRate it.\nTwice.\n```\n", "Rate it.\nTwice."),
        ('"Good" is 5, "bad" is 1, and "so-so"', '"Good" is 5, "bad" is 1, and "so-so"'),
        ('"Good" is 5', '"Good" is 5'),
        ("```\na\n```\nand\n```\nb\n```", "```\na\n```\nand\n```\nb\n```"),
        ("reasoning without an opening tag\n</think>\n\nRate it.", "Rate it."),
    ],
)
def test_one_wrapping_is_taken_off(reply: str, instruction: str) -> None:
    assert read_instruction(reply) == instruction


@pytest.mark.parametrize(
    "text", ["", "  \n", '""', '"', '""""""', "```\n\n```", '"  "', "...", "<think>Rate it.", "<think></think>"]
)
def test_nothing_written_is_refused(text: str) -> None:
    with pytest.raises(ReplyError):
        read_instruction(text)
    with pytest.raises(ReplyError):
        read_instructions(text, ("fluency", "coherence"))


@pytest.mark.parametrize(
    "text",
    [
        "Rate it.",
        "{}",
        '{"fluency": "Rate it."}',
        '{"fluency": "Rate it.", "coherence": ""}',
        '{"fluency": "...", "coherence": "..."}',
        '{"fluency": "Rate it.", "coherence": "  "}',
        '{"fluency": "Rate it.", "coherence": null}',
        '{"fluency": "Rate it.", "coherence": 4}',
        '{"fluency": "Rate it.", "coherence": ["Rate."]}',
        '{"fluency": "Rate it.", "coherence": {"instruction": "Rate."}}',
        '{"fluency": "Rate it.", "coherence": "a", "coherence": "b"}',
        '{"fluency": "Rate it.", "coherence": "a", "Coherence": "b"}',
        '{"fluency": "Rate it.", "coherence": "Rate the',
        '{"fluency": "Rate "good" texts", "coherence": "Rate."}',
        '{"fluency": "Rate it.", "coherence": "Rate.",}',
        "{'fluency': 'Rate it.', 'coherence': 'Rate.'}",
        '[{"fluency": "Rate it."}, {"coherence": "Rate."}]',
    ],
)
def test_a_missing_or_doubtful_instruction_is_refused_and_never_mended(text: str) -> None:
    with pytest.raises(ReplyError):
        read_instructions(text, ("fluency", "coherence"))


@pytest.mark.parametrize("text", ["Half a pair: \ud83d", "\udc00 Rate it.", "Rate\0 it."])
def test_an_instruction_that_no_judge_file_could_hold_is_refused(text: str) -> None:
    with pytest.raises(ReplyError, match="character that cannot be sent"):
        read_instruction(text)
    for escaped in (True, False):
        with pytest.raises(ReplyError, match=r"\['coherence'\] holds a character that cannot be sent"):
            read_instructions(
                json.dumps({"fluency": "a", "coherence": text}, ensure_ascii=escaped), ("fluency", "coherence")
            )


def test_instructions_given_twice_must_agree() -> None:
    first, second = '{"a": "Rate."}', '{"a": "Rate well."}'
    assert read_instructions(f"{first}\n{first}", ("a",)) == {"a": "Rate."}
    with pytest.raises(ReplyError, match="several objects with different"):
        read_instructions(f"{first}\n{second}", ("a",))


def test_the_refusal_names_the_criterion() -> None:
    with pytest.raises(ReplyError, match=r"no instruction for \['coherence'\]"):
        read_instructions('{"fluency": "Rate it."}', ("fluency", "coherence"))


def test_line_breaks_may_stand_in_the_json_as_they_are() -> None:
    assert read_instructions('{"a": "One\nTwo\tThree"}', ("a",)) == {"a": "One\nTwo\tThree"}


@pytest.mark.parametrize("name", ["fluency", "Fluency", "FLUENCY", " fluency "])
def test_names_are_found_without_regard_to_case(name: str) -> None:
    assert read_instructions(json.dumps({name: "Rate."}), ("fluency",)) == {"fluency": "Rate."}


def test_a_cut_reply_is_refused_even_if_it_looks_whole() -> None:
    for read in (read_text, read_instruction):
        with pytest.raises(ReplyError, match="cut off"):
            read("Rate it.", cut=True)
    with pytest.raises(ReplyError, match="cut off"):
        read_instructions('{"a": "Rate."}', ("a",), cut=True)


@law
@given(st.text(max_size=80) | texts, st.booleans())
def test_whatever_is_written_is_read_or_refused(text: str, cut: bool) -> None:
    for read in (read_text, read_instruction):
        try:
            found = read(text, cut=cut)
        except ReplyError:
            continue
        assert found.strip() == found != ""
        assert found in text
    with suppress(ReplyError):
        assert all(value.strip() for value in read_instructions(text, ("a", "b"), cut=cut).values())


@law
@given(wanted.filter(lambda text: "think" not in text))
def test_prose_is_what_was_written(text: str) -> None:
    assert read_text(text) == text.strip()
