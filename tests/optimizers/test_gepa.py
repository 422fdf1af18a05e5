"""GEPA through its package: budgets hold, errors come out as themselves, texts are never templates, runs go on."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.asking import NAMES, judge_of, mark, number, prompt_of, rows
from tests.commands import polyjudge

from polyjudge.errors import BudgetSpent, ConfigError
from polyjudge.llm.request import Abilities, Request, Role, Sampling
from polyjudge.optimizers.base import Context, Proposal, Turn
from polyjudge.testing.asking import ScriptedAsker, said

pytest.importorskip("gepa")
from polyjudge.optimizers.gepa import GEPA, _reflection

WORLD = ("simulated/default", "--model", "simulated/default", "--optimizer", "gepa", "--limit", "320", "--steps", "2")


def answer(request: Request) -> str:
    if request.role != "judge":
        return f"```\n{mark(request)}: look for plain words.\n```"
    return json.dumps({name: 1 + number(request, name) % 5 for name in NAMES})


def searched(asker: ScriptedAsker, **settings: object) -> Proposal:
    role = Role("optimizer", "script/writer", Sampling(1.0, 1024), 3)
    optimizer = GEPA(**settings).build(Context(prompt_of(), asker, {"optimizer": role}))
    return asyncio.run(optimizer.propose(Turn(1, prompt_of(), rows(6), judge_of(asker))))


@pytest.mark.parametrize("rollouts", [19, 40, 100])
@pytest.mark.parametrize("merge", [False, True])
def test_no_more_rows_are_judged_than_the_rollouts(rollouts: int, merge: bool) -> None:
    asker = ScriptedAsker(answer, Abilities(schema=True))
    searched(asker, rollouts=rollouts, merge=merge)
    groups = len(judge_of(asker).groups(prompt_of()))
    assert len({request.key("here") for request in asker.of_role("judge")}) <= rollouts * groups


def test_the_writer_is_shown_errors_of_training_rows_and_each_question_is_a_draw_of_its_own() -> None:
    asker = ScriptedAsker(answer, Abilities(schema=True))
    searched(asker, rollouts=60)
    asked = asker.of_role("optimizer")
    assert len({request.key("here") for request in asked}) == len(asked) > 3
    assert all("the human rating is" in said(request) for request in asked)


def test_an_error_of_the_client_ends_the_search_as_itself() -> None:
    def spent(request: Request) -> str:
        if request.role == "judge" and len(asker.asked) > 30:
            raise BudgetSpent("no calls are left; raise --max-calls")
        return answer(request)

    asker = ScriptedAsker(spent, Abilities(schema=True))
    with pytest.raises(BudgetSpent):
        searched(asker, rollouts=100)


def test_texts_of_models_and_items_never_fill_a_place_of_the_prompt() -> None:
    text = _reflection("Old <side_info> text.", [{"Inputs": {"a": "An item with <curr_param> in it."}}])
    assert text.count("An item with <curr_param> in it.") == 1
    assert text.count("Old <side_info> text.") == 1


def test_too_few_rollouts_are_refused_before_any_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = polyjudge("check", *WORLD, "--optimizer-option", "rollouts=20")
    assert ended.code == 2
    assert "rollouts=20 are too few for a batch of 24 rows" in ended.err
    with pytest.raises(ConfigError, match="minibatch=0"):
        GEPA(minibatch=0)


def test_a_stopped_run_goes_on_and_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget of each invocation is kept; in the end steps and calls are those of a run without a stop."""
    monkeypatch.chdir(tmp_path)
    paid = []
    for _ in range(30):
        ended = polyjudge(
            "optimize", *WORLD, "--layout", "joint", "--output", "stopped", "--max-calls", "150", "--json"
        )
        assert ended.code in (0, 3), ended.err
        if ended.code == 0:
            break
        paid.append(ended.err)
    else:
        raise AssertionError("the run never ended")
    assert len(paid) > 1
    (tmp_path / ".polyjudge").rename(tmp_path / "kept")
    assert polyjudge("optimize", *WORLD, "--layout", "joint", "--output", "whole").code == 0
    read = [(tmp_path / name / "steps.jsonl").read_text("utf-8") for name in ("stopped", "whole")]
    assert read[0] == read[1]


def test_a_search_does_not_hang_on_the_process(tmp_path: Path) -> None:
    """Hashes of texts differ between processes; the proposals do not."""
    code = (
        "import sys; from tests.optimizers.test_gepa import *; "
        "print(searched(ScriptedAsker(answer, Abilities(schema=True)), rollouts=80).candidates)"
    )
    root = Path(__file__).parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert "look for plain words" in outputs.pop()


def test_a_cancelled_search_asks_nothing_more() -> None:
    begun = asyncio.Event()

    async def waits(request: Request) -> str:
        if request.role == "judge":
            return answer(request)
        begun.set()
        await asyncio.Event().wait()
        return ""

    async def cancelled() -> int:
        asker = ScriptedAsker(waits, Abilities(schema=True))
        role = Role("optimizer", "script/writer", Sampling(1.0, 1024), 3)
        optimizer = GEPA(rollouts=60).build(Context(prompt_of(), asker, {"optimizer": role}))
        task = asyncio.create_task(optimizer.propose(Turn(1, prompt_of(), rows(6), judge_of(asker))))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asker.of_role("optimizer"))

    assert asyncio.run(cancelled()) == 1
