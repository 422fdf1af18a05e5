"""scripts/rooms.py counts what is there, and sees circles of rooms and of files."""

from __future__ import annotations

import pytest

import rooms


def test_lines_and_files_are_counted_by_room(tmp_path):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "one.py").write_text("a = 1\nb = 2\n")
    (tmp_path / "metrics" / "two.py").write_text("c = 3\n")
    (tmp_path / "errors.py").write_text("d = 4\n")

    assert rooms.sizes(tmp_path) == {"metrics": (3, 2), "errors": (1, 1)}


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ([("p.a.x", "p.b.y")], []),
        ([("p.a.x", "p.b.y"), ("p.b.z", "p.a.w")], [("p.a", "p.b")]),
        ([("p.a.x", "p.a.y"), ("p.a.y", "p.a.x")], [("p.a.x", "p.a.y")]),
        ([("p.a", "p.b"), ("p.b", "p.c"), ("p.c", "p.a"), ("p.d", "p.a")], [("p.a", "p.b", "p.c")]),
        # A package that imports its own part is no circle.
        ([("p.a", "p.a.x"), ("p.a.x", "p.b")], []),
    ],
)
def test_circles_are_found_among_siblings(imports, expected):
    assert rooms.circles(imports) == expected


def test_this_house_has_no_circle(capsys):
    assert rooms.main() == 0
    assert "circles: 0" in capsys.readouterr().out
