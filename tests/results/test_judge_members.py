"""Juries in judge.yaml: written and read back they are the same; a member is what it would be alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.combining import Footing, MonotoneMap, Ridge
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.scale import Ordinal
from polyjudge.errors import CriteriaError
from polyjudge.llm.request import Sampling
from polyjudge.results.judge_file import JudgeFile, Member, dump_judge, read_judge

NAMES = ("clarity", "warmth")


def rubric(*texts: str, scoring: str = "json") -> Rubric:
    criteria = tuple(
        Criterion(name, Ordinal(1, 5), instruction=text, ratings=(name,))
        for name, text in zip(NAMES, texts, strict=True)
    )
    return Rubric("Judge.", (("letter", "Letter"),), criteria, scoring=scoring)


BASE = JudgeFile(rubric("Rate.", "Rate."), "openai/a", "joint", "json", Sampling(temperature=0.0))
word = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
number = st.floats(-1e6, 1e6)
pair = st.tuples(number, number)
judges = st.builds(
    lambda texts, model, layout, scoring, heat, samples, seed, url: replace(
        BASE,
        rubric=rubric(*texts, scoring=scoring),
        model=model,
        layout=layout,
        scoring=scoring,
        sampling=Sampling(temperature=heat),
        samples=samples,
        seed=seed,
        base_url=url,
    ),
    st.tuples(word, word),
    st.sampled_from(["openai/a", "vllm/b"]),
    st.sampled_from(["joint", "separate", "forked"]),
    st.sampled_from(["json", "expected"]),
    st.sampled_from([0.0, 1.0]),
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from(["", "http://127.0.0.1:1/v1"]),
)
footings = st.one_of(st.none(), st.builds(Footing, pair, pair))
maps = st.one_of(st.none(), st.just(MonotoneMap((1.0, 2.5), (1.25, 4.0))))
weights = st.floats(0.01, 100)


@st.composite
def juries(draw: st.DrawFn) -> JudgeFile:
    names = draw(st.lists(word, min_size=1, max_size=4, unique=True))
    members = tuple(Member(name, draw(judges), draw(weights), draw(footings)) for name in names)
    calibration = draw(st.tuples(maps, maps))
    width = len(names) * 2
    row = tuple(0.5 * at for at in range(width))
    ridge = Ridge(tuple(names), row, (1.0,) * width, (row, ()), (3.0, 0.0))
    return replace(
        draw(judges),
        members=members,
        calibration=calibration if any(calibration) else (),
        ridge=draw(st.sampled_from([None, ridge])),
        lineage={"version": "x"},
    )


def read_back(judge: JudgeFile, folder: Path) -> JudgeFile:
    path = folder / "judge.yaml"
    path.write_text(dump_judge(judge), encoding="utf-8")
    return read_judge(path)


@settings(deadline=None, max_examples=60)
@given(juries())
def test_written_and_read_back_it_is_the_same(tmp_path_factory: pytest.TempPathFactory, judge: JudgeFile) -> None:
    again = read_back(judge, tmp_path_factory.mktemp("jury"))
    assert again == judge
    assert dump_judge(again) == dump_judge(judge)
    assert again.fitted == judge.fitted


def test_a_judge_without_members_is_written_as_before() -> None:
    text = dump_judge(BASE)
    assert not any(key in text for key in ("members", "calibration", "ridge"))
    assert BASE.fitted is None
    assert [member.judge for member in BASE.panel] == [BASE]


def test_a_member_says_only_what_it_does_otherwise() -> None:
    other = replace(BASE, rubric=rubric("Rate.", "Rate the warmth."), samples=3)
    text = dump_judge(replace(BASE, members=(Member("plain", BASE), Member("warm", other))))
    members = text[text.index("members:") : text.index("lineage:")]
    assert members.count("Rate the warmth.") == 1
    assert "openai/a" not in members
    assert "samples: 3" in members


def write(folder: Path, members: str, more: str = "") -> Path:
    path = folder / "judge.yaml"
    path.write_text(dump_judge(BASE).replace("lineage:", f"members:\n{members}\n{more}lineage:"), encoding="utf-8")
    return path


def test_a_file_by_hand(tmp_path: Path) -> None:
    base = replace(BASE, base_url="http://127.0.0.1:1/v1", samples=2)
    path = tmp_path / "judge.yaml"
    members = (
        "members:\n- {}\n- {model: vllm/b, samples: null}\n- {name: warm, instructions: {warmth: Is it?}, weight: 2}\n"
    )
    path.write_text(dump_judge(base).replace("lineage:", f"{members}lineage:"), encoding="utf-8")
    first, second, third = read_judge(path).members
    assert (first.name, second.name, third.name) == ("member 1", "member 2", "warm")
    assert first.judge == replace(base, lineage={})
    # Another model is not reached at the judge's address, and an empty value takes the judge's away.
    assert (second.judge.model, second.judge.base_url, second.judge.samples) == ("vllm/b", "", 1)
    assert third.judge.prompt.instructions == {"clarity": "Rate.", "warmth": "Is it?"}
    assert third.weight == 2


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ("- {modle: x/y}", r"members\[0\].*'modle' \(did you mean 'model'"),
        ("- {instructions: {warm: x}}", r"no criterion 'warm' \(did you mean 'warmth'"),
        ("- {weight: 0}", "positive"),
        ("- {weight: .inf}", r"members\[0\].weight.*must be a number"),
        ("- {name: a}\n- {name: a}", "different names"),
        ("- {name: ''}", r"members\[0\].name.*must be a short text"),
        ("- {layout: sideways}", "sideways"),
        ("- {shift: {clarity: much}}", r"members\[0\].shift.clarity"),
        ("- {members: [{}]}", "unknown key 'members'"),
        ("- {criteria: []}", "unknown key 'criteria'"),
        ("- 7", r"members\[0\].*must be a mapping"),
        ("- {parameters: hot}", "parameters"),
    ],
)
def test_a_fault_of_a_member_is_named(tmp_path: Path, members: str, said: str) -> None:
    with pytest.raises(CriteriaError, match=said):
        read_judge(write(tmp_path, members))


@pytest.mark.parametrize("members", ["members: []\n", "members: 7\n"])
def test_members_are_a_list(tmp_path: Path, members: str) -> None:
    path = tmp_path / "judge.yaml"
    path.write_text(dump_judge(BASE).replace("lineage:", f"{members}lineage:"), encoding="utf-8")
    with pytest.raises(CriteriaError, match="list of one or more members"):
        read_judge(path)


def test_members_share_inputs_and_criteria() -> None:
    other = replace(BASE, rubric=replace(BASE.rubric, criteria=BASE.rubric.criteria[:1]))
    with pytest.raises(ValueError, match="other inputs or criteria"):
        replace(BASE, members=(Member("other", other),))
    with pytest.raises(ValueError, match="cannot be a jury"):
        replace(BASE, members=(Member("jury", replace(BASE, members=(Member("a", BASE),))),))
