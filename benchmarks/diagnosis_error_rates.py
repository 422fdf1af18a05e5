"""SIMULATED: how often the verdicts of a diagnosis are wrong where the truth is known.

    python benchmarks/diagnosis_error_rates.py [--null 200] [--worlds 50] [--processes 2]

A small world has three criteria, 60 documents of four summaries, three raters. Each is fitted (6 steps, batch 2, the
rows of its validation and test parts) in the five modes in turn, by seed, and under the gates none and per-criterion
in turn, and then diagnosed on all of its test rows. World number n has the seed 1000 + n. Answers are kept in a file
as they come, so that the same command goes on after an interruption.

In the null world nothing that could be found is there. A false alarm is a diagnosis in which dilution or interference
is "yes", or "optimizer obeys" is "no". A strong world has one mechanism made strong; a world without it is the
default world with that one switched off.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
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
NULL = "null"
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
Answers = dict[tuple[str, int], dict[str, str]]
PARTS = {"dilution": "dilution", "interference": "interference", "optimizer obeys": "adherence"}


def verdicts(number: int, base: str, change: str, parts: tuple[str, ...]) -> dict[str, str]:
    """Question -> answer, of one world."""
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "small.toml"
        world.write_text(f'base = "{base}"\nseed = {FIRST_SEED + number}\n{SMALL}\n{change}\n', "utf-8")
        os.environ["POLYJUDGE_CACHE"] = str(Path(folder) / "cache")
        name = f"simulated/{world}"
        run = polyjudge.optimize(
            name,
            model=name,
            gate=GATES[number // len(MODES) % len(GATES)],
            scoring="json",
            layout="separate" if MODES[number % len(MODES)] == "ST" else "joint",
            output=Path(folder) / "run",
            settings=polyjudge.Settings(mode=MODES[number % len(MODES)], steps=6, batch=2, seed=number),
        )
        return {one.question: one.answer for one in polyjudge.diagnose(run, only=parts).verdicts}


def answered(task: tuple[str, int]) -> tuple[str, int, dict[str, str]]:
    """The verdicts of one world of a kind."""
    kind, number = task
    base, change, question = WORLDS.get(kind, ("null", "", ""))
    parts = (PARTS[question],) if question else tuple(PARTS.values())
    return kind, number, verdicts(number, base, change, parts)


def collected(tasks: Sequence[tuple[str, int]], kept: Path, most: int, processes: int) -> Answers:
    """(kind, number) -> question -> answer; those that ``kept`` holds are not measured again."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    lines = kept.read_text("utf-8").splitlines() if kept.exists() else []
    found = {(kind, number): answers for kind, number, answers in map(json.loads, lines)}
    missing = [task for task in tasks if task not in found][:most]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool, kept.open("a", encoding="utf-8") as file:
        for ended in as_completed([pool.submit(answered, task) for task in missing]):
            kind, number, answers = ended.result()
            found[kind, number] = answers
            file.write(json.dumps([kind, number, answers]) + "\n")
            file.flush()
    return found


def on_null(found: Answers) -> Iterator[tuple[str, ...]]:
    null = {number: answers for (kind, number), answers in found.items() if kind == NULL}
    yield ("question", "yes", "no", "undecided")
    for question in QUESTIONS:
        yield (question, *counted(answers[question] for answers in null.values()))
    wrong = {"dilution": "yes", "interference": "yes", "optimizer obeys": "no"}
    alarms = sorted(number for number, one in null.items() if any(one[q] == wrong[q] for q in QUESTIONS))
    yield (f"worlds with a false alarm: {len(alarms)} of {len(null)} {alarms}", "", "", "")


def on_mechanisms(found: Answers) -> Iterator[tuple[str, ...]]:
    yield ("world", "question", "yes", "no", "undecided")
    for world, (_, _, question) in WORLDS.items():
        own = [answers[question] for (kind, _), answers in found.items() if kind == world]
        yield (world, question, *counted(own))


def counted(answers: Iterable[str]) -> list[str]:
    count = Counter(answers)
    return [str(count[answer]) for answer in ("yes", "no", "undecided")]


def show(rows: Iterator[tuple[str, ...]]) -> None:
    for number, row in enumerate(rows):
        print("| " + " | ".join(row) + " |", flush=True)
        if not number:
            print("|" + "---|" * len(row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--null", type=int, default=200, help="null worlds")
    parser.add_argument("--worlds", type=int, default=50, help="worlds of each other kind")
    parser.add_argument("--kept", type=Path, default=Path("build/diagnosis_error_rates.jsonl"), help="answers so far")
    parser.add_argument("--most", type=int, default=10**6, help="worlds of this call; the next one goes on")
    parser.add_argument("--processes", type=int, default=2, help="worlds at once")
    chosen = parser.parse_args()
    began = time.monotonic()
    tasks = [(NULL, number) for number in range(chosen.null)]
    tasks += [(kind, number) for kind in WORLDS for number in range(chosen.worlds)]
    found = collected(tasks, chosen.kept, chosen.most, chosen.processes)
    show(on_null(found))
    print()
    show(on_mechanisms(found))
    print(f"\n{len(found)} of {len(tasks)} worlds; {time.monotonic() - began:.0f} s in this call")


if __name__ == "__main__":
    main()
