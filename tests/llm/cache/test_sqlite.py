"""The response cache: nothing acknowledged is lost, the first answer stands, damage costs what it touches."""

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
from polyjudge.errors import CacheError
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.request import Reply, TokenChoice, Usage

FILE = "answers.sqlite"
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
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.request import Reply

async def putter(store, first):
    for number in range(first, 10**9, 8):
        await store.put(f"{number:064x}", Reply(str(number)), role="judge", model="m", seconds=0.0)
        print(number, flush=True)

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await asyncio.gather(*(putter(store, first) for first in range(8)))

asyncio.run(main())
"""

RACE = """
import asyncio, os, sys
from pathlib import Path
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.request import Reply

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    store.claim("00" * 32)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(300):
        mine = Reply(f"{os.getpid()} {number}")
        reply = await store.put(f"{number:064x}", mine, role="judge", model="m", seconds=0.0)
        print(reply.text)
    store.close()

asyncio.run(main())
"""

FILL_THE_DISK = """
import asyncio, resource, sys
from pathlib import Path
from random import Random
from polyjudge.errors import CacheError
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.request import Reply

async def main():
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    store, chance = SqliteStore(Path(sys.argv[1])), Random(0)
    for number in range(1000):
        try:
            text = chance.randbytes(2000).hex()
            await store.put(f"{number:064x}", Reply(text), role="judge", model="m", seconds=0.0)
        except CacheError as error:
            print(error)
            break
        print(number)
    try:
        store.claim("00" * 32)
    except CacheError:
        print("refuses to go on")
    store.close()

asyncio.run(main())
"""

READ_ONLY = """
import filelock  # whoever gives up the rights of root may not be able to read it any more
import asyncio, os, sys
from pathlib import Path
from polyjudge.errors import CacheError
from polyjudge.llm.cache.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    if os.geteuid() == 0:
        os.seteuid(65534)
    print((await store.get("ab" * 32)).text)
    print(await store.get("cd" * 32))
    try:
        store.claim("00" * 32)
    except CacheError as error:
        print(error)
    store.close()

asyncio.run(main())
"""


def key_of(name: object) -> str:
    return sha256(str(name).encode()).hexdigest()


async def put(store: SqliteStore, name: object, text: str = "") -> Reply:
    reply = Reply(text or f"answer to {name}")
    return await store.put(key_of(name), reply, role="judge", model="m", seconds=0.5)


def record(folder: Path, *names: object, text: str = "", reuse: bool = True) -> None:
    async def scenario() -> None:
        with closing(SqliteStore(folder, reuse=reuse)) as store:
            await asyncio.gather(*(put(store, name, text) for name in names))

    asyncio.run(scenario())


def read(folder: Path, *names: object) -> list[str | None]:
    async def scenario() -> list[str | None]:
        with closing(SqliteStore(folder)) as store:
            replies = [await store.get(key_of(name)) for name in names]
            return [None if reply is None else reply.text for reply in replies]

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
        with closing(SqliteStore(folder)) as store:
            put = [
                store.put(name, reply, role="loss", model="m", seconds=1.5)
                for name, reply in zip(names, replies, strict=True)
            ]
            assert await asyncio.gather(*put) == replies
            assert [await store.get(name) for name in names] == replies
        with closing(SqliteStore(folder)) as store:
            assert [await store.get(name) for name in names] == replies

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(Path(folder)))


def test_reading_writes_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "none", 1) == [None]
    assert not (tmp_path / "none").exists()
    record(tmp_path, 1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert read(tmp_path, 1, 2) == ["answer to 1", None]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_who_asked_whom_is_kept_for_the_overview(tmp_path: Path) -> None:
    record(tmp_path, 1)
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        rows = connection.execute("SELECT key, role, model, seconds FROM answers").fetchall()
    assert rows == [(bytes.fromhex(key_of(1)), "judge", "m", 0.5)]


def test_the_folder_is_hidden_from_version_control(tmp_path: Path) -> None:
    record(tmp_path / "a" / "cache", 1)
    assert (tmp_path / "a" / "cache" / ".gitignore").read_text() == "*\n"


def test_answers_of_others_are_seen_as_they_come(tmp_path: Path) -> None:
    async def scenario() -> None:
        with closing(SqliteStore(tmp_path)) as reader, closing(SqliteStore(tmp_path)) as writer:
            for name in range(5):
                assert await reader.get(key_of(name)) is None
                await put(writer, name)
                assert await reader.get(key_of(name)) is not None

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
        with closing(SqliteStore(tmp_path)) as store:
            replies = [await store.get(f"{number:064x}") for number in range(300)]
            return [reply.text for reply in replies if reply is not None]

    assert asyncio.run(replay()) == outputs[0].splitlines()


def test_without_the_cache_only_own_answers_are_found_and_the_newest_stand_later(tmp_path: Path) -> None:
    record(tmp_path, "a", "b", text="old")

    async def scenario() -> None:
        with closing(SqliteStore(tmp_path, reuse=False)) as store:
            assert await store.get(key_of("a")) is None
            assert (await put(store, "a", "new")).text == "new"
            assert await store.get(key_of("a")) == Reply("new")
            assert await store.get(key_of("b")) is None

    asyncio.run(scenario())
    assert read(tmp_path, "a", "b") == ["new", "old"]


def test_the_newest_answer_counts_whoever_wrote_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        with closing(SqliteStore(tmp_path)) as first, closing(SqliteStore(tmp_path, reuse=False)) as second:
            await put(first, "a", "old")
            await put(second, "a", "new")
            found = await first.get(key_of("a"))
            assert found is not None
            assert found.text == "new"

    asyncio.run(scenario())
    assert read(tmp_path, "a") == ["new"]


def test_an_answer_on_its_way_is_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        with closing(SqliteStore(tmp_path)) as store:
            putting = asyncio.ensure_future(put(store, "a"))
            await asyncio.sleep(0)
            assert not putting.done()
            assert await store.get(key_of("a")) == await putting

    asyncio.run(scenario())


def test_an_answer_is_recorded_even_if_its_caller_is_cancelled(tmp_path: Path) -> None:
    async def scenario() -> None:
        with closing(SqliteStore(tmp_path)) as store:
            tasks = [asyncio.ensure_future(put(store, name)) for name in range(200)]
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
        with closing(SqliteStore(tmp_path)) as store:
            for number in acknowledged:
                assert await store.get(f"{number:064x}") == Reply(str(number))
            assert store.warnings == ()

    asyncio.run(replay())
    record(tmp_path, "later")
    assert not list(tmp_path.glob("*.corrupt"))


def garbage(file: Path) -> None:
    file.write_bytes(os.urandom(10_000))


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def truncated(file: Path) -> None:
    os.truncate(file, 4096)


def another_table(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")


@pytest.mark.parametrize("damage", [garbage, emptied, truncated, another_table])
@pytest.mark.parametrize("first", ["read", "write"])
def test_a_damaged_file_is_set_aside_and_named_and_the_next_answers_are_kept(
    tmp_path: Path, damage: Callable[[Path], None], first: str
) -> None:
    record(tmp_path, "a")
    damage(tmp_path / FILE)
    left = (tmp_path / FILE).read_bytes()

    async def scenario() -> None:
        with closing(SqliteStore(tmp_path)) as store:
            if first == "write":
                store.claim(key_of("a"))
            assert await store.get(key_of("a")) in (None, Reply("answer to a"))
            assert len(store.warnings) == 1
            assert str(tmp_path / FILE) in store.warnings[0]
            assert f"{FILE}.corrupt" in store.warnings[0]
            await put(store, "a")
            assert await store.get(key_of("a")) is not None

    asyncio.run(scenario())
    assert (tmp_path / f"{FILE}.corrupt").read_bytes() == left
    assert read(tmp_path, "a") == ["answer to a"]


def test_a_second_damaged_file_does_not_replace_the_first(tmp_path: Path) -> None:
    for name in "ab":
        record(tmp_path, name)
        garbage(tmp_path / FILE)
    record(tmp_path, "c")
    assert sorted(path.name for path in tmp_path.glob("*.corrupt*")) == [f"{FILE}.corrupt", f"{FILE}.corrupt-2"]
    assert read(tmp_path, "c") == ["answer to c"]


def damage_leaves(file: Path, *, every: int) -> None:
    """Overwrite some of the pages that hold answers."""
    pages = bytearray(file.read_bytes())
    with closing(sqlite3.connect(file)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    leaf = 0x0A
    leaves = [page for page in range(1, len(pages) // size) if pages[page * size] == leaf]
    # Not the first, which is looked at when the file is opened.
    for page in leaves[every::every]:
        pages[page * size : (page + 1) * size] = b"\xff" * size
    file.write_bytes(pages)


def test_what_can_be_read_of_a_damaged_file_is_kept(tmp_path: Path) -> None:
    record(tmp_path, *range(1000))
    damage_leaves(tmp_path / FILE, every=20)
    new = [f"new {name}" for name in range(200)]
    record(tmp_path, *new)
    assert None not in read(tmp_path, *new)
    assert (tmp_path / f"{FILE}.corrupt").exists()
    assert 0 < read(tmp_path, *range(1000)).count(None) < 900


def test_a_file_found_damaged_while_writing_is_replaced_for_all_processes(tmp_path: Path) -> None:
    record(tmp_path, *range(1000))

    async def scenario() -> None:
        with closing(SqliteStore(tmp_path)) as one, closing(SqliteStore(tmp_path)) as other:
            for store in (one, other):
                store.claim(key_of("a"))
            damage_leaves(tmp_path / FILE, every=3)
            await asyncio.gather(*(put(one, f"new {name}") for name in range(50)))
            await asyncio.gather(*(put(other, f"newer {name}") for name in range(50)))
            assert any(f"{FILE}.corrupt" in warning for warning in one.warnings)
            for store in (one, other):
                assert await store.get(key_of("new 7")) is not None
                assert await store.get(key_of("newer 7")) is not None

    asyncio.run(scenario())
    assert [path.name for path in tmp_path.glob("*.corrupt*")] == [f"{FILE}.corrupt"]
    names = [f"{kind} {name}" for kind in ("new", "newer") for name in range(50)]
    assert None not in read(tmp_path, *names)


def test_a_damaged_answer_is_asked_for_again_and_the_new_one_stands(tmp_path: Path) -> None:
    record(tmp_path, "a", "b")
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
        connection.execute("UPDATE answers SET reply = x'00' WHERE key = ?", (bytes.fromhex(key_of("a")),))

    async def scenario() -> None:
        with closing(SqliteStore(tmp_path)) as store:
            assert await store.get(key_of("a")) is None
            assert key_of("a") in store.warnings[0]
            assert (await put(store, "a", "again")).text == "again"

    asyncio.run(scenario())
    assert read(tmp_path, "a", "b") == ["again", "answer to b"]


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    record(tmp_path, "a")
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = (tmp_path / FILE).read_bytes()

    async def scenario() -> None:
        with closing(SqliteStore(tmp_path)) as store:
            with pytest.raises(CacheError, match="newer polyjudge"):
                await store.get(key_of("a"))
            with pytest.raises(CacheError, match="newer polyjudge"):
                store.claim(key_of("a"))

    asyncio.run(scenario())
    assert (tmp_path / FILE).read_bytes() == before


def test_a_folder_that_cannot_be_made_is_a_clear_error_before_anything_is_paid(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = SqliteStore(tmp_path / "file" / "cache")
    with pytest.raises(CacheError, match="POLYJUDGE_CACHE"):
        store.claim("00" * 32)


def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    output, _ = script(FILL_THE_DISK, tmp_path).communicate(timeout=60)
    *kept, message, end = output.splitlines()
    assert len(kept) > 10
    assert "cannot be written" in message
    assert "make room" in message
    assert end == "refuses to go on"

    async def replay() -> None:
        with closing(SqliteStore(tmp_path)) as store:
            for number in kept:
                assert await store.get(f"{int(number):064x}") is not None
            await put(store, "later")

    asyncio.run(replay())
    assert read(tmp_path, "later") == ["answer to later"]


def test_a_folder_without_write_permission_is_read_but_not_claimed() -> None:
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / "cache"

        async def fill() -> None:
            with closing(SqliteStore(folder)) as store:
                await store.put("ab" * 32, Reply("kept"), role="judge", model="m", seconds=0.0)

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
        with closing(SqliteStore(tmp_path)) as store:
            foreign = Reply(text=b"bytes")  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                await store.put(key_of("a"), foreign, role="judge", model="m", seconds=0.0)
            assert await store.get(key_of("a")) is None
            await put(store, "b")

    asyncio.run(scenario())
    assert read(tmp_path, "a", "b") == [None, "answer to b"]


def test_closing_twice_changes_nothing_and_more_can_be_written_later(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = SqliteStore(tmp_path)
        await put(store, "a")
        store.close()
        store.close()
        assert await store.get(key_of("a")) is not None
        await put(store, "b")
        store.close()

    asyncio.run(scenario())
    assert read(tmp_path, "a", "b") == ["answer to a", "answer to b"]


def file_deleted(folder: Path) -> None:
    (folder / FILE).unlink()


def folder_moved(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def file_replaced(folder: Path) -> None:
    (folder / FILE).rename(folder / "kept")
    (folder / FILE).write_bytes((folder / "kept").read_bytes())


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be moved there")
@pytest.mark.parametrize("happened", [file_deleted, folder_moved, file_replaced])
def test_a_file_that_went_away_stops_what_is_paid(tmp_path: Path, happened: Callable[[Path], None]) -> None:
    folder = tmp_path / "cache"

    async def scenario() -> None:
        with closing(SqliteStore(folder)) as store:
            await store.put("00" * 32, Reply("a"), role="judge", model="m", seconds=0.0)
            happened(folder)
            with pytest.raises(CacheError, match="deleted, moved or replaced"):
                await store.put("11" * 32, Reply("b"), role="judge", model="m", seconds=0.0)
            with pytest.raises(CacheError, match="deleted, moved or replaced"):
                store.claim("00" * 32)

    asyncio.run(scenario())


@pytest.mark.parametrize("column", ["created", "seconds", "role", "model", "reply"])
@pytest.mark.parametrize("value", ["x'00ff'", "'text'", "''", "-1", "1e999"])
def test_a_value_of_another_type_in_a_damaged_row_stops_nothing(column: str, value: str, tmp_path: Path) -> None:
    record(tmp_path, "one", text="kept")
    record(tmp_path, "one", text="kept", reuse=False)
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute(f"UPDATE answers SET {column} = {value} WHERE number = 2")
        connection.commit()
    assert read(tmp_path, "one") in (["kept"], [None])
    record(tmp_path, "one", text="kept")
    assert read(tmp_path, "one") == ["kept"]


CLAIM = """
import sys
from pathlib import Path
from polyjudge.llm.cache.sqlite import SqliteStore

store = SqliteStore(Path(sys.argv[1]))
print(store.claim("ab" * 32), store.claim("cd" * 32), flush=True)
sys.stdin.readline()
store.release("ab" * 32)
print("released", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed")
def test_a_call_is_claimed_by_one_process_until_it_is_released_or_the_process_dies(tmp_path: Path) -> None:
    other = script(CLAIM, tmp_path)
    assert other.stdout is not None
    assert other.stdin is not None
    assert other.stdout.readline() == "True True\n"
    with closing(SqliteStore(tmp_path)) as store, closing(SqliteStore(tmp_path, reuse=False)) as anew:
        assert not store.claim("ab" * 32)
        assert store.claim("ef" * 32)
        assert anew.claim("ab" * 32)
        other.stdin.write("go on\n")
        other.stdin.flush()
        assert other.stdout.readline() == "released\n"
        assert store.claim("ab" * 32)
        assert not store.claim("cd" * 32)
        other.kill()
        other.communicate(timeout=60)
        assert store.claim("cd" * 32)
