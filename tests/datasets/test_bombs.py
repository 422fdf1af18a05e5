"""Whatever bytes a file holds, reading it ends with its rows or with one message, soon and in bounded memory."""

from __future__ import annotations

import gzip
import io
import json
import time
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyjudge.connect.inspect import inspect_table
from polyjudge.datasets import textfiles
from polyjudge.datasets.examples import open_examples
from polyjudge.datasets.load import load_dataset, load_rubric
from polyjudge.datasets.readers import ENDINGS, read_table
from polyjudge.datasets.yamlfile import MOST_NODES, parse_yaml
from polyjudge.errors import CriteriaError, DataError, InputError

calm = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
CRITERIA = {"task": "t", "inputs": {"text": "T"}, "criteria": [{"name": "x", "scale": [1, 5]}]}


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def zeros_in_gzip(count: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(b"\n" * (1 << 20)) for _ in range(count)), packer.flush()])


BOMBS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "lines in gzip": ("a.csv.gz", lambda: zeros_in_gzip(200), "more than 100,000 blank lines"),
    "objects in gzip": ("a.jsonl.gz", lambda: zeros_in_gzip(200), "more than 100,000 blank lines"),
    "json in gzip": ("a.json.gz", lambda: zeros_in_gzip(200), "unpacks to more than"),
    "sheet": ("a.xlsx", lambda: zipped("xl/workbook.xml", b" " * (150 << 20)), "unpacks to more than"),
    "deep objects": ("a.jsonl", lambda: b'{"a":' * 50_000, "not JSON"),
    "deep list": ("a.json", lambda: b"[" * 200_000 + b"]" * 200_000, "not JSON"),
    "long number": ("a.json", lambda: b'[{"text": "a", "x": ' + b"9" * 10_000 + b"}]", "not JSON"),
    "huge number": ("a.json", lambda: b'[{"text": "a", "x": 1e999}]', "off the scale"),
    "huge exponent": ("a.csv", lambda: b"text,x\na,1e99999\n", "off the scale"),
    "deep list in a cell": ("a.csv", lambda: b'text,x\na,"' + b"[" * 100_000 + b'"\n', "begins like a list"),
    "Parquet": ("a.parquet", lambda: b"PAR1" + b"\xff" * 64 + b"PAR1", "cannot be read as Parquet"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_soon_in_one_message(bomb: str, tmp_path: Path) -> None:
    name, content, told = BOMBS[bomb]
    path = tmp_path / name
    path.write_bytes(content())
    started = time.process_time()
    with pytest.raises(DataError, match=told):
        load_dataset(path, CRITERIA)
    assert time.process_time() - started < 20


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfiles, "LONGEST_LINE", 1000)
    (tmp_path / "a.jsonl").write_text('{"text": "' + "a" * 2000, "utf-8")
    with pytest.raises(DataError, match="line 1 has more than 1,000 characters"):
        read_table(tmp_path / "a.jsonl")
    (tmp_path / "a.csv").write_text('text\n"' + "a\n" * 2000, "utf-8")
    with pytest.raises(DataError, match="field larger than field limit"):
        read_table(tmp_path / "a.csv")


def test_a_parquet_file_that_repeats_one_long_cell_is_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    cells = pyarrow.DictionaryArray.from_arrays([0] * 2000, ["long " * 40_000])
    parquet.write_table(pyarrow.table({"text": cells}), tmp_path / "a.parquet", compression="zstd")
    with pytest.raises(DataError, match="unpacks to more than"):
        read_table(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.eval", zipped("samples/a.json", b" " * (150 << 20))),
        ("a.eval", zipped("samples/a.json", b"[" * 100_000)),
        ("a.eval", zipped("samples/a.json", b"{}")[:-30]),
        ("a.json", b"[" * 100_000),
        ("a.json", b'{"samples": [{"scores": 3}]}'),
        ("a.json", b"\xff\xfe"),
    ],
    ids=["much", "deep", "cut", "deep text", "no log", "no text"],
)
def test_a_log_that_is_none_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        inspect_table(tmp_path / name, None)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]\n" for at in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LAUGHS, f"more than {MOST_NODES:,} values"),
        ("a: &a [*a]\n", f"more than {MOST_NODES:,} values"),
        ("a: &a {b: *a}\n", f"more than {MOST_NODES:,} values"),
        ("[" * 5000, "not YAML that can be read"),
        ("a: " + "9" * 5000, "not YAML that can be read"),
        ("a: b\n" * 1_000_000, "a criteria file is far shorter"),
    ],
    ids=["laughs", "list in itself", "mapping in itself", "deep", "long number", "long"],
)
def test_a_criteria_file_that_explodes_is_refused(text: str, told: str) -> None:
    with pytest.raises(CriteriaError, match=told):
        parse_yaml(text, "criteria.yaml")


def message(read: Callable[[], object]) -> str | None:
    """What an error says; None without one."""
    try:
        read()
    except InputError as error:
        return str(error)
    return None


SCRAPS = st.sampled_from(
    [
        *[
            b"text,x\n",
            b"a,1\n",
            b'{"text": "a", "x": 1}\n',
            b"[",
            b"]",
            b"{",
            b'"',
            b";",
            b"\t",
            b"sep=;\n",
            b"\xff\xfe",
        ],
        *[b"PAR1", b"PK\x03\x04", b"\0", b"\xef\xbb\xbf", b"1,5", b"\r", gzip.compress(b"text,x\na,1\n")],
    ]
) | st.binary(max_size=20)


@pytest.mark.parametrize("ending", [*ENDINGS, ".csv.gz", ".jsonl.gz"])
@calm
@given(parts=st.lists(SCRAPS, max_size=8))
def test_any_bytes_end_in_rows_or_one_message(
    ending: str, parts: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"a{ending}"
    path.write_bytes(b"".join(parts))
    for read in (
        lambda: load_dataset(path, CRITERIA),
        lambda: list(open_examples(path, load_rubric(CRITERIA)).examples()),
    ):
        told = message(read)
        assert told is None or str(path) in told


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("name", "scale", "levels", "values", "read", "weight", "ratings", "words", "definition", "instruction")


@calm
@given(criterion=st.dictionaries(st.sampled_from(KEYS), VALUES), long=VALUES, cell=VALUES)
def test_any_criteria_and_any_cell_end_in_rows_or_one_message(criterion: object, long: object, cell: object) -> None:
    row = json.loads(json.dumps({"text": "a", "x": cell}))
    for criteria in ({**CRITERIA, "criteria": [criterion]}, {**CRITERIA, "long": long}, CRITERIA):
        assert message(partial(load_dataset, [row], criteria)) != ""
