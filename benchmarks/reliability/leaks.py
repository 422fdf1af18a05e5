"""Many calls, hundreds in flight, some of them failing: no leak of memory, tasks or sockets.

    python -m benchmarks.reliability.leaks [--count 100000] [--seed 0] [--short]

One client over HTTP, 500 calls in flight (the short form: 200), 5 % of the attempts failing in every way but storms,
every answer kept. Resident memory, live objects, tasks and open files are looked at after each twentieth of the
calls (the short form: each sixth), when garbage is collected. The second half is compared with the first: memory by
the mean of the samples, all else by the greatest. At the end nothing may be left.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from benchmarks.reliability.endpoint import CONTENT, TRANSPORT
from benchmarks.reliability.findings import Findings, main
from benchmarks.reliability.serving import serving

from polyjudge.errors import PolyjudgeError
from polyjudge.llm.client import Client
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.limits import Limits
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Message, Request, Sampling

# Storms would make a campaign of waiting: one refusal closes the endpoint for twenty attempts.
KINDS = tuple(kind for kind in (*TRANSPORT, *CONTENT) if not kind.startswith("storm"))
# Of the second half over the first: the allocator's noise.
MORE_MEMORY = 1.05
MORE_OBJECTS = 1.02
# Connections are kept for a while, and as many as were at work at once.
MORE_FILES = 1.1


@dataclass(frozen=True)
class Form:
    """Calls in flight, seconds that one takes and after which it is given up, and how often we look."""

    in_flight: int
    latency: float
    timeout: float
    samples: int


FULL = Form(500, 0.4, 5.0, 20)
SHORT = Form(200, 0.05, 1.0, 6)


@dataclass(frozen=True)
class Sample:
    """This process at a moment between two portions of calls."""

    megabytes: float
    objects: int
    tasks: int
    files: int


def sample() -> Sample:
    gc.collect()
    process = psutil.Process()
    return Sample(
        process.memory_info().rss / 2**20, len(gc.get_objects()), len(asyncio.all_tasks()), process.num_fds()
    )


async def portion(client: Client, numbers: range, in_flight: int, found: Findings) -> None:
    """Ask, so many at once, as a pool of askers does."""
    left = iter(numbers)

    async def asker() -> None:
        for number in left:
            text = f'Item {number} of many. {{"fluency": 1 | 2 | 3 | 4 | 5}}'
            try:
                await client.ask(Request("m", (Message("user", text),), sampling=Sampling(max_tokens=64)))
                found.count("calls answered")
            except PolyjudgeError as error:
                found.count(f"calls that ended with {type(error).__name__}")

    await asyncio.gather(*(asker() for _ in range(in_flight)))


async def ask_all(url: str, count: int, form: Form, folder: Path, found: Findings) -> None:
    before = sample()
    backend = open_backend("m", base_url=url, timeout=form.timeout, environment={})
    limits = Limits(max_concurrency=form.in_flight, timeout=form.timeout, backoff=0.1, longest_backoff=0.5, attempts=8)
    samples: list[Sample] = []
    async with Client({"m": backend}, SqliteStore(folder), limits=limits) as client:
        for place in range(form.samples):
            numbers = range(place * count // form.samples, (place + 1) * count // form.samples)
            await portion(client, numbers, form.in_flight, found)
            samples.append(sample())
        found.figures["attempts sent"] = client.accounts.total().sent
    after = sample()
    compare(samples[: form.samples // 2], samples[form.samples // 2 :], found)
    found.require(after.tasks <= before.tasks, "tasks left at the end", (before, after))
    found.require(after.files <= before.files + 2, "open files left at the end", (before, after))
    found.figures["open files before and after"] = f"{before.files}, {after.files}"


def compare(first: list[Sample], second: list[Sample], found: Findings) -> None:
    """The second half takes no more than the first."""
    memory = [statistics.mean(one.megabytes for one in half) for half in (first, second)]
    found.figures["resident memory, first and second half, MB"] = f"{memory[0]:.1f}, {memory[1]:.1f}"
    found.require(memory[1] <= memory[0] * MORE_MEMORY, "memory grows", memory)
    for name, allowed in (("objects", MORE_OBJECTS), ("tasks", 1.0), ("files", MORE_FILES)):
        most = [max(getattr(one, name) for one in half) for half in (first, second)]
        found.figures[f"{name}, most in the first and second half"] = f"{most[0]}, {most[1]}"
        found.require(most[1] <= most[0] * allowed, f"{name} grow", most)


def campaign(count: int, seed: int) -> Findings:
    """Make ``count`` calls."""
    found = Findings()
    form = FULL if count >= 50_000 else SHORT
    faults = ("--faults", 0.05, "--seed", seed, "--kinds", ",".join(KINDS), "--no-log", "--latency", form.latency)
    with TemporaryDirectory() as name, serving(*faults) as server:
        asyncio.run(ask_all(server.url, count, form, Path(name), found))
        stats = server.stats()
        found.figures["most in flight, as the endpoint saw it"] = stats["most under way"]
        found.figures["attempts with a fault"] = sum(stats["faults"].values())
        found.figures["calls still under way at the endpoint"] = stats["under way"]
    found.figures["calls"] = count
    return found


if __name__ == "__main__":
    main(__doc__, campaign, full=100_000, short=3_000)
