"""Data sets of the hub, loaded by its own package from a folder on this disk; the hub itself is never reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyjudge.datasets.hub import hub_name
from polyjudge.datasets.load import load_dataset
from polyjudge.errors import DataError

CRITERIA = {
    "task": "Judge the letter.",
    "inputs": {"letter": "Letter"},
    "criteria": [{"name": "clarity", "scale": [1, 5]}],
}
HEADER = "id,letter,clarity\n"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in whose OWNER/NAME the package looks before it asks the hub, which it may not."""
    datasets = pytest.importorskip("datasets", reason="needs the extra hf")
    huggingface_hub = pytest.importorskip("huggingface_hub")
    # Both read the variable when they are imported, which another test may have brought about.
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hf:a/b", ("a/b", None, None)),
        ("hf:a/b.v2@en:test", ("a/b.v2", "en", "test")),
        ("hf:a/b:test", ("a/b", None, "test")),
        ("hf:a/b@en-GB", ("a/b", "en-GB", None)),
    ],
)
def test_a_name_has_an_owner_and_may_have_a_configuration_and_a_split(
    text: str, parts: tuple[str | None, ...]
) -> None:
    assert tuple(hub_name(text)) == parts


@pytest.mark.parametrize("text", ["hf:", "hf:b", "hf:a/b/c", "hf:a/b:", "hf:a/b@", "hf:../b@:x", "hf:a/b:x@y"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="hf:OWNER/NAME"):
        load_dataset(text, CRITERIA)


def test_splits_of_the_usual_names_stay_splits(hub: Path) -> None:
    write(hub / "own" / "set", train=f"{HEADER}a,Dear all.,3\nb,Dear none.,\n", test=f"{HEADER}a,Dear you.,5\n")
    dataset = load_dataset("hf:own/set", CRITERIA)
    assert dataset.splits == ("train", "test")
    assert [(e.id, e.inputs["letter"], e.ratings) for e in dataset.examples] == [
        ("train-1", "Dear all.", {"clarity": (3.0,)}),
        ("test-1", "Dear you.", {"clarity": (5.0,)}),
    ]
    assert [example.id for example in load_dataset("hf:own/set", {**CRITERIA, "id": "id"}).examples] == [
        "train-a",
        "test-a",
    ]


def test_one_split_is_a_table_like_any_other(hub: Path) -> None:
    write(hub / "own" / "set", train=f"{HEADER}a,Dear all.,3\n", test=f"{HEADER}c,Dear you.,5\nd,Dear me.,4\n")
    dataset = load_dataset("hf:own/set:test", CRITERIA)
    assert [example.id for example in dataset.examples] == ["c", "d"]
    assert (dataset.splits, dataset.source, dataset.name) == (None, "hf:own/set:test", "set")
    assert len(load_dataset("hf:own/set:test", CRITERIA, limit=1).examples) == 1
    with pytest.raises(DataError, match=r"no split 'tset' \(did you mean 'test'"):
        load_dataset("hf:own/set:tset", CRITERIA)


def test_a_configuration_is_named_after_the_at_sign(hub: Path) -> None:
    folder = hub / "own" / "set"
    write(folder / "en", train=f"{HEADER}a,Dear all.,3\n")
    write(folder / "fr", train=f"{HEADER}a,Bonjour.,4\n")
    configs = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/train.csv\n"
        for name in ("en", "fr")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n", "utf-8")
    assert load_dataset("hf:own/set@fr", CRITERIA).examples[0].inputs == {"letter": "Bonjour."}
    with pytest.raises(DataError, match="@CONFIG"):
        load_dataset("hf:own/set", CRITERIA)
    with pytest.raises(DataError, match="'de' not found"):
        load_dataset("hf:own/set@de", CRITERIA)


def test_splits_of_other_names_must_be_chosen_from(hub: Path) -> None:
    folder = hub / "own" / "set"
    write(folder, one=f"{HEADER}a,Dear all.,3\n", two=f"{HEADER}b,Dear you.,5\n")
    parts = "".join(f"  - split: {name}\n    path: {name}.csv\n" for name in ("one", "two"))
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: default\n  data_files:\n{parts}---\n", "utf-8")
    with pytest.raises(DataError, match=r"has the splits 'one', 'two'; name one: hf:own/set:one"):
        load_dataset("hf:own/set", CRITERIA)
    assert load_dataset("hf:own/set:two", CRITERIA).examples[0].id == "b"


def test_criteria_are_needed_and_a_pattern_for_them_is_shown(hub: Path) -> None:
    write(hub / "own" / "set", train=f"{HEADER}a,Dear all.,3\n")
    with pytest.raises(DataError, match=r"(?s)--criteria.*clarity"):
        load_dataset("hf:own/set")


def test_faults_of_rows_are_named_as_in_a_file(hub: Path) -> None:
    write(hub / "own" / "set", train=f"{HEADER}a,Dear all.,9\n")
    with pytest.raises(DataError, match=r"hf:own/set: row 1, column 'clarity': 9 is off the scale"):
        load_dataset("hf:own/set", CRITERIA)


def test_what_is_not_there_and_cannot_be_fetched_is_said(hub: Path) -> None:
    with pytest.raises(DataError, match=r"hf:own/none: .*(Hub|hub)"):
        load_dataset("hf:own/none", CRITERIA)
