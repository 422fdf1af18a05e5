"""The paper's protocol on its own data: the authors' rows, batches and gate rows, and every leak of them by name.

Needs the SummEval files of POLYJUDGE_DATA. Nothing of them is printed.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

import polyjudge
from polyjudge.datasets.load import load_dataset
from polyjudge.domain.example import Example
from polyjudge.llm.request import Request
from polyjudge.templates.instruction_parser import marked

FOLDER = Path(os.environ.get("POLYJUDGE_DATA") or Path(__file__).parents[3] / "shared" / "data").resolve()
pytestmark = pytest.mark.skipif(
    not (FOLDER / "summeval" / "train.parquet").is_file(), reason=f"no SummEval files in {FOLDER}"
)
CRITERIA = ("fluency", "relevance", "coherence", "consistency")
JUDGE = "test/judge"
STEPS, BATCH = 12, 3
TRAIN, VALIDATION, TEST = 160, 100, 480


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYJUDGE_DATA", str(FOLDER))
    monkeypatch.setenv("POLYJUDGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def examples() -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """The train and the test rows, in the order of their files, which the ratings confirm."""
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = load_dataset("summeval").examples
    parts = rows[:TRAIN], rows[TRAIN:]
    for part, name, count in zip(parts, ("train", "test"), (TRAIN, TEST), strict=True):
        table = parquet.read_table(FOLDER / "summeval" / f"{name}.parquet", columns=list(CRITERIA)).to_pydict()
        rated = [tuple(float(table[criterion][row]) for criterion in CRITERIA) for row in range(count)]
        assert [tuple(example.ratings[criterion][0] for criterion in CRITERIA) for example in part] == rated
    return parts


def validation_rows() -> list[int]:
    return list(map(int, np.random.RandomState(42).permutation(TRAIN)[-VALIDATION:]))


def batch_rows(step: int) -> list[int]:
    return list(map(int, np.random.RandomState(step).permutation(TRAIN)[:BATCH]))


class Recorder:
    """A judge by digest, writers of one text each, and all that the judge was asked."""

    def __init__(self) -> None:
        self.judged: set[str] = set()
        self.backend = polyjudge.Scripted(self._answer)

    def _answer(self, request: Request) -> str:
        if request.role == "judge":
            self.judged.add(request.messages[0].content)
            digest = hashlib.sha256(request.messages[0].content.encode()).digest()
            return json.dumps({name: 1 + digest[at] % 5 for at, name in enumerate(CRITERIA)})
        return marked("Mind the facts.") if request.role == "optimizer" else f"The {request.role} says so."


def optimize(recorder: Recorder, steps: int) -> polyjudge.Run:
    return polyjudge.optimize(
        "summeval",
        model=JUDGE,
        output="run",
        backends={JUDGE: recorder.backend},
        settings=polyjudge.Settings(preset="paper", steps=steps),
    )


def test_the_leak_report_names_what_the_protocol_shares() -> None:
    found = polyjudge.check("summeval", settings=polyjudge.Settings(preset="paper"))
    assert found.rows == TRAIN + TEST
    assert {name: rows for name, (rows, _) in found.parts.items()} == {
        "train": TRAIN,
        "validation": VALIDATION,
        "test": TEST,
    }
    told = "\n".join(found.leaks)
    for figure in (
        "79 of 80 documents of train recur in test",
        "train / test: 33 rows with the same inputs",
        "training draws: 19 of 36 lie in validation",
        "31 of 160 train rows are ever drawn",
    ):
        assert figure in told


def test_batches_and_readings_of_a_run_are_the_protocols(
    examples: tuple[tuple[Example, ...], tuple[Example, ...]],
) -> None:
    train, test = examples
    run = optimize(Recorder(), STEPS)
    steps = [json.loads(line) for line in (run.path / "steps.jsonl").read_text("utf-8").splitlines()]
    assert [step["index"] for step in steps] == list(range(STEPS + 1))
    drawn = [[train[row].id for row in batch_rows(step)] for step in range(1, STEPS + 1)]
    assert [step["batch"] for step in steps] == [[], *drawn]
    readings = [json.loads(line) for line in (run.path / "tests.jsonl").read_text("utf-8").splitlines()]
    assert [reading["step"] for reading in readings] == list(range(STEPS + 1))
    assert all(len(scores) == len(test) for reading in readings for scores in reading["scores"].values())
    measured = {one["metric"] for one in readings[-1]["measured"]}
    assert {"spearman", "mae", "off_by_one"} <= measured
    accounts = {account.role: account for account in run.accounts}
    asked = {role: accounts[role].sent for role in ("loss", "gradient", "optimizer")}
    assert asked == {"loss": 12 * STEPS, "gradient": 12 * STEPS, "optimizer": 4 * STEPS}


def test_the_judge_is_asked_about_the_hundred_gate_rows_and_the_test_rows_only(
    examples: tuple[tuple[Example, ...], tuple[Example, ...]],
) -> None:
    train, test = examples
    recorder = Recorder()
    optimize(recorder, 0)
    read = [*(train[row] for row in validation_rows()), *test]
    for example in read:
        assert any(all(text in asked for text in example.inputs.values()) for asked in recorder.judged)
    assert len(recorder.judged) == len({tuple(sorted(example.inputs.items())) for example in read})
