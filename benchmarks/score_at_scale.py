"""Scoring 100,000 rows: peak memory and wall time of ``polyjudge score``, by file format.

The judge is SIMULATED: a script in the same process that gives one answer to everything, so the times hold no model's
and the figures are those of reading, asking, keeping and writing. Each file is scored twice: asked for, then
answered by the cache alone, as after a stop.

    python benchmarks/score_at_scale.py [--rows 100000] [--words 400] [--formats csv,jsonl,parquet]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

JUDGE = """\
polyjudge: 1
task: Judge the letter.
inputs: {letter: Letter}
document: street
id: id
criteria:
  - {name: clarity, scale: [1, 5], instruction: Rate from 1 to 5.}
  - {name: warmth, scale: [1, 5], instruction: Rate from 1 to 5.}
layout: joint
scoring: json
model: scripted/script.yaml
parameters: {temperature: 0.0, max_tokens: 64}
lineage: {}
"""
SCRIPT = {"rules": [{"replies": ['{"clarity": 4, "warmth": 2}']}]}


def rows(count: int, words: int) -> Iterator[dict[str, str]]:
    """Invented letters; no two are alike."""
    for number in range(count):
        body = " ".join(f"word{(number * 31 + place) % 997}" for place in range(words))
        yield {"id": f"r{number}", "street": f"s{number // 10}", "letter": f"Letter {number}: {body}"}


def write(path: Path, count: int, words: int) -> None:
    """A file of letters, in the format of its ending."""
    if path.suffix == ".csv":
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["id", "street", "letter"])
            writer.writeheader()
            writer.writerows(rows(count, words))
    elif path.suffix == ".jsonl":
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows(count, words))
    else:
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.Table.from_pylist(list(rows(count, words)))
        parquet.write_table(table, path, row_group_size=count)


def scored(folder: Path, data: Path, *more: str) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MB of one process that scores a file."""
    command = [sys.executable, "-m", "polyjudge", "score", "judge.yaml", data.name, "--quiet", *more]
    environment = {**os.environ, "POLYJUDGE_CACHE": str(folder / f"cache-{data.suffix[1:]}")}
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=400, help="words a letter")
    parser.add_argument("--formats", default="csv,jsonl,parquet")
    options = parser.parse_args()
    print("| file | MB | rows | first: s | CPU s | peak MB | again: s | CPU s | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for ending in options.formats.split(","):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "judge.yaml").write_text(JUDGE, "utf-8")
            (folder / "script.yaml").write_text(json.dumps(SCRIPT), "utf-8")
            data = folder / f"letters.{ending}"
            # In a process of its own: a child's peak begins at what its parent held.
            written = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import Path; "
            written += f"from score_at_scale import write; write(Path({str(data)!r}), {options.rows}, {options.words})"
            subprocess.run([sys.executable, "-c", written], check=True)
            times = [figure for _ in range(2) for figure in scored(folder, data)]
            with open(folder / "scores.csv", encoding="utf-8") as file:
                lines = sum(1 for _ in file)
            assert lines == options.rows + 1, lines
            cells = " | ".join(f"{figure:.1f}" for figure in times)
            print(f"| {ending} | {data.stat().st_size / 1e6:.0f} | {options.rows:,} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
