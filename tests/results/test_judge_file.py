"""judge.yaml: written and read back it is the same judge, whatever the texts; and a person can read it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asking import rating_prompt
from tests.commands import JUDGE

from polyjudge.datasets.yamlfile import parse_yaml
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, Scale
from polyjudge.errors import CriteriaError
from polyjudge.llm.request import Sampling, body_extra
from polyjudge.results.judge_file import JudgeFile, dump_judge, read_judge

NASTY = (
    "yes",
    "null",
    "1e3",
    "- a\n- b",
    "a: b # c",
    "  blanks around  ",
    "tab\there",
    "quotes \" and ' and `",
    "{{ item }} {brace} %s",
    "line\r\nbreak\u2028odd\x85",
    "\\n is no line break",
    "|\n  literal?\n",
    "--- \n...",
    "!!python/object:x",
    "&anchor *alias",
    "ümläut 漢字 🙂 e\u0301",
    "\ufeffmark",
    "\x1b[31mred\x1b[0m",
)
# What a criteria file accepts as text: nothing that cannot be sent.
text = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60),
)
said = text.filter(str.strip)
line = said.map(lambda value: " ".join(value.split())).filter(lambda value: value and len(value.splitlines()) == 1)
names = st.lists(st.from_regex(r"[A-Za-z_][A-Za-z0-9_ \-]{0,8}[A-Za-z0-9_]", fullmatch=True), min_size=1, max_size=3)
scales = st.one_of(
    st.builds(lambda low, span: Ordinal(low, low + span), st.integers(-5, 5), st.integers(1, 9)),
    st.builds(lambda low, step, times: Ordinal(low, low + step * times, step), *[st.integers(1, 5)] * 3),
    st.builds(lambda low, span: Continuous(low, low + span), st.floats(-9, 9), st.floats(0.5, 9)),
    st.lists(line.filter(str.isprintable), min_size=2, max_size=4, unique_by=str.casefold).map(
        lambda labels: Categorical(tuple(labels))
    ),
)


def rating(scale: Scale) -> st.SearchStrategy[float]:
    if isinstance(scale, Categorical):
        return st.sampled_from(scale.levels)
    return st.floats(scale.low, scale.high).map(lambda value: value + 0.0)


@st.composite
def judges(draw: st.DrawFn) -> JudgeFile:
    free = [
        name for name in draw(names) if name.casefold() not in {"id", "document", "error", "letter", "source text"}
    ]
    kept = list({name.casefold(): name for name in free}.values()) or ["clarity"]
    criteria = tuple(
        Criterion(
            name,
            draw(scales),
            draw(st.one_of(st.just(""), said)),
            draw(said),
            draw(st.sampled_from([(name,), (f"{name}_a", f"{name}_b")])),
            draw(st.sampled_from([(), ("angry", "cross")])),
        )
        for name in kept
    )
    inputs = (("letter", "Letter"), ("source text", "The source"))
    shown = tuple(
        Example(
            f"r{number}",
            {"letter": draw(text), "source text": draw(text)},
            None,
            {c.name: (draw(rating(c.scale)),) for c in criteria if draw(st.booleans())},
        )
        for number in range(draw(st.integers(0, 2)))
    )
    rubric = Rubric(
        draw(said),
        inputs,
        criteria,
        draw(st.sampled_from([None, "street"])),
        draw(st.sampled_from([None, "id"])),
        draw(text),
        draw(st.sampled_from(["json", "expected", "cloze"])),
        None,
    )
    extra = body_extra(draw(st.sampled_from([{}, {"reasoning": {"effort": "low"}, "stop": ["\n", "yes"]}])))
    return JudgeFile(
        rubric,
        "openai/gpt-4o-mini",
        draw(st.sampled_from(["joint", "separate"])),
        str(rubric.scoring),
        Sampling(draw(st.sampled_from([None, 0.0, 0.3, 2.0])), draw(st.integers(1, 9000)), extra),
        draw(st.booleans()),
        shown,
        draw(st.sampled_from(["", "http://127.0.0.1:8080/v1"])),
        draw(st.sampled_from(["", "home"])),
        {"data": "sha256:0", "test": {"verdict": draw(text), "value": None}},
        draw(st.integers(1, 20)),
    )


def read_back(judge: JudgeFile, folder: Path) -> JudgeFile:
    path = folder / "judge.yaml"
    path.write_text(dump_judge(judge), "utf-8", newline="\n")
    return read_judge(path)


@given(judges())
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, judge: JudgeFile) -> None:
    again = read_back(judge, tmp_path_factory.getbasetemp())
    assert again == judge
    assert dump_judge(again) == dump_judge(judge)
    for example in judge.demonstrations:
        assert rating_prompt(again.prompt, example) == rating_prompt(judge.prompt, example)


@pytest.mark.parametrize("nasty", NASTY)
def test_a_nasty_instruction_survives(nasty: str, tmp_path: Path) -> None:
    criterion = Criterion("clarity", Ordinal(1, 5), nasty, nasty, ("clarity",))
    judge = JudgeFile(
        Rubric(nasty, (("letter", "Letter"),), (criterion,), scoring="json"), "a/b", "joint", "json", Sampling()
    )
    assert read_back(judge, tmp_path) == judge


def small(tmp_path: Path, **changes: Any) -> JudgeFile:
    path = tmp_path / "small.yaml"
    path.write_text(JUDGE.replace("scripted/script.yaml", "a/b"), "utf-8")
    judge = read_judge(path)
    return JudgeFile(**{name: getattr(judge, name) for name in JudgeFile.__slots__} | changes)


def test_several_raters_of_a_demonstration_become_the_rating_that_was_shown(tmp_path: Path) -> None:
    raters = Example("r1", {"letter": "Dear all."}, "s1", {"clarity": (2.0, 5.0, math.nan), "warmth": (math.nan,)}, 7)
    again = read_back(small(tmp_path, demonstrations=(raters,)), tmp_path)
    assert again.demonstrations == (Example("r1", {"letter": "Dear all."}, None, {"clarity": (3.5,)}),)


def test_labels_stand_as_labels_in_the_file(tmp_path: Path) -> None:
    tone = Criterion("tone", Categorical(("warm", "1", "none")), "", "Say it.", ("tone",))
    rubric = Rubric("Judge.", (("letter", "Letter"),), (tone,), scoring="json")
    shown = tuple(Example(f"r{k}", {"letter": "x"}, None, {"tone": (float(k),)}) for k in range(3))
    judge = JudgeFile(rubric, "a/b", "joint", "json", Sampling(), demonstrations=shown)
    content = parse_yaml(dump_judge(judge), "judge.yaml")
    assert [one["ratings"]["tone"] for one in content["demonstrations"]] == ["warm", "1", "none"]
    assert read_back(judge, tmp_path) == judge


def test_a_person_can_read_it(tmp_path: Path) -> None:
    instruction = "Rate from 1 to 5.\nGive 1 to a letter that nobody understands.\nGive 5 to one that a child does."
    criterion = Criterion("clarity", Ordinal(1, 5), "Can it be understood?", instruction, ("clarity",))
    rubric = Rubric("Judge the letter.", (("letter", "Letter"),), (criterion,), "street", "id", scoring="json")
    judge = JudgeFile(rubric, "openai/gpt-4o-mini", "joint", "json", Sampling(0.0, 256), lineage={"seed": 0})
    assert dump_judge(judge) == (
        "polyjudge: 1\n"
        "task: Judge the letter.\n"
        "inputs: {letter: Letter}\n"
        "document: street\n"
        "id: id\n"
        "scoring: json\n"
        "criteria:\n"
        "- name: clarity\n"
        "  definition: Can it be understood?\n"
        "  scale: [1, 5]\n"
        "  instruction: |-\n"
        "    Rate from 1 to 5.\n"
        "    Give 1 to a letter that nobody understands.\n"
        "    Give 5 to one that a child does.\n"
        "layout: joint\n"
        "model: openai/gpt-4o-mini\n"
        "structured: true\n"
        "parameters: {temperature: 0.0, max_tokens: 256}\n"
        "seed: 0\n"
        "parse_retries: 2\n"
        "lineage: {seed: 0}\n"
    )


def test_a_file_written_by_hand_needs_little(tmp_path: Path) -> None:
    path = tmp_path / "judge.yaml"
    path.write_text(
        "polyjudge: 1\ntask: Judge.\ninputs: {letter: Letter}\nmodel: a/b\nlineage:\n"
        "criteria: [{name: clarity, scale: [1, 5]}]\n",
        "utf-8",
    )
    judge = read_judge(path)
    assert (judge.layout, judge.scoring, judge.structured) == ("joint", "json", True)
    assert judge.sampling == Sampling(0.0, 0), "the criteria say how long an answer may be"
    assert (judge.demonstrations, judge.lineage) == ((), {})
    assert judge.prompt.instructions == {"clarity": "Rate from 1 to 5."}


def test_several_faults_of_the_criteria_come_at_once(tmp_path: Path) -> None:
    path = tmp_path / "judge.yaml"
    path.write_text(JUDGE.replace("[1, 5]", "[5, 1]").replace("task:", "tasks:"), "utf-8")
    with pytest.raises(CriteriaError, match="4 problems"):
        read_judge(path)


def test_a_judge_without_a_model_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "judge.yaml"
    path.write_text(
        "".join(line for line in JUDGE.splitlines(keepends=True) if not line.startswith("model:")), "utf-8"
    )
    with pytest.raises(CriteriaError, match=r"key 'model': is missing; write a text"):
        read_judge(path)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("forked", "forked"),
        ("{groups: [[warmth, clarity]]}", "joint"),
        ("{groups: [[warmth], [clarity]]}", "forked"),
        ("{groups: [[tone], [warmth, clarity]]}", "tone,clarity+warmth"),
        ("tone+clarity,warmth", "clarity+tone,warmth"),
    ],
)
def test_a_layout_is_a_name_or_a_packing(written: str, read: str, tmp_path: Path) -> None:
    three = JUDGE.replace("layout: joint", f"layout: {written}")
    if "tone" in written:
        three = three.replace("layout:", "  - {name: tone, scale: [1, 5], instruction: Rate.}\nlayout:")
    path = tmp_path / "judge.yaml"
    path.write_text(three, "utf-8")
    judge = read_judge(path)
    assert judge.layout == read
    path.write_text(dump_judge(judge), "utf-8")
    assert read_judge(path) == judge
    assert ("groups" in parse_yaml(path.read_text("utf-8"), "it")["layout"]) == ("," in read)


@pytest.mark.parametrize(("key", "most"), [("parse_retries", 20), ("samples", 1000)])
def test_what_multiplies_the_calls_of_a_row_has_a_bound(key: str, most: int, tmp_path: Path) -> None:
    file = tmp_path / "judge.yaml"
    file.write_text(f"{JUDGE}{key}: {most}\n", "utf-8")
    assert getattr(read_judge(file), key) == most
    file.write_text(f"{JUDGE}{key}: 1000000000\n", "utf-8")
    with pytest.raises(CriteriaError, match=rf"key '{key}': 1000000000 must be a whole number from \d to {most}"):
        read_judge(file)
