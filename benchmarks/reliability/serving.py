"""Start the fault-injecting endpoint in a process of its own, and ask it what it was asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Serving:
    """A running endpoint.

    Attributes:
        url: its base URL.
        pid: of its process.
    """

    url: str
    pid: int

    def asked(self, since: int = 0) -> list[str]:
        """The digests of the requests that arrived, in order."""
        return self._get(f"asked?since={since}").decode().split()

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._get("stats"))
        return found

    def reset(self) -> None:
        """Forget what was asked."""
        urlopen(Request(self._at("reset"), method="POST"), timeout=30).close()

    def _get(self, name: str) -> bytes:
        with urlopen(self._at(name), timeout=30) as answer:
            body: bytes = answer.read()
            return body

    def _at(self, name: str) -> str:
        return f"{self.url.removesuffix('/v1')}/{name}"


@contextmanager
def serving(*words: object) -> Iterator[Serving]:
    """An endpoint with options of its command line; it ends with the block, or with this process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.reliability.endpoint", *map(str, words)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the endpoint did not start")
        yield Serving(url, process.pid)
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
