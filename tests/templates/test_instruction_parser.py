"""The readers of prose and of new instructions: byte for byte what was written, or an error that says why."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.errors import ReplyError
from polyjudge.templates.instruction_parser import (
    MANY,
    ONE,
    instruction_form,
    instruction_schema,
    marked,
    read_held,
    read_instruction,
    read_instructions,
    read_text,
)

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
LONG = "Okay, let me think about this. Maybe it should say 3? Or 4. " * 3


def several(members: object) -> str:
    return marked(json.dumps(members, ensure_ascii=False), MANY)


@pytest.mark.parametrize("text", NASTY)
def test_an_instruction_survives_byte_for_byte(text: str) -> None:
    for reply in (marked(text), f"<{ONE}>{text}</{ONE}>", f"<think>Hm, <score> & so on.</think>\n\n{marked(text)}"):
        assert read_instruction(reply) == text


@law
@given(wanted, wanted, st.booleans(), st.sampled_from(["{}", "```json\n{}\n```"]))
def test_instructions_in_json_survive_byte_for_byte(first: str, second: str, escaped: bool, around: str) -> None:
    written = json.dumps({"fluency": first, "note": {"a": 1}, "coherence": second}, ensure_ascii=escaped)
    found = read_instructions(marked(around.replace("{}", written), MANY), ("fluency", "coherence"))
    assert found == {"fluency": first.strip(), "coherence": second.strip()}


AROUND = {
    "preamble": "Sure! Here is the improved instruction:\n\n{}",
    "talk after it": "{}\n\nThis version is clearer because it says what matters.",
    "in a fence": "Here it is:\n\n```\n{}\n```\n\nIt is shorter.",
    "thought": f"<think>\n{LONG}\n</think>\n\n{{}}",
    "thought in one line": f"<think>{LONG}</think>{{}}",
    "thought, opening swallowed": f"{LONG}\n</think>\n\n{{}}",
    "thought, swallowed in one line": f"{LONG}</think>{{}}",
    "thought in an unknown tag": f"<inner_monologue>{LONG}</inner_monologue>\n{{}}",
    "channels": f"<|channel|>analysis<|message|>{LONG}<|end|><|start|>assistant<|channel|>final<|message|>{{}}",
    "leaked channels": f"analysis{LONG}assistantfinal{{}}",
    "granite": f"Here is my thought process:\n{LONG}\n\nHere is my response:\n{{}}",
    "gemma": f"<|channel>thought\n{LONG}<channel|>{{}}",
    "ollama": f"Thinking...\n{LONG}\n...done thinking.\n\n{{}}",
    "magistral": f"[THINK]{LONG}[/THINK]{{}}",
    "special token": "{}<|im_end|>",
    "envelope": "<answer>{}</answer>",
    "twice the same": "{}\n{}",
    "draft in a thought": f"<think>{marked('Rate it badly.')}</think>{{}}",
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_only_what_stands_between_the_markers_is_read(around: str) -> None:
    assert read_instruction(around.replace("{}", marked("Rate it well."))) == "Rate it well."
    assert read_instructions(around.replace("{}", several({"a": "Rate."})), ("a",)) == {"a": "Rate."}


UNMARKED = {
    "plain": "Rate it by how well it serves the reader.",
    "preamble": "Sure! Here is the improved instruction:\n\nRate it.",
    "a fence": "Here is the improved instruction:\n\n```\nRate it.\n```\n\nThis version is clearer.",
    "another tag": "<IMPROVED_VARIABLE>Rate it.</IMPROVED_VARIABLE>",
    "refusal": "I'm sorry, I can't help with that.",
    "ratings": '{"fluency": 4}',
    "an echo of the task": "You rewrite the instruction that an LLM judge follows for one criterion.",
    "a thought that does not end": f"<think>{marked('Rate it.')}",
    "nothing": "",
    "an end that is missing": f"<{ONE}>\nRate it.",
    "another order": f"</{ONE}>\nRate it.\n<{ONE}>",
}


@pytest.mark.parametrize("text", UNMARKED.values(), ids=UNMARKED)
def test_without_markers_nothing_is_read(text: str) -> None:
    with pytest.raises(ReplyError, match=r"the block <new_instruction> \.\.\. </new_instruction>"):
        read_instruction(text)
    with pytest.raises(ReplyError, match=r"the block <new_instructions> \.\.\. </new_instructions>"):
        read_instructions(text, ("fluency",))


@pytest.mark.parametrize(
    ("inside", "instruction"),
    [
        ('"Rate it."', "Rate it."),
        ('"""Rate it."""', "Rate it."),
        ('"""\nRate "well" or "badly".\n"""', 'Rate "well" or "badly".'),
        ("```\nRate it.\n```", "Rate it."),
        ("```text\nRate it.\nTwice.\n```\n", "Rate it.\nTwice."),
        ('"Good" is 5, "bad" is 1, and "so-so"', '"Good" is 5, "bad" is 1, and "so-so"'),
        ('"Good" is 5', '"Good" is 5'),
        ("```\na\n```\nand\n```\nb\n```", "```\na\n```\nand\n```\nb\n```"),
    ],
)
def test_one_wrapping_is_taken_off(inside: str, instruction: str) -> None:
    assert read_instruction(marked(inside)) == instruction


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("", "is empty"),
        ("...", "is empty"),
        ('"  "', "is empty"),
        ("```\n\n```", "is empty"),
        ('{"fluency": 4}', "is a JSON object"),
        ('```json\n{"fluency": 4}\n```', "is a JSON object"),
        ("Rate it.<|im_end|>", "special token or a marker"),
        (f"<{ONE}>Rate it.", "special token or a marker"),
        ("Half a pair: \ud83d", "character that cannot be sent"),
        ("Rate\0 it.", "character that cannot be sent"),
    ],
)
def test_what_is_no_instruction_is_refused_with_the_reason(inside: str, reason: str) -> None:
    with pytest.raises(ReplyError, match=reason):
        read_instruction(marked(inside))


def test_two_different_instructions_are_refused() -> None:
    with pytest.raises(ReplyError, match="several different blocks"):
        read_instruction(f"{marked('Rate it.')}\nOr rather:\n{marked('Rate it well.')}")


@pytest.mark.parametrize(
    "inside",
    [
        "Rate it.",
        "{}",
        '{"fluency": "Rate it."}',
        '{"fluency": "Rate it.", "coherence": ""}',
        '{"fluency": "...", "coherence": "..."}',
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
        '{"fluency": "Rate it."} {"coherence": "Rate."}',
    ],
)
def test_a_missing_or_doubtful_instruction_is_refused_and_never_mended(inside: str) -> None:
    with pytest.raises(ReplyError):
        read_instructions(marked(inside, MANY), ("fluency", "coherence"))


@pytest.mark.parametrize("text", ["Half a pair: \ud83d", "\udc00 Rate it.", "Rate\0 it."])
def test_an_instruction_that_no_judge_file_could_hold_is_refused(text: str) -> None:
    for escaped in (True, False):
        written = json.dumps({"fluency": "a", "coherence": text}, ensure_ascii=escaped)
        with pytest.raises(ReplyError, match="'coherence' holds a character that cannot be sent"):
            read_instructions(marked(written, MANY), ("fluency", "coherence"))


def test_the_refusal_names_the_criterion() -> None:
    with pytest.raises(ReplyError, match="no single instruction for 'coherence'"):
        read_instructions(several({"fluency": "Rate it."}), ("fluency", "coherence"))


def test_line_breaks_may_stand_in_the_json_as_they_are() -> None:
    assert read_instructions(marked('{"a": "One\nTwo\tThree"}', MANY), ("a",)) == {"a": "One\nTwo\tThree"}


@pytest.mark.parametrize("name", ["fluency", "Fluency", "FLUENCY", " fluency "])
def test_names_are_found_without_regard_to_case(name: str) -> None:
    assert read_instructions(several({name: "Rate."}), ("fluency",)) == {"fluency": "Rate."}


def test_a_cut_reply_is_read_only_if_the_block_ends_before_the_cut() -> None:
    with pytest.raises(ReplyError, match="cut off"):
        read_text("Rate it.", cut=True)
    with pytest.raises(ReplyError, match=r"does not end in the reply .*, which was cut off"):
        read_instruction(f"<{ONE}>\nRate it", cut=True)
    with pytest.raises(ReplyError, match="does not end"):
        read_instructions(f'<{MANY}>\n{{"a": "Rate."}}', ("a",), cut=True)
    assert read_instruction(f"{marked('Rate it.')}\nThis is bet", cut=True) == "Rate it."
    assert read_instructions(f"{several({'a': 'Rate.'})}\nThis", ("a",), cut=True) == {"a": "Rate."}


@law
@given(st.text(max_size=80) | texts, st.booleans())
def test_whatever_is_written_is_read_or_refused(text: str, cut: bool) -> None:
    for read in (read_text, read_instruction):
        for reply in (text, marked(text)):
            try:
                found = read(reply, cut=cut)
            except ReplyError:
                continue
            assert found.strip() == found != ""
            assert found in reply
    for reply in (text, marked(text, MANY)):
        with suppress(ReplyError):
            assert all(value.strip() for value in read_instructions(reply, ("a", "b"), cut=cut).values())


@law
@given(wanted.filter(lambda text: not re.search("think|analysis", text)))
def test_prose_is_what_was_written(text: str) -> None:
    assert read_text(text) == text.strip().strip("\ufeff").strip()


@pytest.mark.parametrize("around", [AROUND[name] for name in AROUND if "thought" in name and "unknown" not in name])
def test_prose_has_no_thought(around: str) -> None:
    if ONE not in around:
        assert read_text(around.replace("{}", "The judge was too harsh.")) == "The judge was too harsh."


def test_a_mention_of_a_thoughts_mark_ends_no_prose() -> None:
    text = "It should ignore every </think> in the text.\nAnd be brief."
    assert read_text(text) == text


@law
@given(wanted, wanted, st.booleans())
def test_instructions_that_a_schema_held_survive_byte_for_byte(first: str, second: str, escaped: bool) -> None:
    one = json.dumps({"instruction": first}, ensure_ascii=escaped)
    assert read_held(one, ("fluency",)) == {"fluency": first.strip()}
    two = json.dumps({"fluency": first, "coherence": second}, ensure_ascii=escaped)
    read = {"fluency": first.strip(), "coherence": second.strip()}
    assert (
        read_held(two, ("fluency", "coherence")) == read_held(f"```json\n{two}\n```", ("fluency", "coherence")) == read
    )


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("Rate fluency.", "is not one JSON object"),
        ('{"instruction": "Rate flu', "is not one JSON object"),
        ('Here it is: {"instruction": "Rate it."}', "is not one JSON object"),
        ('{"instruction": 4}', "no single instruction under 'instruction'"),
        ('{"fluency": "Rate it."}', "no single instruction under 'instruction'"),
        ('{"instruction": "..."}', "is empty"),
        ('{"instruction": "Rate <|im_end|> it."}', "special token"),
        ('{"instruction": "One.", "instruction": "Two."}', "no single instruction"),
    ],
)
def test_what_is_no_instruction_in_json_is_refused(reply: str, reason: str) -> None:
    with pytest.raises(ReplyError, match=reason):
        read_held(reply, ("fluency",))


def test_a_cut_reply_says_so() -> None:
    with pytest.raises(ReplyError, match="cut off at its token limit"):
        read_held('{"instruction": "Rate flu', ("fluency",), cut=True)


def test_the_schema_asks_for_the_form_and_bounds_its_texts() -> None:
    for names in (("fluency",), ("fluency", "coherence")):
        form = instruction_form(names)
        for longest in (0, 90):
            schema = json.loads(instruction_schema(names, longest))
            assert list(schema["properties"]) == schema["required"] == list(form)
            assert {text.get("maxLength", 0) for text in schema["properties"].values()} == {longest}
    assert instruction_form(("fluency",)) == {"instruction": "..."}
