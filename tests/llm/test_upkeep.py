"""Putting a journal in order: nothing is lost by a merge, nothing else than was chosen by a prune."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.llm.filling import fill, shard_of_its_own
from tests.rights import POSIX, without_rights

from polyjudge.errors import ConfigError
from polyjudge.llm.contents import contents
from polyjudge.llm.journal import Journal
from polyjudge.llm.locks import FileLock
from polyjudge.llm.request import Reply
from polyjudge.llm.shards import shard_names
from polyjudge.llm.upkeep import merge, prune


def held(folder: Path, numbers: range | list[int]) -> dict[int, str]:
    async def get() -> dict[int, str]:
        journal = Journal(folder)
        found = {number: await journal.get(f"{number:064x}") for number in numbers}
        journal.close()
        return {number: entry.reply.text for number, entry in found.items() if entry is not None}

    return asyncio.run(get())


def age(folder: Path, days: float) -> None:
    for name in shard_names(folder):
        with closing(sqlite3.connect(folder / name)) as connection, connection:
            connection.execute("UPDATE entries SET created = created - ?", (days * 86400,))


def test_a_journal_that_is_not_there_is_empty(tmp_path: Path) -> None:
    found = contents(tmp_path / "none")
    assert (found.entries, found.bytes, found.shards, found.oldest) == (0, 0, (), None)
    assert merge(tmp_path / "none").shard == ""
    assert prune(tmp_path / "none", older_than=0, model=None, dry_run=False).entries == 0
    assert not (tmp_path / "none").exists()


PARTS = st.lists(st.dictionaries(st.integers(0, 9), st.text("ab", max_size=2), min_size=1), min_size=2, max_size=4)


@given(PARTS, st.integers(0, 3))
@settings(max_examples=15)
def test_a_merge_answers_every_call_as_before(
    tmp_path_factory: pytest.TempPathFactory, parts: list[dict[int, str]], at: int
) -> None:
    ours, theirs = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs")
    for place, part in enumerate(parts):
        shard_of_its_own(theirs if place == at else ours, part)
    newest = {number: text for part in parts for number, text in part.items()}
    others = [theirs] if at < len(parts) else []
    merged = merge(ours, others)
    assert held(ours, range(10)) == newest
    assert merged.entries == sum(map(len, parts)) == contents(ours).entries
    assert len(shard_names(ours)) == 1
    if others:
        assert held(theirs, range(10)) == parts[at]
        again = merge(ours, others)
        assert (again.entries, again.repeated) == (merged.entries, len(parts[at]))
    fill(ours, {10: "new"})
    assert held(ours, range(11)) == newest | {10: "new"}


def test_a_shard_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    fill(tmp_path / "a", {1: "a"})
    shard_of_its_own(tmp_path / "a", {2: "b"})
    shard_of_its_own(tmp_path / "a", {3: "c"})
    lock = FileLock(tmp_path / "a" / "shard-0002.lock")
    assert lock.take()
    merged = merge(tmp_path / "a")
    assert merged.removed == ("shard-0001.sqlite", "shard-0003.sqlite")
    assert merged.left == ("shard-0002.sqlite: a process is writing it",)
    assert shard_names(tmp_path / "a") == ["shard-0002.sqlite", "shard-0004.sqlite"]
    assert prune(tmp_path / "a", older_than=None, model="m", dry_run=True).entries == 2
    with pytest.raises(ConfigError, match="is being written"):
        merge(tmp_path / "b", [tmp_path / "a"])
    lock.close()
    assert held(tmp_path / "a", range(4)) == {1: "a", 2: "b", 3: "c"}


def test_an_open_journal_goes_on_reading_and_writing_through_a_merge(tmp_path: Path) -> None:
    async def work() -> list[str]:
        fill_in_thread = asyncio.to_thread(shard_of_its_own, tmp_path, {1: "a"})
        await fill_in_thread
        await asyncio.to_thread(shard_of_its_own, tmp_path, {2: "b"})
        await asyncio.to_thread(shard_of_its_own, tmp_path, {3: "c"})
        journal = Journal(tmp_path)
        await journal.put(f"{4:064x}", Reply("d"), role="judge", model="m", seconds=0.1)
        await asyncio.to_thread(merge, tmp_path)
        await journal.put(f"{5:064x}", Reply("e"), role="judge", model="m", seconds=0.1)
        found = [await journal.get(f"{number:064x}") for number in range(1, 6)]
        journal.close()
        assert journal.warnings == ()
        return [entry.reply.text for entry in found if entry is not None]

    assert asyncio.run(work()) == list("abcde")
    assert held(tmp_path, range(6)) == dict(enumerate("abcde", start=1))


def test_a_damaged_shard_is_named_and_stays(tmp_path: Path) -> None:
    fill(tmp_path, {1: "a"})
    shard_of_its_own(tmp_path, {2: "b"})
    (tmp_path / "shard-0003.sqlite").write_bytes(b"broken" * 999)
    merged = merge(tmp_path)
    assert merged.entries == 2
    assert [line.partition(":")[0] for line in merged.left] == ["shard-0003.sqlite"]
    assert (tmp_path / "shard-0003.sqlite").read_bytes() == b"broken" * 999


@pytest.mark.parametrize("other", ["none", "ours"])
def test_a_folder_to_merge_must_be_another_journal(other: str, tmp_path: Path) -> None:
    fill(tmp_path / "ours", {1: "a"})
    with pytest.raises(ConfigError, match=other):
        merge(tmp_path / "ours", [tmp_path / other])


def test_a_file_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("a,b")
    with pytest.raises(ConfigError, match="is no folder"):
        merge(tmp_path / "ours", [tmp_path / "file.csv"])


@POSIX
def test_a_journal_where_nothing_can_be_written_is_merged_all_the_same() -> None:
    with tempfile.TemporaryDirectory() as name:
        ours, disc = Path(name) / "ours", Path(name) / "disc"
        fill(disc, {1: "a"})
        ours.mkdir()
        for path, rights in ((disc, 0o555), (ours, 0o777), (Path(name), 0o755), *((p, 0o444) for p in disc.iterdir())):
            path.chmod(rights)
        try:
            with without_rights():
                assert merge(ours, [disc]).entries == 1
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
