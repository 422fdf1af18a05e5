"""The verbs report and view."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

import pytest
from tests.commands import polyjudge, write_table

FIT = ("ratings.csv", "--criteria", "criteria.yaml", "--model", "scripted/script.yaml")


@pytest.fixture
def run(place: Path) -> Path:
    write_table(place)
    assert polyjudge("optimize", *FIT, "--steps", "1", "--output", "run").code == 0
    return place / "run"


def test_report_writes_the_file_and_prints_its_path(run: Path) -> None:
    (run / "report.html").unlink()
    found = polyjudge("report", "run")
    assert (found.code, found.out) == (0, "report: run/report.html\n")
    assert (run / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert polyjudge("report", "run", "--output", "elsewhere.html").out == "report: elsewhere.html\n"


def test_view_writes_what_is_missing_opens_it_and_prints_its_path(
    run: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A browser that writes down what it was to show; the user's own must not open.
    code = f"import sys; open({str(place / 'shown')!r}, 'w').write(sys.argv[1])"
    named = webbrowser.GenericBrowser([sys.executable, "-c", code, "%s"])
    monkeypatch.setattr(webbrowser, "_tryorder", ["noted"])
    monkeypatch.setattr(webbrowser, "_browsers", {"noted": [None, named]})
    (run / "report.html").unlink()
    assert polyjudge("view", "run").out == "report: run/report.html\n"
    assert (place / "shown").read_text() == (run / "report.html").resolve().as_uri()


def test_view_says_where_there_is_no_browser(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "_tryorder", [])
    found = polyjudge("view", "run")
    assert found.code == 0
    assert found.out.startswith("report: run/report.html (no browser was found")


def test_a_wrong_folder_is_told(place: Path) -> None:
    found = polyjudge("report", "nowhere")
    assert found.code == 2
    assert "'nowhere' is neither a finished run nor a study" in found.err
