"""``polyjudge cache``: what it prints; what it does is tested in the library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.commands import polyjudge, write_table


def test_a_score_fills_it_and_prune_empties_it(place: Path) -> None:
    write_table(place)
    assert "holds    0 answers" in polyjudge("cache", "show").out
    assert polyjudge("score", "judge.yaml", "new.csv").code == 0
    shown = polyjudge("cache", "show")
    assert shown.code == 0
    assert "holds    2 answers" in shown.out
    assert "scripted/script.yaml" in shown.out
    assert json.loads(polyjudge("cache", "show", "--json").out)["kept"][0]["entries"] == 2
    assert polyjudge("cache", "merge").code == 2
    assert "would remove 2 answers" in polyjudge("cache", "prune", "--older-than", "0", "--dry-run").out
    assert polyjudge("cache", "prune").code == 2
    assert "removed 2 answers" in polyjudge("cache", "prune", "--model", "scripted/script.yaml").out
    assert "holds    0 answers" in polyjudge("cache", "show").out


def test_another_folder_s_answers_spare_the_calls(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(place)
    monkeypatch.setenv("POLYJUDGE_CACHE", "elsewhere")
    assert polyjudge("score", "judge.yaml", "new.csv").code == 0
    monkeypatch.delenv("POLYJUDGE_CACHE")
    (place / "asked.log").unlink()
    merged = polyjudge("cache", "merge", "elsewhere")
    assert (merged.code, merged.out) == (0, "2 answers added, 0 known already\n")
    assert polyjudge("score", "judge.yaml", "new.csv").code == 0
    assert not (place / "asked.log").exists()


def test_data_pull_says_what_is_missing(place: Path) -> None:
    ended = polyjudge("data", "pull", "brighter")
    assert (ended.code, "POLYJUDGE_DATA" in ended.err) == (2, True)
