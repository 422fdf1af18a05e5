"""Standard input as a file that can be read twice."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# How the bytes of a file of each kind begin.
_BEGINNINGS = ((b"PAR1", ".parquet"), (b"PK\x03\x04", ".xlsx"), (b"[", ".json"), (b"{", ".jsonl"))


@contextmanager
def standard_input(data: str) -> Iterator[str]:
    """The name of a file with what comes in, if ``data`` is ``-``; else ``data``. The file is removed at the end.

    Its kind is told by its first bytes: Parquet, Excel, a JSON list, JSON lines, else CSV.
    """
    if data != "-":
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="polyjudge-") as folder:
        draft = Path(folder) / "input"
        with open(draft, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        with open(draft, "rb") as file:
            first = file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n")
        ending = next((ending for beginning, ending in _BEGINNINGS if first.startswith(beginning)), ".csv")
        source = draft.with_name(f"standard-input{ending}")
        draft.rename(source)
        yield str(source)
