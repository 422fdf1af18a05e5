"""A working directory of its own for every test, and a run whose texts try to be code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.reports.hostile import hostile_run

import polyjudge


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("POLYJUDGE_") or name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="package")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> polyjudge.Run:
    place = tmp_path_factory.mktemp("hostile")
    before = Path.cwd()
    os.chdir(place)
    try:
        return hostile_run(place)
    finally:
        os.chdir(before)
