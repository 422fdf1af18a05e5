"""What the response cache takes: writes by one process and by two at once, of other calls and of the same.

    python benchmarks/store.py [--answers 5000]

Each caller looks its key up twice, as the client does, and puts an answer; ``conc`` callers are at work in a process.
Printed: answers a second, and the milliseconds that a put takes (median and 99th of a hundred). ``speed.py`` has whole
runs, ``parts.py`` lookups among a million answers.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.request import Reply, Usage

REPLY = Reply('{"coherence": 3, "fluency": 4}', "stop", "m", Usage(700, 20, 0))


async def put_all(folder: Path, numbers: range, conc: int) -> list[float]:
    """Seconds of each put."""
    store, left, took = SqliteStore(folder), iter(numbers), list[float]()

    async def caller() -> None:
        for number in left:
            key = hashlib.sha256(str(number).encode()).hexdigest()
            await store.get(key)
            await store.get(key)
            began = time.perf_counter()
            await store.put(key, REPLY, role="judge", model="m", seconds=0.1)
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(caller() for _ in range(conc)))
    store.close()
    return sorted(took)


def measure(folder: Path, numbers: range, conc: int) -> str:
    began = time.perf_counter()
    took = asyncio.run(put_all(folder, numbers, conc))
    rate = len(numbers) / (time.perf_counter() - began)
    return f"{rate:.0f} a second, {1000 * took[len(took) // 2]:.2f} and {1000 * took[len(took) * 99 // 100]:.2f} ms"


def at_once(folder: Path, both: Sequence[range]) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for line in pool.starmap(measure, [(folder, numbers, 32) for numbers in both]):
            print("   ", line)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--answers", type=int, default=5000)
    count = parser.parse_args().answers
    with tempfile.TemporaryDirectory() as name:
        for conc in (64, 8, 1):
            print(
                f"one process, conc {conc}:",
                measure(Path(name) / f"{conc}", range(max(100, count * conc // 64)), conc),
            )
        print("two processes, other calls:")
        at_once(Path(name) / "other", (range(count), range(count, 2 * count)))
        print("two processes, the same calls:")
        at_once(Path(name) / "same", (range(count), range(count)))


if __name__ == "__main__":
    main()
