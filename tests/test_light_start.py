"""Naming the package and asking for help loads none of what is slow to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "ftfy", "numpy", "pyarrow", "pydantic", "rich", "ruamel", "xllamacpp")
ASK = "import click.testing, polyjudge.cli; click.testing.CliRunner().invoke(polyjudge.cli.polyjudge, {arguments!r})"


def loaded(code: str) -> list[str]:
    """Which of the heavy packages a fresh interpreter holds after running some code."""
    told = f"{code}; import sys; print('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].removeprefix("loaded:").split()


@pytest.mark.parametrize("code", ["import polyjudge", "import polyjudge.cli", ASK.format(arguments=["--help"])])
def test_it_stays_light(code: str) -> None:
    assert loaded(code) == []


@pytest.mark.parametrize("verb", ["check", "optimize", "study", "score", "data"])
def test_the_help_of_a_verb_stays_light_too(verb: str) -> None:
    assert loaded(ASK.format(arguments=[verb, "--help"])) == []


def test_what_is_asked_for_is_seen() -> None:
    assert loaded("import polyjudge; polyjudge.optimize") != []
