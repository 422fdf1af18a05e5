"""Nobody who watches, a full disk and a folder that is gone: a run goes on, or ends in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.support import Workplace
from tests.commands import write_table

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="file descriptors and folders as POSIX has them")

FIT = ("ratings.csv", "--criteria", "criteria.yaml", "--model", "scripted/script.yaml", "--steps", "1")
FAILED = 1


def shell(folder: Path, line: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a shell line in which ``"$@"`` is the command line."""
    command = ["sh", "-c", line, "sh", sys.executable, "-m", "polyjudge", *words]
    environment = Workplace.at(folder).environment
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("line", ['"$@" 2>&-', '{ "$@" 2>&1 1>&3 | true; } 3>&1'], ids=["closed", "broken pipe"])
def test_a_run_that_nobody_watches_ends_as_any_other(tmp_path: Path, line: str) -> None:
    write_table(tmp_path)
    done = shell(tmp_path, line, "optimize", *FIT, "--output", "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "sealed test rows" in done.stdout
    assert (tmp_path / "run" / "judge.yaml").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_to_a_full_disk_is_one_line_and_a_failure(tmp_path: Path) -> None:
    write_table(tmp_path)
    done = shell(tmp_path, '"$@" > /dev/full', "check", *FIT)
    assert done.returncode == FAILED
    (line,) = done.stderr.splitlines()
    assert os.strerror(28) in line


def test_a_folder_that_is_gone_is_one_line_and_a_failure(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    done = shell(tmp_path, 'cd gone && rmdir ../gone && "$@"', "check", "briefs", "--model", "openai/any")
    assert done.returncode == FAILED
    (line,) = done.stderr.splitlines()
    assert "is gone" in line


def test_a_plan_needs_no_key(tmp_path: Path) -> None:
    done = shell(tmp_path, 'OPENAI_API_KEY= "$@"', "check", "briefs", "--model", "openai/any")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Planned:" in done.stdout
