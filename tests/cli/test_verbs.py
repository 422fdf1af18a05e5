"""check, optimize and score as a user sees them: standard output, standard error, JSON, exit codes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.support import Workplace, ended
from tests.commands import NAMES, criteria_yaml, polyjudge, rated_csv, script_yaml, write_table

FIT = ("ratings.csv", "--criteria", "criteria.yaml", "--model", "scripted/script.yaml", "--layout", "joint")
FAILED = 1


def parsed(text: str) -> Any:
    """JSON and nothing beside it; NaN is none."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_check_shows_the_whole_plan_and_asks_nothing(place: Path) -> None:
    write_table(place)
    found = polyjudge("check", *FIT)
    assert (found.code, found.err) == (0, "")
    for text in (
        "28 of 14 documents",
        "test: 14 rows",
        "stands in two parts",
        "one annotator",
        "constant's mae",
        "Planned: 398",
    ):
        assert text in found.out
    assert not (place / "asked.log").exists()
    assert not (place / ".polyjudge").exists()


def test_check_without_a_model_says_so(place: Path) -> None:
    write_table(place)
    found = polyjudge("check", *FIT[:3])
    assert found.code == 0
    assert found.out.splitlines()[-1] == "No --model named: no calls planned."


def test_check_as_json_says_the_same(place: Path) -> None:
    write_table(place)
    content = parsed(polyjudge("check", *FIT, "--json").out)
    assert content["rows"] == 28
    assert [one["name"] for one in content["criteria"]] == list(NAMES)
    assert content["criteria"][0]["one_annotator"] is None
    assert sum(role["calls"] for role in content["roles"]) == 398


@pytest.mark.parametrize("names", [("clarity", "warmth"), ("warmth", "clarity")])
def test_floors_of_different_scales_stand_in_their_own_columns(names: tuple[str, str], place: Path) -> None:
    scales = {"clarity": "[1, 5]", "warmth": "{labels: ['1', '2', '3', '4', '5']}"}
    head = criteria_yaml().partition("criteria:")[0]
    criteria = "".join(f"  - {{name: {name}, scale: {scales[name]}}}\n" for name in names)
    write_table(place, {"criteria.yaml": f"{head}criteria:\n{criteria}"})
    shown = polyjudge("check", *FIT[:3]).out.splitlines()
    rows = {line.split("|")[1].strip(): line.split("|") for line in shown if line.startswith("| ")}
    at = [cell.strip() for cell in rows["criterion"]].index("constant's mae")
    assert rows["warmth"][at].strip() == "undefined"
    assert float(rows["clarity"][at]) > 0


def test_optimize_tells_steps_on_standard_error_and_the_result_on_standard_output(place: Path) -> None:
    write_table(place)
    found = polyjudge("optimize", *FIT, "--steps", "2", "--output", "run")
    assert found.code == 0
    planned = "run run: 2 steps, about 108 calls planned, at most 12 of them for merged prompts"
    blind, *told = found.err.splitlines()
    assert blind.startswith("note: the validation rows are of 3 documents, too few for intervals")
    assert told[0] == planned
    assert [line.split(",")[0].split(":")[0] for line in told[1:]] == ["step 0", "step 1", "step 2"]
    lines = found.out.splitlines()
    assert "spearman on 14 sealed test rows of 7 documents" in lines
    assert [line.split("|")[1].strip() for line in lines if line.startswith("| ")] == ["criterion", *NAMES, "mean"]
    assert lines[-3:] == ["run:    run", "judge:  run/judge.yaml", "report: run/report.html"]
    assert lines[-4] in (place / "run" / "summary.md").read_text("utf-8")


@pytest.mark.parametrize("flag", ["--quiet", "--json"])
def test_quiet_and_json_keep_standard_error_empty(flag: str, place: Path) -> None:
    write_table(place)
    found = polyjudge("optimize", *FIT, "--steps", "1", flag)
    assert (found.code, found.err) == (0, "")
    assert found.out


def test_optimize_as_json(place: Path) -> None:
    write_table(place)
    content = parsed(polyjudge("optimize", *FIT, "--steps", "1", "--output", "run", "--json").out)
    assert list(content) == ["path", "outcome", "accounts", "seconds"]
    assert content["path"] == "run"
    assert content["outcome"]["mean"]["name"] == "mean"
    assert content["outcome"]["criteria"][0]["one_annotator"] is None
    assert [account["role"] for account in content["accounts"]] == ["judge", "loss", "gradient", "optimizer"]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_dry_run_is_a_check_and_pays_nothing(as_json: bool, place: Path) -> None:
    write_table(place)
    before = sorted(place.iterdir())
    more = ["--json"] if as_json else []
    found = polyjudge("optimize", *FIT, "--dry-run", "--output", "run", *more)
    assert (found.code, found.out) == (0, polyjudge("check", *FIT, *more).out)
    assert sorted(place.iterdir()) == before


def test_the_paper_s_preset_is_never_called_sealed(place: Path) -> None:
    write_table(place)
    found = polyjudge("optimize", *FIT, "--steps", "1", "--preset", "paper")
    assert found.code == 0
    assert "test rows are read while the run goes on" in found.out
    assert "sealed" not in found.out
    assert "note: Preset 'paper' keeps the paper's protocol" in found.err


def test_score_writes_the_table_and_says_where(place: Path) -> None:
    write_table(place)
    found = polyjudge("score", "judge.yaml", "new.csv")
    assert (found.code, found.err) == (0, "")
    assert found.out == "2 rows, 4 scores, 0 unscored\nscores: scores.csv\n"
    assert (
        (place / "scores.csv").read_text("utf-8").startswith("id,document,clarity,warmth,error,street,letter\nn1,s1,")
    )


def test_score_as_json(place: Path) -> None:
    write_table(place)
    content = parsed(polyjudge("score", "judge.yaml", "new.csv", "--output", "mine.csv", "--json").out)
    assert (content["output"], content["rows"], content["scores"], content["unscored"]) == ("mine.csv", 2, 4, 0)
    assert content["accounts"][0]["sent"] == 2
    assert (place / "mine.csv").exists()


def test_too_many_unreadable_scores_fail_with_the_table_written(place: Path) -> None:
    write_table(
        place, {"script.yaml": json.dumps({"log": "asked.log", "rules": [{"replies": ["I would rather not."]}]})}
    )
    found = polyjudge("score", "judge.yaml", "new.csv", "--fail-on-error", "0.5")
    assert found.code == FAILED
    assert found.err.startswith(
        "error: 4 of 4 scores of the rows are unreadable, more than --fail-on-error 0.5 allows"
    )
    assert len(found.err.splitlines()) == 1
    assert (place / "scores.csv").read_text("utf-8").count("unscored: clarity, warmth") == 2


def test_notes_of_the_data_are_told(place: Path) -> None:
    write_table(place, {"ratings.csv": rated_csv() + "x,s99,Dear all.,,\n"})
    found = polyjudge("optimize", *FIT, "--steps", "0")
    assert "note: row 29 without any rating left out" in found.err.splitlines()
    assert "note      row 29 without any rating left out" in polyjudge("check", *FIT).out.splitlines()


@pytest.mark.parametrize("verb", ["check", "optimize"])
def test_settings_come_from_a_file_too(verb: str, place: Path) -> None:
    settings = 'model = "scripted/script.yaml"\nsteps = 1\n[parameters.judge]\nmax_tokens = 33\n'
    write_table(place, {"own.toml": settings})
    found = polyjudge(verb, *FIT[:3], "--config", "own.toml", "--json")
    assert found.code == 0
    content = parsed(found.out)
    roles = content["roles"] if verb == "check" else content["accounts"]
    assert {role["model"] for role in roles} == {"scripted/script.yaml"}


def test_a_character_that_cannot_be_shown_does_not_end_a_run(tmp_path: Path) -> None:
    place, names = Workplace.at(tmp_path), ("klarheit", "温かさ")
    tables = {"ratings.csv": rated_csv(names=names), "criteria.yaml": criteria_yaml(names)}
    write_table(tmp_path, {**tables, "script.yaml": script_yaml(names)})
    narrow = (
        "import sys; sys.stdout.reconfigure(encoding='latin-1'); from polyjudge.cli import main; main(sys.argv[1:])"
    )
    found = ended(place.python("-c", narrow, "optimize", *FIT, "--steps", "1", "--output", "run"))
    assert found.code == 0, found.err
    assert "| \\u6e29\\u304b\\u3055" in found.out
    assert "温かさ" in (tmp_path / "run" / "summary.md").read_text("utf-8")


@pytest.mark.skipif(os.name != "posix", reason="needs pipes as POSIX has them")
def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    process = Workplace.at(tmp_path).start("optimize", "--help")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == FAILED
    process.stderr.close()
