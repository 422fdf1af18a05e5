"""``polyjudge combine``: the report, JSON, jury.yaml, and its application."""

import csv
import io
import json

import pytest
from tests.commands import polyjudge


def test_it_prints_a_report_writes_the_jury_and_applies_it(tmp_path):
    jury, out = tmp_path / "jury.yaml", tmp_path / "combined.csv"
    ended = polyjudge("combine", "hanna", "--judge", "ChatGPT/*", "--splits", "1", "--output", jury)
    assert ended.code == 0, ended.err
    assert "On the sealed half" in ended.out
    assert f"polyjudge combine --apply {jury}" in ended.out
    applied = polyjudge("combine", "hanna", "--apply", jury, "--output", out)
    assert applied.code == 0, applied.err
    assert "1,056 items on 6 criteria" in applied.out
    audited = polyjudge("audit", out, "--json")
    assert audited.code == 0, audited.err
    assert json.loads(audited.out)["judgements"] == [["jury", ""]]
    printed = polyjudge("combine", "hanna", "--apply", jury)
    assert len(list(csv.DictReader(io.StringIO(printed.out)))) == 1056


def test_json_holds_the_jury_and_every_rung():
    ended = polyjudge("combine", "hanna", "--judge", "ChatGPT/*", "--splits", "1", "--json")
    found = json.loads(ended.out)
    assert found["jury"]["fitted"]["jury"]["members"]
    assert [rung["name"] for rung in found["rungs"]][:3] == ["single best", "jury", "jury, calibrated"]


@pytest.mark.parametrize("words", [["--members", "3"], ["--criteria", "c.yaml"], ["--json"]])
def test_applying_takes_no_choice(tmp_path, words):
    ended = polyjudge("combine", "hanna", "--apply", tmp_path / "jury.yaml", *words)
    assert ended.code == 2
    assert f"leave out {words[0]}" in ended.err


def test_a_file_that_does_not_exist(tmp_path):
    ended = polyjudge("combine", tmp_path / "none.csv")
    assert ended.code == 2
    assert "no such file" in ended.err
