"""The same rows in every form that spreadsheets and tools export are read as the same, and said so."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyjudge.datasets.examples import open_examples
from polyjudge.datasets.load import load_dataset, load_rubric
from polyjudge.datasets.readers import read_table
from polyjudge.errors import DataError

calm = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
CRITERIA: dict[str, object] = {
    "task": "Judge.",
    "inputs": {"text": "Text"},
    "criteria": [{"name": "clarity", "scale": [1, 5], "ratings": ["ann", "bob"]}],
}
RATING = st.sampled_from([1.0, 2.5, 3.25, 5.0])
TEXT = st.text("ab ,;|\t\n\"'é1", min_size=1, max_size=9).map(lambda text: f"t{text}.")
ROWS = st.lists(st.fixed_dictionaries({"text": TEXT, "ann": RATING, "bob": RATING}), min_size=1, max_size=5)
Rows = list[dict[str, object]]


def separated(rows: Rows, separator: str, decimal: str = ".", start: str = "", end: str = "\r\n") -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=end)
    columns = ("text", "ann", "bob")
    writer.writerow(columns)
    for row in rows:
        cells = [row[column] for column in columns]
        writer.writerow([str(cell).replace(".", decimal) if isinstance(cell, float) else cell for cell in cells])
    return start + out.getvalue()


def excel(rows: Rows, path: Path) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append(list(row.values()))
    book.create_sheet("Notes")
    book.save(path)
    return path


FORMS: dict[str, tuple[str, Callable[[Rows], bytes]]] = {
    "semicolons": (".csv", lambda rows: separated(rows, ";", ",").encode()),
    "semicolons, points": (".csv", lambda rows: separated(rows, ";").encode()),
    "tabs in csv": (".csv", lambda rows: separated(rows, "\t", ",").encode()),
    "bars": (".csv", lambda rows: separated(rows, "|").encode()),
    "Excel's sep=": (".csv", lambda rows: separated(rows, ";", ",", "sep=;\r\n").encode("utf-8-sig")),
    "Excel's Unicode text": (".tsv", lambda rows: separated(rows, "\t", ",").encode("utf-16")),
    "tsv": (".tsv", lambda rows: separated(rows, "\t", end="\n").encode()),
    "csv.gz": (".csv.gz", lambda rows: gzip.compress(separated(rows, ",").encode())),
    "tsv.gz": (".tsv.gz", lambda rows: gzip.compress(separated(rows, "\t").encode())),
    "jsonl.gz": (".jsonl.gz", lambda rows: gzip.compress("\n".join(map(json.dumps, rows)).encode())),
    "json": (".json", lambda rows: json.dumps(rows, indent=1).encode()),
    "json in an object": (".json", lambda rows: json.dumps({"version": 1, "data": rows}).encode("utf-8-sig")),
}


@pytest.mark.parametrize("form", FORMS)
@calm
@given(rows=ROWS)
def test_every_form_gives_the_same_examples_whole_and_in_batches(
    form: str, rows: Rows, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ending, write = FORMS[form]
    path = tmp_path_factory.mktemp("forms") / f"rows{ending}"
    path.write_bytes(write(rows))
    dataset = load_dataset(path, CRITERIA)
    # Rows of equal texts may be read as one row a rater, so that only different texts are compared with their ratings.
    expected = load_dataset([{**row, "key": at} for at, row in enumerate(rows)], {**CRITERIA, "id": "key"})
    if len({str(row["text"]) for row in rows}) == len(rows):
        assert [(e.inputs, e.ratings, e.row) for e in dataset.examples] == [
            ({"text": str(e.inputs["text"])}, e.ratings, e.row) for e in expected.examples
        ]
    assert dataset.name == "rows"
    batches = open_examples(path, load_rubric(CRITERIA), 2)
    assert [e.inputs for e in batches.examples()] == [e.inputs for e in expected.examples]


@pytest.mark.parametrize(
    ("form", "notes"),
    [
        (
            "semicolons",
            ("the cells are separated by semicolons", "column 'ann': 1 number with a decimal comma read"),
        ),
        ("Excel's Unicode text", ("the file is UTF-16", "column 'ann': 1 number with a decimal comma read")),
        ("json in an object", ("the rows are those of 'data'",)),
        ("tsv", ()),
    ],
)
def test_what_is_unusual_is_noted(form: str, notes: tuple[str, ...], tmp_path: Path) -> None:
    ending, write = FORMS[form]
    path = tmp_path / f"a{ending}"
    path.write_bytes(write([{"text": "x", "ann": 2.5, "bob": 3}]))
    assert load_dataset(path, CRITERIA).notes == notes


def test_an_excel_file_of_one_filled_sheet_is_read_and_several_are_named(tmp_path: Path) -> None:
    rows: Rows = [{"text": "one", "ann": 1.5, "bob": 2}, {"text": "two\nlines", "ann": None, "bob": "3"}]
    path = excel(rows, tmp_path / "rows.xlsx")
    dataset = load_dataset(path, CRITERIA)
    assert [e.inputs["text"] for e in dataset.examples] == ["one", "two\nlines"]
    assert [str(e.ratings["clarity"]) for e in dataset.examples] == ["(1.5, 2.0)", "(nan, 3.0)"]
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(path)
    book["Notes"].append(["more"])
    book.save(path)
    with pytest.raises(DataError, match=r"the sheets 'Sheet', 'Notes' hold rows; keep one"):
        read_table(path)
    book.remove(book["Notes"])
    book.active["D2"] = "beside"
    book.save(path)
    with pytest.raises(DataError, match=r"line 2: a cell lies beside the header's columns"):
        read_table(path)


def test_rows_of_an_excel_file_are_named_by_their_line(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for cells in [[], ["text", "ann", "bob"], [], ["x", 1, 2], ["y", 9, 2]]:
        book.active.append(cells)
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match=r"row 2 \(line 5\), column 'ann': 9 is off the scale"):
        load_dataset(tmp_path / "a.xlsx", CRITERIA)
