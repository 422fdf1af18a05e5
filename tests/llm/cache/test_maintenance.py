"""What a cache holds, and putting it in order: a merge loses nothing, a prune takes only what was chosen."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.llm.cache.filling import fill, held
from tests.rights import POSIX, without_rights

from polyjudge.errors import CacheError, ConfigError
from polyjudge.llm.cache.maintenance import contents, merge, prune

FILE = "answers.sqlite"


def age(folder: Path, days: float) -> None:
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.execute("UPDATE answers SET created = created - ?", (days * 86400,))


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    found = contents(tmp_path / "none")
    assert (found.entries, found.bytes, found.aside, found.unreadable, found.oldest) == (0, 0, (), "", None)
    assert prune(tmp_path / "none", older_than=0, model=None, dry_run=False).entries == 0
    assert not (tmp_path / "none").exists()


def test_show_counts_by_model_and_role_and_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, {1: "a", 2: "b"})
    fill(tmp_path, {3: "c"}, role="loss", model="other")
    (tmp_path / f"{FILE}.corrupt").write_bytes(b"broken")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    found = contents(tmp_path)
    assert [(group.role, group.model, group.entries) for group in found.kept] == [
        ("judge", "m", 2),
        ("loss", "other", 1),
    ]
    assert (found.entries, found.aside, found.unreadable) == (3, (f"{FILE}.corrupt",), "")
    assert found.oldest is not None
    assert time.time() - 60 < found.oldest <= (found.newest or 0) <= time.time()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_show_names_a_damaged_file_and_leaves_it(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"broken" * 999)
    found = contents(tmp_path)
    assert (found.entries, "not a database" in found.unreadable) == (0, True)
    assert (tmp_path / FILE).read_bytes() == b"broken" * 999


PARTS = st.lists(st.dictionaries(st.integers(0, 9), st.text("ab", max_size=2), min_size=1), min_size=2, max_size=4)


@given(PARTS, st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_a_merge_answers_every_call_with_the_newest_answer(
    tmp_path_factory: pytest.TempPathFactory, parts: list[dict[int, str]], at: int
) -> None:
    ours, theirs = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs")
    at = min(at, len(parts) - 1)
    for place, part in enumerate(parts):
        fill(theirs if place == at else ours, part, reuse=False)
    newest = {number: text for part in parts for number, text in part.items()}
    merged = merge(ours, [theirs])
    assert held(ours, range(10)) == newest
    assert merged.added + merged.known == len(parts[at])
    assert held(theirs, range(10)) == parts[at]
    again = merge(ours, [theirs])
    assert (again.added, again.known) == (0, len(parts[at]))
    fill(ours, {10: "new"})
    assert held(ours, range(11)) == newest | {10: "new"}


def test_a_merge_makes_the_cache_if_there_is_none(tmp_path: Path) -> None:
    fill(tmp_path / "theirs", {1: "a", 2: "b"})
    assert merge(tmp_path / "ours", [tmp_path / "theirs"]).added == 2
    assert held(tmp_path / "ours", [1, 2]) == {1: "a", 2: "b"}


def test_what_a_damaged_cache_gives_is_taken_or_nothing_and_it_stays(tmp_path: Path) -> None:
    fill(tmp_path / "ours", {1: "a"})
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / FILE).write_bytes(b"broken" * 999)
    with pytest.raises(CacheError, match="cannot be read"):
        merge(tmp_path / "ours", [tmp_path / "theirs"])
    assert held(tmp_path / "ours", [1]) == {1: "a"}
    assert (tmp_path / "theirs" / FILE).read_bytes() == b"broken" * 999


def test_a_merge_names_what_to_merge(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder of another"):
        merge(tmp_path, [])


@pytest.mark.parametrize("other", ["none", "ours"])
def test_a_folder_to_merge_must_be_another_cache(other: str, tmp_path: Path) -> None:
    fill(tmp_path / "ours", {1: "a"})
    with pytest.raises(ConfigError, match=other):
        merge(tmp_path / "ours", [tmp_path / other])


def test_a_file_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("a,b")
    with pytest.raises(ConfigError, match="is no folder"):
        merge(tmp_path / "ours", [tmp_path / "file.csv"])


@POSIX
def test_a_cache_where_nothing_can_be_written_is_merged_all_the_same() -> None:
    with tempfile.TemporaryDirectory() as name:
        ours, disc = Path(name) / "ours", Path(name) / "disc"
        fill(disc, {1: "a"})
        ours.mkdir()
        for path, rights in ((disc, 0o555), (ours, 0o777), (Path(name), 0o755), *((p, 0o444) for p in disc.iterdir())):
            path.chmod(rights)
        try:
            with without_rights():
                assert merge(ours, [disc]).added == 1
                assert held(ours, [1]) == {1: "a"}
        finally:
            disc.chmod(0o755)


def test_prune_takes_what_meets_all_conditions_and_gives_its_space_back(tmp_path: Path) -> None:
    fill(tmp_path, {number: f"old {number}" * 200 for number in range(50)})
    fill(tmp_path, {50: "old of another"}, model="n")
    age(tmp_path, 10)
    fill(tmp_path, {51: "new"})
    counted = prune(tmp_path, older_than=5, model="m", dry_run=True)
    assert (counted.entries, len(held(tmp_path, range(60)))) == (50, 52)
    before = contents(tmp_path).bytes
    done = prune(tmp_path, older_than=5, model="m", dry_run=False)
    assert (done.entries, done.bytes) == (counted.entries, counted.bytes)
    assert held(tmp_path, range(60)) == {50: "old of another", 51: "new"}
    assert contents(tmp_path).bytes < before
    fill(tmp_path, {1: "again"})
    assert held(tmp_path, [1]) == {1: "again"}
    assert prune(tmp_path, older_than=5, model=None, dry_run=False).entries == 1


def test_prune_removes_nothing_without_being_told_what(tmp_path: Path) -> None:
    fill(tmp_path, {1: "a"})
    with pytest.raises(ConfigError, match="--older-than"):
        prune(tmp_path, older_than=None, model=None, dry_run=False)
    with pytest.raises(ConfigError, match="days"):
        prune(tmp_path, older_than=float("nan"), model=None, dry_run=False)
    assert held(tmp_path, [1]) == {1: "a"}
