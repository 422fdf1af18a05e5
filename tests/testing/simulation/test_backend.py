"""A simulated world keeps the contract of a backend, and one request has one answer wherever it is asked."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.asking import prompt_of, rating_prompt, rows
from tests.worlds import answer, asked, world

from polyjudge.errors import ConfigError, ModelError
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Backend, Request
from polyjudge.testing.backend import BackendContract
from polyjudge.testing.simulation.backend import Simulated
from polyjudge.testing.simulation.world import NAMES, read_world

TEXT = rating_prompt(prompt_of(), rows(1)[0])


class TestSimulated(BackendContract):
    def make(self) -> Backend:
        return Simulated(read_world("default"))

    def request(self) -> Request:
        return asked(TEXT, "judge")

    def refused(self) -> Request:
        return asked("Say one word.", "judge")


def test_order_and_company_of_calls_change_no_answer() -> None:
    requests = [asked(rating_prompt(prompt_of(), row), "judge", top_logprobs=5) for row in rows(20)]
    one, other = Simulated(world()), Simulated(world())
    forwards = [answer(one, request) for request in requests]
    backwards = [answer(other, request) for request in reversed(requests)]
    assert forwards == backwards[::-1] == [answer(one, request) for request in requests]


def test_another_process_gives_the_same_answer() -> None:
    code = (
        "import asyncio, json, sys\n"
        "from polyjudge.llm.request import Message, Request, Sampling\n"
        "from polyjudge.testing.simulation.backend import Simulated\n"
        "from polyjudge.testing.simulation.world import read_world\n"
        "text = json.load(sys.stdin)\n"
        "request = Request('simulated/default', (Message('user', text),), 'judge', Sampling(0.7, 99))\n"
        "print(asyncio.run(Simulated(read_world('default')).complete(request)).text)\n"
    )
    source = str(Path(__file__).parents[3] / "src")
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(TEXT),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={"PYTHONPATH": source, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_its_identity_says_that_it_is_simulated_and_hangs_on_the_parameters() -> None:
    names = [Simulated(read_world(name)).identity for name in NAMES]
    assert len(set(names)) == len(NAMES)
    assert all(name.startswith("SIMULATED") for name in names)
    assert Simulated(world(seed={"seed": 9})).identity != names[0]
    assert Simulated(world()).abilities.simulated
    assert answer(Simulated(world()), asked(TEXT, "judge")).model.startswith("SIMULATED")


def test_seeds_make_other_worlds() -> None:
    prompts = [rating_prompt(prompt_of(), row) for row in rows(20)]
    one, other = (Simulated(replace(world(), seed=seed)) for seed in (1, 2))
    first = [answer(one, asked(text, "judge")).text for text in prompts]
    assert first != [answer(other, asked(text, "judge")).text for text in prompts]


def test_it_is_opened_by_its_name_and_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('base = "null"\nseed = 5\n')
    assert open_backend("simulated/null").identity == Simulated(read_world("null")).identity
    assert "mine" in open_backend("simulated/mine.toml", folder=tmp_path).identity
    with pytest.raises(ConfigError, match="unknown world"):
        open_backend("simulated/elsewhere")
    with pytest.raises(ModelError, match="planning"):
        asyncio.run(open_backend("simulated/null", planning=True).complete(asked(TEXT, "judge")))
