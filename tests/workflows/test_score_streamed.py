"""Scoring a file into a file: streamed, in order, in flat memory, and going on after SIGKILL."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.commands import JUDGE, polyjudge, write_table
from tests.llm.serving import Canned, Received, chat, serving

import polyjudge as library
from polyjudge.concurrency import in_turn
from polyjudge.errors import BudgetSpent, ConfigError, DataError
from polyjudge.llm.backends.scripted import Scripted
from polyjudge.llm.request import Reply, Request
from polyjudge.workflows import score as scoring

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(library.__file__).parents[1])}


def letters(path: Path, count: int, words: int = 3, bad: int = -1) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "street", "letter", "clarity"])
        for number in range(count):
            rating = "9" if number == bad else str(1 + number % 5)
            writer.writerow([f"r{number}", f"s{number // 2}", f"Letter {number}:" + " word" * words, rating])
    return path


def answer_of(content: str) -> str:
    number = int(content.rpartition("Letter ")[2].partition(":")[0])
    return json.dumps({"clarity": 1 + number % 5, "warmth": 5 - number % 5})


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_keep_their_order_whatever_takes_longer(place: Path) -> None:
    write_table(place)
    letters(place / "big.csv", 700)

    backend = Slow()
    found = library.score("judge.yaml", "big.csv", output="scores.csv", backends={"scripted/script.yaml": backend})
    rows = table(place / "scores.csv")
    assert [row["id"] for row in rows] == [f"r{number}" for number in range(700)]
    assert [row["clarity"] for row in rows] == [row["clarity.rating"] for row in rows]
    assert backend.most <= 64
    assert (len(found), found.unscored, found.path) == (700, 0, Path("scores.csv"))
    assert list(found)[6] == {"id": "r6", "document": "s3", "clarity": 2.0, "warmth": 4.0}
    with pytest.raises(ConfigError, match="give no output to have them in memory"):
        _ = found.predictions
    whole = library.score("judge.yaml", "big.csv", backends={"scripted/script.yaml": backend})
    assert list(whole) == list(found)
    assert len(whole.predictions) == len(whole.dataset.examples) == 700


def test_a_bad_row_at_the_end_is_named_before_the_first_call(place: Path) -> None:
    write_table(place)
    letters(place / "big.csv", 600, bad=599)
    ended = polyjudge("score", "judge.yaml", "big.csv")
    assert ended.code == 2
    assert "big.csv: row 600 (line 601), column 'clarity': '9' is off the scale" in ended.err
    assert not (place / "asked.log").exists()
    assert not list(place.glob("scores*"))


def test_a_budget_leaves_the_rows_so_far_and_the_same_command_goes_on(place: Path) -> None:
    write_table(place)
    letters(place / "big.csv", 300)
    stopped = polyjudge("score", "judge.yaml", "big.csv", "--max-calls", "200", "--max-concurrency", "4")
    assert stopped.code == BudgetSpent.exit_code
    assert sorted(path.name for path in place.glob("scores*")) in ([], ["scores.csv.partial"])
    ended = polyjudge("score", "judge.yaml", "big.csv", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["rows"] == 300
    assert [path.name for path in place.glob("scores*")] == ["scores.csv"]
    assert len((place / "asked.log").read_text("utf-8").splitlines()) == 300


def test_a_limit_and_equal_texts_are_told_as_for_a_table_in_memory(place: Path) -> None:
    write_table(place, {"judge.yaml": JUDGE.replace("id: id\n", "")})
    (place / "big.csv").write_text("letter\nDear all.\nDear  all.\nDear all.\nDear none.\n", "utf-8")
    ended = polyjudge("score", "judge.yaml", "big.csv", "--limit", "3")
    assert ended.code == 0
    assert "note: limited to 3 of 4 rows" in ended.err
    assert "note: the inputs of 2 rows: 2, 3 repeat those of an earlier row" in ended.err
    ids = [row["id"] for row in table(place / "scores.csv")]
    assert ids[2] == f"{ids[0]}-2"
    assert ids == [
        example.id
        for example in library.score("judge.yaml", "big.csv", settings=library.Settings(limit=3)).dataset.examples
    ]


def test_the_first_error_stops_what_is_under_way_and_is_raised_as_itself() -> None:
    ended: list[int] = []
    taken: list[int] = []

    async def work(number: int) -> int:
        try:
            await asyncio.sleep(0 if number < 3 else 60)
            if number == 2:
                raise DataError("two")
        finally:
            ended.append(number)
        return number

    with pytest.raises(DataError, match="two"):
        asyncio.run(in_turn(map(work, range(9)), taken.append, 5))
    assert taken == [0, 1]
    assert sorted(ended) == list(range(max(ended) + 1))


class Slow(Scripted):
    """Answers after a while, a later row often before an earlier one, and knows how many were asked at once."""

    def __init__(self) -> None:
        super().__init__(lambda request: answer_of(request.messages[-1].content))
        self._now = self.most = 0

    async def complete(self, request: Request) -> Reply:
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(Random(request.messages[-1].content).random() * 0.005)
        self._now -= 1
        return await super().complete(request)


@pytest.fixture
def server() -> Iterator[tuple[str, list[Received]]]:
    """A server in a thread of its own that answers every letter after some milliseconds."""
    ready, stop = threading.Event(), threading.Event()
    found: list[object] = []

    async def serve() -> None:
        def answer(request: Received) -> Canned:
            return Canned(chat(answer_of(request.body["messages"][-1]["content"])), delay=0.02)

        async with serving(answer) as running:
            found.extend([running.url, running.received])
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield found[0], found[1]  # type: ignore[misc]
    stop.set()
    thread.join()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_again_and_again_it_asks_no_answered_call_twice(
    place: Path, server: tuple[str, list[Received]]
) -> None:
    url, received = server
    write_table(place, {"judge.yaml": JUDGE.replace("scripted/script.yaml", "test/model")})
    letters(place / "big.csv", 250)
    command = [sys.executable, "-m", "polyjudge", "score", "judge.yaml", "big.csv", "--quiet", "--model", "test/model"]
    command += ["--base-url", url, "--max-concurrency", "8"]
    random, kills = Random(4), 0
    for _ in range(3):
        before = len(received)
        process = subprocess.Popen(command, cwd=place, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        wanted = before + random.randint(20, 60)
        while len(received) < wanted and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        assert not (place / "scores.csv").exists()
    assert kills == 3
    subprocess.run(command, cwd=place, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
    rows = table(place / "scores.csv")
    assert [row["id"] for row in rows] == [f"r{number}" for number in range(250)]
    assert [row["clarity"] for row in rows] == [row["clarity.rating"] for row in rows]
    assert [path.name for path in place.glob("scores*")] == ["scores.csv"]
    # Asked again is only what was in flight at a kill, or answered and not yet committed.
    assert 250 <= len(received) <= 250 + kills * 2 * 8


@pytest.mark.skipif(sys.platform != "linux", reason="reads VmHWM")
def test_memory_does_not_grow_with_the_file(place: Path) -> None:
    write_table(place, {"script.yaml": json.dumps({"rules": [{"replies": ['{"clarity": 4, "warmth": 2}']}]})})
    peak = "import sys; from polyjudge.cli import main\ntry: main(sys.argv[1:])\nfinally:\n    "
    peak += "print([line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1])"
    peaks = []
    for count, words in ((300, 10), (2000, 2500)):
        data = letters(place / f"{count}.csv", count, words)
        line = [sys.executable, "-c", peak, "score", "judge.yaml", data.name, "--quiet", "--max-concurrency", "16"]
        line += ["--output", f"{count}-scores.csv"]
        ended = subprocess.run(line, cwd=place, env=ENVIRONMENT, capture_output=True, text=True, check=True)
        peaks.append(int(ended.stdout.split()[-1]) / 1000)
        megabytes = data.stat().st_size / 1e6
    assert megabytes > 24
    assert peaks[1] - peaks[0] < megabytes / 2
    assert scoring.WAVES == 4
