"""Damaged files through the loader and the schemas: nothing crashes, and what is accepted means what it says.

    python -m benchmarks.reliability.files [--count 20000] [--seed 0] [--short]

Good files of six kinds (criteria.yaml, judge.yaml, CSV, JSONL, Parquet, a config in TOML) are damaged in a few
characters or bytes, or cell by cell, and loaded. A file may be refused, by an error of the tree that names it in one
line of bearable length. One that is accepted must hold ratings on their scales that stand in the file and texts that
can be sent as UTF-8; a judge must be written and read back as the same.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmarks.reliability.findings import Findings, main
from benchmarks.reliability.mutation import PIECES, mutated, mutated_bytes
from benchmarks.reliability.rows import CRITERIA, NAMES, judge_yaml, rated_rows

from polyjudge.datasets.load import load_dataset, load_rubric
from polyjudge.domain.dataset import Dataset
from polyjudge.errors import InputError
from polyjudge.settings.merged import resolve
from polyjudge.results.judge_file import dump_judge, read_judge

LONGEST_MESSAGE = 4000
RICH_CRITERIA = """\
task: Evaluate the summary.
inputs: {note: Note, summary: Summary}
document: note_id
id: id
criteria:
  - name: fluency
    definition: Is it well-formed?
    scale: [1, 5]
    instruction: |-
      Rate from 1 to 5.
      Mind the grammar.
    ratings: [fluency, coherence]
  - {name: relevance, scale: {low: 0, high: 10, step: any}, words: [apt, fitting]}
  - {name: coherence, scale: {labels: [one, two, "3", "4", "5"]}}
"""
CONFIG = """\
model = "openai/gpt-4o-mini"
mode = "SSS"
steps = 3
max_concurrency = 8
base_url = "http://127.0.0.1:8000/v1"
strict_gate = false

[parameters.judge]
temperature = 0.0
max_tokens = 256

[parameters.optimizer.extra]
reasoning_effort = "low"
"""
KINDS = ("criteria.yaml", "judge.yaml", "rows.csv", "rows.jsonl", "rows.parquet", "config.toml")


def good(kind: str, random: Random) -> bytes:
    """A file that loads."""
    if kind == "criteria.yaml":
        return random.choice((CRITERIA, RICH_CRITERIA)).encode()
    if kind == "judge.yaml":
        tail = 'parameters: {temperature: 0.5, max_tokens: 64}\nsamples: 3\nlineage: {seed: 1, version: "0.1"}\n'
        return (judge_yaml("openai/x") + tail).encode()
    if kind == "config.toml":
        return CONFIG.encode()
    rows = rated_rows(3, 2)
    if kind == "rows.jsonl":
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    if kind == "rows.parquet":
        return parquet(rows, random)
    head = ",".join(rows[0])
    return "\n".join([head, *(",".join(f'"{value}"' for value in row.values()) for row in rows)]).encode()


def parquet(rows: list[dict[str, str]], random: Random) -> bytes:
    """A Parquet file of the rows, at times with columns of other types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(rows)
    odd = {"floats": pa.array([random.choice((1.0, 2.5, math.nan, math.inf, -1e300, None)) for _ in rows]),
           "lists": pa.array([[1, 2]] * len(rows)), "bytes": pa.array([b"\xff\xfe"] * len(rows)),
           "times": pa.array([0] * len(rows), pa.timestamp("ns")), "wide": pa.array([2**63 - 1] * len(rows)),
           "nothing": pa.nulls(len(rows)), "truth": pa.array([True] * len(rows)),
           "decimal": pa.array([None] * len(rows), pa.decimal128(38, 2))}  # fmt: skip
    if random.random() < 0.6:
        column = random.choice(table.column_names)
        table = table.set_column(table.column_names.index(column), column, odd[random.choice([*odd])])
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def damaged(kind: str, random: Random) -> bytes:
    """A damaged file: in its bytes, in its characters, or in one of its values."""
    data = good(kind, random)
    way = random.random()
    if kind == "rows.parquet":
        return data if way < 0.5 else mutated_bytes(data, random, 3)
    if way < 0.2:
        return mutated_bytes(data, random)
    text = data.decode()
    if way < 0.6:
        return mutated(text, random, 4).encode("utf-8", "surrogatepass")
    # One value in the place of another: well-formed as a rule, and meaning something else.
    values = ("", "null", "~", "true", "yes", "[]", "{}", "-1", "1e400", ".nan", "2026-01-01", "0x10", "1_000", "a: b",
              "[1, 5, 9]", "{low: 5, high: 1}", "{labels: []}", "*x", "&x [*x]", "!!python/none ''", "9" * 400,
              "🙂" * 50, '"\\ud800"', "'", "|", "1,5", "5.0", "４", *PIECES)  # fmt: skip
    words = [word for word in text.replace('"', " ").replace(",", " ").split() if len(word) < 30]
    return text.replace(random.choice(words), random.choice(values), random.choice((1, 1, -1))).encode(
        "utf-8", "surrogatepass"
    )


def check_rows(dataset: Dataset, found: Findings) -> None:
    """Ratings are on their scales, and every text can be sent."""
    found.require(bool(dataset.examples), "a data set without rows")
    for example in dataset.examples:
        for criterion in dataset.rubric.criteria:
            for rating in example.ratings.get(criterion.name, ()):
                good = math.isnan(rating) or criterion.scale.allows_rating(rating)
                found.require(good, "a rating off its scale", (criterion.name, rating))
                found.count("ratings", not math.isnan(rating))
        for text in (*example.inputs.values(), example.id):
            text.encode()


def loader(kind: str, folder: Path, found: Findings) -> Callable[[Path], None]:
    """How a file of a kind is loaded, and looked at."""

    def rows(path: Path) -> None:
        dataset = load_dataset(path, folder / "good.yaml")
        check_rows(dataset, found)
        told = path.read_bytes()
        if kind != "rows.parquet":
            for example in dataset.examples:
                for name in NAMES:
                    for rating in example.ratings.get(name, ()):
                        there = math.isnan(rating) or stands(rating, told)
                        found.require(there, "a rating that stands nowhere", (name, rating, told[:400]))

    def judge(path: Path) -> None:
        one = read_judge(path)
        again = folder / "again.yaml"
        again.write_text(dump_judge(one), encoding="utf-8")
        found.require(dump_judge(read_judge(again)) == dump_judge(one), "a judge that reads back as another", one)

    def criteria(path: Path) -> None:
        load_rubric(path)
        load_dataset(folder / "good.csv", path)

    def config(path: Path) -> None:
        json.dumps(resolve({}, config_file=path, environment={}).config.identity())

    return {"criteria.yaml": criteria, "judge.yaml": judge, "config.toml": config}.get(kind, rows)


def stands(rating: float, told: bytes) -> bool:
    """Whether a rating can be seen in a file's bytes, in whichever digits or form."""
    text = "".join(str(ord(c) - 0xFF10) if "０" <= c <= "９" else c for c in told.decode("utf-8", "replace"))
    return f"{rating:g}" in text or str(rating) in text or "e" in text.casefold()


def campaign(count: int, seed: int) -> Findings:
    """Load ``count`` damaged files."""
    found = Findings()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "good.yaml").write_text(CRITERIA, encoding="utf-8")
        (folder / "good.csv").write_bytes(good("rows.csv", Random(0)))
        for place in range(count):
            random = Random(f"files/{seed}/{place}")
            kind = KINDS[place % len(KINDS)]
            path = folder / kind
            data = damaged(kind, random)
            path.write_bytes(data)
            try:
                loader(kind, folder, found)(path)
                found.count(f"{kind} accepted")
            except InputError as error:
                found.count(f"{kind} refused")
                said = str(error)
                named = kind in said or "good.csv" in said
                found.require(named, "a refusal that does not name the file", (said, data[:300]))
                found.require(len(said) <= LONGEST_MESSAGE, "a refusal as long as a book", (len(said), said[:500]))
            except Exception as error:
                found.fault(f"crash: {kind}: {type(error).__name__}", (str(error)[:300], data[:600]))
    found.figures["files"] = count
    return found


if __name__ == "__main__":
    main(__doc__, campaign, full=20_000, short=600)
