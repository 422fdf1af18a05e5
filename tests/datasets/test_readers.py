"""Whatever a file holds comes back cell by cell, and what cannot be read is named by row."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyjudge.datasets.readers import read_table
from polyjudge.datasets.table import Table, table_of
from polyjudge.errors import DataError

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
names = st.lists(
    st.text(st.characters(categories=["Lu", "Ll", "Nd"]), min_size=1, max_size=6), min_size=2, max_size=4, unique=True
)


@st.composite
def grids(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    header = draw(names)
    width = len(header)
    record = st.lists(cell, min_size=width, max_size=width).filter(lambda cells: any(map(str.strip, cells)))
    return header, draw(st.lists(record, min_size=1, max_size=6))


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@calm
@given(grid=grids(), bom=st.booleans(), ending=st.sampled_from(["\n", "\r\n"]))
def test_csv_gives_back_every_cell_and_the_line_where_its_row_begins(
    grid: tuple[list[str], list[list[str]]], bom: bool, ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    header, rows = grid
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator=ending, quoting=csv.QUOTE_ALL)
    begins = []
    for record in [header, *rows]:
        begins.append(len(io.StringIO(stream.getvalue(), newline="").readlines()) + 1)
        writer.writerow(record)
    path = written(tmp_path_factory.mktemp("csv"), "a.csv", ("\ufeff" if bom else "") + stream.getvalue())
    table = read_table(path)
    assert table.columns == tuple(header)
    assert [[row[name] for name in header] for row in table.rows] == rows
    assert list(table.lines) == begins[1:]


json_cell = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=10))


@calm
@given(rows=st.lists(st.dictionaries(st.text(max_size=5), json_cell, min_size=1), min_size=1, max_size=6))
def test_jsonl_gives_back_every_object(
    rows: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = "\n\n".join(json.dumps(row) for row in rows)
    table = read_table(written(tmp_path_factory.mktemp("jsonl"), "a.jsonl", text))
    assert [dict(row) for row in table.rows] == rows
    assert set(table.columns) == {name for row in rows for name in row}
    assert table.lines == tuple(range(1, 2 * len(rows), 2))


def test_parquet_gives_back_every_cell(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"text": ["one", "zwei\n", None], "x": [1.5, None, 3.0], "n": [1, 2, 3]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert {name: [row[name] for row in table.rows] for name in table.columns} == columns
    assert table.where(2) == "row 3"


class Pandas:
    """The part of a pandas data frame that is asked for."""

    def __init__(self, columns: list[str], records: list[dict[str, object]]) -> None:
        self.columns = columns
        self._records = records

    def to_dict(self, orient: str) -> list[dict[str, object]]:
        assert orient == "records"
        return self._records


class Polars(Pandas):
    """The part of a polars data frame that is asked for; its ``to_dict`` means something else."""

    def iter_rows(self, *, named: bool) -> Iterator[dict[str, object]]:
        assert named
        return iter(self._records)

    def to_dict(self, orient: str) -> list[dict[str, object]]:
        raise AssertionError("polars' to_dict gives columns, not rows")


@pytest.mark.parametrize("frame", [Pandas, Polars])
def test_frames_are_read_by_what_they_can_do(frame: type[Pandas]) -> None:
    table = table_of(frame(["a", "b"], [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]))
    assert table.columns == ("a", "b")
    assert [row["b"] for row in table.rows] == ["x", "y"]
    with pytest.raises(DataError, match="2 columns are called 'a'"):
        table_of(frame(["a", "a"], [{"a": 1}]))


def test_a_row_is_named_with_its_line_only_where_they_differ() -> None:
    table = Table("x", ("a",), ({"a": 1}, {"a": 2}), (1, 3))
    assert (table.where(0), table.where(1)) == ("row 1", "row 2 (line 3)")


def test_a_cell_may_be_longer_than_the_csv_module_allows_and_its_limit_is_left_alone(tmp_path: Path) -> None:
    default = 131_072
    before = csv.field_size_limit(default)
    table = read_table(written(tmp_path, "a.csv", "text,x\n" + "w " * 200_000 + ",1\n"))
    assert len(str(table.rows[0]["text"])) == 400_000
    assert csv.field_size_limit(before) == default


def test_a_column_without_a_name_is_noted_and_not_read(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a.csv", ",text\n0,hello\n"))
    assert table.columns == ("text",)
    assert table.notes == ("column 1 has no name and was not read",)


def test_rows_of_empty_cells_are_skipped_and_noted_and_lines_still_fit(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a.csv", "\ntext,x\n\n,\na,1\n,\nb,2\n , \n\n"))
    assert [dict(row) for row in table.rows] == [{"text": "a", "x": "1"}, {"text": "b", "x": "2"}]
    assert table.lines == (5, 7)
    assert table.notes == ("rows of empty cells skipped: 3",)


def test_json_lines_may_hold_unicode_line_separators(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a.jsonl", '{"text": "one\u2028two"}\n'))
    assert table.rows == ({"text": "one\u2028two"},)


BAD = [
    ("empty.csv", b"", ["empty.csv", "empty"]),
    ("mark.csv", b"\xef\xbb\xbf\n", ["mark.csv", "empty"]),
    ("commas.csv", b",,\n,,\n", ["commas.csv", "empty"]),
    ("blank.csv", b"\n \n", ["blank.csv", "empty"]),
    ("header.csv", b"text,fluency\n", ["header.csv", "no rows"]),
    ("twice.csv", b"text,x,text\na,1,b\n", ["twice.csv", "'text'", "columns 1, 3"]),
    ("long.csv", b"text,x\na,1\nb,1,c\n", ["long.csv", "row 2 (line 3)", "3 cells", "header has 2"]),
    ("short.csv", b'text,x\n"a\nb",1\nb\n', ["short.csv", "row 2 (line 4)", "1 cell,"]),
    ("open.csv", b'text,x\na,1\n"b,2\n', ["open.csv", "row 2 (line 3)", "never closed"]),
    ("quote.csv", b'text,x\n"a"b,1\n', ["quote.csv", "row 1 (line 2)", "double the quotes"]),
    ("latin.csv", 'text,x\n"a\nb",1\ncafé,2\n'.encode("latin-1"), ["row 2 (line 4)", "0xe9", "UTF-8"]),
    ("bom.csv", b"\xef\xbb\xbftext,x\na,1\nb\xff,1\n", ["row 2 (line 3)", "0xff"]),
    ("head.csv", b"t\xffxt,x\na,1\n", ["the header (line 1)", "0xff"]),
    ("wide.csv", "text,x\na,1\n".encode("utf-16")[:-1], ["wide.csv", "cannot be decoded", "UTF-8"]),
    ("bad.jsonl", b'{"a": 1}\n\n{"a": \n', ["bad.jsonl", "row 2 (line 3)", "not JSON"]),
    ("array.jsonl", b"[1, 2]\n", ["array.jsonl", "row 1:", "no object"]),
    ("key.jsonl", b'{"a": 1, "a": 2}\n', ["row 1:", "'a' appears twice"]),
    ("deep.jsonl", b"[" * 100_000, ["row 1:", "not JSON"]),
    ("digits.jsonl", b'{"a": ' + b"9" * 5000 + b"}", ["row 1:", "not JSON"]),
    ("latin.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n', ["latin.jsonl", "row 2 (line 2)", "0xe9"]),
    ("list.json", b"[]", ["list.json", "no rows"]),
    ("two.json", b'{"a": [{}], "b": [{}]}', ["two.json", "2 lists ('a', 'b')", "keep that one alone"]),
    ("text.json", b'"text"', ["text.json", "list of objects"]),
    ("half.json", b'[{"a": 1}', ["half.json", "not JSON"]),
    ("deep.json", b"[" * 100_000, ["deep.json", "not JSON"]),
    ("sheet.xlsx", b"PK", ["sheet.xlsx", "Excel"]),
    ("words.txt", b"x", ["'.txt'", ".csv"]),
    ("sheet.xlsx.gz", b"PK", ["'.xlsx.gz'", ".csv"]),
    ("no.csv.gz", b"text,x\na,1\n", ["no.csv.gz", "cannot be unpacked"]),
    ("cut.csv.gz", gzip.compress(b"text,x\na,1\n" * 99)[:-9], ["cut.csv.gz", "cannot be unpacked"]),
    ("both.csv", b"a;b,c;d\n1;2,3;4\n", ["commas or semicolons", "sep=,"]),
    ("broken.parquet", b"PAR1 nonsense", ["broken.parquet", "Parquet"]),
]


@pytest.mark.parametrize(("name", "content", "told"), BAD, ids=[name for name, _, _ in BAD])
def test_a_bad_file_ends_in_one_message_that_names_the_place(
    name: str, content: bytes, told: list[str], tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        read_table(written(tmp_path, name, content))
    assert [word for word in told if word not in str(error.value)] == []
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="not a regular file"):
        read_table(tmp_path / "folder.csv")
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / ("x" * 5000 + ".csv"))


def test_bad_parquet_contents_are_named(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    raw = pyarrow.array([b"fine", b"\xff"], pyarrow.binary()).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"text": raw}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="row 2, column 'text': text that is not UTF-8"):
        read_table(tmp_path / "a.parquet")
    parquet.write_table(pyarrow.table({"text": pyarrow.array([], pyarrow.string())}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="no rows"):
        read_table(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("data", "told"),
    [([], "no rows"), ([{"a": 1}, 3], "row 2: 3 is no mapping"), (17, "'int' is not read"), ({"a": [1]}, "'dict'")],
)
def test_rows_in_memory_that_are_none_are_refused(data: object, told: str) -> None:
    with pytest.raises(DataError, match=told):
        table_of(data)  # type: ignore[arg-type]  # wrong on purpose
