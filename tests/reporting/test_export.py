"""Charts as files, offline."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import polyjudge
from polyjudge.errors import MissingExtra


def test_every_chart_becomes_an_svg_and_a_png(hostile: polyjudge.Run, place: Path) -> None:
    pytest.importorskip("vl_convert")
    polyjudge.report(hostile.path, output=place / "report.html", figures=place / "figures")
    text = (place / "report.html").read_text("utf-8")
    names = {path.stem for path in (place / "figures").glob("*.svg")}
    assert {path.stem for path in (place / "figures").glob("*.png")} == names
    assert text.count("<figure data-chart=") == len(names) >= 6
    assert all((place / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in names)
    drawn = (place / "figures" / "agreement.svg").read_text("utf-8")
    assert "var(" not in drawn
    assert drawn.count("aria-roledescription") >= 8


def test_without_the_extra_it_is_named(hostile: polyjudge.Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingExtra, match=r"polyjudge\[figures\]"):
        polyjudge.report(hostile.path, output=place / "report.html", figures=place / "figures")
    assert not (place / "report.html").exists()
