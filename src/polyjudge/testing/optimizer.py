"""What every optimizer keeps: new texts or a reason, the calls it planned, equal proposals for equal replies."""

from __future__ import annotations

import asyncio
import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Ordinal
from polyjudge.errors import BudgetSpent
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.predict import Judge
from polyjudge.llm.request import ROLES, Abilities, Request, Sampling
from polyjudge.llm.role import Role
from polyjudge.optimizers.base import Optimizer, Proposal, Turn
from polyjudge.testing.asking import Answer, ScriptedAsker

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
Function = Callable[[Request], Answer | Awaitable[Answer]]


class OptimizerContract(ABC):
    """Inherit, and say how to make the optimizer and what its own models reply."""

    @abstractmethod
    def make(self, asker: ScriptedAsker, prompt: JudgePrompt, candidates: int) -> Optimizer:
        """The optimizer over the prompt's criteria, all of its roles asking ``asker``."""

    @abstractmethod
    def answer(self, request: Request) -> str:
        """A good reply to one of the optimizer's own requests; it depends on the request alone."""

    def test_a_draft_has_new_texts_for_known_criteria_or_a_reason(self) -> None:
        proposal, _ = self._propose(self._good)
        for draft in proposal.drafts:
            assert draft.texts or draft.failure, "a draft without texts says why"
            assert set(draft.texts) <= set(NAMES)
            assert set(draft.texts) == set(NAMES) or draft.failure, "a criterion without a text says why"
        assert any(PROMPT.revise(draft.texts) != PROMPT for draft in proposal.drafts)

    def test_as_many_drafts_as_candidates(self) -> None:
        for candidates in (1, 3):
            asker = ScriptedAsker(self._good)
            assert self.make(asker, PROMPT, candidates).candidates == candidates
            assert len(self._propose(self._good, candidates)[0].drafts) == candidates

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
            optimizer = self.make(asker, PROMPT, candidates)
            planned = {role: n for role, n in optimizer.calls_per_turn(PROMPT, len(BATCH)).items() if n}
            _, asked = self._propose(self._good, candidates)
            made = Counter(request.role for request in asked if request.role != "judge")
            assert set(planned) <= set(ROLES) - {"judge"}
            assert planned == dict(made)
            assert all(optimizer.role(role).name == role for role in planned)

    def test_the_same_replies_bring_the_same_proposal_in_whatever_order_they_come(self) -> None:
        first, asked = self._propose(self._good)
        for salt in ("a", "b"):
            again, asked_again = self._propose(partial(self._late, salt))
            assert again == first
            assert Counter(asked_again) == Counter(asked)

    def test_an_unreadable_reply_ends_in_a_reason_and_never_in_an_old_text(self) -> None:
        proposal, asked = self._propose(lambda request: self._good(request) if request.role == "judge" else "")
        assert len(asked) < 1000
        for draft in proposal.drafts:
            assert draft.failure
            assert not draft.texts

    def test_a_judge_without_answers_ends_no_turn(self) -> None:
        proposal, _ = self._propose(lambda request: "..." if request.role == "judge" else self.answer(request))
        assert len(proposal.drafts) == 1

    def test_a_stop_comes_out_as_itself(self) -> None:
        def spent(request: Request) -> str:
            if request.role == "judge":
                return self._good(request)
            raise BudgetSpent("no calls are left; raise --max-calls")

        try:
            self._propose(spent)
        except BudgetSpent:
            return
        raise AssertionError("the optimizer went on although the budget was spent")

    def _propose(self, function: Function, candidates: int = 1) -> tuple[Proposal, list[Request]]:
        asker = ScriptedAsker(function, Abilities(schema=True))
        optimizer = self.make(asker, PROMPT, candidates)
        judge = Judge(asker, Role("judge", "contract/judge", Sampling()), layout("joint", NAMES), JsonScoring())
        proposal = asyncio.run(optimizer.propose(Turn(1, PROMPT, BATCH, judge)))
        return proposal, asker.asked

    def _good(self, request: Request) -> str:
        if request.role != "judge":
            return self.answer(request)
        return json.dumps({name: 1 + _number(request, name) % 5 for name in NAMES})

    async def _late(self, salt: str, request: Request) -> str:
        for _ in range(_number(request, salt) % 7):
            await asyncio.sleep(0)
        return self._good(request)


def _number(request: Request, salt: str) -> int:
    return hashlib.sha256((salt + request.key("contract")).encode()).digest()[0]
