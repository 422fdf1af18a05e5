"""Importing the package and asking for help load none of the packages that cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.support import Workplace, ended

import polyjudge

HEAVY = ("aiohttp", "numpy", "pydantic", "rich")
# The command line as its entry point calls it, and then what stands in sys.modules.
ASK = """
import sys
sys.argv = ["polyjudge", *sys.argv[1:]]
from polyjudge.cli import main
try:
    main()
except SystemExit as left:
    print("left with", left.code)
print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["check", "--help"],
        ["optimize", "--help"],
        ["score", "--help"],
        ["data", "--help"],
        ["data", "list", "--help"],
        ["data", "show", "--help"],
    ],
    ids=" ".join,
)
def test_help_is_light(words: list[str], tmp_path: Path) -> None:
    result = ended(Workplace.at(tmp_path).python("-c", ASK, *words))
    assert result.code == 0, result
    *_, left, loaded = result.out.splitlines()
    assert left == "left with 0"
    assert "polyjudge" in loaded.split()
    assert not set(HEAVY) & set(loaded.split())


def test_the_import_is_light_and_the_names_are_there(tmp_path: Path) -> None:
    code = "import sys, polyjudge; print(*sorted(sys.modules)); print(*(n for n in polyjudge.__all__ if n))"
    result = ended(Workplace.at(tmp_path).python("-c", code))
    assert result.code == 0, result
    loaded, names = (line.split() for line in result.out.splitlines())
    assert not set(HEAVY) & {name.partition(".")[0] for name in loaded}
    assert {"check", "optimize", "score", "load"} <= set(names)


def test_every_public_name_leads_somewhere() -> None:
    assert [name for name in polyjudge.__all__ if getattr(polyjudge, name, None) is None] == []
