"""What the scripts refuse, and that the example which the demo scores fits its data set."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from polyjudge.datasets.load import load_dataset
from polyjudge.datasets.shipped import moods, moods_rubric

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("scripts/setup", "scripts/test", "scripts/check", "scripts/demo", ".ci/run")


def setup(*arguments: str, folder: Path, python: str = "no-such-python") -> subprocess.CompletedProcess[str]:
    """scripts/setup with an environment in a folder, from another working directory."""
    return subprocess.run(
        [str(ROOT / "scripts" / "setup"), *arguments],
        env={**os.environ, "POLYJUDGE_VENV": str(folder), "POLYJUDGE_PYTHON": python},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_can_be_run_and_is_sound_bash(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    done = subprocess.run(["bash", "-n", str(ROOT / script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_set_of_packages_is_refused(tmp_path: Path) -> None:
    done = setup("everything", folder=tmp_path / "venv")
    assert done.returncode == 2
    assert "'everything'; say dev or local" in done.stderr


def test_without_a_usable_python_it_says_what_to_install(tmp_path: Path) -> None:
    done = setup("dev", folder=tmp_path / "venv")
    assert done.returncode == 1
    assert "no usable Python 3.11 or newer" in done.stderr
    assert "POLYJUDGE_PYTHON" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_python_that_will_not_do_is_named_with_its_reason(tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\necho is older than 3.11 >&2\nexit 1\n")
    old.chmod(0o755)
    done = setup("dev", folder=tmp_path / "venv", python=str(old))
    assert done.returncode == 1
    assert f"{old}: is older than 3.11" in done.stderr


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    done = setup("dev", folder=folder, python="python3")
    assert done.returncode == 1
    assert "no virtual environment" in done.stderr
    assert [(file.name, file.read_text()) for file in folder.iterdir()] == [("thesis.txt", "years of work")]


def test_the_messages_of_the_demo_fit_the_judge_and_are_new() -> None:
    found = load_dataset(ROOT / "examples" / "new_messages.csv", moods_rubric(), ratings_required=False)
    known = {example.inputs["message"] for example in moods().examples}
    assert len(found.examples) == 6
    assert not known & {example.inputs["message"] for example in found.examples}
