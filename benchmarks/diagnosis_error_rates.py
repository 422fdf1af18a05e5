"""SIMULATED: how often the verdicts of a diagnosis are wrong where the truth is known.

    python benchmarks/diagnosis_error_rates.py [--null 200] [--worlds 50] [--processes 2]

A small world has three criteria, 60 documents of four summaries, three raters. Each is fitted (6 steps, batch 2, the
rows of its validation and test parts) in the five modes in turn, by seed, and under the gates none and per-criterion
in turn, and then diagnosed on all of its test rows. World number n has the seed 1000 + n.

In the null world nothing that could be found is there. A false alarm is a diagnosis in which dilution or interference
is "yes", or "optimizer obeys" is "no". A strong world has one mechanism made strong; a world without it is the
default world with that one switched off.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import polyjudge

SMALL = """
[data]
criteria = ["fluency", "relevance", "coherence"]
documents = 60
summaries = 4
train = 20
"""
MODES = ("ST", "SSS", "SSC", "SCC", "CCC")
GATES = ("none", "per-criterion")
QUESTIONS = ("dilution", "interference", "optimizer obeys")
FIRST_SEED = 1000
# name -> (base, the change, the verdict that it is about).
WORLDS: Mapping[str, tuple[str, str, str]] = {
    "strong dilution": ("default", "[dilution]\ndelta = 1.5\nshared = 1.0", "dilution"),
    "no dilution": ("default", "[dilution]\ndelta = 0.0\nshared = 0.0", "dilution"),
    "strong interference": ("default", "[interference]\ngamma = 3.0\ncrowding = 0.25\nhalo = 0.6", "interference"),
    "no interference": ("default", "[interference]\ngamma = 0.0\ncrowding = 0.0\nhalo = 0.0", "interference"),
    "joint judging helps": ("joint-helps", "", "interference"),
    "disobedient optimizer": ("default", "[writers]\nobedience = 0.0", "optimizer obeys"),
}
PARTS = {"dilution": "dilution", "interference": "interference", "optimizer obeys": "adherence"}


def verdicts(number: int, base: str, change: str, parts: tuple[str, ...]) -> dict[str, str]:
    """Question -> answer, of one world."""
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "small.toml"
        world.write_text(f'base = "{base}"\nseed = {FIRST_SEED + number}\n{SMALL}\n{change}\n', "utf-8")
        os.environ["POLYJUDGE_JOURNAL"] = str(Path(folder) / "journal")
        name = f"simulated/{world}"
        run = polyjudge.optimize(
            name,
            model=name,
            mode=MODES[number % len(MODES)],
            gate=GATES[number // len(MODES) % len(GATES)],
            steps=6,
            batch=2,
            seed=number,
            readout="integer",
            layout="solo" if MODES[number % len(MODES)] == "ST" else "joint",
            output=Path(folder) / "run",
        )
        return {one.question: one.answer for one in polyjudge.diagnose(run, only=parts).verdicts}


def on_null(count: int, pool: Executor) -> Iterator[tuple[str, ...]]:
    yield ("question", "yes", "no", "undecided")
    found = list(pool.map(partial(verdicts, base="null", change="", parts=tuple(PARTS.values())), range(count)))
    for question in QUESTIONS:
        answers = Counter(one[question] for one in found)
        yield (question, *(str(answers[answer]) for answer in ("yes", "no", "undecided")))
    wrong = {"dilution": "yes", "interference": "yes", "optimizer obeys": "no"}
    alarms = [number for number, one in enumerate(found) if any(one[q] == wrong[q] for q in QUESTIONS)]
    yield (f"worlds with a false alarm: {len(alarms)} of {count} {alarms}", "", "", "")


def on_mechanisms(count: int, pool: Executor) -> Iterator[tuple[str, ...]]:
    yield ("world", "question", "yes", "no", "undecided")
    for world, (base, change, question) in WORLDS.items():
        found = pool.map(partial(verdicts, base=base, change=change, parts=(PARTS[question],)), range(count))
        answers = Counter(one[question] for one in found)
        yield (world, question, *(str(answers[answer]) for answer in ("yes", "no", "undecided")))


def show(rows: Iterator[tuple[str, ...]]) -> None:
    for number, row in enumerate(rows):
        print("| " + " | ".join(row) + " |", flush=True)
        if not number:
            print("|" + "---|" * len(row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--null", type=int, default=200, help="null worlds")
    parser.add_argument("--worlds", type=int, default=50, help="worlds of each other kind")
    parser.add_argument("--processes", type=int, default=2, help="worlds at once")
    chosen = parser.parse_args()
    began = time.monotonic()
    with ProcessPoolExecutor(chosen.processes, get_context("spawn")) as pool:
        show(on_null(chosen.null, pool))
        print()
        show(on_mechanisms(chosen.worlds, pool))
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
