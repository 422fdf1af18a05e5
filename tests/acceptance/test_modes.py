"""What the decomposition modes ask, through the public face: alike over one criterion, counted over four."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.support import MODEL, NAMES, Workplace, ratings, script
from tests.calling import keywords

import polyjudge
from polyjudge.domain.records import Step
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.request import Request
from polyjudge.testing.asking import instructions_for

MODES = ("ST", "SSS", "SSC", "SCC", "CCC")
STEPS, BATCH = 3, 3
# Named, so that no calls go into choosing one.
LAYOUT = {"ST": "separate"} | dict.fromkeys(MODES[1:], "joint")
JUDGE = "test/judge"
WRONG_USE = 2


def answer(request: Request) -> str:
    """A readable answer that hangs on the question alone, different for each."""
    digest = hashlib.sha256(request.key("here").encode()).hexdigest()
    if request.role == "judge":
        return json.dumps({name: 1 + int(digest[at], 16) % 5 for at, name in enumerate(NAMES)})
    if request.role != "optimizer":
        return f"The {request.role} speaks of <{digest[:16]}>."
    return instructions_for(request, lambda name: f"Mind {digest[:16]}{f' in {name}' if name else ''}.")


class Recorder:
    """A backend that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.backend = polyjudge.Scripted(self._answer)

    def _answer(self, request: Request) -> str:
        self.asked.append(request)
        return answer(request)

    def of(self, role: str) -> list[str]:
        return ["\n".join(message.content for message in one.messages) for one in self.asked if one.role == role]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Ratings of four criteria, in a folder that is the working directory and holds the cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYJUDGE_CACHE", str(tmp_path / "cache"))
    data, criteria = ratings(tmp_path, each=2)
    return tmp_path / data, tmp_path / criteria


def fitted(table: tuple[Path, Path], mode: str, recorder: Recorder, **options: Any) -> polyjudge.Run:
    data, criteria = table
    given: dict[str, Any] = {
        "model": JUDGE,
        "mode": mode,
        "steps": STEPS,
        "batch": BATCH,
        "layout": LAYOUT[mode],
        "output": f"run-{mode}",
        **options,
    }
    return polyjudge.optimize(data, criteria=criteria, backends={JUDGE: recorder.backend}, **keywords(**given))


def whole(step: Step) -> list[Mapping[str, str]]:
    """What the step's candidates proposed."""
    return [candidate.instructions for candidate in step.candidates]


def ended(account: RoleAccount) -> int:
    """Calls that ended with an answer, whoever gave it."""
    return account.answered + account.from_cache + account.joined


def test_over_one_criterion_all_modes_are_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data, criteria = ratings(tmp_path, names=NAMES[:1])
    steps, asked, outcomes = set(), set(), []
    for mode in MODES:
        monkeypatch.setenv("POLYJUDGE_CACHE", str(tmp_path / mode))
        recorder = Recorder()
        run = fitted((tmp_path / data, tmp_path / criteria), mode, recorder)
        steps.add((run.path / "steps.jsonl").read_bytes())
        asked.add(tuple(sorted(request.key("here") for request in recorder.asked)))
        outcomes.append(run.outcome)
    assert len(steps) == 1
    assert len(asked) == 1
    assert all(repr(outcome) == repr(outcomes[0]) for outcome in outcomes)
    assert any(step.status == "accepted" for step in run.steps)


@pytest.mark.parametrize(
    ("mode", "loss", "gradient", "optimizer"),
    [("SSS", 12, 12, 4), ("SSC", 12, 12, 1), ("SCC", 12, 3, 1), ("CCC", 3, 3, 1)],
)
def test_calls_a_step_over_four_criteria(
    mode: str, loss: int, gradient: int, optimizer: int, table: tuple[Path, Path]
) -> None:
    recorder = Recorder()
    run = fitted(table, mode, recorder)
    accounts = {account.role: account for account in run.accounts}
    wanted = {"loss": loss * STEPS, "gradient": gradient * STEPS, "optimizer": optimizer * STEPS}
    assert {role: ended(accounts[role]) for role in wanted} == wanted
    assert {role: accounts[role].sent for role in wanted} == wanted
    assert {role: len(recorder.of(role)) for role in wanted} == wanted
    assert all(len(step.critiques) == loss and len(step.gradients) == gradient for step in run.steps[1:])


@pytest.mark.parametrize("mode", MODES)
def test_the_plan_is_what_is_asked(mode: str, table: tuple[Path, Path]) -> None:
    data, criteria = table
    recorder = Recorder()
    options: dict[str, Any] = {"model": JUDGE, "mode": mode, "steps": STEPS, "batch": BATCH, "layout": LAYOUT[mode]}
    plan = polyjudge.check(data, criteria=criteria, backends={JUDGE: recorder.backend}, **keywords(**options))
    assert recorder.asked == []
    run = fitted(table, mode, recorder)
    planned = {role.role: role.calls for role in plan.roles}
    merged = {role.role: role.merged for role in plan.roles}
    made = {one.role: ended(one) for one in run.accounts}
    assert {role: planned[role] for role in merged if not merged[role]} == {
        role: made[role] for role in merged if not merged[role]
    }
    rows = plan.parts["validation"][0]
    needed = sum(step.merged is not None and step.merged.instructions not in whole(step) for step in run.steps)
    assert merged["judge"] == (0 if mode == "ST" else STEPS * rows)
    # What was never accepted needs no confirmation on the training rows, and no test of its own.
    changed = any(step.kept for step in run.steps)
    spared = 0 if changed else 2 * plan.parts["train"][0] + plan.parts["test"][0]
    assert made["judge"] == planned["judge"] - merged["judge"] + needed * rows - spared


def test_with_a_call_for_each_criterion_a_merged_prompt_costs_nothing(table: tuple[Path, Path]) -> None:
    data, criteria = table
    recorder = Recorder()
    options = {"model": JUDGE, "layout": "separate", "steps": STEPS, "batch": BATCH}
    plan = polyjudge.check(data, criteria=criteria, backends={JUDGE: recorder.backend}, **keywords(**options))
    run = fitted(table, "SSS", recorder, layout="separate")
    assert any(step.merged for step in run.steps)
    planned = {role.role: role for role in plan.roles}
    assert planned["judge"].merged == 0
    accounts = {account.role: account for account in run.accounts}
    assert all(accounts[role].sent <= one.calls for role, one in planned.items())
    merges = sum(step.merged is not None for step in run.steps)
    assert accounts["judge"].from_cache >= merges * plan.parts["validation"][0] * len(NAMES)


@pytest.mark.parametrize("mode", MODES)
def test_a_gradient_reaches_the_optimizer_once(mode: str, table: tuple[Path, Path]) -> None:
    recorder = Recorder()
    run = fitted(table, mode, recorder)
    written = [gradient.text for step in run.steps for gradient in step.gradients]
    told = "\n".join(recorder.of("optimizer"))
    assert len(written) == len(set(written)) > 0
    assert Counter(told.count(text) for text in written) == {1: len(written)}


@pytest.mark.parametrize("mode", ["CSS", "CSC", "CCS", "SCS"])
def test_a_mode_that_would_separate_what_was_combined_is_refused_before_any_call(mode: str, tmp_path: Path) -> None:
    place = Workplace.at(tmp_path)
    data, criteria = ratings(tmp_path)
    script(place)
    result = place.run("optimize", data, "--criteria", criteria, "--model", MODEL, "--mode", mode)
    assert result.code == WRONG_USE
    assert len(result.err.splitlines()) == 1
    assert "separate what was combined" in result.err
    assert place.asked() == []
    assert not (tmp_path / "runs").exists()


def test_a_notebook_with_its_own_event_loop_may_call(table: tuple[Path, Path]) -> None:
    recorder, plain = Recorder(), Recorder()

    async def cell() -> polyjudge.Run:
        return fitted(table, "CCC", recorder, output="in-a-loop")

    run = asyncio.run(cell())
    again = fitted(table, "CCC", plain, output="outside")
    assert (run.path / "steps.jsonl").read_bytes() == (again.path / "steps.jsonl").read_bytes()
    assert recorder.asked
    assert plain.asked == []
