"""What a notebook shows of a check, an audit, scores and a study: tables, with everything escaped."""

from __future__ import annotations

from pathlib import Path

from tests.commands import write_table

import polyjudge as pj

HOSTILE = "<script>alert(1)</script>"


def shown(result: object) -> str:
    markup: str = result._repr_html_()  # type: ignore[attr-defined]
    assert "<table>" in markup
    assert "<script" not in markup
    return markup


def test_results_show_as_tables(place: Path) -> None:
    write_table(place)
    check = pj.check("ratings.csv", criteria="criteria.yaml")
    assert "clarity" in shown(check)
    scores = pj.score("judge.yaml", "ratings.csv", output="scores.csv")
    assert shown(scores).count("<tr>") == 11
    assert "the first 10 rows" in shown(scores)
    assert "spearman" in shown(pj.audit("scores.csv", criteria="criteria.yaml"))


def test_what_data_say_is_escaped(place: Path) -> None:
    write_table(place)
    rows = [{"id": f"{HOSTILE}{n}", "letter": f"Dear {n}."} for n in range(3)]
    assert "&lt;script&gt;" in shown(pj.score("judge.yaml", rows))
    judged = [{"judge": HOSTILE, "id": str(n), "wit": n % 5 + 1, "wit_a": n % 4 + 1} for n in range(20)]
    assert "&lt;script&gt;" in shown(pj.audit(judged))


def test_a_study_shows_its_headlines(place: Path) -> None:
    write_table(place)
    content = {
        "study": {"data": [{"data": "ratings.csv", "criteria": "criteria.yaml"}], "models": ["scripted/script.yaml"]},
        "options": {"steps": 1, "layout": "joint"},
    }
    study = pj.study(content, seeds=[0], output="study")
    assert "1 run, 0 failed" in shown(study)
