"""Records to canonical lines and back: nothing is lost, equal records give equal bytes, other lines are refused."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import fields, is_dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge import codec
from polyjudge.domain.records import (
    Call,
    Candidate,
    Critique,
    Gradient,
    Measured,
    Prediction,
    Reading,
    Step,
)
from polyjudge.errors import DataError

law = settings(deadline=None, max_examples=60)

texts = st.text(max_size=8) | st.sampled_from(["\n", "\u2028", "\x85", '"', "\\", "é", "😀", "\x00", "</score>"])
figures = st.floats(allow_infinity=False) | st.just(math.nan)
groups = st.lists(texts, max_size=3).map(tuple)
scores = st.dictionaries(texts, figures, max_size=3)


def several(records: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(records, max_size=2).map(tuple)


measured = st.builds(Measured, texts, scores, figures, scores)
predictions = st.builds(Prediction, texts, scores, several(st.builds(Call, groups, texts, texts)))
candidates = st.builds(Candidate, st.dictionaries(texts, texts, max_size=2), texts, st.none() | measured, texts)
steps = st.builds(
    Step,
    index=st.integers(0, 10**6),
    criteria=groups,
    status=st.sampled_from(["initial", "accepted", "rejected", "failed"]),
    reason=texts,
    batch=groups,
    predictions=several(predictions),
    critiques=several(st.builds(Critique, groups, texts, texts)),
    gradients=several(st.builds(Gradient, groups, texts, texts)),
    candidates=several(candidates),
    chosen=st.none() | st.integers(0, 9),
    instructions=st.dictionaries(texts, texts, max_size=3),
    measured=st.none() | measured,
)
readings = st.builds(
    Reading,
    st.integers(0, 12),
    groups,
    several(measured),
    st.dictionaries(texts, st.lists(figures, max_size=3).map(tuple)),
)


def same(left: object, right: object) -> bool:
    """Equality in which nan equals nan and types count."""
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    if is_dataclass(left) and type(left) is type(right):
        return all(same(getattr(left, field.name), getattr(right, field.name)) for field in fields(left))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@law
@given(steps)
def test_a_step_comes_back_as_it_was(step: Step) -> None:
    line = codec.line(step)
    back = codec.record(Step, line, "a line")
    assert same(back, step)
    assert codec.line(back) == line
    assert same(codec.record(Step, line.encode(), "a line"), step)


@law
@given(readings)
def test_a_reading_comes_back_as_it_was(reading: Reading) -> None:
    assert same(codec.record(Reading, codec.line(reading), "a line"), reading)


@law
@given(steps)
def test_a_line_is_canonical_json_in_one_line(step: Step) -> None:
    line = codec.line(step)
    assert "\n" not in line
    assert "\r" not in line
    assert line.encode().decode() == line
    content = json.loads(line, parse_constant=pytest.fail)
    assert json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")) == line


@law
@given(st.dictionaries(texts, figures, min_size=2, max_size=4))
def test_the_order_of_keys_does_not_matter(given_scores: dict[str, float]) -> None:
    turned = dict(reversed(given_scores.items()))
    left, right = Prediction("e", given_scores, ()), Prediction("e", turned, ())
    assert codec.line(left) == codec.line(right)
    assert codec.digest(left) == codec.digest(right) == hashlib.sha256(codec.line(left).encode()).hexdigest()


def test_nan_and_infinity_are_null_and_come_back_as_nan() -> None:
    line = codec.line(Measured("m", {"a": math.inf}, math.nan, {"a": -math.inf}))
    assert line == '{"coverage":{"a":null},"mean":null,"metric":"m","values":{"a":null}}'
    back = codec.record(Measured, line, "a line")
    assert math.isnan(back.mean)
    assert math.isnan(back.values["a"])


def test_half_a_surrogate_pair_stays_an_escape() -> None:
    critique = Critique(("a",), "e", "cut \ud83d")
    line = codec.line(critique)
    assert "cut \\ud83d" in line
    assert line.encode()
    assert codec.record(Critique, line, "a line") == critique
    assert codec.pretty(critique).encode()


def test_pretty_keeps_the_records_order() -> None:
    assert codec.pretty(Critique(("b", "a"), "e", "é")) == (
        '{\n  "group": [\n    "b",\n    "a"\n  ],\n  "example": "e",\n  "text": "é"\n}'
    )


def test_something_else_than_a_record_has_no_line() -> None:
    for value in (object(), {1, 2}, bytes, 1j):
        with pytest.raises(TypeError, match="no JSON form"):
            codec.line(value)


GOOD = codec.plain(Critique(("a",), "e", "It is off."))
STEP = codec.plain(Step(0, ("a",), "initial", "", (), (), (), (), (), None, {"a": "Rate."}, None))


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        [GOOD],
        4,
        "text",
        {},
        {**GOOD, "surplus": 1},
        {"group": ["a"], "example": "e"},
        {**GOOD, "group": "a"},
        {**GOOD, "group": {"a": 1}},
        {**GOOD, "group": None},
        {**GOOD, "group": [1]},
        {**GOOD, "text": None},
        {**GOOD, "text": 4},
        {**GOOD, "text": ["a"]},
    ],
)
def test_another_value_is_refused_with_its_place(bad: object) -> None:
    with pytest.raises(DataError, match=r"'steps.jsonl', line 3 does not hold a Critique"):
        codec.record(Critique, json.dumps(bad), "'steps.jsonl', line 3")


@pytest.mark.parametrize(
    "changed",
    [
        {"index": "0"},
        {"index": 0.5},
        {"index": True},
        {"chosen": "0"},
        {"instructions": []},
        {"instructions": {"a": 1}},
        {"measured": {"metric": "m", "values": {"a": "1"}, "mean": 1, "coverage": {}}},
        {"measured": {"metric": "m", "values": {"a": True}, "mean": 1, "coverage": {}}},
        {"measured": {"metric": "m", "values": {}, "mean": 10**400, "coverage": {}}},
        {"measured": []},
        {"predictions": {}},
        {"predictions": [[]]},
    ],
)
def test_a_field_of_another_type_is_refused(changed: dict[str, object]) -> None:
    assert codec.record(Step, json.dumps(STEP), "here").criteria == ("a",)
    with pytest.raises(DataError, match="here does not hold a Step"):
        codec.record(Step, json.dumps({**STEP, **changed}), "here")


@pytest.mark.parametrize(
    "text", ["", "{", '{"group": ["a"]', "nonsense", "[" * 100_000, b"\xff\xfe\xff", b'"\xe2\x82']
)
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(DataError, match="here does not hold a Critique"):
        codec.record(Critique, text, "here")


def test_whole_numbers_are_read_as_figures() -> None:
    back = codec.record(Measured, '{"coverage":{},"mean":1,"metric":"m","values":{"a":0}}', "here")
    assert isinstance(back.mean, float)
    assert isinstance(back.values["a"], float)
    assert replace(back, mean=1.0) == back
