"""The key ``prompt``: read with the line of each fault, and written so that not a byte changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.datasets.criteria import rubric_from, rubric_to
from polyjudge.datasets.load import load_rubric
from polyjudge.datasets.yamlfile import dump_yaml, parse_yaml
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.errors import CriteriaError
from polyjudge.judge.render import rating_messages

TWO: list[dict[str, Any]] = [{"name": "fluency", "scale": [1, 5]}, {"name": "warmth", "scale": [1, 5]}]
INPUTS = {"question": "Question", "answer": "Answer"}
ITEM = Example("e", {"question": "Q?", "answer": "{{ question }} {{/ fit }}"})
WHOLE = "{{ question }}|{{ answer }}|{{ instruction:fluency }}|{{ instruction:warmth }}|{{ format }}"


def given_(prompt: Any, criteria: Any = TWO, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "inputs": INPUTS, "criteria": criteria, **more}


def sent(mapping: Mapping[str, Any]) -> list[str]:
    prompt = JudgePrompt.initial(rubric_from(mapping, "c"))
    return [f"{message.role}: {message.content}" for message in rating_messages(prompt, ITEM)]


def refused(mapping: Any) -> str:
    with pytest.raises(CriteriaError) as caught:
        rubric_from(mapping, "c")
    return str(caught.value)


def test_a_text_is_one_message_of_the_user() -> None:
    (said,) = sent(given_(WHOLE))
    assert said.startswith("user: Q?|{{ question }} {{/ fit }}|Rate from 1 to 5.|Rate from 1 to 5.|{")


def test_messages_keep_their_order_and_regions_are_the_first_instructions() -> None:
    prompt = [
        {"role": "system", "content": "Be strict.\n{{# fit fluency }}\nNo slips.\n{{/ fit }}\nThen"},
        {"role": "user", "content": "{{ question }} {{ answer }}"},
        {"role": "assistant", "content": "Warm?"},
        {"role": "user", "content": "{{# fit warmth }}Kind words.{{/ fit }}"},
    ]
    assert sent(given_(prompt)) == [
        "system: Be strict.\nNo slips.\nThen",
        "user: Q? {{ question }} {{/ fit }}",
        "assistant: Warm?",
        "user: Kind words.",
    ]


frames = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0{}"), max_size=30)
endings = st.sampled_from(["\r\n", " \n", "\n\n ", "\t", "\r", ""])


@given(frames, endings, frames, endings)
def test_not_a_byte_changes_on_the_way_through_a_file(one: str, after: str, two: str, end: str) -> None:
    text = f"{one}{after}{{{{ question }}}}{two}{{{{ answer }}}}{after}{{{{ instruction }}}}{end}"
    rubric = rubric_from(given_(text, [{"name": "fluency", "scale": [1, 5]}]), "c")
    again = rubric_from(parse_yaml(dump_yaml(rubric_to(rubric)), "c"), "c")
    assert again == rubric
    assert sent(rubric_to(again)) == [f"user: {one}{after}Q?{two}{ITEM.inputs['answer']}{after}Rate from 1 to 5.{end}"]


@pytest.mark.parametrize(
    ("prompt", "messages"),
    [
        (WHOLE.replace("{{ answer }}", "{answer}"), ["never shows the input 'answer' ({answer} in prompt, line 1"]),
        (WHOLE.replace("{{ instruction:warmth }}", ""), ["no place for the instruction of 'warmth'", "# fit warmth"]),
        (WHOLE + "{{ instruction:warmth }}", ["'warmth' has a place already"]),
        (WHOLE + "\n{{ instruction }}", ["prompt, line 2: {{ instruction }} names no criterion"]),
        (WHOLE + "\n\n{{ anser }}", ["prompt, line 3", "did you mean 'answer'?"]),
        (17, ["prompt: 17", "list of"]),
        ([], ["prompt: []"]),
        ([{"role": "system", "content": WHOLE}], ["the last message is the system's"]),
        ([{"role": "user", "content": WHOLE}, {"role": "system", "content": "x"}], ["comes first"]),
        ([{"role": "user", "content": WHOLE}, {"role": "user", "content": "x"}], ["join them"]),
        ([{"role": "usr", "content": WHOLE}], ["prompt[0].role", "did you mean 'user'?"]),
        ([{"role": "user"}], ["prompt[0]: "]),
        ([{"role": "user", "content": 3}], ["prompt[0].content: 3"]),
    ],
)
def test_a_fault_is_told_before_anything_is_asked(prompt: Any, messages: list[str]) -> None:
    said = refused(given_(prompt))
    assert all(message in said for message in messages), said


def test_a_text_that_is_marked_and_written_elsewhere_is_refused() -> None:
    criteria = [{"name": "fluency", "scale": [1, 5], "instruction": "Other."}]
    prompt = "{{ question }} {{ answer }} {{# fit }}Mine.{{/ fit }}"
    assert "keep the one or the other" in refused(given_(prompt, criteria))
    assert sent(given_(prompt, [{**criteria[0], "instruction": "Mine."}]))[0].endswith("Mine.")


def test_a_line_is_the_files_own(tmp_path: Path) -> None:
    file = tmp_path / "criteria.yaml"
    file.write_text(
        "inputs: {answer: Answer}\nprompt: |\n  Rate this.\n\n  {{ anser }}\n  {{ instruction }}\n"
        "criteria: [{name: warmth, scale: [1, 5]}]\n"
    )
    with pytest.raises(CriteriaError, match=r"prompt, line 5: {{ anser }} names nothing \(did you mean 'answer'"):
        load_rubric(file)
    (tmp_path / "judge.txt").write_bytes(b"\xef\xbb\xbfRate.\r\n{{ answer }} {{ instruction }}\r\n{{ x }}\r\n")
    file.write_text("inputs: {answer: Answer}\nprompt: {file: judge.txt}\ncriteria: [{name: warmth, scale: [1, 5]}]\n")
    with pytest.raises(CriteriaError, match=r"judge\.txt, line 3: {{ x }} names nothing"):
        load_rubric(file)
    (tmp_path / "judge.txt").write_bytes(b"\xef\xbb\xbfRate.\r\n{{ answer }} {{ instruction }}\r\n ")
    assert rubric_to(load_rubric(file))["prompt"] == "Rate.\r\n{{ answer }} {{ instruction }}\r\n "
    (tmp_path / "judge.txt").unlink()
    with pytest.raises(CriteriaError, match=r"judge\.txt.*No such file"):
        load_rubric(file)


def test_a_file_is_named_by_criteria_files_alone() -> None:
    assert "beside a criteria file alone" in refused(given_({"file": "/etc/hostname"}))
