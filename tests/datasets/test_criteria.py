"""A rubric survives being written and read; a bad criteria file is told by key."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyjudge.datasets.criteria import rubric_from, rubric_to, scale_from, scale_to
from polyjudge.datasets.yamlfile import dump_yaml, parse_yaml, read_yaml
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import LongForm, Rubric
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, Scale
from polyjudge.errors import CriteriaError, InputError

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

sendable = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(sendable, min_size=1, max_size=40).filter(str.strip)
columns = texts.map(str.strip)
words = st.lists(columns, min_size=1, max_size=4, unique=True).map(tuple)
identifiers = st.from_regex(r"[a-z][a-z0-9_ -]{0,8}[a-z0-9]", fullmatch=True).filter(
    lambda name: name not in ("id", "document", "error")
)


@st.composite
def scales(draw: st.DrawFn) -> Scale:
    kind = draw(st.sampled_from(["ordinal", "float", "labels"]))
    low = draw(st.integers(-20, 20))
    if kind == "ordinal":
        step = draw(st.integers(1, 5))
        return Ordinal(low, low + step * draw(st.integers(1, 20)), step)
    if kind == "float":
        return Continuous(float(low), low + draw(st.floats(0.001, 1e6)))
    label = st.from_regex(r"[a-zé0-9:.~<>=]{1,8}", fullmatch=True)
    return Categorical(tuple(draw(st.lists(label, min_size=2, max_size=4, unique_by=str.casefold))))


@st.composite
def annotated(draw: st.DrawFn, criterion: Criterion) -> Criterion:
    """A criterion whose levels are explained, and whose ratings may be words."""
    if not isinstance(criterion.scale, Ordinal):
        return criterion
    levels = draw(st.lists(st.sampled_from(criterion.scale.levels), max_size=3, unique=True))
    return replace(
        criterion,
        levels=tuple((level, draw(columns)) for level in sorted(levels)),
        values=tuple((draw(columns) + str(level), level) for level in levels),
        read=draw(st.sampled_from(["", "stars", "leading-number"])),
    )


@st.composite
def rubrics(draw: st.DrawFn) -> Rubric:
    shown = draw(st.lists(columns, min_size=1, max_size=3, unique=True))
    labels = draw(
        st.lists(
            columns.filter(lambda label: len(label.splitlines()) == 1),
            min_size=len(shown),
            max_size=len(shown),
            unique_by=str.casefold,
        )
    )
    names = draw(st.lists(identifiers, min_size=1, max_size=4, unique=True))
    criteria = tuple(
        Criterion(
            name=name,
            scale=draw(scales()),
            definition=draw(st.just("") | texts),
            instruction=draw(texts),
            ratings=tuple(f"{name}_{rater}" for rater in range(draw(st.integers(1, 3)))),
            words=draw(st.just(()) | words),
        )
        for name in names
    )
    criteria = tuple(draw(annotated(criterion)) for criterion in criteria)
    taken = {column for criterion in criteria for column in criterion.ratings}
    return Rubric(
        task=draw(texts),
        inputs=tuple(
            (column if column not in taken else f"{column}!", label)
            for column, label in zip(shown, labels, strict=True)
        ),
        criteria=criteria,
        document=draw(st.none() | columns),
        id=draw(st.none() | columns),
        reply_begins=draw(st.just("") | texts),
        scoring=draw(st.none() | st.sampled_from(["json", "cloze"])),
        split=draw(st.none() | columns),
        long=draw(st.none() | st.builds(LongForm, item=columns, rater=columns, criterion=columns, value=columns)),
    )


@calm
@given(rubrics())
def test_a_rubric_written_and_read_is_the_same(rubric: Rubric) -> None:
    mapping = rubric_to(rubric)
    assert rubric_from(mapping, "x") == rubric
    text = dump_yaml(mapping)
    assert parse_yaml(text, "x") == mapping
    assert rubric_from(parse_yaml(text, "x"), "x") == rubric
    assert dump_yaml(parse_yaml(text, "x")) == text


@calm
@given(scales())
def test_a_scale_written_and_read_is_the_same(scale: Scale) -> None:
    assert scale_from(scale_to(scale)) == scale


@calm
@given(st.text(sendable, max_size=60) | st.text(st.sampled_from("a1 \n:#-?'\"{}[],|>%&*!@`\\é"), max_size=300))
def test_any_text_survives_yaml(text: str) -> None:
    assert parse_yaml(dump_yaml({"key": text, "list": [text]}), "x") == {"key": text, "list": [text]}


nasty = st.sampled_from(
    ["\t", "\n", "\n\t", " \n", "\r\n", "\u2028", "\x85", "\ufeff", "\xa0", "\x07", "\\", '"', "  ", "# "]
)
long_lines = st.lists(st.sampled_from(["form", "a", "5:", "- ", "sentence", " "]), max_size=60).map(" ".join)


@calm
@given(st.lists(nasty | long_lines, max_size=25).map("".join))
def test_long_tabbed_texts_of_many_lines_survive_yaml(text: str) -> None:
    mapping = {"criteria": [{"name": "fluency", "instruction": text}], "task": text}
    assert parse_yaml(dump_yaml(mapping), "x") == mapping


def test_an_indented_rubric_keeps_every_tab_however_long_its_lines() -> None:
    base = "Rate how well formed the English is.\n\t5: every sentence is well formed\n\t4: %s\n\t2: hard to read"
    for length in range(1, 130):
        text = base % ("ab " * length)[:length]
        assert parse_yaml(dump_yaml({"criteria": [{"instruction": text}]}), "x")["criteria"][0]["instruction"] == text


def test_an_indented_text_stands_as_a_block() -> None:
    assert dump_yaml({"task": "Rate:\n  - form\n    well"}) == "task: |-\n  Rate:\n    - form\n      well\n"


def test_what_yaml_cannot_hold_is_refused_and_tuples_and_nan_are_no_difference() -> None:
    with pytest.raises(ValueError, match="cannot be written as YAML"):
        dump_yaml({"task": object()})
    assert parse_yaml(dump_yaml({"lineage": {"seeds": (1, 2)}}), "x") == {"lineage": {"seeds": [1, 2]}}
    assert math.isnan(parse_yaml(dump_yaml({"low": math.nan}), "x")["low"])


BASE = """
task: Evaluate the summary.
inputs: {note: Note, summary: Summary}
criteria:
  - name: fluency
    scale: [1, 5]
"""


def read(text: str) -> Rubric:
    return rubric_from(parse_yaml(text, "criteria.yaml"), "criteria.yaml")


def test_defaults_come_from_the_name_and_the_scale() -> None:
    rubric = read(
        BASE + "  - {name: tone, scale: {labels: [no, yes]}}\n  - {name: p, scale: {low: 0, high: 1, step: any}}"
    )
    assert [criterion.ratings for criterion in rubric.criteria] == [("fluency",), ("tone",), ("p",)]
    assert [criterion.instruction for criterion in rubric.criteria] == [
        "Rate from 1 to 5.",
        "Answer with one of: no, yes.",
        "Rate from 0 to 1.",
    ]
    assert rubric.criteria[2].scale == Continuous(0.0, 1.0)
    assert (rubric.document, rubric.id, rubric.split, rubric.scoring) == (None, None, None, None)


def test_unquoted_yes_no_and_numbers_are_labels_of_text() -> None:
    rubric = read(BASE + "  - {name: a, scale: {labels: [yes, no]}}\n  - {name: b, scale: {labels: [0, 1]}}")
    assert rubric.criteria[1].scale == Categorical(("yes", "no"))
    assert rubric.criteria[2].scale == Categorical(("0", "1"))


def test_the_keys_of_another_reader_are_passed_over_when_it_says_so() -> None:
    mapping = parse_yaml(BASE + "layout: separate\nscoring: own\n", "judge.yaml")
    assert rubric_from(mapping, "judge.yaml", also=("layout", "scoring")).names == ("fluency",)
    with pytest.raises(CriteriaError, match="unknown key 'layout'"):
        rubric_from(mapping, "judge.yaml")


def item(line: str) -> str:
    return BASE + f"    {line}\n"


BAD = {
    "no task": (BASE.replace("task: Evaluate the summary.", ""), ["task", "missing"]),
    "empty task": (BASE.replace("Evaluate the summary.", "' '"), ["task", "is empty"]),
    "task a number": (BASE.replace("Evaluate the summary.", "7"), ["task", "7 is not text", "quotes"]),
    "no inputs": (BASE.replace("inputs: {note: Note, summary: Summary}", ""), ["inputs", "missing"]),
    "inputs a list": (BASE.replace("{note: Note, summary: Summary}", "[note]"), ["inputs", "{column: Label"]),
    "label missing": (BASE.replace("note: Note,", "note: ,"), ["inputs.note", "missing"]),
    "label twice": (BASE.replace("note: Note", "note: summary"), ["inputs.summary", "appears twice"]),
    "label of lines": (BASE.replace("note: Note", r'note: "a\nb"'), ["inputs.note", "several lines"]),
    "unknown key": (BASE + "documnet: x\n", ["'documnet'", "did you mean 'document'"]),
    "unknown far key": (BASE + "zzz: x\n", ["'zzz'", "known are task, "]),
    "document a list": (BASE + "document: [x]\n", ["document", "not text"]),
    "scoring": (BASE + "scoring: clozet\n", ["scoring", "'clozet'", "json, expected, reasoned"]),
    "no criteria": (BASE.partition("criteria:")[0], ["criteria", "missing"]),
    "criteria a mapping": (BASE.partition("criteria:")[0] + "criteria: {a: b}", ["criteria", "no list"]),
    "criterion a text": (BASE + "  - fluency2\n", ["criteria[1]", "'fluency2'"]),
    "weight": (BASE + "  - {name: b, scale: [1, 5], weight: 2}\n", ["criteria[1].weight", "count alike"]),
    "no name": (BASE + "  - scale: [1, 5]\n", ["criteria[1].name", "missing"]),
    "name a number": (BASE + "  - {name: 3, scale: [1, 5]}\n", ["criteria[1].name", "3 is not text"]),
    "name a date": (BASE + "  - {name: 2020-01-01, scale: [1, 5]}\n", ["criteria[1].name", "quotes"]),
    "name unsafe": (BASE + "  - {name: 'a,b', scale: [1, 5]}\n", ["criteria[1].name", "'a,b'", "letters"]),
    "name of braces": (BASE + "  - {name: '{{x}}', scale: [1, 5]}\n", ["criteria[1].name"]),
    "name of the mean": (BASE + "  - {name: Mean, scale: [1, 5]}\n", ["criteria[1].name", "its audit"]),
    "name of a mark": (BASE + "  - {name: notice, scale: [1, 5]}\n", ["criteria[1].name", "scores.csv"]),
    "name reserved": (BASE + "  - {name: id, scale: [1, 5]}\n", ["criteria[1].name", "scores.csv"]),
    "name twice": (BASE + "  - {name: Fluency, scale: [1, 5]}\n", ["criteria[1].name", "criteria[0]", "rename"]),
    "no scale": (BASE + "  - name: b\n", ["criteria[1].scale", "missing", "[1, 5]"]),
    "scale text": (BASE.replace("[1, 5]", "1-5"), ["criteria[0].scale", "'1-5' is no scale"]),
    "scale of three": (BASE.replace("[1, 5]", "[1, 2, 3]"), ["criteria[0].scale", "[lowest, highest]"]),
    "scale reversed": (BASE.replace("[1, 5]", "[5, 1]"), ["criteria[0].scale", "low < high"]),
    "scale floats": (BASE.replace("[1, 5]", "[0, 1.5]"), ["criteria[0].scale", "1.5", "step: any"]),
    "scale bools": (BASE.replace("[1, 5]", "[false, true]"), ["criteria[0].scale", "False"]),
    "scale huge": (BASE.replace("[1, 5]", "[0, 99999999999]"), ["criteria[0].scale", "levels", "step: any"]),
    "scale key": (BASE.replace("[1, 5]", "{lo: 1, high: 5}"), ["criteria[0].scale", "'lo'", "'low'"]),
    "scale half": (BASE.replace("[1, 5]", "{low: 1}"), ["criteria[0].scale", "'high' is missing"]),
    "scale step": (BASE.replace("[1, 5]", "{low: 0, high: 5, step: 2}"), ["criteria[0].scale", "divides"]),
    "scale endless": (BASE.replace("[1, 5]", "{low: 0, high: .inf, step: any}"), ["criteria[0].scale", "inf"]),
    "scale nan": (BASE.replace("[1, 5]", "{low: .nan, high: 1, step: any}"), ["criteria[0].scale", "nan"]),
    "one label": (BASE.replace("[1, 5]", "{labels: [a]}"), ["criteria[0].scale", "two or more"]),
    "labels twice": (BASE.replace("[1, 5]", "{labels: [a, A]}"), ["criteria[0].scale", "different"]),
    "labels true": (BASE.replace("[1, 5]", "{labels: [true, false]}"), ["criteria[0].scale", "True", "quotes"]),
    "labels text": (BASE.replace("[1, 5]", "{labels: ab}"), ["criteria[0].scale", "no list"]),
    "labels and low": (BASE.replace("[1, 5]", "{labels: [a, b], low: 1}"), ["criteria[0].scale", "'low'"]),
    "instruction empty": (item("instruction: ''"), ["criteria[0].instruction", "empty"]),
    "definition a list": (item("definition: [a]"), ["criteria[0].definition", "not text"]),
    "ratings empty": (item("ratings: []"), ["criteria[0].ratings", "[]"]),
    "ratings numbers": (item("ratings: [1]"), ["criteria[0].ratings[0]", "1 is not text"]),
    "ratings twice": (item("ratings: [a, a]"), ["criteria[0].ratings", "'a' appears twice"]),
    "ratings an input": (item("ratings: [summary]"), ["criteria[0].ratings", "'summary'", "also an input"]),
    "words null": (item("words: [angry, ]\n    definitoin: x"), ["criteria[0]", "'definitoin'", "'definition'"]),
    "words empty": (item("words: ['']"), ["criteria[0].words[0]", "empty"]),
    "surrogate": (item(r'definition: "\ud800"'), ["criteria"]),
    "key twice": (BASE + "task: other\n", ["line 7", 'duplicate key "task"']),
    "not yaml": (BASE + "document: [a\n", ["line 8"]),
    "tag": (BASE + "document: !!python/object/apply:os.getcwd []\n", ["line 7", "tag"]),
    "empty": ("", ["empty"]),
    "a list": ("- a\n", ["mapping"]),
    "two documents": (BASE + "---\na: b\n", ["document"]),
    "deep": ("a: " + "[" * 1200, ["recursion"]),
    "bad date": (BASE + "document: 2001-99-99\n", ["month"]),
    "control": (BASE + "document: \x07\n", ["#x0007"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_criteria_file_is_told_by_key(case: str) -> None:
    text, told = BAD[case]
    with pytest.raises(InputError) as error:
        read(text)
    message = str(error.value)
    assert message.startswith("criteria.yaml: ")
    assert [word for word in told if word not in message] == []
    assert "\n" not in message


def test_all_problems_come_at_once_and_no_more_than_ten() -> None:
    text = BASE + "".join(f"  - {{name: c{place}}}\n" for place in range(12))
    with pytest.raises(CriteriaError) as error:
        read(text)
    lines = str(error.value).splitlines()
    assert lines[0] == "criteria.yaml: 12 problems"
    assert lines[1].startswith("  - criteria[1].scale: is missing")
    assert len(lines) == 12
    assert lines[-1] == "  ... and 2 more"


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(CriteriaError, match="no such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(CriteriaError, match="is a folder"):
        read_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"task: a\nid: caf\xe9\n")
    with pytest.raises(CriteriaError, match="line 2: not UTF-8"):
        read_yaml(tmp_path / "latin.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbftask: a\n")
    assert read_yaml(tmp_path / "a.yaml") == {"task": "a"}


@pytest.mark.parametrize("given", [None, [], "task", 3])
def test_no_mapping_is_refused(given: object) -> None:
    with pytest.raises(CriteriaError, match="must be a mapping"):
        rubric_from(given, "x")


def test_a_judge_file_is_no_criteria_file_and_is_told_so_once() -> None:
    mapping = {"polyjudge": 1, "task": "t", "inputs": {"a": "A"}, "criteria": [], "model": "m", "layout": "joint"}
    with pytest.raises(CriteriaError, match=r"judge\.yaml: is a judge file.*: task, inputs, criteria$"):
        rubric_from(mapping, "judge.yaml")
