"""SIMULATED: a whole study in a simulated world, killed on the way and started again: time, calls, and what was asked
twice.

    python benchmarks/study.py [--kills 2] [--world default] [-- study options, such as --seeds 1 --steps 3]

It runs ``polyjudge study paper`` on the world's own rows. Each answer that the world gives leaves a line in a file, so
that what is asked again after a kill is seen. Killed means SIGKILL, when a further share of the calls was answered.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polyjudge
from polyjudge.cli.progress import watching
from polyjudge.workflows.study import StudyResult
from polyjudge.llm.backends import OpenOptions
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.request import Reply, Request
from polyjudge.testing.simulation.backend import open_simulated

KEY = 65  # bytes of a line of the log


class Logged:
    """A world that writes down what it was asked."""

    def __init__(self, world: str, log: Path) -> None:
        self._own: Any = open_simulated(world, OpenOptions())
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    async def complete(self, request: Request) -> Reply:
        reply: Reply = await self._own.complete(request)
        os.write(self._log, f"{request.key(self._own.identity)}\n".encode())
        return reply


def study(world: str, log: Path, options: dict[str, str | int]) -> StudyResult:
    model = f"simulated/{world}"
    with watching(quiet=False) as observer:
        return polyjudge.study(
            "paper",
            data=model,
            model=model,
            output="out",
            backends={model: Logged(world, log)},
            observer=observer,
            settings=polyjudge.Settings(**options),
        )


def child(world: str, options: dict[str, str | int]) -> None:
    result = study(world, Path("asked.log"), options)
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = f"{result.seconds:.0f} s, CPU {used.ru_utime + used.ru_stime:.0f} s, peak {used.ru_maxrss >> 10} MB"
    print(f"last invocation: {took}")


def start(world: str, options: dict[str, str | int]) -> subprocess.Popen[bytes]:
    words = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, __file__, "--child", "--world", world, "--", *words]
    with open("progress.log", "ab") as progress:
        return subprocess.Popen(command, stderr=progress)


def answered() -> int:
    log = Path("asked.log")
    return log.stat().st_size // KEY if log.exists() else 0


def committed(keys: set[str]) -> set[str]:
    async def look() -> set[str]:
        cache = SqliteStore(Path(".polyjudge/cache"))
        try:
            return {key for key in keys if await cache.get(key) is not None}
        finally:
            cache.close()

    return asyncio.run(look())


def main(world: str, kills: int, options: dict[str, str | int]) -> None:
    model = f"simulated/{world}"
    planned = polyjudge.plan_study("paper", data=model, model=model, settings=polyjudge.Settings(**options)).calls
    print(f"planned: {planned:,} calls at most; CPUs {os.cpu_count()}, load {os.getloadavg()[0]:.1f}")
    began, lost = time.monotonic(), 0.0
    checks: list[tuple[int, set[str]]] = []
    for kill in range(1, kills + 1):
        process = start(world, options)
        while process.poll() is None and answered() < planned * 0.8 * kill / (kills + 1):
            time.sleep(0.05)
        if process.poll() is not None:
            raise SystemExit("ended before it was killed; ask for fewer kills")
        process.send_signal(signal.SIGKILL)
        process.wait()
        paused = time.monotonic()
        before = Path("asked.log").read_text("ascii").split()
        held = committed(set(before))
        checks.append((len(before), held))
        print(f"kill {kill}: after {paused - began:.0f} s, {len(before):,} answers given, {len(held):,} in the cache")
        lost += time.monotonic() - paused
    process = start(world, options)
    if process.wait():
        raise SystemExit(f"failed; see {Path('progress.log').read_text()[-2000:]}")
    seconds = time.monotonic() - began - lost
    asked = Path("asked.log").read_text("ascii").split()
    again = sum(key in held for start_of, held in checks for key in asked[start_of:])
    tables = sorted(path.name for path in Path("out/tables").iterdir() if path.suffix == ".md")
    print(f"wall: {seconds:.0f} s over {kills + 1} starts, {len(set(asked)) / seconds:,.0f} calls a second")
    print(f"calls: {len(asked):,} answered, {len(asked) - len(set(asked)):,} of them twice (under way at a kill)")
    print(f"asked again although the cache held them: {again}")
    print(f"tables: {', '.join(tables)}")
    print(Path("out/tables/headlines.md").read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--world", default="default")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("options", nargs="*", help="--NAME=VALUE of the study")
    asked_for = parser.parse_args()
    pairs = (word.lstrip("-").split("=", 1) for word in asked_for.options)
    own = {name.replace("-", "_"): int(value) if value.isdigit() else value for name, value in pairs}
    if asked_for.child:
        child(asked_for.world, own)
    else:
        with TemporaryDirectory() as folder:
            os.chdir(folder)
            main(asked_for.world, asked_for.kills, own)
