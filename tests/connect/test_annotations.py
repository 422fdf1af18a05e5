"""Exports of annotation tools, in the structure that each documents, become rows that ``init`` and ``check`` take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.commands import polyjudge

import polyjudge as pj
from polyjudge.connect.annotations import FORMS, rated_rows_of
from polyjudge.errors import DataError


def label_studio(n: int) -> dict[str, Any]:
    safe = "yes" if n % 3 else "no"

    def annotation(who: int, stars: int) -> dict[str, Any]:
        return {
            "completed_by": {"id": who, "email": "x@y.example"} if n % 2 else who,
            "was_cancelled": False,
            "result": [
                {"from_name": "tone", "to_name": "reply", "type": "rating", "value": {"rating": stars}},
                {"from_name": "safe", "to_name": "reply", "type": "choices", "value": {"choices": [safe]}},
                {"from_name": "why", "to_name": "reply", "type": "textarea", "value": {"text": ["because"]}},
            ],
        }  # fmt: skip

    skipped = {"completed_by": 9, "was_cancelled": True, "result": []}
    marks = [annotation(1, n % 5 + 1), annotation(2, n % 4 + 1), skipped]
    return {"id": n, "data": {"reply": f"the reply {n} is long"}, "annotations": marks, "predictions": []}


def argilla(n: int) -> dict[str, Any]:
    tone = [{"value": n % 5 + 1, "user_id": "u1"}, {"value": n % 4 + 1, "user_id": "u2"}]
    safe = [{"value": "yes" if n % 3 else "no", "user_id": who} for who in ("u1", "u2")]
    record = {"id": str(n), "fields": {"reply": f"the reply {n} is long"}, "metadata": {}, "status": "completed"}
    return {**record, "suggestions": {"tone": {"value": 1}}, "responses": {"tone": tone, "safe": safe}}


def langfuse(n: int) -> dict[str, Any]:
    scores = [
        {"name": "tone", "value": n % 5 + 1, "source": "ANNOTATION", "authorUserId": "u1", "dataType": "NUMERIC"},
        {"name": "tone", "value": n % 4 + 1, "source": "ANNOTATION", "authorUserId": "u2", "dataType": "NUMERIC"},
        {"name": "judge", "value": 0.3, "source": "EVAL", "authorUserId": None, "dataType": "NUMERIC"},
        *(
            {"name": "safe", "value": n % 3 > 0, "stringValue": "yes" if n % 3 else "no", "source": "ANNOTATION"}
            | {"authorUserId": who, "dataType": "CATEGORICAL"}
            for who in ("u1", "u2")
        ),
    ]
    return {"id": f"t{n}", "input": f"what about {n}?", "output": f"the reply {n} is long", "scores": scores}


MAKERS = {"label-studio": label_studio, "argilla": argilla, "langfuse": langfuse}


@pytest.mark.parametrize("form", FORMS)
def test_an_export_becomes_rows_that_init_takes(form: str, tmp_path: Path) -> None:
    records = [MAKERS[form](n) for n in range(30)]
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"data": records} if form == "langfuse" else records), "utf-8")
    rows = rated_rows_of(path, form)
    assert [row["tone"] for row in rows] == [[n % 5 + 1, n % 4 + 1] for n in range(30)]
    assert {tuple(row["safe"]) for row in rows} == {("yes", "yes"), ("no", "no")}
    rubric = pj.init(rows).rubric
    assert sorted(rubric.names) == ["safe", "tone"]
    assert pj.check(rows, criteria=rubric).criteria[0].raters == 2
    written = polyjudge("data", "convert", path, "--form", form, "--output", tmp_path / "ratings.jsonl")
    assert (written.code, "30 rows" in written.out) == (0, True)
    assert polyjudge("init", tmp_path / "ratings.jsonl").code == 0
    again = polyjudge("data", "convert", path, "--form", form, "--output", tmp_path / "ratings.jsonl")
    assert (again.code, "is there already" in again.err) == (2, True)


def test_two_answers_of_one_person_are_not_dropped_in_silence(tmp_path: Path) -> None:
    record = argilla(1)
    record["responses"]["tone"].append({"value": 5, "user_id": "u1"})
    (tmp_path / "export.json").write_text(json.dumps([record]), "utf-8")
    with pytest.raises(DataError, match="record 1: the person 'u1' answers 'tone' twice"):
        rated_rows_of(tmp_path / "export.json", "argilla")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "not JSON"),
        ("{}", "holds no list of records"),
        ('[{"a": 1}]', "record 1 is not of argilla"),
        ('[{"id": 1, "fields": {"a": "b"}, "responses": {}}]', "holds a person's rating"),
    ],
)
def test_another_structure_is_refused_with_the_remedy(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(content, "utf-8")
    with pytest.raises(DataError, match=message):
        rated_rows_of(path, "argilla")
    with pytest.raises(DataError, match="choose one of label-studio, argilla, langfuse"):
        rated_rows_of(path, "doccano")
