"""Keys planted in environment, address, headers and error bodies: found in no file and no output.

    python -m benchmarks.reliability.keys [--count 3] [--seed 0] [--short]

The endpoint repeats the key that it was sent in error bodies, error codes, headers, redirects, content types, broken
JSON and texts told as answers. ``optimize`` and ``score`` run against it as a user would run them, with ``count``
shapes of keys, and so do commands with keys where they must not be: in the address, in a config file, in a proxy's
address, in extra fields. Then every file that was left (the cache's answers uncompressed) and everything that was
printed is searched for each key, as it is, URL-quoted, as JSON escapes it, and in base 64.
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from urllib.parse import quote

from benchmarks.reliability.endpoint import CONTENT, FATAL, TRANSPORT
from benchmarks.reliability.findings import Findings, main
from benchmarks.reliability.rows import CRITERIA, judge_yaml, rated_csv
from benchmarks.reliability.serving import ROOT, serving

# Kinds that cost a time-out each, once a request, are left to other campaigns.
QUICK = tuple(kind for kind in (*TRANSPORT, *CONTENT) if kind not in ("hang", "slow-drip", "drip", "megabyte"))


def key_of(shape: int, random: Random) -> str:
    """A key as providers make them, or as nobody expects them."""
    letters = "".join(random.choices("abcdefghkmnpqrstuvwxyzABCDEFGHKMNP23456789", k=32))
    return (f"planted{letters}", f"sk-proj-{letters}", f"pl/nt+{letters}==")[shape % 3]


def forms(key: str) -> Iterator[bytes]:
    yield key.encode()
    yield quote(key, safe="").encode()
    yield key.replace("/", "\\/").encode()
    yield base64.b64encode(key.encode())[:40]


class Workplace:
    """A folder with files for the commands."""

    def __init__(self, folder: Path, url: str, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.said = b""
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("POLYJUDGE_")}
        self._environment |= {"POLYJUDGE_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT / "src")}
        self._environment |= environment
        for name, text in {
            "rated.csv": rated_csv(16, 2),
            "criteria.yaml": CRITERIA,
            "judge.yaml": judge_yaml("model", url),
        }.items():
            (folder / name).write_text(text, encoding="utf-8")

    def run(self, *words: str, environment: Mapping[str, str] | None = None) -> int:
        """One command; what it prints is kept."""
        done = subprocess.run(
            [sys.executable, "-m", "polyjudge", *words],
            cwd=self.folder,
            env=self._environment | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )
        self.said += done.stdout
        return done.returncode

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """All that was written and printed; a cache's answers uncompressed."""
        yield "output", self.said
        for path in self.folder.rglob("*"):
            if path.is_file():
                yield path.name, path.read_bytes()
        for file in self.folder.rglob("answers.sqlite"):
            with closing(sqlite3.connect(file)) as connection:
                rows = connection.execute("SELECT role, model, reply FROM answers").fetchall()
            yield (
                f"answers of {file.name}",
                b"\n".join(zlib.decompress(row[2]) + repr(row[:2]).encode() for row in rows),
            )


def search(place: Workplace, key: str, where: str, found: Findings, allowed: tuple[str, ...] = ()) -> None:
    for name, content in place.contents():
        if name in allowed:
            continue
        found.count("files and outputs searched")
        for form in forms(key):
            at = content.find(form)
            found.require(at < 0, f"the key was found: {where}", (name, content[max(0, at - 150) : at + 60]))


def runs(folder: Path, key: str, seed: int, found: Findings) -> None:
    """Whole runs against an endpoint that repeats the key in everything that goes wrong."""
    faults = ("--faults", 0.1, "--seed", seed, "--keys", "--kinds", ",".join(QUICK))
    with serving(*faults) as server:
        place = Workplace(folder, server.url, {"POLYJUDGE_API_KEY": key, "OPENAI_API_KEY": key})
        asking = ("--base-url", server.url, "--max-concurrency", "32")
        fit = (
            "--criteria",
            "criteria.yaml",
            "--model",
            "model",
            "--steps",
            "2",
            "--output",
            "run",
            "--seed",
            str(seed),
        )
        codes = [
            place.run("optimize", "rated.csv", *fit, *asking),
            place.run("score", "judge.yaml", "rated.csv", "--base-url", server.url, "--json"),
        ]
        found.require(set(codes) <= {0, 3}, "a run that neither ended well nor stopped", (codes, place.said[-500:]))
        found.count("whole runs that ended well", codes.count(0))
        stats = server.stats()
        for kind, times in stats["faults"].items():
            found.count("replies that held the key", times if kind else 0)
    search(place, key, "whole runs", found)


def refusals(folder: Path, key: str, every: int, found: Findings) -> None:
    """An endpoint that refuses for good, in each way."""
    for kind in FATAL[::every]:
        with serving("--faults", 1, "--keys", "--kinds", kind) as server:
            (folder / kind).mkdir()
            place = Workplace(folder / kind, server.url, {"POLYJUDGE_API_KEY": key})
            own = ("--base-url", server.url)
            code = place.run("score", "judge.yaml", "rated.csv", *own, "--output", "scores.csv")
            found.require(code != 0, f"{kind}: not noticed")
        search(place, key, kind, found)


def misplaced(folder: Path, key: str, every: int, found: Findings) -> None:
    """Keys where they must not be; nothing is asked."""
    place = Workplace(folder, "http://127.0.0.1:9/v1", {})
    score = ("score", "judge.yaml", "rated.csv", "--output", "scores.csv")
    quoted = quote(key, safe="")
    addresses = [f"http://me:{quoted}@127.0.0.1:9/v1", f"http://{quoted}@127.0.0.1:9/v1", f"ftp://x:{quoted}@h/v1"]
    addresses += [
        f"http://127.0.0.1:9/v1?api_key={quoted}",
        f"http://me:{key}@127.0.0.1:9/v1",
        f"http://h/v1#{quoted}",
    ]
    for address in addresses[::every]:
        found.require(place.run(*score, "--base-url", address) == 2, "an address with a key was taken", address)
        code = place.run(*score, environment={"POLYJUDGE_BASE_URL": address})
        found.require(code == 2, "an address with a key was taken", address)
    settings = [f"base_url = {json.dumps(address)}" for address in addresses]
    settings += [f"api_key = {json.dumps(key)}", f"[parameters.judge.extra]\napi_key = {json.dumps(key)}"]
    settings += [f"[parameters.judge.extra]\nheaders = {{Authorization = {json.dumps('Bearer ' + key)}}}"]
    for text in settings[::every]:
        (folder / "settings.toml").write_text(text, encoding="utf-8")
        fit = ("optimize", "rated.csv", "--criteria", "criteria.yaml", "--model", "openai/m", "--output", "run")
        found.require(place.run(*fit, "--config", "settings.toml") == 2, "a setting with a key was taken", text)
    (folder / ".env").write_text(f"OPENAI_API_KEY={key}\n", encoding="utf-8")
    # A proxy that does not listen, in front of an address that does not exist.
    proxy = {"http_proxy": f"http://me:{quoted}@127.0.0.1:9", "POLYJUDGE_API_KEY": key}
    code = place.run(*score, "--base-url", "http://no-such-host.invalid/v1", environment=proxy)
    found.require(code in (2, 3), "a proxy that does not listen was not noticed", code)
    search(place, key, "misplaced", found, allowed=(".env", "settings.toml"))


def campaign(count: int, seed: int) -> Findings:
    """Plant ``count`` keys."""
    found = Findings()
    every = 1 if count > 1 else 4
    for shape in range(count):
        key = key_of(shape, Random(f"keys/{seed}/{shape}"))
        with TemporaryDirectory() as name:
            for step in ("runs", "refusals", "misplaced"):
                (Path(name) / step).mkdir()
            runs(Path(name) / "runs", key, seed + shape, found)
            refusals(Path(name) / "refusals", key, every, found)
            misplaced(Path(name) / "misplaced", key, every, found)
    found.figures["keys"] = count
    return found


if __name__ == "__main__":
    main(__doc__, campaign, full=3, short=1)
