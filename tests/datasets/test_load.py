"""From a name, a file or a frame to examples: what is kept, what is noted, what is refused and how it is told."""

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyjudge.datasets.load import load_dataset
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.errors import ConfigError, CriteriaError, DataError, InputError

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

CRITERIA: dict[str, object] = {
    "task": "Evaluate the summary.",
    "inputs": {"note": "Note", "summary": "Summary"},
    "criteria": [
        {"name": "fluency", "scale": [1, 5], "ratings": ["f1", "f2"]},
        {"name": "tone", "scale": {"labels": ["kind", "none"]}},
    ],
}
HEADER = "note,summary,f1,f2,tone\n"


def criteria(**changes: object) -> dict[str, object]:
    return {**CRITERIA, **changes}


def file(folder: Path, text: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def same(one: Mapping[str, tuple[float, ...]], other: Mapping[str, tuple[float, ...]]) -> bool:
    return repr(dict(one)) == repr(dict(other))


def test_raters_are_kept_apart_missing_is_nan_and_labels_become_positions(tmp_path: Path) -> None:
    rows = "n1,s1,4,5,Kind\nn2,s2,3.5,NA, NONE \nn3,s3,,nan,\nn4,s4,null,2,kind\n"
    dataset = load_dataset(file(tmp_path, HEADER + rows), CRITERIA)
    nan = math.nan
    expected = [
        {"fluency": (4.0, 5.0), "tone": (0.0,)},
        {"fluency": (3.5, nan), "tone": (1.0,)},
        {"fluency": (nan, 2.0), "tone": (0.0,)},
    ]
    assert [same(e.ratings, want) for e, want in zip(dataset.examples, expected, strict=True)] == [True] * 3
    assert [example.row for example in dataset.examples] == [1, 2, 4]
    assert dataset.notes == ("row 3 without any rating left out",)
    fluency = dataset.rubric.criteria[0]
    assert [example.human(fluency) for example in dataset.examples] == [4.5, 3.5, 2.0]


def test_a_label_that_spells_like_nothing_is_the_label_but_a_json_null_is_not() -> None:
    rows = [{"note": "n", "summary": "s", "f1": 1, "f2": None, "tone": cell} for cell in ("none", None, "NA")]
    dataset = load_dataset(rows, CRITERIA)
    assert [example.ratings["tone"][0] for example in dataset.examples][:1] == [1.0]
    assert [math.isnan(example.ratings["tone"][0]) for example in dataset.examples] == [False, True, True]


def test_the_same_rows_give_the_same_examples_from_every_form(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [
        {"note": "one\nline", "summary": "é", "f1": 1.0, "f2": None, "tone": "kind"},
        {"note": "two", "summary": ",", "f1": 2.5, "f2": 3.0, "tone": None},
    ]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "d.parquet")
    sources = [
        rows,
        file(tmp_path, stream.getvalue(), "d.csv"),
        str(file(tmp_path, "\n".join(json.dumps(row) for row in rows), "d.jsonl")),
        tmp_path / "d.parquet",
    ]
    loaded = [load_dataset(source, CRITERIA) for source in sources]
    assert len({dataset.digest for dataset in loaded}) == 1
    assert [dataset.name for dataset in loaded] == ["rows", "d", "d", "d"]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@calm
@given(st.lists(st.tuples(texts, texts, st.integers(1, 5)), min_size=1, max_size=8))
def test_ids_are_unique_and_depend_on_the_inputs_alone(rows: list[tuple[str, str, int]]) -> None:
    table = [{"note": f"{n}.", "summary": f"{s}.", "f1": f, "f2": f, "tone": "kind"} for n, s, f in rows]
    first = load_dataset(table, CRITERIA)
    second = load_dataset([{**row, "f1": 3, "extra": 1} for row in table], CRITERIA)
    ids = [example.id for example in first.examples]
    assert len(set(ids)) == len(ids)
    assert ids == [example.id for example in second.examples]
    for example in first.examples:
        twins = [other for other in first.examples if other.inputs == example.inputs]
        expected = [twins[0].id, *(f"{twins[0].id}-{n}" for n in range(2, len(twins) + 1))]
        assert [twin.id for twin in twins] == expected


def test_texts_are_left_as_they_are() -> None:
    text = "  {{note}} [bold]x[/bold] NA\r\n\t"
    rows = [{"note": text, "summary": 3, "f1": 1, "f2": 1, "tone": "kind"}]
    assert dict(load_dataset(rows, CRITERIA).examples[0].inputs) == {"note": text, "summary": "3"}


def test_id_document_and_split_columns_are_used(tmp_path: Path) -> None:
    text = "note,summary,f1,f2,tone,doc,key,part\na,b,1,2,kind,D1,k1,Train\nc,d,2,3,none,D2,k2,dev\n"
    dataset = load_dataset(file(tmp_path, text), criteria(document="doc", id="key", split="part"))
    assert [(e.id, e.document) for e in dataset.examples] == [("k1", "D1"), ("k2", "D2")]
    assert dataset.splits == ("train", "validation")


def test_notes_tell_empty_texts_repeats_and_missing_ratings(tmp_path: Path) -> None:
    text = HEADER + "a,b,1,2,kind\nA,,1,2,\n a ,b,3,,none\n"
    assert load_dataset(file(tmp_path, text), CRITERIA).notes == (
        "column 'summary' is empty in row 2; kept",
        "the inputs of row 3 repeat those of an earlier row",
        "rated rows that lack a rating: tone 1",
    )


def test_new_texts_need_no_ratings_and_carry_those_that_are_there() -> None:
    named = criteria(document="doc", id="key", split="part")
    dataset = load_dataset([{"note": "a", "summary": "b"}], named, ratings_required=False)
    assert dataset.examples[0].ratings == {}
    assert (dataset.examples[0].document, dataset.splits) == (None, None)
    dataset = load_dataset([{"note": "a", "summary": "b", "f2": "4", "key": "k"}], named, ratings_required=False)
    example = dataset.examples[0]
    assert (example.id, example.inputs, example.document) == ("k", {"note": "a", "summary": "b"}, None)
    # The second rater's rating stays the second rater's.
    assert same(example.ratings, {"fluency": (math.nan, 4.0)})
    unrated = load_dataset([{"note": "a", "summary": "b", "f1": "", "f2": ""}], CRITERIA, ratings_required=False)
    assert len(unrated.examples) == 1


def numbered(*ids: object) -> list[dict[str, object]]:
    return [
        {"id": name, "note": f"n{place}", "summary": "s", "f1": 1, "f2": 2, "tone": "kind"}
        for place, name in enumerate(ids)
    ]


def test_a_column_called_id_identifies_rows_without_being_named() -> None:
    dataset = load_dataset(numbered("a", 7, " c "), CRITERIA)
    assert [example.id for example in dataset.examples] == ["a", "7", "c"]
    assert "column 'id' is taken for the rows' identifiers" in dataset.notes
    assert dataset.rubric.id is None


@pytest.mark.parametrize("ids", [("a", "a"), ("a", ""), ("a", None), ("a", ["b"]), ("a", "x\0")])
def test_a_column_called_id_that_identifies_nothing_is_passed_over_and_told(ids: tuple[object, ...]) -> None:
    rows = numbered(*ids)
    dataset = load_dataset(rows, CRITERIA)
    without = load_dataset([{k: v for k, v in row.items() if k != "id"} for row in rows], CRITERIA)
    assert dataset.examples == without.examples
    (told,) = set(dataset.notes) - set(without.notes)
    assert "column 'id' is not taken" in told
    assert "write id: id" in told


@pytest.mark.parametrize("key", ["document", "inputs"])
def test_a_column_called_id_that_has_another_use_does_not_identify(key: str) -> None:
    named = criteria(document="id") if key == "document" else criteria(inputs={"id": "Number", "note": "Note"})
    dataset = load_dataset(numbered("a", "b"), named)
    assert not {"a", "b"} & {example.id for example in dataset.examples}
    assert dataset.notes == ()


def test_a_limit_keeps_the_first_rows_of_every_split() -> None:
    rows = [
        {"note": f"n{i}", "summary": "s", "f1": 1, "f2": 2, "tone": "kind", "part": "train" if i < 10 else "test"}
        for i in range(40)
    ]
    first = load_dataset(rows, CRITERIA, limit=3)
    assert [example.row for example in first.examples] == [1, 2, 3]
    assert first.notes[-1] == "limited to 3 of 40 rows"
    both = load_dataset(rows, criteria(split="part"), limit=8)
    assert [example.row for example in both.examples] == [1, 2, 11, 12, 13, 14, 15, 16]
    assert both.splits == ("train",) * 2 + ("test",) * 6
    assert load_dataset(rows, CRITERIA, limit=400) == load_dataset(rows, CRITERIA)
    with pytest.raises(ConfigError, match="limit=0"):
        load_dataset(rows, CRITERIA, limit=0)


@calm
@given(st.integers(1, 30), st.lists(st.sampled_from(["train", "validation", "test"]), min_size=1, max_size=30))
def test_a_limit_is_kept_to_where_it_can_be(limit: int, parts: list[str]) -> None:
    rows = [
        {"note": f"n{i}", "summary": "s", "f1": 1, "f2": 2, "tone": "kind", "part": part}
        for i, part in enumerate(parts)
    ]
    dataset = load_dataset(rows, criteria(split="part"), limit=limit)
    assert len(dataset.examples) == max(min(limit, len(parts)), min(len(set(parts)), len(parts)))
    assert set(dataset.splits or ()) == set(parts)


def test_criteria_may_be_a_file_a_mapping_or_a_rubric(tmp_path: Path) -> None:
    text = "task: T\ninputs: {note: Note}\ncriteria:\n  - {name: f1, scale: [1, 5]}\n"
    path = file(tmp_path, text, "criteria.yaml")
    data = file(tmp_path, HEADER + "a,b,1,2,kind\n")
    rubric = load_dataset(data, path).rubric
    assert isinstance(rubric, Rubric)
    assert load_dataset(data, str(path)).rubric == rubric
    assert load_dataset(data, rubric).examples == load_dataset(data, path).examples


def test_without_criteria_a_file_is_answered_with_a_starter_that_works(tmp_path: Path) -> None:
    text = "article_id,article,summary,Fluency,price,id\n" + "".join(
        f"d{i},an article {i},a summary,{i % 5 + 1},{i * 100}.5,{i}\n" for i in range(20)
    )
    path = file(tmp_path, text)
    with pytest.raises(DataError, match="--criteria") as error:
        load_dataset(path)
    starter = str(error.value).partition("\n\n")[2]
    dataset = load_dataset(path, file(tmp_path, starter, "criteria.yaml"))
    assert dataset.rubric.names == ("Fluency",)
    assert [column for column, _ in dataset.rubric.inputs] == ["article", "summary"]
    assert (dataset.rubric.document, dataset.rubric.id) == ("article_id", "id")
    assert len(dataset.examples) == 20


@calm
@given(
    st.lists(st.tuples(texts, st.one_of(st.none(), st.integers(-999, 999))), min_size=1, max_size=6),
    st.sampled_from(["text", "quality", "Quality"]),
)
def test_a_starter_is_always_a_criteria_file(rows: list[tuple[str, int | None]], column: str) -> None:
    from polyjudge.datasets.criteria import rubric_from
    from polyjudge.datasets.starter import starter
    from polyjudge.datasets.table import table_of
    from polyjudge.datasets.yamlfile import parse_yaml

    table = table_of([{name: value, column: name, "error": value, "split": "x"} for name, value in rows])
    rubric_from(parse_yaml(starter(table).text(), "starter"), "starter")


ROW = "a,b,1,2,kind\n"
BAD: dict[str, tuple[str, Mapping[str, object], list[str]]] = {
    "rating off the scale": (ROW + "a,c,9,2,kind\n", CRITERIA, ["row 2 (line 3)", "'f1'", "'9'", "1..5"]),
    "rating below the scale": (ROW + "a,c,1,0.5,kind\n", CRITERIA, ["row 2 (line 3)", "'f2'", "'0.5'", "1..5"]),
    "rating a word": ("a,b,good,2,kind\n", CRITERIA, ["row 1 (line 2)", "'f1'", "'good'", "number"]),
    "rating with a comma": ('a,b,"3,5",2,kind\n', CRITERIA, ["row 1 (line 2)", "'3,5'", "decimal point"]),
    "rating a fraction text": ("a,b,4/5,2,kind\n", CRITERIA, ["row 1", "'4/5'"]),
    "rating infinite": ("a,b,inf,2,kind\n", CRITERIA, ["row 1", "'inf'"]),
    "rating overflows": ("a,b,1e999,2,kind\n", CRITERIA, ["row 1", "'1e999'", "1..5"]),
    "rating in foreign digits": ("a,b,٣,2,kind\n", CRITERIA, ["row 1", "'٣'"]),
    "rating with underscore": ("a,b,1_0,2,kind\n", CRITERIA, ["row 1", "'1_0'"]),
    "rating after a quoted break": ('"a\nx",b,1,2,kind\na,c,7,2,kind\n', CRITERIA, ["row 2 (line 4)", "'7'"]),
    "label unknown": ("a,b,1,2,rude\n", CRITERIA, ["row 1", "'tone'", "'rude'", "'kind', 'none'"]),
    "label a number": ("a,b,1,2,0\n", CRITERIA, ["row 1", "'tone'", "'0'", "'kind', 'none'"]),
    "no input column": (ROW, criteria(inputs={"text": "Text"}), ["'text'", "inputs", "'note', 'summary'"]),
    "input column misspelt": (ROW, criteria(inputs={"Summry": "S"}), ["'Summry'", "did you mean 'summary'"]),
    "no document column": (ROW, criteria(document="doc"), ["'doc'", "document"]),
    "no id column": (ROW, criteria(id="key"), ["'key'", "id"]),
    "no split column": (ROW, criteria(split="part"), ["'part'", "split"]),
    "no rating column": (
        ROW,
        criteria(criteria=[{"name": "clarity", "scale": [1, 5]}]),
        ["'clarity'", "ratings of 'clarity'"],
    ),
    "one rater missing": (
        ROW,
        criteria(criteria=[{"name": "fluency", "scale": [1, 5], "ratings": ["f1", "f3"]}]),
        ["'f3'", "ratings of 'fluency'"],
    ),
    "input column all empty": ("a,,1,2,kind\nb, ,1,2,kind\n", CRITERIA, ["'summary'", "empty in every row"]),
    "nobody rated": ("a,b,1,2,\nc,d,1,2,NA\n", CRITERIA, ["no row has a rating of 'tone'"]),
    "ids twice": (ROW + "k,c,1,2,kind\n" + ROW, criteria(id="note"), ["row 1 (line 2), row 3 (line 4)", "'a'"]),
    "id empty": (ROW + ",c,1,2,kind\n", criteria(id="note"), ["row 2 (line 3)", "'note'", "empty"]),
    "document empty": (ROW + "x,NA,1,2,kind\n", criteria(document="summary"), ["row 2 (line 3)", "'summary'"]),
    "split unknown": (ROW, criteria(split="note"), ["row 1 (line 2)", "'a'", "train, validation, test"]),
    "NUL": ("a\0,b,1,2,kind\n", CRITERIA, ["row 1 (line 2)", "'note'", "NUL"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_or_column_is_told_in_one_line(case: str, tmp_path: Path) -> None:
    rows, given_criteria, told = BAD[case]
    path = file(tmp_path, HEADER + rows)
    with pytest.raises(InputError) as error:
        load_dataset(path, given_criteria)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert [word for word in told if word not in message] == []
    assert "\n" not in message
    assert error.value.exit_code == 2


MEMORY: dict[str, tuple[dict[str, object], list[str]]] = {
    "surrogate": ({"note": "x\ud83d"}, ["row 1", "'note'", "\\ud83d"]),
    "list as text": ({"note": ["a"]}, ["row 1", "'note'", "'list'"]),
    "truth as text": ({"summary": True}, ["row 1", "'summary'", "'bool'"]),
    "bytes as text": ({"summary": b"x"}, ["row 1", "'summary'", "'bytes'"]),
    "truth as rating": ({"f1": True}, ["row 1", "'f1'", "True"]),
    "list as rating": ({"f1": [3, "x"]}, ["row 1", "'f1'", "'x'"]),
    "infinite rating": ({"f1": math.inf}, ["row 1", "'f1'", "inf"]),
    "huge rating": ({"f1": 10**400}, ["row 1", "'f1'", "1..5"]),
    "truth as label": ({"tone": True}, ["row 1", "'tone'", "True"]),
}


@pytest.mark.parametrize("case", MEMORY)
def test_a_bad_cell_in_memory_is_told_by_row_and_column(case: str) -> None:
    change, told = MEMORY[case]
    row = {"note": "a", "summary": "b", "f1": 1, "f2": 2, "tone": "kind", **change}
    with pytest.raises(DataError) as error:
        load_dataset([row], CRITERIA)
    assert [word for word in told if word not in str(error.value)] == []
    str(error.value).encode()


def test_a_key_that_one_json_row_lacks_is_told(tmp_path: Path) -> None:
    path = file(tmp_path, '{"note": "a", "f1": 1, "summary": "b"}\n\n{"note": "a", "f1": 2}\n', "d.jsonl")
    with pytest.raises(DataError, match=r"row 2 \(line 3\): has no 'summary'"):
        load_dataset(path, criteria(criteria=[{"name": "f1", "scale": [1, 5]}]))


@pytest.mark.parametrize(
    ("text", "told"),
    [("a,b,1,2,kind\nc,d,1,2,kind\n", "add a header line"), ("note:summary\na:b\n", "no column 'note'")],
)
def test_a_missing_header_is_guessed_and_an_unknown_separator_named_by_its_columns(
    text: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=told):
        load_dataset(file(tmp_path, text), CRITERIA)


def test_many_problems_come_together_ten_at_most(tmp_path: Path) -> None:
    path = file(tmp_path, HEADER + "a,b,9,0,rude\n" * 7)
    with pytest.raises(DataError) as error:
        load_dataset(path, CRITERIA)
    lines = str(error.value).splitlines()
    assert lines[0] == f"{path}: 21 problems"
    assert len(lines) == 12
    assert lines[-1] == "  ... and 11 more"


@pytest.mark.parametrize("name", ["mood", "", "x" * 5000, "a\0b"])
def test_an_unknown_name_lists_what_is_accepted(name: str) -> None:
    with pytest.raises(DataError) as error:
        load_dataset(name)
    assert [word for word in (".csv", ".jsonl", ".parquet", "moods", "summeval") if word not in str(error.value)] == []


def test_a_name_nearly_right_is_guessed() -> None:
    with pytest.raises(DataError, match="did you mean 'briefs'"):
        load_dataset("brief")


def test_registered_data_take_other_words_but_no_other_columns() -> None:
    plain = load_dataset("briefs")
    fluency = next(c for c in plain.rubric.criteria if c.name == "fluency")
    columns = [column for column, _ in plain.rubric.inputs]
    own = {
        "task": "Other words.",
        "inputs": {columns[-1]: "Text"},
        "criteria": [{"name": "fluency", "scale": [1, 5], "instruction": "Be strict."}],
    }
    dataset = load_dataset("briefs", own)
    assert dataset.rubric.criteria[0].instruction == "Be strict."
    assert dataset.rubric.document == plain.rubric.document
    assert list(dataset.examples[0].inputs) == columns[-1:]
    assert [e.human(fluency) for e in dataset.examples] == [e.human(fluency) for e in plain.examples]
    for change, told in (
        ({"inputs": {"nothing": "N"}}, "'nothing'"),
        ({"criteria": [{"name": "wit", "scale": [1, 5]}]}, "'wit'"),
        ({"criteria": [{"name": "fluency", "scale": [1, 7]}]}, r"1\.\.5"),
    ):
        with pytest.raises(CriteriaError, match=told):
            load_dataset("briefs", {**own, **change})


def guests_data() -> Dataset:
    rows = [{"note": f"n{at}", "summary": "s", "f1": 1 + at % 5, "f2": 2, "tone": "kind"} for at in range(20)]
    return load_dataset(rows, CRITERIA)


def test_a_data_set_is_taken_as_an_object_as_a_function_and_under_other_criteria() -> None:
    dataset = guests_data()
    assert load_dataset(dataset) == load_dataset(guests_data) == dataset
    assert len(load_dataset(guests_data, limit=3).examples) == 3
    fewer = {**CRITERIA, "task": "Judge.", "criteria": [{"name": "tone", "scale": {"labels": ["kind", "none"]}}]}
    narrowed = load_dataset(dataset, fewer)
    assert (narrowed.rubric.task, narrowed.rubric.names) == ("Judge.", ("tone",))
    assert [dict(example.ratings) for example in narrowed.examples] == [{"tone": (0.0,)}] * 20
    with pytest.raises(CriteriaError, match="has no ratings of 'depth'"):
        load_dataset(dataset, {**CRITERIA, "criteria": [{"name": "depth", "scale": [1, 5]}]})


def test_a_function_that_gives_something_else_is_named() -> None:
    def wrong() -> list[int]:
        return [1]

    with pytest.raises(DataError, match=r"wrong: gives a 'list'; it must return a polyjudge Dataset"):
        load_dataset(wrong)  # type: ignore[arg-type]  # wrong on purpose
