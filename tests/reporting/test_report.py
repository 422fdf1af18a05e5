"""The file as a file: one, small, with everything in it that a run knows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tests.reporting.hostile import ATTACK, NAMES

import polyjudge
from polyjudge.errors import DataError

SIZE = 2_000_000


def test_the_report_is_one_small_file_and_optimize_writes_it(hostile: polyjudge.Run) -> None:
    file = hostile.path / "report.html"
    assert file.stat().st_size < SIZE
    text = file.read_text("utf-8")
    assert re.findall(r'(?:src|href)="(?!#)', text.split("<script>", 1)[0]) == []
    assert ATTACK not in text


def test_a_report_of_the_folder_alone_is_the_same_but_for_the_texts(hostile: polyjudge.Run, place: Path) -> None:
    shutil.copytree(hostile.path, place / "run <i>")
    found = polyjudge.report(place / "run <i>", output=place / "again.html")
    assert found == place / "again.html"
    again = found.read_text("utf-8")
    assert "Rows are shown by their ids" in again
    assert "Text 1. &lt;" not in again
    keys = ("agreement", "trajectory", "failures", "instructions", "disagreements")
    assert all(f'id="{key}"' in again for key in keys)


def test_the_texts_are_found_again_where_the_data_are(place: Path) -> None:
    from tests.commands import polyjudge as command
    from tests.commands import write_table

    write_table(place)
    command("optimize", "ratings.csv", "--criteria", "criteria.yaml", "--model", "scripted/script.yaml",
            "--steps", "1", "--output", "run")  # fmt: skip
    first = (place / "run" / "report.html").read_text("utf-8")
    assert "the hedge is" in first
    assert polyjudge.report("run").read_text("utf-8") == first
    (place / "ratings.csv").rename(place / "moved.csv")
    assert "the hedge is" not in polyjudge.report("run").read_text("utf-8")
    assert polyjudge.report("run", data="moved.csv").read_text("utf-8") == first
    write_table(place, {"moved.csv": (place / "moved.csv").read_text("utf-8").replace("hedge", "fence")})
    with pytest.raises(DataError, match="not those of the run"):
        polyjudge.report("run", data="moved.csv")


def test_a_folder_that_is_no_run_is_refused(place: Path) -> None:
    with pytest.raises(DataError, match=r"neither a finished run nor a study.*result\.json"):
        polyjudge.report(place)


def test_long_texts_are_cut_so_that_the_file_stays_small(place: Path) -> None:
    from tests.reporting.hostile import hostile_run

    run = hostile_run(place, length=40_000, steps=12)
    file = run.path / "report.html"
    assert file.stat().st_size < SIZE
    assert "more characters)" in file.read_text("utf-8")


def test_a_notebook_shows_a_run_and_a_judge_escaped(hostile: polyjudge.Run) -> None:
    shown = hostile._repr_html_()
    assert hostile.outcome.verdict[:20] in shown
    assert all(name in shown for name in NAMES)
    with polyjudge.load(hostile.path / "judge.yaml") as judge:
        told = judge._repr_html_()
    assert "window.hurt" in told
    assert not re.search("<script|<img|<b>", shown + told)


def test_steps_become_a_data_frame(hostile: polyjudge.Run) -> None:
    frame = hostile.to_frame()
    assert list(frame["criterion"]) == [*NAMES] * 4
    assert list(frame["step"]) == [step for step in range(4) for _ in NAMES]
    assert frame["agreement"].isna().all()
    last = frame[frame["step"] == 3]
    assert dict(zip(last["criterion"], last["instruction"], strict=True)) == hostile.judge.prompt.instructions
