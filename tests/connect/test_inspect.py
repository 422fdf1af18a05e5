"""Logs that Inspect itself wrote (scripts/make_inspect_logs.py), in both of its formats."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import polyjudge
from polyjudge.connect.inspect import inspect_table
from polyjudge.errors import DataError

LOGS = Path(__file__).parent / "logs"


def samples():
    return json.loads((LOGS / "summaries.json").read_text())["samples"]


@pytest.mark.parametrize("ending", ["json", "eval"])
def test_a_log_of_inspect_is_audited(ending):
    found = polyjudge.audit(LOGS / f"summaries.{ending}")
    assert (found.items, found.documents) == (18, 6)
    assert {(row.judge, row.criterion) for row in found.agreements} == {
        ("panel", "fluency"),
        ("panel", "relevance"),
        ("panel", "mean"),
        ("fluency", "fluency"),
    }
    for criterion in ("fluency", "relevance"):
        judge = [sample["scores"]["panel"]["value"][criterion] for sample in samples()]
        human = np.mean([[s["metadata"][f"{criterion}_{r}"] for r in "ab"] for s in samples()], axis=1)
        expected = stats.spearmanr(judge, human)[0]
        assert found.agreement("spearman", criterion, "panel") == pytest.approx(expected)


def test_a_criteria_file_may_name_the_target_as_a_rater():
    criteria = {
        "task": "t",
        "inputs": {"x": "X"},
        "criteria": [{"name": "fluency", "scale": [1, 5], "ratings": ["target"]}],
    }
    found = polyjudge.audit(LOGS / "summaries.json", criteria=criteria)
    target = [float(sample["target"]) for sample in samples()]
    judge = [sample["scores"]["fluency"]["value"] for sample in samples()]
    assert found.agreement("spearman", judge="fluency") == pytest.approx(stats.spearmanr(judge, target)[0])
    assert list(found.scales) == ["fluency"]


def test_letters_are_grades_and_epochs_are_items_of_their_sample(tmp_path):
    log = {
        "samples": [
            {"id": n, "epoch": e, "target": str(n % 2), "scores": {"right": {"value": "CI"[(n + e) % 2]}}}
            for n in range(6)
            for e in (1, 2)
        ]
    }
    file = tmp_path / "log.json"
    file.write_text(json.dumps(log))
    table = inspect_table(file, None)
    assert [row["score"] for row in table.rows[:2]] == [0.0, 1.0]
    assert [row["id"] for row in table.rows[:2]] == ["0, epoch 1", "0, epoch 2"]
    assert {row["document"] for row in table.rows} == {str(n) for n in range(6)}


ODD = [
    json.dumps({"samples": [{"id": 1, "epoch": [1], "target": "3", "scores": {"q": {"value": 1}}} | part]})
    for part in ({"metadata": [1]}, {"scores": [1]}, {"scores": "q"}, {"scores": {"q": {"value": {}}}})
]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"samples": 3}', '{"samples": []}', "not json", *ODD])
def test_what_is_no_log_is_told(tmp_path, text):
    file = tmp_path / "log.json"
    file.write_text(text)
    with pytest.raises(DataError, match=r"log\.json"):
        polyjudge.audit(file)


def test_a_broken_archive_is_told(tmp_path):
    file = tmp_path / "log.eval"
    file.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match="no log of Inspect"):
        polyjudge.audit(file)
    with zipfile.ZipFile(tmp_path / "plain.eval", "w") as archive:
        archive.writestr("samples/one.json", json.dumps(samples()[0]))
        archive.writestr("samples/two.json", json.dumps(samples()[1]))
    assert len(inspect_table(tmp_path / "plain.eval", None).rows) == 12
