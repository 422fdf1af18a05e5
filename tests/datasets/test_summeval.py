"""SummEval from the user's folder: repaired, complete, and the paper's figures come out. Prints none of its text."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyjudge.datasets.leaks import leaks
from polyjudge.datasets.load import load_dataset
from polyjudge.datasets.split import paper_split, split
from polyjudge.datasets.summeval import fixed, repair, rubric
from polyjudge.datasets.table import Table
from polyjudge.domain.dataset import Dataset
from polyjudge.errors import DataError

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

FOLDER = Path(os.environ.get("POLYJUDGE_DATA") or Path(__file__).parents[3] / "shared" / "data")
real = pytest.mark.skipif(
    not (FOLDER / "summeval" / "train.parquet").is_file(), reason=f"no SummEval files in {FOLDER}"
)


def broken(text: str) -> str:
    """UTF-8 read as Latin-1."""
    return text.encode().decode("latin-1")


@calm
@given(st.lists(st.sampled_from(["it’s", "–", "£5", "plain words", "café"]), min_size=1).map(" ".join))
def test_texts_are_given_back_as_they_were_meant(text: str) -> None:
    assert fixed(broken(text)) == text
    assert fixed(text) == text


@pytest.mark.parametrize(
    ("text", "meant"), [("the end.Â", "the end."), ("one. Â  two", "one.   two"), ("Ângela", "Ângela"), ("", "")]
)
def test_only_a_left_over_letter_before_a_blank_or_the_end_is_dropped(text: str, meant: str) -> None:
    assert fixed(text) == meant


def test_a_repaired_table_counts_its_repairs_and_names_articles_by_their_text() -> None:
    rows = (
        {"text": broken("It’s one."), "machine_summary": "s", "fluency": 1},
        {"text": "It’s  one.\n", "machine_summary": broken("–"), "fluency": 1},
        {"text": "Two.", "machine_summary": "s", "fluency": 1},
    )
    table = repair(Table("x", ("text", "machine_summary", "fluency"), rows))
    articles = [row["article"] for row in table.rows]
    assert articles[0] == articles[1] != articles[2]
    assert table.notes == (
        "encoding repaired in 1 of 3 cells of column 'text'",
        "encoding repaired in 1 of 3 cells of column 'machine_summary'",
    )


def test_without_the_folder_the_layout_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("POLYJUDGE_DATA", raising=False)
    with pytest.raises(DataError, match=r"POLYJUDGE_DATA .*summeval/train\.parquet and summeval/test\.parquet"):
        load_dataset("summeval")
    monkeypatch.setenv("POLYJUDGE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"summeval/train\.parquet: no such file"):
        load_dataset("summeval")


def test_another_file_is_noted_and_other_columns_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.setenv("POLYJUDGE_DATA", str(tmp_path))
    row = {"text": "a", "machine_summary": "b", "fluency": 1, "relevance": 2, "coherence": 3, "consistency": 5}
    (tmp_path / "summeval").mkdir()
    for part in ("train", "test"):
        parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "summeval" / f"{part}.parquet")
    dataset = load_dataset("summeval")
    assert [note.split(":")[0] for note in dataset.notes if "another sha256" in note] == ["train", "test"]
    assert [example.id for example in dataset.examples] == ["train-1", "test-1"]
    for missing in ("text", "coherence"):
        other = {name: cell for name, cell in row.items() if name != missing}
        parquet.write_table(pyarrow.Table.from_pylist([other]), tmp_path / "summeval" / "test.parquet")
        with pytest.raises(DataError, match=rf"test\.parquet: no column '{missing}'"):
            load_dataset("summeval")


@pytest.fixture
def summeval(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("POLYJUDGE_DATA", str(FOLDER))
    return load_dataset("summeval")


@real
def test_all_rows_are_there_and_the_repairs_are_told(summeval: Dataset) -> None:
    assert Counter(summeval.splits) == {"train": 160, "test": 480}
    assert len({example.document for example in summeval.examples}) == 100
    told = "\n".join(summeval.notes)
    assert "139 of 160 cells of column 'text'" in told
    assert "417 of 480 cells of column 'text'" in told
    assert "another sha256" not in told
    assert "one expert" in told
    texts = [text for example in summeval.examples for text in example.inputs.values()]
    assert sum("â\x80" in text or "Â" in text for text in texts) == 0


@real
def test_the_paper_preset_shows_its_leaks(summeval: Dataset) -> None:
    parts = paper_split(summeval)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [160, 100, 480]
    report = leaks(parts, steps=12, batch=3)
    crossing = report.between("train", "test")
    assert (len(crossing.documents), crossing.documents_of_first) == (79, 80)
    assert len(crossing.repeats) == 33
    assert len(report.between("train", "validation").same) == 100
    assert report.draws is not None
    assert (report.draws.inside, report.draws.total, report.draws.distinct) == (19, 36, 31)
    text = "\n".join(report.lines())
    for words in ("79 of 80 documents", "33 rows with the same inputs", "19 of 36", "31 of 160"):
        assert words in text


@real
def test_a_split_by_article_has_no_leak(summeval: Dataset) -> None:
    parts = split(summeval, seed=0, by="document")
    assert leaks(parts).clean
    sizes = [len(part) for part in (parts.train, parts.validation, parts.test)]
    assert sum(sizes) == 640
    assert all(abs(size - target) <= 20 for size, target in zip(sizes, (160, 160, 320), strict=True))


def test_the_rubric_judges_the_summary_after_the_article() -> None:
    assert [column for column, _ in rubric().inputs] == ["text", "machine_summary"]
    assert {criterion.scale.describe() for criterion in rubric().criteria} == {"1..5"}
    assert {criterion.instruction for criterion in rubric().criteria} == {"Rate from 1 to 5."}
