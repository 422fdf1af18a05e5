"""What single parts take: looking an answer up among a million, and resampling four statistics.

    python benchmarks/parts.py [--entries 1000000] [--resamples 10000]

The response cache is filled as its writer does it; lookups are drawn from all keys, half of them absent. Resampling:
480 rows of 30 documents, four criteria of integer scores against means of three raters.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import resource
import tempfile
import time
from pathlib import Path
from random import Random

import numpy as np

from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.request import Reply, Usage
from polyjudge.llm.cache.database import Database, Row, create
from polyjudge.llm.cache.encoding import encode
from polyjudge.metrics.agreement import metric_of
from polyjudge.metrics.levels import Levels
from polyjudge.metrics.uncertainty import bootstrap
from polyjudge.metrics.rated import RatedRows


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def fill(folder: Path, entries: int) -> None:
    reply = encode(Reply('{"coherence": 3, "fluency": 4}', "stop", "m", Usage(700, 20, 0)))
    create(folder / "answers.sqlite")
    database = Database.open(folder / "answers.sqlite")
    assert database is not None
    for start in range(0, entries, 10_000):
        with database.transaction():
            for at in range(start, min(entries, start + 10_000)):
                database.add([Row(key(at), 1, 1.0, 0.2, "judge", "m", reply)])
    database.close()


async def look_up(folder: Path, entries: int, times: int) -> tuple[float, float]:
    """Milliseconds a lookup, and by how many MB the process grew."""
    store, chance = SqliteStore(folder), Random(1)
    await store.get(key(0).hex())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wanted = [key(chance.randrange(2 * entries)).hex() for _ in range(times)]
    began, found = time.process_time(), 0
    for one in wanted:
        found += await store.get(one) is not None
    took = time.process_time() - began
    store.close()
    assert 0.4 * times < found < 0.6 * times
    return 1000 * took / times, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def resample(resamples: int) -> dict[str, float]:
    """Processor seconds of each statistic."""
    chance = np.random.default_rng(0)
    quality = chance.normal(3, 1, (480, 4))
    human = np.clip(np.round(quality[..., None] + chance.normal(0, 0.7, (480, 4, 3))), 1, 5).mean(axis=2)
    judged = np.clip(np.round(quality + chance.normal(0, 0.9, (480, 4))), 1, 5)
    documents = [f"d{row // 16}" for row in range(480)]
    took = {}
    for name in ("spearman", "kendall", "qwk", "mae"):
        began = time.process_time()
        bootstrap(
            metric_of(name),
            judged,
            RatedRows.of(human, levels=Levels(1, 5, 1), documents=documents),
            n_resamples=resamples,
        )
        took[name] = time.process_time() - began
    return took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--resamples", type=int, default=10_000)
    given = parser.parse_args()
    took = resample(given.resamples)
    print(
        f"{given.resamples} resamples of 480 rows x 4: " + ", ".join(f"{k} {v:.2f} s" for k, v in took.items()), end=""
    )
    print(f"; {sum(took.values()):.2f} s of processor time")
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name), given.entries)
        size = sum(path.stat().st_size for path in Path(name).iterdir()) / 2**20
        each, grown = asyncio.run(look_up(Path(name), given.entries, 20_000))
    print(f"{given.entries} answers ({size:.0f} MB): {each:.4f} ms a lookup, {grown:.1f} MB more memory after 20000")


if __name__ == "__main__":
    main()
