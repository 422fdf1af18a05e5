"""A growing file has its name only when it is whole, and one writer."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyjudge.errors import ConfigError
from polyjudge.results.store import GrowingFile


def test_the_name_comes_last(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old", "utf-8")
    with GrowingFile(target) as file:
        file.write("one\n")
        assert target.read_text("utf-8") == "old"
        file.write("two \ud800\n")
        file.finish()
    assert target.read_text("utf-8") == "one\ntwo \\ud800\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def broken_off(target: Path, text: str) -> None:
    with GrowingFile(target) as file:
        file.write(text)
        raise KeyError


def test_what_was_written_before_an_error_stays_and_is_written_anew(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    with pytest.raises(KeyError):
        broken_off(target, "one\n" * 3)
    assert (tmp_path / "a.csv.partial").read_text("utf-8") == "one\n" * 3
    with GrowingFile(target) as file:
        file.write("two\n")
        file.finish()
    assert [(path.name, path.read_text("utf-8")) for path in tmp_path.iterdir()] == [("a.csv", "two\n")]


def test_nothing_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        broken_off(tmp_path / "a.csv", "")
    assert list(tmp_path.iterdir()) == []


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with GrowingFile(tmp_path / "a.csv") as file:
        file.write("one\n")
        with pytest.raises(ConfigError, match="another process is writing"):
            GrowingFile(tmp_path / "a.csv")
        file.finish()
    assert (tmp_path / "a.csv").read_text("utf-8") == "one\n"
