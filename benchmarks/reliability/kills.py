"""SIGKILL at random moments, over optimize and score, three processes at once on one response cache.

    python -m benchmarks.reliability.kills [--count 200] [--seed 0] [--short]

A job is two optimisations of the same rows (other modes and presets) and a scoring of more rows. Its processes run at
once, are killed one after the other, and are started again, until the job's share of kills is spent; then they run to
their end. Asked: is a call whose answer the cache held asked again? Is a file torn? Do the artefacts (all files
but result.json and summary.md) equal those of an undisturbed run, byte for byte?

What the cache holds is read when all processes are dead. Every reply names the digest of the request that it
answers, and the endpoint counts requests by the same digest, so neither side's bookkeeping is trusted.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmarks.reliability.findings import Findings, main
from benchmarks.reliability.rows import CRITERIA, judge_yaml, rated_csv
from benchmarks.reliability.serving import ROOT, Serving, serving

CALLS_AT_ONCE = 4
KILLS_A_JOB = 25
PATIENCE = 180.0
# What a run writes that hangs on nothing but its settings and the replies.
WHOLE = ("config.json", "judge.yaml", "judge.initial.yaml")
GROWING = ("steps.jsonl", "tests.jsonl")


@dataclass(frozen=True)
class Place:
    """A folder in which the processes of a job run, with its response cache."""

    folder: Path
    url: str

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("POLYJUDGE_")}
        own |= {"POLYJUDGE_CACHE": str(self.cache), "PYTHONPATH": str(ROOT / "src")}
        with (self.folder / "stderr.txt").open("ab") as told:
            return subprocess.Popen(
                [sys.executable, "-m", "polyjudge", *words],
                cwd=self.folder,
                env=own,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=told,
            )

    def artefacts(self) -> Iterator[tuple[str, bytes]]:
        """The files that must not differ, by name."""
        for path in sorted(self.folder.glob("run-*/*")):
            if path.name in WHOLE + GROWING:
                yield str(path.relative_to(self.folder)), path.read_bytes()
        table = self.folder / "scores.csv"
        if table.exists():
            yield table.name, table.read_bytes()

    def committed(self) -> Counter[str]:
        """Digests of requests -> the answers to them that the cache holds, read with nothing of polyjudge.

        A request that is wanted twice (a training row that comes again, a second attempt) is one content with two
        answers.
        """
        held: dict[bytes, str] = {}
        for file in self.cache.glob("answers.sqlite"):
            with closing(sqlite3.connect(file)) as connection:
                rows = connection.execute("SELECT key, reply FROM answers").fetchall()
            held |= {key: json.loads(zlib.decompress(reply))["model"] for key, reply in rows}
        return Counter(held.values())

    def damaged(self) -> list[str]:
        """Files that SQLite finds fault with, and those that were set aside."""
        found = [path.name for path in self.cache.glob("*.corrupt*")]
        for file in self.cache.glob("answers.sqlite"):
            with closing(sqlite3.connect(file)) as connection:
                said = connection.execute("PRAGMA integrity_check").fetchall()
            found += [f"{file.name}: {said}"] if said != [("ok",)] else []
        return found


def commands(url: str, seed: int) -> tuple[list[str], ...]:
    """The processes of a job."""
    asking = ["--base-url", url, "--max-concurrency", str(CALLS_AT_ONCE)]
    fit = ["optimize", "rated.csv", "--criteria", "criteria.yaml", "--model", "model", *asking, "--seed", str(seed)]
    return (
        [*fit, "--steps", "3", "--output", "run-default", "--quiet"],
        [*fit, "--steps", "2", "--preset", "paper", "--mode", "CCC", "--output", "run-paper", "--quiet"],
        ["score", "judge.yaml", "more.csv", *asking, "--output", "scores.csv", "--quiet"],
    )


def prepare(folder: Path, url: str) -> Place:
    folder.mkdir(parents=True)
    (folder / "rated.csv").write_text(rated_csv(16, 2), encoding="utf-8")
    (folder / "more.csv").write_text(rated_csv(40, 3, prefix="more"), encoding="utf-8")
    (folder / "criteria.yaml").write_text(CRITERIA, encoding="utf-8")
    (folder / "judge.yaml").write_text(judge_yaml("model", url), encoding="utf-8")
    return Place(folder, url)


def quiet(server: Serving) -> None:
    """Wait until the server has heard that its callers are dead."""
    until = time.monotonic() + 10
    while server.stats()["under way"] and time.monotonic() < until:
        time.sleep(0.01)


def finish(place: Place, seed: int, found: Findings) -> None:
    """Run all processes of a job to their end."""
    running = [place.start(words) for words in commands(place.url, seed)]
    for process in running:
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        found.require(
            code == 0, "a run that did not end well", (code, (place.folder / "stderr.txt").read_text()[-800:])
        )


def killed_round(place: Place, seed: int, random: Random, most: int, longest: float) -> int:
    """Start all processes and kill them one after the other; how many were alive when they were killed."""
    running = [place.start(words) for words in commands(place.url, seed)]
    random.shuffle(running)
    kills = 0
    for process in running:
        time.sleep(random.uniform(0.05, longest))
        alive = process.poll() is None and kills < most
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        kills += alive and process.returncode == -signal.SIGKILL
    return kills


def check_round(place: Place, whole: dict[str, bytes], found: Findings) -> None:
    """Nothing that kills have left is torn."""
    for name, content in place.artefacts():
        growing = name.endswith(GROWING)
        good = whole[name].startswith(content) if growing else whole[name] == content
        found.require(good, f"torn or other {name}", content[-200:])
    for fault in place.damaged():
        found.fault("damaged file", fault)


def job(folder: Path, server: Serving, seed: int, kills: int, found: Findings) -> None:
    random = Random(f"kills/{seed}")
    undisturbed = prepare(folder / f"whole-{seed}", server.url)
    began = time.monotonic()
    finish(undisturbed, seed, found)
    longest = (time.monotonic() - began) / 3
    whole, wanted = dict(undisturbed.artefacts()), undisturbed.committed()
    missing = {f"{run}/{name}" for run in ("run-paper", "run-default") for name in WHOLE + GROWING} - set(whole)
    found.require(not missing and "scores.csv" in whole, "artefacts that are missing", sorted(missing))
    late = server.stats()["asked again long after the answer"]
    late = {digest: times for digest, times in late.items() if times >= wanted[digest]}
    found.require(not late, "calls asked again although another process had them answered", late)
    server.reset()
    place = prepare(folder / f"killed-{seed}", server.url)
    done = seen = 0
    held: frozenset[str] = frozenset()
    while True:
        spent = done >= kills
        if spent:
            finish(place, seed, found)
        else:
            done += killed_round(place, seed, random, kills - done, longest)
        quiet(server)
        asked = server.asked(seen)
        again = held.intersection(asked)
        found.require(not again, "committed calls asked again", again)
        seen += len(asked)
        if spent:
            break
        committed = place.committed()
        held = frozenset(digest for digest, times in committed.items() if times >= wanted[digest])
        check_round(place, whole, found)
        found.count("rounds of three processes")
    found.require(dict(place.artefacts()) == whole, "artefacts that differ", [*whole])
    found.require(place.committed() == wanted, "other calls than undisturbed", place.committed() - wanted)
    found.count("kills", done)
    found.count("calls wanted", wanted.total())
    found.count("calls sent", seen)
    found.count("artefacts compared", len(whole))
    server.reset()


def campaign(count: int, seed: int) -> Findings:
    """Kill ``count`` processes."""
    found = Findings()
    faults = ("--faults", 0.01, "--kinds", "reset,503,invalid-json,truncated,refusal,error-text")
    with TemporaryDirectory() as folder, serving("--latency", 0.05, "--seed", seed, *faults) as server:
        left, at = count, 0
        while left > 0:
            share = min(left, KILLS_A_JOB)
            job(Path(folder), server, 1000 * seed + at, share, found)
            left, at = left - share, at + 1
            print(f"{count - left} of {count} kills", file=sys.stderr, flush=True)
        found.figures["jobs"] = at
    return found


if __name__ == "__main__":
    main(__doc__, campaign, full=200, short=3)
