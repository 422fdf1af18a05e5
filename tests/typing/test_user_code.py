"""The public names are typed and documented: a page of user code passes ``mypy --strict``, and runs."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.typing import user_code

import polyjudge
from polyjudge.gates import Gate
from polyjudge.judge.scoring import Scoring
from polyjudge.llm.cache.store import AnswerStore
from polyjudge.llm.request import Backend
from polyjudge.optimizers.base import OptimizerSettings

SOURCE = Path(polyjudge.__file__).parents[1]
STUB = Path(polyjudge.__file__).with_suffix(".pyi")
SEAMS: tuple[type, ...] = (AnswerStore, Backend, Gate, OptimizerSettings, Scoring)
WRONG = """
import polyjudge as pj

pj.optimize("moods", modell="test/judge")
pj.optimize("moods", gate=3)
pj.Settings(steps="two")
pj.Budget(dollars=1.0)
pj.check("moods").call
"""


def mypy(page: Path) -> subprocess.CompletedProcess[str]:
    """``mypy --strict`` on a page, without the settings of this project."""
    options = ["--strict", "--config-file=", "--follow-imports=silent", "--no-error-summary"]
    cache = SOURCE.parent / ".mypy_cache" / "user_code"
    return subprocess.run(
        [sys.executable, "-m", "mypy", *options, f"--cache-dir={cache}", str(page)],
        env={**os.environ, "MYPYPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_page_passes_mypy_strict() -> None:
    done = mypy(Path(user_code.__file__))
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_mypy_finds_each_wrong_line(tmp_path: Path) -> None:
    page = tmp_path / "wrong.py"
    page.write_text(WRONG, "utf-8")
    done = mypy(page)
    lines = [int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line]
    assert lines == [4, 5, 6, 7, 8], done.stdout


def test_the_page_runs_every_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = user_code.main(tmp_path)
    assert results["check"]
    assert results["optimize"] is True
    assert str(results["verdict"]).startswith(("The fitted prompt agrees better", "The fitted judge agrees better"))
    assert results["diagnose"] == ["interference"]
    assert results["score"] == 48
    assert results["load"] == {"clarity": 2.0, "warmth": 5.0}
    assert results["study"] == 2
    assert results["audit"] == (48, True)
    assert results["export"] == "clarity, warmth\n"
    assert results["report"] is True
    assert not (tmp_path / ".polyjudge").exists()


def public_names() -> list[str]:
    return [name for name in polyjudge.__all__ if not name.startswith("_")]


def test_the_stub_lists_the_public_names() -> None:
    imports = [node for node in ast.parse(STUB.read_text("utf-8")).body if isinstance(node, ast.ImportFrom)]
    assert {alias.asname for node in imports for alias in node.names} == set(polyjudge.__all__)


def documented(name: str) -> Iterator[tuple[str, str | None]]:
    """A public name and its public methods and properties, each with its docstring."""
    thing = getattr(polyjudge, name)
    yield name, thing.__doc__
    for method, member in vars(thing).items() if isinstance(thing, type) else ():
        if not method.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
            yield f"{name}.{method}", inspect.getdoc(getattr(thing, method)) or of_seam(thing, method)


def of_seam(thing: type, method: str) -> str | None:
    """The docstring that a protocol gives a method of a class which has all the protocol's methods."""
    seams = (seam for seam in SEAMS if all(hasattr(thing, member) for member in members(seam)))
    return next((inspect.getdoc(getattr(seam, method)) for seam in seams if method in members(seam)), None)


def members(seam: type) -> list[str]:
    return [name for name in vars(seam) if not name.startswith("_")]


@pytest.mark.parametrize("name", public_names())
def test_every_public_name_and_method_has_a_docstring(name: str) -> None:
    undocumented = [
        where for where, text in documented(name) if not text or text.startswith(f"{name}(") or len(text.split()) < 3
    ]
    assert not undocumented
