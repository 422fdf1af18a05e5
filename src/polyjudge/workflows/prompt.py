"""What a judge is sent, word for word; no model is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from polyjudge.datasets.load import Data, load_dataset
from polyjudge.domain.decomposition import Group
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.errors import ConfigError
from polyjudge.judge.predict import Judge
from polyjudge.judge.preference import exchanged
from polyjudge.llm.request import Abilities, Backend, Message, Reply, Request
from polyjudge.results.judge_file import JudgeFile, read_judge
from polyjudge.settings.given import ModelLike, ScoringLike, explicit, suggests
from polyjudge.workflows.client import open_client
from polyjudge.workflows.events import unwatched
from polyjudge.workflows.functions import takes_functions
from polyjudge.workflows.panel import judge_of
from polyjudge.workflows.score import settings_of
from polyjudge.workflows.sync import run


@dataclass(frozen=True, slots=True)
class SentCall:
    """One call about an item.

    Attributes:
        criteria: those it asks for.
        messages: as they are sent.
        schema: the JSON schema that the reply is held to; None where it is held to none.
        parameters: the longest answer, the temperature, and how many token probabilities are asked for.
        questions: the decision questions on the messages; empty in a chat.
        form: the reply's text as a model in this process is given it, "..." for each blank that it fills; "" where
            the model writes the reply itself.
    """

    criteria: Group
    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None
    parameters: Mapping[str, Any]
    questions: tuple[Mapping[str, Any], ...] = ()
    form: str = ""


@dataclass(frozen=True, slots=True)
class SentPrompt:
    """Everything that is sent about one item.

    Attributes:
        item: its identifier; "" where places stand for the item.
        layout: which criteria share a call.
        scoring: how replies become numbers.
        samples: how often each call is asked.
        calls: in order.
    """

    item: str
    layout: str
    scoring: str
    samples: int
    calls: tuple[SentCall, ...]


class NobodyAsked:
    """An asker for planning without a model: an endpoint that holds replies to a schema and gives no probabilities."""

    async def ask(self, request: Request) -> Reply:
        raise ConfigError("no model named; pass --model PROVIDER/MODEL")

    def abilities(self, model: str) -> Abilities:
        return Abilities(schema=True)


def sent(judge: Judge, prompt: JudgePrompt, example: Example) -> SentPrompt:
    """What a judge would be sent about an example; about a preference, in both orders."""
    orders = (example,) if prompt.pair is None else (example, exchanged(example, prompt.pair))
    return SentPrompt(
        example.id,
        str(judge.layout),
        judge.scoring.name,
        judge.scoring.samples,
        tuple(_call(judge, prompt.only(group), one) for one in orders for group in judge.groups(prompt)),
    )


@suggests
@takes_functions
def prompt(
    judge: str | Path | JudgeFile,
    data: Data | None = None,
    *,
    row: int = 1,
    model: ModelLike | None = None,
    scoring: ScoringLike | None = None,
    config: str | Path | None = None,
    backends: Mapping[str, Backend] | None = None,
    member: str | None = None,
) -> SentPrompt:
    """What a judge is sent about one row: all messages of all calls, and what is asked of the reply.

    Args:
        judge: a judge.yaml.
        data: rows with the judge's input columns; None: ``{{ column }}`` stands where an input goes.
        row: which one, from 1.
        model: as for ``score``; what an endpoint can do decides about the schema and the probabilities.
        scoring: as for ``score``.
        config: as for ``score``.
        backends: as for ``score``.
        member: which member of a jury; None: there is but one.

    Raises:
        InputError: the judge or the data cannot be used, or there is no such row or member.
    """
    file = (judge if isinstance(judge, JudgeFile) else read_judge(judge)).alone(member)
    taken, _ = settings_of(file, explicit(None, None, {"model": model}), config, "")
    example = _places(file) if data is None else _row(file, data, row)

    async def rendered() -> SentPrompt:
        async with open_client(taken, backends or {}, unwatched, planning=True) as client:
            return sent(judge_of(file, taken, client, scoring), file.prompt, example)

    return run(rendered())


def lines(shown: SentPrompt) -> Sequence[str]:
    """The same for people: a heading above each part, its text as it is sent."""
    told = [f"layout {shown.layout}, scoring {shown.scoring}" + f", {shown.samples} samples" * (shown.samples > 1)]
    for number, call in enumerate(shown.calls, 1):
        told.append(f"=== call {number} of {len(shown.calls)}: {', '.join(call.criteria)} ===")
        for message in call.messages:
            told += [f"--- {message.role} ---", message.content]
        told.append(f"--- end: {', '.join(f'{name} {value}' for name, value in call.parameters.items())} ---")
        if call.form:
            told.append(f"--- the blanks of this reply are filled: {call.form} ---")
        told += [f"--- question: {json.dumps(question, ensure_ascii=False)} ---" for question in call.questions]
        if call.schema is not None:
            told.append(f"--- the reply is held to: {json.dumps(call.schema, ensure_ascii=False)} ---")
    return told


def _call(judge: Judge, part: JudgePrompt, example: Example) -> SentCall:
    question = judge.question(part, example)
    parameters: dict[str, Any] = {"max_tokens": question.sampling.max_tokens}
    if question.sampling.temperature is not None:
        parameters["temperature"] = question.sampling.temperature
    if question.top_logprobs:
        parameters["top_logprobs"] = question.top_logprobs
    parameters |= {name: json.loads(value) for name, value in question.sampling.extra}
    schema = json.loads(question.schema) if question.schema else None
    messages = tuple(Message(message.role, message.content) for message in question.messages)
    questions = tuple(json.loads(question.questions or "[]"))
    form = "".join(blank.before + "..." * bool(blank.choices) for blank in question.form)
    return SentCall(part.names, messages, schema, parameters, questions, form)


def _places(file: JudgeFile) -> Example:
    return Example("", {column: f"{{{{ {column} }}}}" for column, _ in file.rubric.inputs})


def _row(file: JudgeFile, data: Data, row: int) -> Example:
    dataset = load_dataset(data, file.rubric, ratings_required=False)
    found = next(islice(dataset.examples, row - 1, None), None) if row > 0 else None
    if found is None:
        raise ConfigError(f"there is no row {row}; the data have {len(dataset.examples)} rows, counted from 1")
    return found
