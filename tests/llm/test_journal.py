"""The journal: nothing acknowledged is lost, the first answer stands, damage stays where it is."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyjudge
from polyjudge.errors import JournalError
from polyjudge.llm.entry import Entry
from polyjudge.llm.journal import Journal
from polyjudge.llm.request import Reply, TokenChoice, Usage
from polyjudge.llm.shards import shard_names

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(polyjudge.__file__).parents[1])}

COUNTS = st.none() | st.integers(0, 10**9)
TEXTS = st.text(st.characters())
LOGPROBS = st.floats(max_value=0, allow_nan=False)
REPLIES = st.builds(
    Reply,
    TEXTS,
    TEXTS,
    TEXTS,
    st.builds(Usage, COUNTS, COUNTS, COUNTS),
    st.lists(
        st.builds(
            TokenChoice,
            TEXTS,
            LOGPROBS,
            st.lists(st.tuples(TEXTS, LOGPROBS), max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
)

PUT_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from polyjudge.llm.journal import Journal
from polyjudge.llm.request import Reply

async def putter(journal, first):
    for number in range(first, 10**9, 8):
        await journal.put(f"{number:064x}", Reply(str(number)), role="judge", model="m", seconds=0.0)
        print(number, flush=True)

async def main():
    journal = Journal(Path(sys.argv[1]))
    await asyncio.gather(*(putter(journal, first) for first in range(8)))

asyncio.run(main())
"""

RACE = """
import asyncio, os, sys
from pathlib import Path
from polyjudge.llm.journal import Journal
from polyjudge.llm.request import Reply

async def main():
    journal = Journal(Path(sys.argv[1]))
    journal.claim()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(300):
        mine = Reply(f"{os.getpid()} {number}")
        entry = await journal.put(f"{number:064x}", mine, role="judge", model="m", seconds=0.0)
        print(entry.reply.text)
    journal.close()

asyncio.run(main())
"""

FILL_THE_DISK = """
import asyncio, resource, sys
from pathlib import Path
from random import Random
from polyjudge.errors import JournalError
from polyjudge.llm.journal import Journal
from polyjudge.llm.request import Reply

async def main():
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    journal, chance = Journal(Path(sys.argv[1])), Random(0)
    for number in range(1000):
        try:
            text = chance.randbytes(2000).hex()
            await journal.put(f"{number:064x}", Reply(text), role="judge", model="m", seconds=0.0)
        except JournalError as error:
            print(error)
            break
        print(number)
    try:
        journal.claim()
    except JournalError:
        print("refuses to go on")
    journal.close()

asyncio.run(main())
"""

READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
from polyjudge.errors import JournalError
from polyjudge.llm.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]))
    if os.geteuid() == 0:
        os.seteuid(65534)
    print((await journal.get("ab" * 32)).reply.text)
    print(await journal.get("cd" * 32))
    try:
        journal.claim()
    except JournalError as error:
        print(error)
    journal.close()

asyncio.run(main())
"""


def key_of(name: object) -> str:
    return sha256(str(name).encode()).hexdigest()


async def put(journal: Journal, name: object, text: str = "") -> Entry:
    reply = Reply(text or f"answer to {name}")
    return await journal.put(key_of(name), reply, role="judge", model="m", seconds=0.5)


def record(folder: Path, *names: object, text: str = "", reuse: bool = True) -> None:
    async def scenario() -> None:
        with closing(Journal(folder, reuse=reuse)) as journal:
            await asyncio.gather(*(put(journal, name, text) for name in names))

    asyncio.run(scenario())


def read(folder: Path, *names: object) -> list[str | None]:
    async def scenario() -> list[str | None]:
        with closing(Journal(folder)) as journal:
            entries = [await journal.get(key_of(name)) for name in names]
            return [None if entry is None else entry.reply.text for entry in entries]

    return asyncio.run(scenario())


def script(text: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text, str(folder)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(REPLIES, min_size=1, max_size=20))
def test_what_was_put_is_found_again_to_the_last_character(replies: list[Reply]) -> None:
    async def scenario(folder: Path) -> None:
        names = [key_of(number) for number in range(len(replies))]
        with closing(Journal(folder)) as journal:
            put = [
                journal.put(name, reply, role="loss", model="m", seconds=1.5)
                for name, reply in zip(names, replies, strict=True)
            ]
            entries = await asyncio.gather(*put)
            assert [await journal.get(name) for name in names] == entries
        with closing(Journal(folder)) as journal:
            for name, reply, entry in zip(names, replies, entries, strict=True):
                assert await journal.get(name) == entry
                assert (entry.reply, entry.role, entry.model, entry.seconds) == (reply, "loss", "m", 1.5)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(Path(folder)))


def test_reading_claims_no_shard(tmp_path: Path) -> None:
    assert read(tmp_path / "none", 1) == [None]
    assert not (tmp_path / "none").exists()
    record(tmp_path, 1)
    with closing(Journal(tmp_path)) as writer:
        writer.claim()
        assert read(tmp_path, 1, 2) == ["answer to 1", None]
        assert shard_names(tmp_path) == ["shard-0001.sqlite"]


def test_the_folder_is_hidden_from_version_control(tmp_path: Path) -> None:
    record(tmp_path / "a" / "journal", 1)
    assert (tmp_path / "a" / "journal" / ".gitignore").read_text() == "*\n"


def test_there_are_no_more_shards_than_writers_at_once(tmp_path: Path) -> None:
    for name in range(3):
        record(tmp_path, name)
    assert len(shard_names(tmp_path)) == 1
    journals = [Journal(tmp_path) for _ in range(3)]
    for journal in journals:
        journal.claim()
    for journal in journals:
        journal.close()
    for name in range(3, 6):
        record(tmp_path, name)
    assert shard_names(tmp_path) == ["shard-0001.sqlite", "shard-0002.sqlite", "shard-0003.sqlite"]
    assert read(tmp_path, *range(6)) == [f"answer to {name}" for name in range(6)]


def test_answers_of_others_are_seen_as_they_come(tmp_path: Path) -> None:
    async def scenario() -> None:
        with closing(Journal(tmp_path)) as reader, closing(Journal(tmp_path)) as writer:
            for name in range(5):
                assert await reader.get(key_of(name)) is None
                await put(writer, name)
                assert await reader.get(key_of(name)) is not None

    asyncio.run(scenario())


def test_a_shard_that_comes_within_one_tick_of_the_file_system_is_seen(tmp_path: Path) -> None:
    async def scenario() -> None:
        with closing(Journal(tmp_path)) as reader, closing(Journal(tmp_path)) as writer:
            assert await reader.get(key_of("a")) is None
            stamp = os.stat(tmp_path).st_mtime_ns
            await put(writer, "a")
            os.utime(tmp_path, ns=(stamp, stamp))
            assert await reader.get(key_of("a")) is not None

    asyncio.run(scenario())


def test_the_first_committed_answer_stands_for_all_processes(tmp_path: Path) -> None:
    racers = [script(RACE, tmp_path) for _ in range(3)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    outputs = [""] * len(racers)
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for number, racer in enumerate(racers):
        outputs[number], _ = racer.communicate(timeout=60)
        assert racer.returncode == 0
    assert outputs[0] == outputs[1] == outputs[2]

    async def replay() -> list[str]:
        with closing(Journal(tmp_path)) as journal:
            entries = [await journal.get(f"{number:064x}") for number in range(300)]
            return [entry.reply.text for entry in entries if entry is not None]

    assert asyncio.run(replay()) == outputs[0].splitlines()


def test_without_the_cache_only_own_answers_are_found_and_the_newest_stand_later(tmp_path: Path) -> None:
    record(tmp_path, "a", "b", text="old")

    async def scenario() -> None:
        with closing(Journal(tmp_path, reuse=False)) as journal:
            assert await journal.get(key_of("a")) is None
            entry = await put(journal, "a", "new")
            assert entry.reply.text == "new"
            assert await journal.get(key_of("a")) == entry
            assert await journal.get(key_of("b")) is None

    asyncio.run(scenario())
    assert read(tmp_path, "a", "b") == ["new", "old"]


def test_the_newest_answer_counts_over_all_shards(tmp_path: Path) -> None:
    async def scenario() -> None:
        with closing(Journal(tmp_path)) as first, closing(Journal(tmp_path, reuse=False)) as second:
            await put(first, "a", "old")
            await put(second, "a", "new")
            found = await first.get(key_of("a"))
            assert found is not None
            assert found.reply.text == "new"

    asyncio.run(scenario())
    assert len(shard_names(tmp_path)) == 2
    assert read(tmp_path, "a") == ["new"]


def test_an_answer_on_its_way_is_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        with closing(Journal(tmp_path)) as journal:
            putting = asyncio.ensure_future(put(journal, "a"))
            await asyncio.sleep(0)
            assert not putting.done()
            assert await journal.get(key_of("a")) == await putting

    asyncio.run(scenario())


def test_an_answer_is_recorded_even_if_its_caller_is_cancelled(tmp_path: Path) -> None:
    async def scenario() -> None:
        with closing(Journal(tmp_path)) as journal:
            tasks = [asyncio.ensure_future(put(journal, name)) for name in range(200)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()

    asyncio.run(scenario())
    assert None not in read(tmp_path, *range(200))


@pytest.mark.parametrize("least", [1, 100, 700])
def test_no_acknowledged_answer_is_lost_when_the_process_is_killed(tmp_path: Path, least: int) -> None:
    process = script(PUT_FOR_EVER, tmp_path)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(least)]
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    acknowledged += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]

    async def replay() -> None:
        with closing(Journal(tmp_path)) as journal:
            for number in acknowledged:
                entry = await journal.get(f"{number:064x}")
                assert entry is not None
                assert entry.reply.text == str(number)
            assert journal.warnings == ()

    asyncio.run(replay())
    record(tmp_path, "later")
    assert shard_names(tmp_path) == ["shard-0001.sqlite"]


def garbage(shard: Path) -> None:
    shard.write_bytes(os.urandom(10_000))


def emptied(shard: Path) -> None:
    shard.write_bytes(b"")


def truncated(shard: Path) -> None:
    os.truncate(shard, 5000)


def another_table(shard: Path) -> None:
    shard.unlink()
    with closing(sqlite3.connect(shard)) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")


@pytest.mark.parametrize("damage", [garbage, emptied, truncated, another_table])
@pytest.mark.parametrize("first", ["read", "write"])
def test_a_damaged_shard_is_set_aside_and_named_and_the_others_answer(
    tmp_path: Path, damage: Callable[[Path], None], first: str
) -> None:
    async def two_shards() -> None:
        with closing(Journal(tmp_path)) as one, closing(Journal(tmp_path)) as two:
            await put(one, "a")
            await put(two, "b")

    asyncio.run(two_shards())
    damage(tmp_path / "shard-0001.sqlite")
    left = (tmp_path / "shard-0001.sqlite").read_bytes()

    async def scenario() -> None:
        with closing(Journal(tmp_path)) as journal:
            if first == "write":
                journal.claim()
            assert await journal.get(key_of("a")) is None
            found = await journal.get(key_of("b"))
            assert found is not None
            assert len(journal.warnings) == 1
            assert str(tmp_path / "shard-0001.sqlite") in journal.warnings[0]
            assert "shard-0001.sqlite.corrupt" in journal.warnings[0]
            await put(journal, "a")
            assert await journal.get(key_of("a")) is not None

    asyncio.run(scenario())
    assert (tmp_path / "shard-0001.sqlite.corrupt").read_bytes() == left
    assert read(tmp_path, "a", "b") == ["answer to a", "answer to b"]
    assert shard_names(tmp_path) == ["shard-0002.sqlite"]


def damage_the_index(shard: Path) -> None:
    """Overwrite the leaves of the index of keys, but for the first, which is looked at when a shard is opened."""
    pages = bytearray(shard.read_bytes())
    with closing(sqlite3.connect(shard)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE type = 'index'").fetchone()
    interior, leaf = 0x02, 0x0A
    start = (root - 1) * size
    assert pages[start] == interior
    cell = int.from_bytes(pages[start + 12 : start + 14], "big")
    first = int.from_bytes(pages[start + cell : start + cell + 4], "big")
    for page in range(len(pages) // size):
        if pages[page * size] == leaf and page != first - 1:
            pages[page * size : (page + 1) * size] = b"\xff" * size
    shard.write_bytes(pages)


def test_a_shard_found_damaged_while_writing_is_left_for_another(tmp_path: Path) -> None:
    record(tmp_path, *range(1000))
    damage_the_index(tmp_path / "shard-0001.sqlite")

    async def scenario() -> None:
        with closing(Journal(tmp_path)) as journal:
            journal.claim()
            assert "shard" not in "".join(journal.warnings)
            await asyncio.gather(*(put(journal, f"new {name}") for name in range(20)))
            assert any("shard-0001.sqlite.corrupt" in warning for warning in journal.warnings)

    asyncio.run(scenario())
    assert shard_names(tmp_path) == ["shard-0002.sqlite"]
    assert None not in read(tmp_path, *(f"new {name}" for name in range(20)))


def test_what_can_be_read_of_a_damaged_shard_is_still_read(tmp_path: Path) -> None:
    record(tmp_path, *range(1000))
    damage_the_index(tmp_path / "shard-0001.sqlite")
    with closing(Journal(tmp_path)) as writer:
        writer.claim()
        found = read(tmp_path, *range(1000))
    assert 0 < found.count(None) < 1000


def test_a_damaged_answer_is_asked_for_again_and_the_new_one_stands(tmp_path: Path) -> None:
    record(tmp_path, "a", "b")
    with closing(sqlite3.connect(tmp_path / "shard-0001.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE entries SET reply = x'00' WHERE key = ?", (bytes.fromhex(key_of("a")),))

    async def scenario() -> None:
        with closing(Journal(tmp_path)) as journal:
            assert await journal.get(key_of("a")) is None
            assert key_of("a") in journal.warnings[0]
            assert (await put(journal, "a", "again")).reply.text == "again"

    asyncio.run(scenario())
    assert read(tmp_path, "a", "b") == ["again", "answer to b"]


def test_a_shard_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    record(tmp_path, "a")
    with closing(sqlite3.connect(tmp_path / "shard-0001.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = (tmp_path / "shard-0001.sqlite").read_bytes()

    async def scenario() -> None:
        with closing(Journal(tmp_path)) as journal:
            assert await journal.get(key_of("a")) is None
            await put(journal, "a", "mine")
            assert any("newer polyjudge" in warning for warning in journal.warnings)

    asyncio.run(scenario())
    assert (tmp_path / "shard-0001.sqlite").read_bytes() == before
    assert read(tmp_path, "a") == ["mine"]


def test_a_folder_that_cannot_be_made_is_a_clear_error_before_anything_is_paid(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "journal")
    with pytest.raises(JournalError, match="POLYJUDGE_JOURNAL"):
        journal.claim()


def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    output, _ = script(FILL_THE_DISK, tmp_path).communicate(timeout=60)
    *kept, message, end = output.splitlines()
    assert len(kept) > 10
    assert "cannot be written" in message
    assert "make room" in message
    assert end == "refuses to go on"

    async def replay() -> None:
        with closing(Journal(tmp_path)) as journal:
            for number in kept:
                assert await journal.get(f"{int(number):064x}") is not None
            await put(journal, "later")

    asyncio.run(replay())
    assert read(tmp_path, "later") == ["answer to later"]


def test_a_folder_without_write_permission_is_read_but_not_claimed() -> None:
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / "journal"

        async def fill() -> None:
            with closing(Journal(folder)) as journal:
                await journal.put("ab" * 32, Reply("kept"), role="judge", model="m", seconds=0.0)

        asyncio.run(fill())
        Path(base).chmod(0o755)
        for path in folder.iterdir():
            path.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        folder.chmod(0o555)
        output, _ = script(READ_ONLY, folder).communicate(timeout=60)
        folder.chmod(0o755)
    found, missing, message = output.splitlines()
    assert (found, missing) == ("kept", "None")
    assert "cannot be written" in message


def test_a_reply_of_foreign_objects_is_refused_and_the_rest_is_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        with closing(Journal(tmp_path)) as journal:
            foreign = Reply(text=b"bytes")  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                await journal.put(key_of("a"), foreign, role="judge", model="m", seconds=0.0)
            assert await journal.get(key_of("a")) is None
            await put(journal, "b")

    asyncio.run(scenario())
    assert read(tmp_path, "a", "b") == [None, "answer to b"]


def test_closing_twice_changes_nothing_and_more_can_be_written_later(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = Journal(tmp_path)
        await put(journal, "a")
        journal.close()
        journal.close()
        assert await journal.get(key_of("a")) is not None
        await put(journal, "b")
        journal.close()

    asyncio.run(scenario())
    assert read(tmp_path, "a", "b") == ["answer to a", "answer to b"]


def shard_deleted(folder: Path) -> None:
    for file in folder.glob("shard-*"):
        file.unlink()


def folder_moved(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def shard_replaced(folder: Path) -> None:
    (folder / "shard-0001.sqlite").rename(folder / "kept")
    (folder / "shard-0001.sqlite").write_bytes((folder / "kept").read_bytes())


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be moved there")
@pytest.mark.parametrize("happened", [shard_deleted, folder_moved, shard_replaced])
def test_a_shard_that_went_away_stops_what_is_paid(tmp_path: Path, happened: Callable[[Path], None]) -> None:
    folder = tmp_path / "journal"

    async def scenario() -> None:
        with closing(Journal(folder)) as journal:
            await journal.put("00" * 32, Reply("a"), role="judge", model="m", seconds=0.0)
            happened(folder)
            with pytest.raises(JournalError, match="deleted, moved or replaced"):
                await journal.put("11" * 32, Reply("b"), role="judge", model="m", seconds=0.0)
            with pytest.raises(JournalError, match="deleted, moved or replaced"):
                journal.claim()

    asyncio.run(scenario())


@pytest.mark.parametrize("column", ["created", "seconds", "role", "model", "reply"])
@pytest.mark.parametrize("value", ["x'00ff'", "'text'", "''", "-1", "1e999"])
def test_a_value_of_another_type_in_a_damaged_row_stops_nothing(column: str, value: str, tmp_path: Path) -> None:
    async def two_shards() -> None:
        journals = Journal(tmp_path), Journal(tmp_path, reuse=False)
        for journal in journals:
            journal.claim()
        for journal in journals:
            await put(journal, "one", "kept")
        for journal in journals:
            journal.close()

    asyncio.run(two_shards())
    assert len(shard_names(tmp_path)) == 2
    with closing(sqlite3.connect(tmp_path / shard_names(tmp_path)[0])) as connection:
        connection.execute(f"UPDATE entries SET {column} = {value}")
        connection.commit()
    assert read(tmp_path, "one") in (["kept"], [None])
    record(tmp_path, "one", text="kept")
    assert read(tmp_path, "one") == ["kept"]
