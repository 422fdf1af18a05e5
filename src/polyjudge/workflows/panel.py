"""Those that a judge file asks, over an open client: a single judge, or the members of a jury."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polyjudge.combining.fitted import FittedJury
from polyjudge.concurrency import together
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.errors import ConfigError
from polyjudge.formatting.text import listed
from polyjudge.judge.predict import Judge
from polyjudge.llm.client import Client
from polyjudge.llm.request import Role
from polyjudge.results.judge_file import JudgeFile, Member
from polyjudge.settings.config import RunConfig
from polyjudge.settings.given import ScoringLike
from polyjudge.workflows.assemble import open_judge, open_scoring


@dataclass(frozen=True, slots=True)
class Seat:
    """A member with the judge that asks for it."""

    name: str
    judge: Judge
    prompt: JudgePrompt


@dataclass(frozen=True, slots=True)
class Answered:
    """What a panel says of an example.

    Attributes:
        prediction: the scores that count, with all members' calls; exactly the only member's, where nothing is fitted.
        members: what each seat said, in their order.
    """

    prediction: Prediction
    members: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """All that a judge file asks.

    Attributes:
        seats: one or more.
        fitted: how their scores become one; None: the only seat's stay as they are.
    """

    seats: tuple[Seat, ...]
    fitted: FittedJury | None

    async def predict(self, example: Example) -> Answered:
        """The scores of one example; nan where no member could be read."""
        answers = tuple(await together(seat.judge.predict(seat.prompt, example) for seat in self.seats))
        return Answered(self._one(example, answers), answers)

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        """The labels whose probabilities a prediction holds; none where several members, or a calibration, decide."""
        return self.seats[0].judge.scoring.labels(criterion) if self.fitted is None else ()

    def _one(self, example: Example, answers: Sequence[Prediction]) -> Prediction:
        if self.fitted is None:
            return answers[0]
        names = self.seats[0].prompt.names
        scores = {
            seat.name: np.array([[answer.score(name) for name in names]])
            for seat, answer in zip(self.seats, answers, strict=True)
        }
        combined = self.fitted.combine(scores).scores[0].tolist()
        calls = tuple(call for answer in answers for call in answer.calls)
        return Prediction(example.id, dict(zip(names, combined, strict=True)), calls, reasons=self._reasons(answers))

    def _reasons(self, answers: Sequence[Prediction]) -> dict[str, str]:
        """Criterion -> the reasons of all members that gave one, each after its name."""
        told: dict[str, list[str]] = {}
        for seat, answer in zip(self.seats, answers, strict=True):
            for name, reason in answer.reasons.items():
                told.setdefault(name, []).append(f"{seat.name}: {reason}")
        return {name: "\n".join(reasons) for name, reasons in told.items()}


def open_panel(file: JudgeFile, config: RunConfig, client: Client, method: ScoringLike | None = None) -> Panel:
    """The panel of a file; ``method`` is the file's scoring method where no name stands for that.

    Raises:
        ConfigError: the endpoint of a model does not allow the scoring.
    """
    seats = tuple(
        Seat(
            member.name,
            judge_of(member.judge, own, client, method if member.judge.scoring == file.scoring else None),
            member.judge.prompt,
        )
        for member, own in zip(file.panel, member_configs(file, config), strict=True)
    )
    return Panel(seats, file.fitted)


def member_configs(file: JudgeFile, config: RunConfig) -> tuple[RunConfig, ...]:
    """The settings under which each of the panel is asked: a member's own model and address, else ``config``'s.

    Raises:
        ConfigError: the user names another model or address than the file, and so do members.
    """
    apart = [member for member in file.members if _reached(member.judge) != _reached(file)]
    if apart and (config.model, config.base_url, config.endpoint_name) != _reached(file):
        raise ConfigError(
            f"members of this jury are asked at models of their own ({_models(apart)}); leave out --model, --base-url "
            f"and --endpoint-name, or change the judge file"
        )
    return tuple(config.model_copy(update=_differing(member, file)) for member in file.panel)


def judge_of(file: JudgeFile, config: RunConfig, client: Client, method: ScoringLike | None = None) -> Judge:
    """A single judge over an open client.

    Raises:
        ConfigError: the model's endpoint does not allow the scoring.
    """
    prompt: JudgePrompt = file.prompt
    role, used = Role("judge", config.model, file.sampling, file.seed), layout(file.layout, prompt.names)
    scoring = open_scoring(
        file.scoring if method is None else method, prompt, role, structured=file.structured, samples=file.samples
    )
    return open_judge(
        scoring,
        used,
        prompt,
        role,
        client,
        parse_retries=file.parse_retries,
        max_concurrency=config.max_concurrency,
        remedy="choose another --model, or correct the judge file",
    )


def _reached(file: JudgeFile) -> tuple[str, str, str]:
    return file.model, file.base_url, file.endpoint_name


def _differing(member: Member, file: JudgeFile) -> dict[str, str]:
    if _reached(member.judge) == _reached(file):
        return {}
    return dict(zip(("model", "base_url", "endpoint_name"), _reached(member.judge), strict=True))


def _models(members: Sequence[Member]) -> str:
    return listed(dict.fromkeys(member.judge.model for member in members))
