"""A study's report: its tables and figures say the same, and everything simulated says so."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import polyjudge
from polyjudge.metrics.estimates import Interval
from polyjudge.reporting.html.page import Page, html
from polyjudge.reporting.sections import study_charts as charts
from polyjudge.reporting.sections.study import study_page
from polyjudge.reporting.tables.render import Column
from polyjudge.reporting.tables.study import Table, all_tables
from polyjudge.results.study import read_study_folder

AXES = ("mode", "gate")
HEAD = (Column("data", "data"), Column("model", "judge"), Column("mode", "mode"), Column("gate", "gate"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        asked = {
            "study": {"data": ["simulated/default"], "models": ["simulated/default"], "preset": "paper", "seeds": [0]},
            "axes": {"mode": ["ST", "SSS", "CCC"], "gate": ["none"]},
        }
        polyjudge.study(
            asked, output="study", settings=polyjudge.Settings(limit=80, steps=2, validation=10, diagnostics=True)
        )
        yield place / "study"


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    study = read_study_folder(folder)
    return study_page(folder, study, all_tables(study))


def test_a_study_ends_with_its_report_and_report_writes_the_same(folder: Path, place: Path) -> None:
    first = (folder / "report.html").read_text("utf-8")
    shutil.copytree(folder, place / "study")
    assert polyjudge.report(place / "study").read_text("utf-8") == first
    assert len(first) < 2_000_000


def test_everything_simulated_says_so(page: Page) -> None:
    assert "SIMULATED" in page.banner
    assert re.match(
        r"SIMULATED: Fitting improved agreement reliably in \d of 3 configurations and lowered", page.verdict
    )
    assert html(page).count("SIMULATED") > 2


def test_exported_figures_say_that_they_are_simulated(folder: Path, place: Path) -> None:
    pytest.importorskip("vl_convert")
    polyjudge.report(folder, output=place / "report.html", figures=place / "figures")
    drawn = [file.read_text("utf-8") for file in (place / "figures").glob("*.svg")]
    assert len(drawn) > 5
    assert all(">SIMULATED<" in one for one in drawn)


def test_every_figure_shows_the_numbers_of_its_table(folder: Path, page: Page) -> None:
    tables = {one.name: one for one in all_tables(read_study_folder(folder))}
    shown = {chart.name: chart for chart in page.charts()}
    assert {"gains-1", "best-1", "trajectory-1", "specificity-1", "combined-1", "hypervolume-1"} <= set(shown)
    honest = charts.records(tables["honest"])
    ends = [row["interval"] for row in honest]
    assert [row[2:] for row in shown["gains-1"].rows] == [
        (row["difference"], one.low, one.high)
        for row, one in zip(honest, ends, strict=True)
        if isinstance(one, Interval)
    ]
    course = [row for row in charts.records(tables["trajectories"]) if row["criterion"] == "mean"]
    assert list(shown["trajectory-1"].rows) == [(row["mode"], row["step"], row["agreement"]) for row in course]
    marks = [row for row in charts.records(tables["specificity"]) if row["criterion"] == "mean"]
    assert [row[2] for row in shown["specificity-1"].rows] == [row["specificity"] for row in marks]
    assert len(shown) == len(page.charts())


def test_all_tables_and_runs_stand_in_the_page(folder: Path, page: Page) -> None:
    text = html(page)
    for table in all_tables(read_study_folder(folder)):
        assert (table.title if table.rows else table.missing).replace("'", "&#x27;") in text, table.name
    cells = json.loads((folder / "study.json").read_text("utf-8"))["cells"]
    assert len(cells) == 3
    assert all(f'<th scope="row">{cell["name"]}</th>' in text for cell in cells)


def test_published_figures_stand_beside_ours() -> None:
    printed = ("published_initial", "published_best", "published_hypervolume")
    columns = (*HEAD, *(Column(key, key, "number") for key in ("initial", "best", "hypervolume", *printed)))
    rows = (
        ("summeval", "j", "ST", "mae", 0.3, 0.32, 2.7, 0.274, 0.305, None),
        ("summeval", "j", "SSS", "mae", 0.3, 0.31, 2.8, 0.284, 0.284, 2.749),
    )
    table = Table("main", "Main", columns, rows)
    (best,) = charts.best(table, AXES)
    assert [row[:3] for row in best.rows if row[0] == "ST mae"] == [
        ("ST mae", "initial", 0.3),
        ("ST mae", "best step, chosen on the test rows", 0.32),
        ("ST mae", "published, initial", 0.274),
        ("ST mae", "published, best", 0.305),
    ]
    (volume,) = charts.volumes(table, AXES)
    assert ("SSS mae", "published", 2.749) in [row[:3] for row in volume.rows]
    assert not [row for row in volume.rows if row[0] == "ST mae" and row[1] == "published"]


def test_several_data_sets_have_figures_of_their_own() -> None:
    columns = (*HEAD, Column("difference", "d", "signed"), Column("interval", "i", "interval"))
    rows = tuple((data, "j", "ST", "mae", 0.1, Interval(0.0, 0.2)) for data in ("a", "b"))
    found = list(charts.gains(Table("honest", "Honest", columns, rows), AXES))
    assert [chart.name for chart in found] == ["gains-1", "gains-2"]
    assert [re.findall(r"\((\w), j\)", chart.caption) for chart in found] == [["a"], ["b"]]
