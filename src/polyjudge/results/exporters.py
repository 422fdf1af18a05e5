"""A fitted judge in forms that other tools read.

An exporter is a function from a judge's calls to a text, and a row of the registry. It sees the calls as they are
sent, with ``{{column}}`` where an input of the item goes; whoever fills them in asks what polyjudge would ask.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from polyjudge.domain.decomposition import Group
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.errors import ConfigError
from polyjudge.judge.scoring import Scoring, prose_of, with_limit
from polyjudge.llm.request import Abilities, Message
from polyjudge.registry import lookup
from polyjudge.results.judge_file import JudgeFile

# What an endpoint may offer; a schema that it does not know can be left out of the exported calls.
_EVERYTHING = Abilities(logprobs=20, schema=True, begins=True)


@dataclass(frozen=True, slots=True)
class JudgeCall:
    """One call of a judge about an item.

    Attributes:
        criteria: those it asks about.
        messages: with ``{{column}}`` where an input goes; a last one of the role "assistant" is a begun reply.
        schema: the JSON schema of the reply; None where there is none.
        max_tokens: the longest reply.
        top_logprobs: how many alternatives of each token the scoring needs; 0 = none.
    """

    criteria: Group
    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None
    max_tokens: int
    top_logprobs: int = 0


@dataclass(frozen=True, slots=True)
class ExportedJudge:
    """What an exporter is given.

    Attributes:
        file: the judge: model, sampling, scoring, criteria with their scales and instructions, lineage.
        calls: all calls about one item; their replies together score every criterion once.
    """

    file: JudgeFile
    calls: tuple[JudgeCall, ...]


class Exporter(Protocol):
    """Writes a judge in a format."""

    def __call__(self, judge: ExportedJudge) -> str:
        """The whole text of the exported file.

        Raises:
            ConfigError: a judge that the format cannot hold.
        """
        ...


def exported(file: JudgeFile, method: Any = None) -> ExportedJudge:
    """A judge with its calls.

    Args:
        file: the judge.
        method: its scoring method as an object or class; None: the one that the file names.

    Raises:
        ConfigError: a text of the judge that would be taken for the place of an input, or a scoring method that is
            not installed.
    """
    prompt = file.prompt
    columns = {column: f"{{{{{column}}}}}" for column, _ in prompt.inputs}
    _check_places(prompt, columns)
    scoring: Scoring = (lookup("scoring", file.scoring) if method is None else method).of(prompt, file.structured)
    used = layout(file.layout, prompt.names)
    item = Example("item", columns)
    calls = tuple(_call(file, scoring, prompt.only(group), item, used.item_first) for group in used.groups)
    return ExportedJudge(file, calls)


def text(judge: ExportedJudge) -> str:
    """The prompts in plain text, a heading above each call where there are several."""
    return "".join(_as_text(judge))


def messages(judge: ExportedJudge) -> str:
    """JSON: model, parameters, and for each call its chat messages, the JSON schema of its reply and its criteria."""
    content = {
        "polyjudge": 1,
        "format": "messages",
        "model": judge.file.model,
        "scoring": judge.file.scoring,
        "inputs": [column for column, _ in judge.file.rubric.inputs],
        "criteria": {criterion.name: criterion.scale.describe() for criterion in judge.file.rubric.criteria},
        "calls": [_as_request(judge.file, call) for call in judge.calls],
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _call(file: JudgeFile, scoring: Scoring, prompt: JudgePrompt, item: Example, item_first: bool) -> JudgeCall:
    sampling = with_limit(file.sampling, prompt, prose_of(scoring))
    question = scoring.question(prompt, item, sampling, _EVERYTHING, item_first=item_first)
    schema = json.loads(question.schema) if question.schema else None
    return JudgeCall(prompt.names, question.messages, schema, question.sampling.max_tokens, question.top_logprobs)


def _check_places(prompt: JudgePrompt, columns: Mapping[str, str]) -> None:
    frozen = [prompt.task, *prompt.instructions.values(), *(one.definition for one in prompt.criteria)]
    frozen += [piece.value for piece in (prompt.template.pieces if prompt.template else ()) if piece.kind == "text"]
    frozen += [value for shown in prompt.demonstrations for value in shown.inputs.values()]
    for place in columns.values():
        if any(place in one for one in frozen):
            raise ConfigError(
                f"a text of the judge holds {place!r}, which marks where an input goes; reword it in the judge file"
            )


def _as_text(judge: ExportedJudge) -> Iterator[str]:
    for number, call in enumerate(judge.calls):
        if len(judge.calls) > 1:
            yield "\n" if number else ""
            yield f"=== {', '.join(call.criteria)} ===\n"
        yield "\n\n".join(message.content for message in call.messages) + "\n"


def _as_request(file: JudgeFile, call: JudgeCall) -> dict[str, Any]:
    sampling: dict[str, Any] = {"max_tokens": call.max_tokens}
    if file.sampling.temperature is not None:
        sampling["temperature"] = file.sampling.temperature
    if call.top_logprobs:
        sampling |= {"logprobs": True, "top_logprobs": call.top_logprobs}
    sampling |= {name: json.loads(value) for name, value in file.sampling.extra}
    return {
        "criteria": list(call.criteria),
        "parameters": sampling,
        "messages": [{"role": message.role, "content": message.content} for message in call.messages],
        "schema": call.schema,
    }
