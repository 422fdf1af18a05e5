"""Ask the judge: one call a group of the layout, then bounded parse retries of what could not be read.

Where the item comes first and the backend caches prefixes, an item's first call fills the cache that its others are
served from, so that they wait for it. Where a cache belongs to a slot, they go one after another, and no more items
are under way than there are slots: what one item's call left there would else be gone before its next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from polyjudge.concurrency import together
from polyjudge.domain.decomposition import Group
from polyjudge.domain.example import Example
from polyjudge.domain.layout import Layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Call, Prediction
from polyjudge.errors import ReplyError
from polyjudge.judge.pooling import pooled
from polyjudge.judge.preference import exchanged, in_both_orders
from polyjudge.judge.scoring import Question, Scoring, prose_of, with_limit
from polyjudge.llm.request import Asker, Message, Role


@dataclass(frozen=True, slots=True)
class Judge:
    """A model, a layout and a scoring method; the prompt comes with each question.

    Attributes:
        asker: the client.
        role: the judge's model and sampling.
        layout: which criteria share a call.
        scoring: how replies become numbers.
        parse_retries: how often an unreadable score is asked for again before it counts as unscored.
        slots: one is held while an item's calls go out, where the backend's cache belongs to slots; None = no matter.
    """

    asker: Asker
    role: Role
    layout: Layout
    scoring: Scoring
    parse_retries: int = 2
    slots: asyncio.Semaphore | None = field(default=None, compare=False, repr=False)

    async def predict(self, prompt: JudgePrompt, example: Example, sample: int = 0) -> Prediction:
        """The scores of one example; nan where no score could be read. A preference is asked for in both orders."""
        if prompt.pair is None:
            return await self._predict(prompt, example, sample)
        orders = (example, exchanged(example, prompt.pair))
        return in_both_orders(prompt, *await together(self._predict(prompt, one, sample) for one in orders))

    async def _predict(self, prompt: JudgePrompt, example: Example, sample: int) -> Prediction:
        count, groups = self.scoring.samples, self.groups(prompt)
        draws = range(count * sample, count * (sample + 1))
        answers = await self._in_order(
            [partial(self._ask_group, prompt.only(group), example, draw) for draw in draws for group in groups]
        )
        size = len(groups)
        found = [_whole(prompt, example, answers[at : at + size]) for at in range(0, len(answers), size)]
        return found[0] if count == 1 else pooled(prompt, found)

    async def _in_order(self, asks: Sequence[Callable[[], Coroutine[Any, Any, Prediction]]]) -> list[Prediction]:
        """The answers of all calls on an item, asked in the order that pays its text least often."""
        able = self.asker.abilities(self.role.model)
        if not (self.layout.item_first and able.prefix_cache):
            return await together(ask() for ask in asks) if len(asks) > 1 else [await asks[0]()]
        if not able.slots:
            return [await asks[0](), *await together(ask() for ask in asks[1:])]
        async with self.slots or nullcontext():
            return [await ask() for ask in asks]

    async def evaluate(
        self, prompt: JudgePrompt, examples: Sequence[Example], sample: int = 0
    ) -> tuple[Prediction, ...]:
        """Predictions aligned with ``examples``; their calls wait for those about single examples."""
        behind = self.behind
        return tuple(await together(behind.predict(prompt, example, sample) for example in examples))

    @property
    def behind(self) -> Judge:
        """The same judge, whose calls wait for those of this one where places are few."""
        return replace(self, role=replace(self.role, rank=self.role.rank + 1))

    def question(self, prompt: JudgePrompt, example: Example) -> Question:
        """The one call that asks for every criterion of ``prompt``."""
        able = self.asker.abilities(self.role.model)
        sampling = with_limit(self.role.sampling, prompt, prose_of(self.scoring))
        return self.scoring.question(prompt, example, sampling, able, item_first=self.layout.item_first)

    def groups(self, prompt: JudgePrompt) -> tuple[Group, ...]:
        """The layout's groups of the prompt's criteria; each is one call."""
        names = set(prompt.names)
        kept = (tuple(name for name in group if name in names) for group in self.layout.groups)
        return tuple(group for group in kept if group)

    async def _ask_group(self, prompt: JudgePrompt, example: Example, sample: int) -> Prediction:
        """Ask a group; what its reply lacks is asked for alone, a wholly unreadable reply once more as a group."""
        answer = await self._ask(prompt, example, sample, 0)
        for retry in range(1, self._useful_parse_retries + 1):
            missing = tuple(name for name in prompt.names if name not in answer.scores)
            if not missing:
                break
            again: Sequence[Group] = (missing,) if len(missing) == len(prompt.names) else [(n,) for n in missing]
            answers = await together(self._ask(prompt.only(group), example, sample, retry) for group in again)
            if again[0] == prompt.names:
                answer = answers[0]
            else:
                answer = _merged(example, [answer, *(later for later in answers if later.scores)])
        return answer

    @property
    def _useful_parse_retries(self) -> int:
        """None where the same words at temperature 0 would only bring the same answer."""
        return self.parse_retries if self.scoring.reminder or self.role.sampling.temperature != 0 else 0

    async def _ask(self, prompt: JudgePrompt, example: Example, sample: int, retry: int) -> Prediction:
        question = self.question(prompt, example)
        reminder = self.scoring.reminder if retry else ""
        request = self.role.request(
            _with(reminder, question.messages),
            sampling=question.sampling,
            schema=question.schema,
            top_logprobs=question.top_logprobs,
            sample=sample,
            retry=retry,
            shared=len(question.shared),
            form=question.form,
            questions=question.questions,
        )
        try:
            reply = await self.asker.ask(request)
        except ReplyError:
            return Prediction(example.id, {}, (Call(prompt.names, question.text, ""),))
        call = Call(prompt.names, question.text, reply.text)
        try:
            found = self.scoring.read(reply, prompt)
        except ReplyError:
            return Prediction(example.id, {}, (call,))
        return Prediction(example.id, found.scores, (call,), found.distributions, found.lost, reasons=found.reasons)


def _whole(prompt: JudgePrompt, example: Example, answers: Sequence[Prediction]) -> Prediction:
    """One prediction of the answers of all groups; nan for what none of them scores."""
    found = _merged(example, answers)
    return replace(found, scores={name: found.score(name) for name in prompt.names})


def _merged(example: Example, answers: Sequence[Prediction]) -> Prediction:
    """One prediction of several answers that speak of different criteria."""
    return Prediction(
        example.id,
        {name: score for answer in answers for name, score in answer.scores.items()},
        tuple(call for answer in answers for call in answer.calls),
        {name: one for answer in answers for name, one in answer.distributions.items()},
        {name: share for answer in answers for name, share in answer.lost.items()},
        reasons={name: reason for answer in answers for name, reason in answer.reasons.items()},
    )


def _with(reminder: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with a reminder at the end of the last; two messages of one role in a row are refused by many."""
    if not reminder:
        return messages
    return (*messages[:-1], replace(messages[-1], content=f"{messages[-1].content}\n\n{reminder}"))
