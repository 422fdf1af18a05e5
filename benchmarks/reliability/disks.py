"""A full disk, folders that may not be written, and damaged caches: a clear error, nothing lost, the file named.

    python -m benchmarks.reliability.disks [--count 60] [--seed 0] [--short]

Full disk: ``optimize`` and ``score`` on a tmpfs of a few hundred kilobytes (where none may be mounted: with a limit on
the size of files), with less and less room. Each must end with one of its exit codes and one line that says why; given
room, the same command must go on, ask nothing that was committed, and leave what an undisturbed run leaves.
Read-only: the folder of the run, of the response cache, of the scores, bound read-only (where that is not permitted:
skipped with the reason); a cache that may not be written must still replay.
Damage: ``count`` copies of a finished run's cache with bytes overwritten, cut or zeroed, or with values
of other types in its rows; the same command must end well with the same artefacts, and a file that SQLite cannot read
must be set aside and named.
"""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmarks.reliability.findings import Findings, main
from benchmarks.reliability.kills import Place
from benchmarks.reliability.rows import CRITERIA, judge_yaml, rated_csv
from benchmarks.reliability.serving import ROOT, Serving, serving

FIT = (
    "optimize",
    "rated.csv",
    "--criteria",
    "criteria.yaml",
    "--model",
    "model",
    "--steps",
    "1",
    "--output",
    "run-one",
)
SCORE = ("score", "judge.yaml", "rated.csv", "--output", "scores.csv")
MAY_END_WITH = (0, 1, 2, 3)


def mounted(*words: str) -> str:
    """Mount something; why it could not be, "" when it was."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[str]:
    """A tmpfs at a folder; gives why there is none, "" when there is."""
    reason = mounted("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder))
    try:
        yield reason
    finally:
        if not reason:
            subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[str]:
    """A folder bound read-only over itself; gives why it is not, "" when it is."""
    reason = mounted("--bind", str(folder), str(folder)) or mounted("-o", "remount,ro,bind", str(folder))
    try:
        yield reason
    finally:
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)


def prepare(folder: Path, url: str) -> Place:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rated.csv").write_text(rated_csv(16, 1), encoding="utf-8")
    (folder / "criteria.yaml").write_text(CRITERIA, encoding="utf-8")
    (folder / "judge.yaml").write_text(judge_yaml("model", url), encoding="utf-8")
    return Place(folder, url)


def run(place: Place, *words: str, largest: int = 0) -> tuple[int, str]:
    """One command to its end: exit code and what it printed.

    Args:
        largest: the most bytes that a file may grow to; 0 = no limit.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    own = {name: value for name, value in os.environ.items() if not name.startswith("POLYJUDGE_")}
    own |= {"POLYJUDGE_CACHE": str(place.cache), "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "polyjudge", *words, "--base-url", place.url],
        cwd=place.folder,
        env=own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=300,
        preexec_fn=limit if largest else None,
    )
    return done.returncode, done.stdout


def clear(code: int, said: str, what: str, found: Findings) -> None:
    """An end that a user can do something about."""
    found.require(code in MAY_END_WITH, f"{what}: an unknown exit code", (code, said[-600:]))
    found.require("Traceback" not in said, f"{what}: a traceback", said[-1500:])
    if code:
        last = said.strip().rpartition("\n")[2]
        found.require(last.startswith(("error: ", "stopped: ")), f"{what}: no clear error", said[-600:])


def full_disks(folder: Path, server: Serving, whole: dict[str, bytes], sizes: list[int], found: Findings) -> None:
    for size in sizes:
        at = folder / f"disk-{size}"
        at.mkdir()
        with small_disk(at, size) as reason:
            largest = size * 256 if reason else 0
            if reason:
                found.figures["no tmpfs, files limited instead"] = reason
            server.reset()
            place = prepare(at, server.url)
            ends = [run(place, *words, largest=largest) for words in (FIT, SCORE)]
            for code, said in ends:
                clear(code, said, "full disk", found)
                found.count(f"full disk: ended with {code}")
            held = place.committed()
            seen = len(server.asked())
            if not reason:
                subprocess.run(["mount", "-o", "remount,size=64m", str(at)], check=True)
            ends = [run(place, *words) for words in (FIT, SCORE)]
            found.require([code for code, _ in ends] == [0, 0], "full disk: no going on", [s[-600:] for _, s in ends])
            again = set(held) & set(server.asked()[seen:])
            found.require(not again, "full disk: committed calls asked again", again)
            found.require(dict(place.artefacts()) == whole, "full disk: other artefacts", size)
            for fault in place.damaged():
                found.fault("full disk: damaged file", fault)
        found.count("full disks")


def read_only_folders(folder: Path, server: Serving, whole: dict[str, bytes], found: Findings) -> None:
    shutil.copytree(folder / "whole", folder / "read-only")
    place = Place(folder / "read-only", server.url)
    with read_only(place.cache) as reason:
        if reason:
            found.figures["read-only folders skipped"] = reason
            return
        server.reset()
        for words in (FIT, SCORE):
            code, said = run(place, *words)
            found.require(code == 0, "read-only cache: no replay", said[-600:])
        found.require(not server.asked(), "read-only cache: asked again", len(server.asked()))
        code, said = run(place, *FIT[:-1], "other", "--seed", "9")
        clear(code, said, "read-only cache", found)
        found.require(code != 0 and "response cache" in said, "read-only cache: not named", (code, said[-600:]))
        found.require(not server.asked(), "read-only cache: paid for what cannot be kept", len(server.asked()))
        found.count("read-only folders")
    for name, words in (("run-one", FIT), (".", SCORE)):
        with read_only(place.folder / name):
            code, said = run(place, *words)
            clear(code, said, "read-only run", found)
            found.require(code != 0, "read-only run: not noticed", said)
            found.count("read-only folders")
    found.require(dict(place.artefacts()) == whole, "read-only: artefacts changed")


def damage(file: Path, random: Random) -> str:
    """Damage a file in one of the ways that disks and copies do."""
    way = random.choice(("bytes", "bytes", "page", "cut", "head", "empty", "text", "zeros", "types"))
    if way == "types":
        # What a flipped bit in a row's header does.
        column = random.choice(("created", "seconds", "role", "model", "reply"))
        value = random.choice(("x'00ff'", "'text'", "-1", "1e999", "''", "9223372036854775807"))
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(f"UPDATE answers SET {column} = {value} WHERE key > x'80'")  # noqa: S608 (our words)
            connection.commit()
        return way
    data = bytearray(file.read_bytes())
    at = random.randrange(len(data))
    if way == "bytes":
        for _ in range(random.choice((1, 10, 200))):
            data[random.randrange(len(data))] = random.randrange(256)
    elif way == "page":
        page = at // 4096 * 4096
        data[page : page + 4096] = random.randbytes(min(4096, len(data) - page))
    elif way == "cut":
        del data[at:]
    elif way == "head":
        data[: random.choice((16, 100, 4096))] = random.randbytes(100)
    elif way == "empty":
        data.clear()
    elif way == "text":
        data[:] = b"this is no database\n" * 100
    else:
        data[at:] = bytes(len(data) - at)
    file.write_bytes(data)
    return way


def damaged_files(
    folder: Path, server: Serving, whole: dict[str, bytes], count: int, seed: int, found: Findings
) -> None:
    """Damaged copies of a cache whose run is started again."""
    for number in range(count):
        random = Random(f"disks/{seed}/{number}")
        at = folder / f"damaged-{number}"
        shutil.copytree(folder / "whole", at)
        place = Place(at, server.url)
        way = damage(place.cache / "answers.sqlite", random)
        ends = [run(place, *words) for words in (FIT, SCORE)]
        said = "".join(told for _, told in ends)
        for code, told in ends:
            found.require(code == 0, f"damage ({way}): did not end well", (number, code, told[-1500:]))
        found.require(dict(place.artefacts()) == whole, f"damage ({way}): other artefacts", number)
        aside = list(place.cache.glob("*.corrupt*"))
        if aside:
            found.count("files set aside")
            named = all(path.name in said for path in aside)
            found.require(named, f"damage ({way}): set aside and not named", (number, said[-800:]))
        elif place.damaged():
            found.count("damaged files read on in part")
        found.count("damaged caches")
        shutil.rmtree(at)


def campaign(count: int, seed: int) -> Findings:
    """Damage ``count`` caches; the full form also fills more disks."""
    found = Findings()
    with TemporaryDirectory() as name, serving("--seed", seed, "--faults", 0) as server:
        folder = Path(name)
        place = prepare(folder / "whole", server.url)
        for words in (FIT, SCORE):
            code, said = run(place, *words)
            found.require(code == 0, "an undisturbed run", said)
        whole = dict(place.artefacts())
        sizes = [20, 40, 60, 80, 100, 120, 140, 160, 200, 240, 280, 320] if count > 10 else [120]
        full_disks(folder, server, whole, sizes, found)
        read_only_folders(folder, server, whole, found)
        damaged_files(folder, server, whole, count, seed, found)
    return found


if __name__ == "__main__":
    main(__doc__, campaign, full=60, short=2)
