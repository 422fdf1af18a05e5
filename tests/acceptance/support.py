"""Parts that the acceptance tests share: a small rated table, scripts, and the command line in a process of its own.

Everything runs as a user would run it: a folder as the working directory, the cache named by POLYJUDGE_CACHE, and
nothing else of this machine's POLYJUDGE_* settings.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import polyjudge
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.templates.instruction_parser import marked

SOURCE = str(Path(polyjudge.__file__).parents[1])
NAMES = ("fluency", "coherence", "relevance", "consistency")
SCRIPT = "script.yaml"
MODEL = f"scripted/{SCRIPT}"
# No test waits longer for anything.
PATIENCE = 120.0
INTERRUPTED = 130

_PLACES = ("harbour", "orchard", "museum", "bakery", "station", "library", "quarry", "theatre")
_DEEDS = ("opens early", "sells honey", "repairs clocks", "closes in May", "hires two guides", "moves uphill")


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Workplace:
    """A folder to work in, with its cache."""

    folder: Path
    cache: Path

    @classmethod
    def at(cls, folder: Path, *, cache: Path | None = None) -> Workplace:
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, cache or folder / "cache")

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("POLYJUDGE_")}
        kept = {name: os.environ[name] for name in ("POLYJUDGE_MODELS", "POLYJUDGE_SMOLLM2") if name in os.environ}
        return own | kept | {"PYTHONPATH": SOURCE, "POLYJUDGE_CACHE": str(self.cache), "COLUMNS": "200"}

    def python(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start Python here; the caller ends or waits for it."""
        return subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start ``polyjudge`` here."""
        return self.python("-m", "polyjudge", *words)

    def run(self, *words: str | Path) -> Ended:
        """Run ``polyjudge`` here to its end."""
        return ended(self.start(*words))

    def stop(self, process: subprocess.Popen[str], moment: Moment, by: int = signal.SIGKILL) -> Ended:
        """Stop a process that was started here, at a moment."""
        wait_until(lambda: len(self.asked()) >= moment.answers, process)
        time.sleep(moment.delay)
        process.send_signal(by)
        return ended(process)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def asked(self, log: str = "asked.log") -> list[str]:
        """The keys of all answers that the script gave, in order; one on its way to a killed process among them."""
        path = self.folder / log
        return path.read_text("ascii").split() if path.exists() else []

    def committed(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys whose answers the cache holds."""

        async def look() -> set[str]:
            cache = SqliteStore(self.cache)
            try:
                return {key for key in sorted(set(keys)) if await cache.get(key) is not None}
            finally:
                cache.close()

        return asyncio.run(look())

    def digests(self, run: str, names: Sequence[str] = ("steps.jsonl", "judge.yaml")) -> dict[str, str]:
        """sha256 of a run's artefacts."""
        return {name: hashlib.sha256((self.folder / run / name).read_bytes()).hexdigest() for name in names}

    def lines(self, run: str, name: str = "steps.jsonl") -> list[bytes]:
        """The whole lines of a run's file; those of a torn or missing one so far."""
        path = self.folder / run / name
        return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


@dataclass(frozen=True, slots=True)
class Moment:
    """When a process is stopped: so many seconds after so many answers were given, those of earlier starts counted."""

    answers: int
    delay: float


@dataclass(frozen=True, slots=True)
class Killed:
    """What a run that was stopped again and again did.

    Attributes:
        stops: how often it was stopped while it ran.
        held: answers that the cache held before the last start.
        again: answers asked for once more although the cache had held them before that start.
        double: answers given more than once.
    """

    stops: int
    held: int
    again: tuple[str, ...]
    double: int


def stop_and_go_on(
    place: Workplace,
    start: Callable[[], subprocess.Popen[str]],
    moments: Sequence[Moment],
    *,
    by: int = signal.SIGKILL,
) -> Killed:
    """Start a command anew until it ends by itself, stopping it at each of some moments.

    Before each start the cache is read, so that every answer that it holds can be looked for among the later
    questions.
    """
    again: list[str] = []
    held: set[str] = set()
    for moment in (*moments, None):
        before = place.asked()
        held = place.committed(before)
        result = ended(start()) if moment is None else place.stop(start(), moment, by)
        code = 0 if moment is None else -by if by == signal.SIGKILL else INTERRUPTED
        assert result.code == code, result
        again += [key for key in place.asked()[len(before) :] if key in held]
    asked = place.asked()
    return Killed(len(moments), len(held), tuple(again), len(asked) - len(set(asked)))


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a process that was started here."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"no end within {PATIENCE:g} s: {err}") from None
    return Ended(process.returncode, out, err)


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for something that a running process does; it must not end before."""
    until = time.monotonic() + PATIENCE
    while not reached():
        if process.poll() is not None:
            raise AssertionError(f"ended too early: {ended(process)}")
        if time.monotonic() > until:
            process.kill()
            raise AssertionError(f"not reached within {PATIENCE:g} s: {ended(process)}")
        time.sleep(0.002)


def moments(seed: int, answers: int, count: int) -> list[Moment]:
    """Random moments of a run of so many answers, in order.

    In the first half, every third one asks for no more answers than the one before: it falls into the start, the
    replay, or what follows.
    """
    random = Random(seed)
    places = sorted(random.sample(range(1, answers - answers // 8), count))
    found = [Moment(place, random.uniform(0, 0.03)) for place in places]
    for at in range(2, count // 2 + 1, 3):
        found[at] = Moment(places[at - 1], random.uniform(0.1, 0.5))
    return found


def ratings(
    path: Path, *, documents: int = 16, each: int = 3, names: Sequence[str] = NAMES, seed: int = 0
) -> tuple[str, str]:
    """Write a table of invented notes and summaries with random ratings, and its criteria file.

    Returns:
        Their names, for the command line.
    """
    random = Random(f"ratings/{seed}")
    rows: list[dict[str, str | int]] = []
    for document in range(documents):
        place, deed = _PLACES[document % len(_PLACES)], random.choice(_DEEDS)
        for number in range(each):
            summary = f"The {place} {deed}, says report {number + 1}."
            row: dict[str, str | int] = {"note_id": f"n{document:02d}", "id": f"r{document:02d}-{number}"}
            row |= {"note": f"Note {document}. The {place} of the town {deed}.", "summary": summary}
            rows.append(row | {name: random.randint(1, 5) for name in names})
    with (path / "ratings.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    criteria = [f"  - {{name: {name}, definition: How good is the {name}?, scale: [1, 5]}}" for name in names]
    head = ["task: Evaluate the summary.", "inputs: {note: Note, summary: Summary}", "document: note_id", "id: id"]
    (path / "criteria.yaml").write_text("\n".join([*head, "criteria:", *criteria]) + "\n", encoding="utf-8")
    return "ratings.csv", "criteria.yaml"


def script(place: Workplace, *, latency: float = 0.0, names: Sequence[str] = NAMES) -> None:
    """Write a script that answers every role, the judge at times unreadably or not on every criterion."""
    random = Random("script")
    full = [json.dumps({name: random.randint(1, 5) for name in names}) for _ in range(12)]
    halves = [json.dumps({name: random.randint(1, 5) for name in names[:-1]})] * 2
    revisions = [marked(f"Rate from 1 to 5; mind point {number}.") for number in range(9)]
    rules = [
        {"role": "judge", "replies": [*full, *halves, "I would rather not say."]},
        {"role": "loss", "replies": [f"The judge errs in way {number}." for number in range(9)]},
        {"role": "gradient", "replies": [f"The instruction lacks anchor {number}." for number in range(9)]},
        {"role": "optimizer", "replies": revisions},
    ]
    # JSON is YAML.
    place.write(SCRIPT, json.dumps({"latency": latency, "log": "asked.log", "rules": rules}))


def figures(path: Path) -> Mapping[str, Mapping[str, int]]:
    """The accounts of a run's last start, by role."""
    accounts = json.loads((path / "result.json").read_text("utf-8"))["accounts"]
    return {account["role"]: account for account in accounts}
