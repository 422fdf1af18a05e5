"""Conversations as transcripts: who said what, and that nothing said can pass for a turn."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyjudge as pj
from polyjudge.datasets.load import load_dataset
from polyjudge.datasets.transcript import messages_of, transcript
from polyjudge.errors import DataError

OPENAI: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "What is the\nweather?"}, {"type": "image_url", "image_url": {}}],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    {"role": "assistant", "content": "It rains."},
]
SHOWN = """\
[1] system
  Be brief.
[2] user
  What is the
  weather?
  (image_url left out)
[3] assistant
  calls weather (c1):
    {"city": "Bonn"}
[4] tool, c1
  rain
[5] assistant
  It rains."""


def shown(value: object) -> str:
    messages = messages_of(value)
    assert messages is not None
    return transcript(messages)


def test_messages_are_shown_with_roles_tool_calls_and_results() -> None:
    for value in (OPENAI, json.dumps(OPENAI), {"messages": OPENAI}, json.dumps({"messages": OPENAI})):
        assert shown(value) == SHOWN


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (
            [{"from": "human", "value": "Hi."}, {"from": "gpt", "value": "Yo."}],
            "[1] user\n  Hi.\n[2] assistant\n  Yo.",
        ),
        ([{"type": "ai", "data": {"content": "Yo."}}], "[1] assistant\n  Yo."),
        (
            [
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "2"}]},
            ],
            '[1] assistant\n  calls f (t):\n    {"a": 1}\n[2] user\n  result of t:\n    2',
        ),
        ([{"role": "assistant", "content": ""}], "[1] assistant\n  (nothing)"),
    ],
)
def test_the_forms_of_other_tools(messages: object, text: str) -> None:
    assert shown(messages) == text


@pytest.mark.parametrize("value", ["Hello.", "[1, 2]", "[not json", [4, 5], [], {"a": 1}, None, '[{"a": 1}]', "{"])
def test_anything_else_is_no_conversation(value: object) -> None:
    assert messages_of(value) is None


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "tool"]), "content": words, "name": words}), min_size=1
    )
)
def test_no_text_can_pass_for_a_turn(messages: list[dict[str, str]]) -> None:
    lines = transcript(messages).split("\n")
    turns = [line for line in lines if not line.startswith("  ")]
    assert [re.match(r"\[(\d+)\] ", line)[1] for line in turns] == [str(n + 1) for n in range(len(messages))]  # type: ignore[index]
    assert not any(sign in line for line in lines for sign in "\r\x0b\x0c\u2028")


CRITERIA = {"task": "Judge.", "inputs": {"chat": "Chat"}, "criteria": [{"name": "tone", "scale": [1, 5]}]}


def test_a_column_of_conversations_is_read_and_another_list_is_refused() -> None:
    dataset = load_dataset([{"chat": OPENAI, "tone": 3}], CRITERIA)
    assert dataset.examples[0].inputs["chat"] == SHOWN
    with pytest.raises(DataError, match=r"row 1, column 'chat': holds a 'list', \[1, 2\]; it must be text, or a list"):
        load_dataset([{"chat": [1, 2], "tone": 3}], CRITERIA)
    with pytest.raises(DataError, match="message 1 holds 7, which has no text form"):
        load_dataset([{"chat": [{"role": "user", "content": 7}], "tone": 3}], CRITERIA)


def test_a_renderer_takes_the_place_of_the_transcript() -> None:
    def last(cell: object) -> str:
        assert isinstance(cell, list)
        return str(cell[-1]["content"])

    dataset = load_dataset([{"chat": OPENAI, "tone": 3}], CRITERIA, renderers={"chat": last})
    assert dataset.examples[0].inputs["chat"] == "It rains."
    with pytest.raises(DataError, match="the renderer returned 5, which is no text"):
        load_dataset([{"chat": OPENAI, "tone": 3}], CRITERIA, renderers={"chat": lambda cell: 5})  # type: ignore[arg-type, return-value]
    with pytest.raises(DataError, match="did you mean 'chat'"):
        load_dataset([{"chat": OPENAI, "tone": 3}], CRITERIA, renderers={"chatt": last})


def test_init_takes_them_for_inputs() -> None:
    rows = [{"chat": [{"role": "user", "content": f"hello {n}"}], "tone": n % 5 + 1} for n in range(20)]
    assert pj.init(rows).rubric.inputs == (("chat", "Chat"),)
