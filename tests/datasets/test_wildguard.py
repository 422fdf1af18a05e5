"""WildGuard needs the user's own copy; here its form is filled with invented rows."""

import math
from pathlib import Path

import pytest

from polyjudge.datasets.load import load_dataset
from polyjudge.datasets.split import split
from polyjudge.errors import DataError

LABELS = {
    "prompt_harm_label": ("harmful", "unharmful"),
    "response_refusal_label": ("refusal", "compliance"),
    "response_harm_label": ("unharmful", "harmful"),
}


def invented(part: str, count: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for place in range(count):
        labels = {column: names[place // (n + 1) % 2] for n, (column, names) in enumerate(LABELS.items())}
        rows.append(
            {"prompt": f"{part} question {place}", "response": f"answer {place}", "adversarial": True, **labels}
        )
    return rows


def copy_in(folder: Path, parts: dict[str, list[dict[str, object]]]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (folder / "wildguard").mkdir(exist_ok=True)
    for part, rows in parts.items():
        parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "wildguard" / f"{part}.parquet")


def test_labels_become_positions_and_a_prompt_without_a_response_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POLYJUDGE_DATA", str(tmp_path))
    train = invented("train", 20)
    train[3] |= {"response": None, "response_refusal_label": None, "response_harm_label": None}
    copy_in(tmp_path, {"train": train, "test": invented("test", 30)})
    dataset = load_dataset("wildguard")
    assert dataset.rubric.names == ("prompt_harm", "response_refusal", "response_harm")
    for example, row in zip(dataset.examples[:20], train, strict=True):
        for criterion in dataset.rubric.criteria:
            label, value = row[f"{criterion.name}_label"], example.human(criterion)
            assert (None if math.isnan(value) else criterion.scale.labels[int(value)]) == label
    assert dataset.examples[3].inputs["response"] == ""
    assert "train: column 'response' is empty in row 4; kept" in dataset.notes
    parts = split(dataset, seed=0)
    assert (parts.by, len(parts.train), len(parts.validation), len(parts.test)) == ("given", 10, 10, 30)


def test_an_unknown_label_is_told_by_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLYJUDGE_DATA", str(tmp_path))
    test = invented("test", 3)
    test[1]["response_refusal_label"] = "maybe"
    copy_in(tmp_path, {"train": invented("train", 3), "test": test})
    with pytest.raises(DataError, match=r"test\.parquet: row 2, column 'response_refusal_label': 'maybe' is none"):
        load_dataset("wildguard")


def test_the_gated_copy_must_be_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYJUDGE_DATA", raising=False)
    with pytest.raises(DataError, match=r"your own copy: set POLYJUDGE_DATA"):
        load_dataset("wildguard")
