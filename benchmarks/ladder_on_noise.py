"""SIMULATED: does the ladder adopt what changes nothing, harm a criterion, or report more than is there?

    python benchmarks/ladder_on_noise.py [--worlds 200] [--processes 2] [--kind null]

A world has three criteria, three raters and 100 documents of four summaries. The first 60 documents are the user's
data (240 rows: 60 training, 60 validation, 120 test rows); the other 40 (160 rows) are fresh rows that no run sees.
The run is `polyjudge optimize` with the preset default and 6 steps of batch 2. World number n has the seed 5000 + n.
In the null world rules change nothing; another wording only errs on other rows. In the default world rules help or
harm. `garbage` is the default world whose loss, gradient and optimizer answer nonsense.

Adopted: the fitted judge has another instruction than the initial one. Worse: a criterion's agreement on the fresh
rows is more than .05 below the baseline's. Reported minus fresh: the gain on the sealed test rows minus the gain on
the fresh rows.
Answers are kept in a file as they come, so that the same command goes on after an interruption.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import polyjudge
from polyjudge.llm.backends.scripted import Scripted
from polyjudge.metrics import spearman

FIRST_SEED, LIMIT, MARGIN = 5000, 240, 0.05
WORLD = """
[data]
criteria = ["fluency", "relevance", "coherence"]
documents = 100
summaries = 4
train = 20
"""
NONSENSE = "Lorem ipsum dolor sit amet, consectetur adipiscing elit."


def measured(task: tuple[str, int, bool]) -> tuple[str, int, bool, dict[str, Any]]:
    """What a run in one world did."""
    kind, number, confirm = task
    base = "default" if kind == "garbage" else kind
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world.toml"
        world.write_text(f'base = "{base}"\nseed = {FIRST_SEED + number}\n{WORLD}', "utf-8")
        name = f"simulated/{world}"
        data = polyjudge.load_dataset(name)
        writers = {"optimizer_model": "test/nonsense"} if kind == "garbage" else {}
        backends = {"test/nonsense": Scripted(lambda request: NONSENSE)} if writers else {}
        store = polyjudge.MemoryStore()
        run = polyjudge.optimize(
            name,
            model=name,
            output=Path(folder) / "run",
            backends=backends,
            store=store,
            settings=polyjudge.Settings(steps=6, batch=2, seed=number, limit=LIMIT, confirm=confirm, **writers),
        )
        fresh = data.examples[LIMIT:]
        before, after = (
            agreement(run.path / file, fresh, data, store) for file in ("judge.initial.yaml", "judge.yaml")
        )
        initial = [criterion.instruction for criterion in data.rubric.criteria]
        return (
            kind,
            number,
            confirm,
            {
                "adopted": [c.instruction for c in run.judge.rubric.criteria] != initial,
                "gated": any(step.status == "accepted" for step in run.steps),
                "reported": run.outcome.mean.difference,
                "rungs": {rung.name: rung.gain for rung in run.outcome.rungs},
                "fresh": float(np.mean(after) - np.mean(before)),
                "worst": float(min(np.array(after) - np.array(before))),
                "verdict": run.outcome.verdict,
                "calls": sum(one.answered for one in run.accounts),
            },
        )


def agreement(judge: Path, rows: Any, data: Any, store: Any) -> list[float]:
    """The judge's Spearman on each criterion of fresh rows."""
    texts = [dict(row.inputs) for row in rows]
    scored = polyjudge.score(judge, texts, store=store)
    names = [criterion.name for criterion in data.rubric.criteria]
    given = [[row[name] for row in scored] for name in names]
    human = [[row.human(criterion) for row in rows] for criterion in data.rubric.criteria]
    return [spearman(one, people) for one, people in zip(given, human, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kind", choices=("null", "default", "garbage"), default="null")
    parser.add_argument("--unconfirmed", action="store_true", help="without the test on the training rows")
    parser.add_argument("--kept", type=Path, default=Path("build/ladder_on_noise.jsonl"), help="answers so far")
    chosen = parser.parse_args()
    kept: dict[int, Mapping[str, Any]] = {}
    chosen.kept.parent.mkdir(parents=True, exist_ok=True)
    for line in chosen.kept.read_text("utf-8").splitlines() if chosen.kept.exists() else []:
        kind, number, confirm, found = json.loads(line)
        if kind == chosen.kind and confirm is not chosen.unconfirmed:
            kept[number] = found
    tasks = [(chosen.kind, n, not chosen.unconfirmed) for n in range(chosen.worlds) if n not in kept]
    with ProcessPoolExecutor(chosen.processes, get_context("spawn")) as pool, chosen.kept.open("a") as file:
        for ended in as_completed([pool.submit(measured, task) for task in tasks]):
            line = ended.result()
            kept[line[1]] = line[3]
            file.write(json.dumps(line) + "\n")
            file.flush()
    show(list(kept.values()))


def show(found: list[Mapping[str, Any]]) -> None:
    count = len(found)
    optimism = np.array([one["reported"] - one["fresh"] for one in found])
    fresh = np.array([one["fresh"] for one in found])
    print(f"SIMULATED, {count} worlds")
    print(f"new instructions passed the gate: {sum(one['gated'] for one in found)}")
    print(f"new instructions adopted by the final judge: {sum(one['adopted'] for one in found)}")
    print(f"a criterion worse by more than {MARGIN}: {sum(one['worst'] < -MARGIN for one in found)}")
    for name, values in (("reported minus fresh", optimism), ("gain on fresh rows", fresh)):
        print(f"{name}: {values.mean():+.4f} (SE {values.std(ddof=1) / math.sqrt(count):.4f})")
    print(f"calls a run: {np.mean([one['calls'] for one in found]):.0f}")


if __name__ == "__main__":
    main()
