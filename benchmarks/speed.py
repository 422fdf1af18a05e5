"""How near a run comes to an ideal scheduler, and what it takes of the processor, against a server on this machine.

    python benchmarks/speed.py [--modes SSS ...] [--latency constant heavy] [--profile FILE] [--peers]

Six steps under the preset ``paper``: four criteria, batch 3, 100 gate rows, 480 test rows read after every step, 64
calls at once. The server (benchmarks/server.py) runs in a process of its own, each run in another. What the server
noted gives the calls with their latencies and what each had to wait for; on them an ideal scheduler is run: list
scheduling by the longest way to the end, at 64 places, where nothing but a latency takes time. ``blind`` is the same
without foreknowledge: it puts calls in order by how many follow. No scheduler can be faster than the longest chain,
nor than all latencies over 64, which is printed beside it.

What counts as a dependency: a reply that stands in a request; a prompt's last gate row before the next turn begins
and before its test rows are read, for until then nobody knows which prompt that is. Turn 1 waits for the initial
prompt's gate rows, so that a judge that cannot be read costs no more than these.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.ideal import Node

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

MODES = ("ST", "SSS", "SSC", "SCC", "CCC")
STEPS, BATCH, GATE, TEST = 6, 3, 100, 480
ROWS = TEST * 4 // 3


def graph(notes: Sequence[Mapping[str, Any]], mode: str) -> dict[int, Node]:
    """The calls of a run with their true dependencies, from what the server noted."""
    from benchmarks.ideal import Node

    batches, gate, test = _rows()
    by_id = {note["id"]: note for note in notes}
    nodes = {note["id"]: Node(note["latency"], set(note["marks"]) & set(by_id)) for note in notes}
    component = {n["id"]: tuple(n["criteria"]) if mode == "ST" else () for n in notes}
    turn: dict[int, int] = {}
    for kind, heard in (("optimizer", "gradient"), ("gradient", "loss")):
        for note in notes:
            if note["kind"] != kind:
                continue
            if kind == "optimizer":
                turn[note["id"]] = next(at for at, rows in batches.items() if rows == set(note["rows"]))
            for mark in nodes[note["id"]].after:
                if by_id[mark]["kind"] == heard:
                    turn[mark] = turn[note["id"]]
    # A gradient holds the judge's reply and the critiques of it, which themselves do not quote it.
    judged: dict[int, int] = {}
    for note in notes:
        if note["kind"] == "gradient":
            replies = {mark for mark in nodes[note["id"]].after if by_id[mark]["kind"] == "judge"}
            for mark in nodes[note["id"]].after - replies:
                nodes[mark].after |= replies if by_id[mark]["kind"] == "loss" else set()
            for mark in replies:
                judged[mark] = min(judged.get(mark, STEPS), turn[note["id"]])
    gated: dict[tuple[Any, int], set[int]] = defaultdict(set)
    version: dict[int, int] = {}
    for note in notes:
        if note["kind"] == "judge" and note["rows"]:
            made = [mark for mark in note["marks"] if by_id.get(mark, {}).get("kind") == "optimizer"]
            version[note["id"]] = max((turn[mark] for mark in made), default=0)
            if note["rows"][0] in gate:
                gated[component[note["id"]], version[note["id"]]].add(note["id"])
    for number, at in turn.items():
        if by_id[number]["kind"] == "loss":
            nodes[number].after |= gated[component[number], at - 1]
    for number, at in judged.items():
        if by_id[number]["rows"][0] not in gate:
            nodes[number].after |= gated[component[number], at - 1]
    for number, at in version.items():
        if at and by_id[number]["rows"][0] in test:
            nodes[number].after |= gated[component[number], at]
    return nodes


def _rows() -> tuple[dict[int, set[int]], set[int], set[int]]:
    """The rows of each turn's batch, of the gate and of the test, under the paper's protocol."""
    from benchmarks.items import RUBRIC, items
    from polyjudge.datasets.load import load_dataset
    from polyjudge.datasets.split import paper_batch, paper_split

    parts = paper_split(load_dataset(items(ROWS), RUBRIC), validation=GATE)
    number = [int(example.id[1:]) for example in parts.train]
    batches = {
        turn: {number[place] for place in paper_batch(turn, len(number), BATCH)} for turn in range(1, STEPS + 1)
    }
    gate, test = ({int(example.id[1:]) for example in part} for part in (parts.validation, parts.test))
    return batches, gate, test


def one_run(mode: str, address: str, folder: Path) -> dict[str, float]:
    """A run in this process: wall time, processor time and peak memory of ours, without the interpreter's start."""
    from benchmarks.ideal import PLACES
    from benchmarks.items import RUBRIC, items
    from polyjudge import Settings, optimize

    rows = items(ROWS)
    os.environ["POLYJUDGE_CACHE"] = str(folder / "cache")
    used, began = _cpu(), time.monotonic()
    done = optimize(
        rows,
        criteria=RUBRIC,
        output=folder / "run",
        model="bench",
        settings=Settings(
            base_url=address,
            preset="paper",
            mode=mode,
            steps=STEPS,
            batch=BATCH,
            validation=GATE,
            max_concurrency=PLACES,
        ),
    )
    ended, cpu = time.monotonic(), _cpu() - used
    calls = sum(account.sent for account in done.accounts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"began": began, "ended": ended, "wall": ended - began, "cpu": cpu, "calls": calls, "peak_mb": peak}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(mode: str, latency: str, profile: str) -> dict[str, float]:
    """A run beside its ideal."""
    from benchmarks.ideal import ideal
    from benchmarks.serving import served

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "server.log"
        with served(latency, log) as address:
            command = [sys.executable, *(["-m", "cProfile", "-o", profile] if profile else [])]
            command += [str(Path(__file__)), "--alone", mode, address, name]
            out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        found: dict[str, float] = json.loads(out.splitlines()[-1])
        notes = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    makespan, blind, chain, work = ideal(graph(notes, mode))
    found["first"] = min(note["came"] for note in notes) - found["began"]
    found["last"] = found["ended"] - max(note["left"] for note in notes)
    return {**found, "ideal": makespan, "blind": blind, "chain": chain, "work": work}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--latency", nargs="+", choices=["constant", "heavy"], default=["constant", "heavy"])
    parser.add_argument("--profile", default="")
    parser.add_argument("--peers", action="store_true", help="measure other packages afterwards (benchmarks/peers.py)")
    parser.add_argument("--venvs", type=Path, help="where their environments are kept; default: a temporary folder")
    parser.add_argument("--alone", nargs=3, metavar=("MODE", "ADDRESS", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(one_run(given.alone[0], given.alone[1], Path(given.alone[2]))))
        return
    with tempfile.TemporaryDirectory() as compiled:
        # Modules are compiled beforehand, as an installer leaves them; whoever starts this may have forbidden that.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = compiled
        measure("CCC", "none", "")
        table(given)
    del os.environ["PYTHONPYCACHEPREFIX"]
    if given.peers:
        from benchmarks.peers import PACKAGES
        from benchmarks.peers import table as peers

        peers(list(PACKAGES), "constant", given.venvs)


def table(given: argparse.Namespace) -> None:
    print(
        "latency   mode  calls   wall s  ideal s  ratio  blind s  bound s  chain s  CPU ms/call  peak MB  start s    "
        "end s"
    )
    for latency in given.latency:
        for mode in given.modes:
            found = measure(mode, latency, given.profile)
            ratio, bound = found["wall"] / found["ideal"], max(found["chain"], found["work"])
            cpu = 1000 * found["cpu"] / found["calls"]
            print(
                f"{latency:9} {mode:4} {found['calls']:6.0f} {found['wall']:8.2f} {found['ideal']:8.2f} {ratio:6.3f} "
                f"{found['blind']:8.2f} {bound:8.2f} {found['chain']:8.2f} {cpu:12.3f} {found['peak_mb']:8.0f} "
                f"{found['first']:8.2f} {found['last']:8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
