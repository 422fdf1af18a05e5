"""A scale of half points, from the criteria file to the scores."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.rated import JUDGE, Recorder, rated, written

import polyjudge as pj
from polyjudge.datasets.criteria import rubric_from, rubric_to
from polyjudge.domain.scale import Ordinal
from polyjudge.errors import CriteriaError
from polyjudge.judge.json_scoring import value_schema
from polyjudge.llm.request import Request

HALVES = {"low": 1, "high": 5, "step": 0.5}


def criteria(scale: object) -> dict[str, object]:
    return {"task": "Judge.", "inputs": {"letter": "Letter"}, "criteria": [{"name": "tone", "scale": scale}]}


def test_the_file_reads_and_writes_half_points() -> None:
    rubric = rubric_from(criteria(HALVES), "criteria")
    assert rubric.criteria[0].scale == Ordinal(1, 5, 0.5)
    assert rubric_from(rubric_to(rubric), "again").criteria[0].scale == Ordinal(1, 5, 0.5)
    assert value_schema(rubric.criteria[0].scale) == {"type": "number", "enum": [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]}
    with pytest.raises(CriteriaError, match="half points are"):
        rubric_from(criteria([1.5, 5]), "criteria")
    with pytest.raises(CriteriaError, match="divides the span"):
        rubric_from(criteria({"low": 1, "high": 5, "step": 0.3}), "criteria")


def test_a_fit_and_a_scoring_read_them_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = rated({"tone": HALVES})
    spoken = [1.0, 2.5, 3.5, 4.0]

    def answer(request: Request) -> str:
        if request.role != "judge":
            return written(request, "Mind the tone.")
        number = int(request.messages[-1].content.rpartition("letter ")[2][:3])
        return json.dumps({"tone": spoken[number % 4]})

    recorder = Recorder(answer)
    run = pj.optimize(
        data.rows, criteria=data.criteria, model=JUDGE, backends={JUDGE: recorder.backend},
        settings=pj.Settings(steps=1, layout="joint"), output="run",
    )  # fmt: skip
    assert run.judge.rubric.criteria[0].scale == Ordinal(1, 5, 0.5)
    assert any("1 | 1.5 | 2 | 2.5" in message.content for request in recorder.asked for message in request.messages)
    pj.score("run/judge.yaml", data.rows, output="s.csv", backends={JUDGE: Recorder(answer).backend})
    with open("s.csv", newline="") as file:
        assert [float(row["tone"]) for row in csv.DictReader(file)] == [spoken[n % 4] for n in range(len(data.rows))]
