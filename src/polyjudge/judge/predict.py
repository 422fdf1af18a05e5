"""Ask the judge: one call a group of the layout, then bounded re-asks of what could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from polyjudge.domain.decomposition import Group
from polyjudge.domain.example import Example
from polyjudge.domain.layout import Layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Call, Prediction
from polyjudge.errors import ReplyError
from polyjudge.judge.pooling import pooled
from polyjudge.judge.readout import Question, Readout
from polyjudge.llm.request import Asker, Message
from polyjudge.llm.role import Role
from polyjudge.llm.together import together


@dataclass(frozen=True, slots=True)
class Judge:
    """A model, a layout and a readout; the prompt comes with each question.

    Attributes:
        asker: the client.
        role: the judge's model and sampling.
        layout: which criteria share a call.
        readout: how replies become numbers.
        re_asks: how often an unreadable score is asked for again before it counts as unscored.
    """

    asker: Asker
    role: Role
    layout: Layout
    readout: Readout
    re_asks: int = 2

    async def predict(self, prompt: JudgePrompt, example: Example, sample: int = 0) -> Prediction:
        """The scores of one example; nan where no score could be read."""
        count = self.readout.samples
        if count == 1:
            return await self._predict(prompt, example, sample)
        draws = range(count * sample, count * (sample + 1))
        return pooled(prompt, await together(self._predict(prompt, example, draw) for draw in draws))

    async def _predict(self, prompt: JudgePrompt, example: Example, sample: int) -> Prediction:
        answers = await together(self._ask_group(prompt.only(group), example, sample) for group in self.groups(prompt))
        found = _merged(example, answers)
        return replace(found, scores={name: found.score(name) for name in prompt.names})

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
        return self.readout.question(prompt, example, self.role.sampling, self.asker.abilities(self.role.model))

    def groups(self, prompt: JudgePrompt) -> tuple[Group, ...]:
        """The layout's groups of the prompt's criteria; each is one call."""
        kept = (tuple(name for name in group if name in prompt.names) for group in self.layout.groups)
        return tuple(group for group in kept if group)

    async def _ask_group(self, prompt: JudgePrompt, example: Example, sample: int) -> Prediction:
        """Ask a group; what its reply lacks is asked for alone, a wholly unreadable reply once more as a group."""
        answer = await self._ask(prompt, example, sample, 0)
        for attempt in range(1, self._useful_re_asks + 1):
            missing = tuple(name for name in prompt.names if name not in answer.scores)
            if not missing:
                break
            again: Sequence[Group] = (missing,) if len(missing) == len(prompt.names) else [(n,) for n in missing]
            answers = await together(self._ask(prompt.only(group), example, sample, attempt) for group in again)
            if again[0] == prompt.names:
                answer = answers[0]
            else:
                answer = _merged(example, [answer, *(later for later in answers if later.scores)])
        return answer

    @property
    def _useful_re_asks(self) -> int:
        """None where the same words at temperature 0 would only bring the same answer."""
        return self.re_asks if self.readout.reminder or self.role.sampling.temperature != 0 else 0

    async def _ask(self, prompt: JudgePrompt, example: Example, sample: int, attempt: int) -> Prediction:
        question = self.question(prompt, example)
        reminder = self.readout.reminder if attempt else ""
        request = self.role.request(
            _with(reminder, question.messages),
            sampling=question.sampling,
            schema=question.schema,
            top_logprobs=question.top_logprobs,
            sample=sample,
            attempt=attempt,
        )
        try:
            reply = await self.asker.ask(request)
        except ReplyError:
            return Prediction(example.id, {}, (Call(prompt.names, question.text, ""),))
        call = Call(prompt.names, question.text, reply.text)
        try:
            found = self.readout.read(reply, prompt)
        except ReplyError:
            return Prediction(example.id, {}, (call,))
        return Prediction(example.id, found.scores, (call,), found.distributions, found.lost)


def _merged(example: Example, answers: Sequence[Prediction]) -> Prediction:
    """One prediction of several answers that speak of different criteria."""
    return Prediction(
        example.id,
        {name: score for answer in answers for name, score in answer.scores.items()},
        tuple(call for answer in answers for call in answer.calls),
        {name: one for answer in answers for name, one in answer.distributions.items()},
        {name: share for answer in answers for name, share in answer.lost.items()},
    )


def _with(reminder: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with a reminder at the end of the last; two messages of one role in a row are refused by many."""
    if not reminder:
        return messages
    return (*messages[:-1], Message(messages[-1].role, f"{messages[-1].content}\n\n{reminder}"))
