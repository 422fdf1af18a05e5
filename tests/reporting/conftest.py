"""A working directory of its own for every test, and a run whose texts try to be code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.isolation import place
from tests.reporting.hostile import hostile_run

import polyjudge

__all__ = ["hostile", "place"]


@pytest.fixture(scope="package")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> polyjudge.Run:
    folder = tmp_path_factory.mktemp("hostile")
    before = Path.cwd()
    os.chdir(folder)
    try:
        return hostile_run(folder)
    finally:
        os.chdir(before)
