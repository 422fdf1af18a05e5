"""The plan that is shown before anything is paid is what is then asked."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, Rated, Recorder, by_chance, rated, written

import polyjudge
from polyjudge.llm.request import Request
from polyjudge.optimizers import opro, textgrad
from polyjudge.workflows.plan import test_readings as readings_of

MODES = ("ST", "SSS", "SSC", "SCC", "CCC")
STEPS, BATCH = 2, 2
DATA = rated({"clarity": FIVE, "warmth": FIVE}, documents=14, each=1)


def plan_and_run(
    data: Rated = DATA, recorder: Recorder | None = None, **options: Any
) -> tuple[Mapping[str, int], polyjudge.Run, Recorder]:
    """Planned calls by role, and the run with everything that it asked."""
    recorder = recorder or Recorder(by_chance(data))
    settings = {"criteria": data.criteria, "model": JUDGE, "steps": STEPS, "batch": BATCH}
    # A test on the training rows is only made where the prompt changed.
    settings |= {"layout": "auto" if options.get("mode") == "ST" else "joint", "confirm": False, **options}
    backends = {JUDGE: recorder.backend}
    plan = polyjudge.check(data.rows, backends=backends, **keywords(**settings))
    assert recorder.asked == []
    run = polyjudge.optimize(data.rows, backends=backends, output="run", **keywords(**settings))
    return {role.role: role.calls for role in plan.roles}, run, recorder


def sent(run: polyjudge.Run) -> dict[str, int]:
    return {account.role: account.sent for account in run.accounts}


def ended(run: polyjudge.Run) -> dict[str, int]:
    """Calls that ended with an answer, whoever gave it."""
    return {one.role: one.answered + one.from_cache + one.joined for one in run.accounts}


@pytest.mark.parametrize(("layout", "candidates"), [({}, 1), ({"layout": "forked"}, 2)])
@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize("mode", MODES)
def test_where_nothing_is_shared_the_plan_is_what_is_asked(
    mode: str, preset: str, layout: dict[str, str], candidates: int
) -> None:
    plan, run, recorder = plan_and_run(mode=mode, preset=preset, candidates=candidates, gate="none", **layout)
    assert sent(run) == plan
    assert {role: len(recorder.of(role)) for role in plan} == plan
    assert {step.status for step in run.steps if step.index} == {"accepted"}


@pytest.mark.parametrize(("mode", "candidates"), [("ST", 1), ("SSS", 3), ("CCC", 1)])
def test_behind_a_gate_every_planned_call_ends_in_an_answer(mode: str, candidates: int) -> None:
    plan, run, recorder = plan_and_run(mode=mode, candidates=candidates, steps=4, gate="spearman")
    # A fitted judge that is the initial one reads the test rows once.
    changed = any(step.status == "accepted" for step in run.steps)
    unread = 0 if changed else run.outcome.rows * (2 if mode == "ST" else 1)
    assert ended(run) == {**plan, "judge": plan["judge"] - unread}
    assert sum(sent(run).values()) == len(recorder.asked)


def test_the_gate_per_criterion_plans_for_the_most_that_it_may_judge_again() -> None:
    plan, run, _ = plan_and_run(mode="SSS", steps=4)
    found = ended(run)
    assert {role: count for role, count in found.items() if role != "judge"} == {
        role: count for role, count in plan.items() if role != "judge"
    }
    assert found["judge"] <= plan["judge"]


def test_the_paper_s_overlap_is_answered_once_and_its_comparison_asks_nothing() -> None:
    plan, run, _ = plan_and_run(preset="paper")
    # A step that changed nothing is not read again, and the comparison takes what the first and the last reading gave.
    unread = sum(before.instructions == after.instructions for before, after in pairwise(run.steps))
    assert ended(run) == {**plan, "judge": plan["judge"] - unread * run.outcome.rows}
    assert sent(run)["judge"] < plan["judge"]


@pytest.mark.parametrize("every", [2, 3])
def test_the_schedule_of_test_readings_is_planned_for(every: int) -> None:
    plan, run, _ = plan_and_run(preset="paper", steps=5, evaluate_every=every, gate="none")
    assert sent(run) == plan
    lines = (run.path / "tests.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == sorted({0, 5, *range(0, 6, every)})


def test_rows_without_ratings_make_the_plan_an_upper_bound() -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE}, missing=0.4)
    plan, run, _ = plan_and_run(data, gate="none", steps=6, batch=3)
    asked = sent(run)
    assert asked["judge"] == plan["judge"]
    assert all(asked[role] <= plan[role] for role in plan)
    assert asked["loss"] < plan["loss"]


def test_unreadable_replies_are_asked_for_beyond_the_plan() -> None:
    data = rated({"clarity": FIVE})
    chance = by_chance(data)

    def mute_at_first(request: Request) -> str:
        return "I would rather not." if request.role == "judge" and not request.retry else chance(request)

    plan, run, _ = plan_and_run(data, Recorder(mute_at_first), gate="none")
    assert sent(run)["judge"] == 2 * plan["judge"]
    assert sent(run)["loss"] == plan["loss"]


def test_fewer_training_rows_than_a_batch_are_planned_as_they_are() -> None:
    plan, run, _ = plan_and_run(batch=500, demonstrations=3, gate="none")
    train = len(run.steps[1].batch)
    assert plan["loss"] == len(DATA.names) * STEPS * train
    assert sent(run) == plan


def test_no_steps_read_the_test_rows_and_ask_nobody_else() -> None:
    plan, run, _ = plan_and_run(steps=0, gate="none")
    assert {role: calls for role, calls in plan.items() if calls} == {"judge": 2 * run.outcome.rows}
    # The fitted judge is the initial one, which reads them once.
    assert ended(run) == {"judge": run.outcome.rows}
    assert run.outcome.verdict == "No change was accepted: the initial prompt stands."


def test_tokens_are_estimated_for_every_role_and_grow_with_the_data() -> None:
    short, long = (
        polyjudge.check(
            [row | {"letter": row["letter"] * times} for row in DATA.rows],
            criteria=DATA.criteria,
            model=JUDGE,
            backends={JUDGE: Recorder(by_chance(DATA)).backend},
        )
        for times in (1, 30)
    )
    for one, other in zip(short.roles, long.roles, strict=True):
        assert 0 < one.prompt_tokens < other.prompt_tokens
        assert 0 < one.completion_tokens == other.completion_tokens
    assert long.tokens == sum(role.prompt_tokens + role.completion_tokens for role in long.roles)
    assert long.calls == sum(role.calls for role in long.roles)


def tokens_sent(requests: Sequence[Request]) -> float:
    """By the rule of four characters a token."""
    return sum(len(message.content) for request in requests for message in request.messages) / 4


def wordy(optimizer: str) -> Callable[[Request], str]:
    """Answers of the lengths that the plan takes for typical, in characters at four a token."""
    chance = by_chance(DATA)
    lengths = {"loss": textgrad.CRITIQUE, "gradient": textgrad.GRADIENT}
    instruction = {"textgrad": textgrad.INSTRUCTION, "opro": opro.INSTRUCTION}[optimizer]

    def answer(request: Request) -> str:
        if request.role == "judge":
            return chance(request)
        digest = hashlib.sha256(request.key("here").encode()).hexdigest()
        text = f"Mind {digest[:8]}, and this: " + "read on. " * (lengths.get(request.role, instruction) * 4 // 9)
        return written(request, text[: -len(" and this: ")])

    return answer


@pytest.mark.parametrize("gate", ["none", "spearman"])
@pytest.mark.parametrize(
    ("optimizer", "mode"),
    [("textgrad", "SSS"), ("textgrad", "SCC"), ("textgrad", "CCC"), ("opro", "SSS"), ("opro", "CCC")],
)
def test_planned_tokens_are_near_those_that_are_used_though_instructions_grow(
    optimizer: str, mode: str, gate: str
) -> None:
    if (optimizer, gate) == ("opro", "none"):
        pytest.skip("opro needs scores")
    planned, used = Counter[str](), Counter[str]()
    # Behind a gate it is chance when the first proposal is taken, and with it how long the prompts are: several runs.
    for seed in range(1 if gate == "none" else 3):
        recorder = Recorder(wordy(optimizer))
        backends = {JUDGE: recorder.backend}
        settings = {"criteria": DATA.criteria, "model": JUDGE, "steps": 6, "gate": gate, "layout": "joint"}
        settings |= {"mode": mode, "optimizer": optimizer, "seed": seed}
        plan = polyjudge.check(DATA.rows, backends=backends, **keywords(**settings)).roles
        run = polyjudge.optimize(DATA.rows, backends=backends, output=f"run{seed}", **keywords(**settings))
        assert len(run.steps) == 7
        for role in plan:
            requests = recorder.of(role.role)
            planned[role.role] += round(role.prompt_tokens / role.calls * len(requests))
            used[role.role] += round(tokens_sent(requests))
    assert planned.total() == pytest.approx(used.total(), rel=0.15)
    if gate == "none":
        assert planned == pytest.approx(used, rel=0.15)


@pytest.mark.parametrize(
    ("protocol", "every", "steps", "expected"),
    [
        ("sealed", 1, 4, ()),
        ("paper", 0, 4, ()),
        ("paper", 1, 2, (0, 1, 2)),
        ("paper", 3, 4, (0, 3, 4)),
        ("paper", 9, 0, (0,)),
    ],
)
def test_readings_hold_the_first_and_the_last(
    protocol: str, every: int, steps: int, expected: tuple[int, ...]
) -> None:
    assert readings_of(protocol, steps, every) == expected
