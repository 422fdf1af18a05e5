"""The contract of every optimizer: new instructions or a reason, the planned calls, equal proposals for equal replies,
and a whole run from rated rows to its report."""

from __future__ import annotations

import asyncio
import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import ScoredPrompt
from polyjudge.domain.scale import Ordinal
from polyjudge.errors import BudgetSpent
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.predict import Judge
from polyjudge.llm.backends.scripted import Scripted
from polyjudge.llm.request import Abilities, Request, Role, Sampling
from polyjudge.optimizers.base import WRITERS, Context, Optimizer, OptimizerSettings, Proposal, Turn
from polyjudge.optimizers.estimate import grown
from polyjudge.results.result import Run
from polyjudge.settings.given import Budget, Settings
from polyjudge.testing.asking import Answer, ScriptedAsker
from polyjudge.workflows.check import check
from polyjudge.workflows.optimize import optimize

NAMES = ("clarity", "depth", "tone")
PROMPT = JudgePrompt(
    task="Judge the text.",
    inputs=(("text", "Text"),),
    criteria=tuple(Criterion(name, Ordinal(1, 5), instruction=f"Rate {name} from 1 to 5.") for name in NAMES),
)
BATCH = tuple(
    Example(f"e{row}", {"text": f"This is text number {row}."}, ratings={name: (float(1 + row),) for name in NAMES})
    for row in range(3)
)
CRITERIA = {
    "task": PROMPT.task,
    "inputs": {"text": "Text"},
    "document": "document",
    "criteria": [{"name": name, "scale": [1, 5], "instruction": f"Rate {name} from 1 to 5."} for name in NAMES],
}
ROWS = [
    {
        "document": f"document {row}",
        "text": f"This is text number {row}.",
        **{name: 1 + (row + 2 * column) % 5 for column, name in enumerate(NAMES)},
    }
    for row in range(32)
]
Function = Callable[[Request], Answer | Awaitable[Answer]]


class OptimizerContract(ABC):
    """Inherit from it and implement ``make`` and ``answer``.

    Attributes:
        exact: whether a turn makes just the calls that it plans; False: it may make fewer.
    """

    exact: ClassVar[bool] = True

    @abstractmethod
    def make(self, candidates: int) -> OptimizerSettings:
        """Return the settings of an optimizer with so many candidates per turn."""

    @abstractmethod
    def answer(self, request: Request) -> str:
        """Return a good reply to one of the optimizer's requests; it depends on the request alone."""

    def test_a_candidate_has_new_instructions_for_known_criteria_or_a_reason(self) -> None:
        proposal, _ = self._propose(self._good)
        for candidate in proposal.candidates:
            assert candidate.readable or candidate.failure, "a candidate that changes nothing says why"
            assert set(candidate.instructions) <= set(NAMES)
            whole = set(candidate.instructions) == set(NAMES) or candidate.demonstrations is not None
            assert whole or candidate.failure, "a criterion without one says why"
        assert any(
            PROMPT.revise(candidate.instructions, candidate.demonstrations) != PROMPT
            for candidate in proposal.candidates
        )

    def test_as_many_candidates_as_are_wanted(self) -> None:
        for candidates in (1, 3):
            optimizer = self._build(ScriptedAsker(self._good), candidates)
            assert optimizer.candidates == candidates
            assert len(self._propose(self._good, candidates)[0].candidates) == candidates

    def test_its_records_speak_of_the_batch_and_of_known_groups(self) -> None:
        proposal, _ = self._propose(self._good)
        order = [example.id for example in BATCH]
        assert [prediction.example for prediction in proposal.predictions] in ([], order)
        groups = [critique.group for critique in proposal.critiques]
        groups += [gradient.group for gradient in proposal.gradients]
        assert all(group and set(group) <= set(NAMES) for group in groups)
        shown = {critique.example for critique in proposal.critiques}
        shown |= {gradient.example for gradient in proposal.gradients}
        assert shown <= set(order)

    def test_the_planned_calls_are_those_it_makes(self) -> None:
        for candidates in (1, 2):
            asker = ScriptedAsker(self._good)
            plan = self._build(asker, candidates).plan(_turn(asker))
            planned = {calls.role: calls.calls for calls in plan.calls if calls.calls}
            _, asked = self._propose(self._good, candidates)
            made = Counter(request.role for request in asked if request.role != "judge")
            judged = {request.messages for request in asked if request.role == "judge"}
            self._kept(planned, made)
            assert set(planned) <= set(self.make(candidates).roles) <= set(WRITERS)
            assert plan.judged == len(judged) or (not self.exact and plan.judged > len(judged))
            assert all(calls.prompt_tokens > 0 and calls.completion_tokens > 0 for calls in plan.calls if calls.calls)

    def test_longer_instructions_are_planned_for(self) -> None:
        asker = ScriptedAsker(self._good)
        optimizer = self._build(asker, 1)
        short, long = (
            sum(calls.prompt_tokens for calls in optimizer.plan(_turn(asker, grown(PROMPT, tokens))).calls)
            for tokens in (0, 400)
        )
        assert short < long or not self.make(1).roles

    def test_the_same_replies_bring_the_same_proposal_in_whatever_order_they_come(self) -> None:
        first, asked = self._propose(self._good)
        for salt in ("a", "b"):
            again, asked_again = self._propose(partial(self._late, salt))
            assert again == first
            assert Counter(asked_again) == Counter(asked)

    def test_an_unreadable_reply_ends_in_a_reason_and_never_in_an_old_text(self) -> None:
        proposal, asked = self._propose(lambda request: self._good(request) if request.role == "judge" else "")
        assert len(asked) < 1000
        if not self.make(1).roles:
            return
        for candidate in proposal.candidates:
            assert candidate.failure
            assert not candidate.instructions

    def test_a_judge_without_answers_ends_no_turn(self) -> None:
        proposal, _ = self._propose(lambda request: "..." if request.role == "judge" else self.answer(request))
        assert len(proposal.candidates) == 1

    def test_a_stop_comes_out_as_itself(self) -> None:
        def spent(request: Request) -> str:
            if request.role == "judge":
                return self._good(request)
            raise BudgetSpent("no calls are left; raise --max-calls")

        if not self.make(1).roles:
            return
        try:
            self._propose(spent)
        except BudgetSpent:
            return
        raise AssertionError("the optimizer went on although the budget was spent")

    def test_a_whole_run_goes_from_rows_to_its_report(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.chdir(tmp_path)
        run = self._run(tmp_path / "run")
        assert [step.index for step in run.steps] == [0, 1, 2]
        assert all(step.status != "failed" for step in run.steps)
        assert any(candidate.measured for step in run.steps for candidate in step.candidates)
        for name in ("config.json", "steps.jsonl", "judge.yaml", "result.json", "summary.md", "report.html"):
            assert (run.path / name).stat().st_size, name

    def test_a_whole_run_asks_what_check_plans_and_once_more_nothing(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.chdir(tmp_path)
        plan = check(ROWS, optimizer=self.make(2), **self._keywords())
        run = self._run(tmp_path / "run")
        planned = {role.role: role.calls for role in plan.roles if role.calls}
        asked = {account.role: account.answered + account.from_cache + account.joined for account in run.accounts}
        assert set(asked) == set(planned)
        judged = asked.pop("judge"), planned.pop("judge")
        assert judged[0] <= judged[1]
        self._kept(planned, asked)
        again = self._run(tmp_path / "run")
        assert not again.paid
        assert again.steps == run.steps

    def _kept(self, planned: Mapping[str, int], made: Mapping[str, int]) -> None:
        if self.exact:
            assert dict(made) == dict(planned)
        assert all(0 < calls <= planned[role] for role, calls in made.items())

    def test_a_run_that_is_stopped_again_and_again_ends_as_one_that_was_not(
        self, tmp_path: Path, monkeypatch: Any
    ) -> None:
        for name in ("whole", "stopped"):
            (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / "whole")
        whole = self._run(tmp_path / "whole" / "run")
        monkeypatch.chdir(tmp_path / "stopped")
        stops = 0
        while True:
            try:
                run = self._run(tmp_path / "stopped" / "run", Budget(calls=40))
                break
            except BudgetSpent:
                stops += 1
                assert stops < 100, "each start goes on from the response cache"
        assert stops
        assert run.steps == whole.steps

    def _run(self, output: Path, budget: Budget | None = None) -> Run:
        return optimize(ROWS, optimizer=self.make(2), output=output, budget=budget, **self._keywords())

    def _keywords(self) -> dict[str, Any]:
        """The arguments of a small run with the scripted models."""
        backend = Scripted(self._good, identity="contract", abilities=Abilities(schema=True))
        return {
            "criteria": CRITERIA,
            "model": "contract/judge",
            "backends": {"contract/judge": backend},
            "layout": "joint",
            "gate": "spearman",
            "settings": Settings(steps=2, batch=2),
        }

    def _build(self, asker: ScriptedAsker, candidates: int) -> Optimizer:
        settings = self.make(candidates)
        roles = {name: Role(name, "contract/writer", Sampling(0.7, 1024), seed=3) for name in settings.roles}
        return settings.build(Context(PROMPT, asker, roles))

    def _propose(self, function: Function, candidates: int = 1) -> tuple[Proposal, list[Request]]:
        asker = ScriptedAsker(function, Abilities(schema=True))
        optimizer = self._build(asker, candidates)
        return asyncio.run(optimizer.propose(_turn(asker))), asker.asked

    def _good(self, request: Request) -> str:
        if request.role != "judge":
            return self.answer(request)
        return json.dumps({name: 1 + _number(request, name) % 5 for name in NAMES})

    async def _late(self, salt: str, request: Request) -> str:
        for _ in range(_number(request, salt) % 7):
            await asyncio.sleep(0)
        return self._good(request)


def _turn(asker: ScriptedAsker, prompt: JudgePrompt = PROMPT) -> Turn:
    """The first turn of a run whose initial prompt was measured."""
    judge = Judge(asker, Role("judge", "contract/judge", Sampling()), layout("joint", NAMES), JsonScoring())
    values = dict.fromkeys(NAMES, 0.25)
    return Turn(1, prompt, BATCH, judge, (), (ScoredPrompt(0, prompt.instructions, "spearman", values, 0.25),))


def _number(request: Request, salt: str) -> int:
    return hashlib.sha256((salt + request.key("contract")).encode()).digest()[0]
