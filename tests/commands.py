"""A small rated table with a script, and the command line run inside this process."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from polyjudge.cli import main
from polyjudge.templates.instruction_parser import marked

NAMES = ("clarity", "warmth")
# Every file of the small table, by name.
Files = Mapping[str, str | bytes]


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


def polyjudge(*words: str | Path) -> Ended:
    """Run a command line in this process; nothing here is a terminal."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as leaving:
        main([str(word) for word in words])
    code = leaving.value.code
    return Ended(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())


def rated_csv(documents: int = 14, each: int = 2, names: Sequence[str] = NAMES, seed: int = 0) -> str:
    """Ratings from 1 to 5 of invented letters, two a document."""
    random = Random(f"commands/{seed}")
    lines = [",".join(["id", "street", "letter", *names])]
    for place in range(documents * each):
        ratings = ",".join(str(random.randint(1, 5)) for _ in names)
        lines.append(
            f"r{place},s{place // each},Dear neighbour {place}: the hedge is {place + 2} feet high.,{ratings}"
        )
    return "\n".join(lines) + "\n"


def criteria_yaml(names: Sequence[str] = NAMES) -> str:
    criteria = "".join(f"  - {{name: {name}, definition: How much {name}?, scale: [1, 5]}}\n" for name in names)
    return "task: Judge the letter.\ninputs: {letter: Letter}\ndocument: street\nid: id\ncriteria:\n" + criteria


def script_yaml(names: Sequence[str] = NAMES) -> str:
    """A script that answers every role readably and writes down in ``asked.log`` that it was asked."""
    random = Random("commands/script")
    rules = [
        {"role": "judge", "replies": [json.dumps({name: random.randint(1, 5) for name in names}) for _ in range(20)]},
        {"role": "optimizer", "replies": [marked(f"Rate from 1 to 5; mind point {number}.") for number in range(9)]},
        {"replies": [f"Remark {number}." for number in range(9)]},
    ]
    return json.dumps({"log": "asked.log", "rules": rules})  # JSON is YAML


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


def write_table(folder: Path, files: Files | None = None) -> None:
    """Write ratings, criteria, script, judge and new texts, or others of the same names."""
    own: dict[str, str | bytes] = {
        "ratings.csv": rated_csv(),
        "criteria.yaml": criteria_yaml(),
        "script.yaml": script_yaml(),
        "judge.yaml": JUDGE,
        "new.csv": "id,street,letter\nn1,s1,Dear all.\nn2,s1,Dear none.\n",
    }
    for name, content in (own | dict(files or {})).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
