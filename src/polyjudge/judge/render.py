"""A judge prompt as text. Judged texts stand between fences they cannot close; instructions are indented lines."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import accumulate

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.prompt_template import COLUMN, DEMONSTRATIONS, FORMAT, TEXT, Piece, TemplateMessage, of_criterion
from polyjudge.domain.scale import Categorical, Continuous, Scale, show
from polyjudge.judge.own_prompt import shared
from polyjudge.llm.request import Message
from polyjudge.templates.load import labelled, render
from polyjudge.templates.reason_parser import REASON, SCORE


def item(prompt: JudgePrompt, example: Example) -> str:
    """The texts of one example, each input under its label."""
    return "\n\n".join(labelled(label, example.inputs[column]) for column, label in prompt.inputs)


def instruction_line(criterion: Criterion) -> str:
    """``- name (definition): instruction``; further lines of an instruction, however they are broken, are indented,
    so that none of them can pass for a line of the frame."""
    definition = f" ({criterion.definition})" if criterion.definition else ""
    return f"- {criterion.name}{definition}: " + "\n  ".join(criterion.instruction.strip().splitlines())


def criterion_lines(criterion: Criterion) -> str:
    """The same with what its levels mean, each on a line below."""
    anchors = [" ".join(line.split()) for line in criterion.anchors.splitlines()]
    return "\n  ".join([instruction_line(criterion), *anchors])


def described(criterion: Criterion) -> str:
    """``name (scale 1..5): definition``, for the stages that speak about a criterion."""
    definition = f": {criterion.definition}" if criterion.definition else ""
    return f"{criterion.name} (scale {criterion.scale.describe()}){definition}"


def output_format(prompt: JudgePrompt) -> str:
    """The object that a reply must be, with the allowed values written out."""
    return _object_of(prompt.criteria)


@lru_cache(maxsize=256)
def _object_of(criteria: tuple[Criterion, ...]) -> str:
    """Written once a prompt and not once an item."""
    members = ", ".join(f"{json.dumps(c.name, ensure_ascii=False)}: {_allowed(c.scale)}" for c in criteria)
    return "{" + members + "}"


def reasoned_format(prompt: JudgePrompt) -> str:
    """The same, with a reason before each value."""
    members = [
        f'{json.dumps(c.name, ensure_ascii=False)}: {{"{REASON}": "...", "{SCORE}": {_allowed(c.scale)}}}'
        for c in prompt.criteria
    ]
    return "{" + ", ".join(members) + "}"


def rating_messages(
    prompt: JudgePrompt, example: Example, *, reply_format: str = "", frame: str = "judge"
) -> tuple[Message, ...]:
    """The messages that ask for ratings of one example.

    Args:
        prompt: over the criteria to ask for.
        example: the item.
        reply_format: what a reply must be; "": the JSON object of ``output_format``.
        frame: the template that is filled with task, format, criteria, demonstrations and item; the user's own prompt
            takes its place.
    """
    wanted = reply_format or output_format(prompt)
    if prompt.template is not None:
        rendered = prompt.template.rendered(partial(_filled, prompt, example, wanted))
        return tuple(
            Message(message.role, "".join(texts), _judged(prompt, message, texts))
            for message, (_, texts) in zip(prompt.template.messages, rendered, strict=True)
        )
    text = render(
        frame,
        task=prompt.task,
        format=wanted,
        criteria=_criteria(prompt),
        demonstrations=_demonstrations(prompt),
        item=item(prompt, example),
    )
    return (Message("user", text),)


def _judged(prompt: JudgePrompt, message: TemplateMessage, texts: Sequence[str]) -> tuple[tuple[int, int, int], ...]:
    """Where the item's texts stand in a message of the user's own prompt, and which inputs they are."""
    numbers = {column: number for number, (column, _) in enumerate(prompt.inputs)}
    ends = [*accumulate(map(len, texts))]
    return tuple(
        (end - len(text), end, numbers[piece.value])
        for piece, text, end in zip(message.pieces, texts, ends, strict=True)
        if piece.kind == COLUMN
    )


def decision_input(prompt: JudgePrompt, example: Example) -> str:
    """The text that decision questions are asked about: task, demonstrations and the item."""
    return render(
        "decision_input", task=prompt.task, demonstrations=_demonstrations(prompt), item=item(prompt, example)
    )


def own_prefix(prompt: JudgePrompt, example: Example) -> str:
    """What the calls about an item have in common at the beginning of the first message of the user's own prompt."""
    if prompt.template is None:
        return ""
    return "".join(
        piece.value if piece.kind == TEXT else _filled(prompt, example, "", piece) for piece in shared(prompt.template)
    )


def rating_prefix(prompt: JudgePrompt, example: Example) -> str:
    """The same with the item first, up to the criteria: it is the same for all of them."""
    return (
        render(
            "fork_item",
            task=prompt.task,
            demonstrations="".join(
                render("fork_example", number=str(number), item=item(prompt, shown)) + "\n"
                for number, shown in enumerate(prompt.demonstrations, 1)
            ),
            item=item(prompt, example),
        )
        + "\n"
    )


def rating_request(prompt: JudgePrompt, *, reply_format: str = "", frame: str = "fork_criteria") -> str:
    """What follows ``rating_prefix``: the criteria, and people's ratings of the demonstrations on them.

    Args:
        prompt: over the criteria to ask for.
        reply_format: as for ``rating_messages``.
        frame: the template that is filled with criteria, ratings and format.
    """
    return render(
        frame,
        criteria=_criteria(prompt),
        ratings="".join(
            "\n" + render("fork_ratings", number=str(number), ratings=_ratings(prompt, shown))
            for number, shown in enumerate(prompt.demonstrations, 1)
        )
        + ("\n" if prompt.demonstrations else ""),
        format=reply_format or output_format(prompt),
    )


def _filled(prompt: JudgePrompt, example: Example, reply_format: str, place: Piece) -> str:
    """What fills a place of the user's own prompt."""
    if place.kind == COLUMN:
        return example.inputs[place.value]
    if place.kind == FORMAT:
        return reply_format
    if place.kind == DEMONSTRATIONS:
        return _demonstrations(prompt)
    if place.value:
        return of_criterion(place.kind, next(c for c in prompt.criteria if c.name == place.value))
    (criterion,) = prompt.criteria
    return of_criterion(place.kind, criterion)


def _demonstrations(prompt: JudgePrompt) -> str:
    return "".join(
        render("demonstration", item=item(prompt, shown), ratings=_ratings(prompt, shown)) + "\n"
        for shown in prompt.demonstrations
    )


def _criteria(prompt: JudgePrompt) -> str:
    return "\n".join(criterion_lines(criterion) for criterion in prompt.criteria)


def _ratings(prompt: JudgePrompt, example: Example) -> str:
    """People's ratings of a demonstration, as the object that the judge would have to write."""
    ratings = {c.name: _shown(c.scale, example.human(c)) for c in prompt.criteria}
    return json.dumps(ratings, ensure_ascii=False)


def _shown(scale: Scale, value: float) -> float | str | None:
    """A human rating as the judge would have to write it: the nearest allowed value, halfway rounding up."""
    if math.isnan(value):
        return None
    if isinstance(scale, Categorical):
        return show(scale, value)
    if isinstance(scale, Continuous):
        return value
    level = min(scale.levels, key=lambda level: (abs(level - value), -level))
    return int(level) if level.is_integer() else level


def _allowed(scale: Scale) -> str:
    if isinstance(scale, Categorical):
        return " | ".join(json.dumps(label, ensure_ascii=False) for label in scale.labels)
    if isinstance(scale, Continuous):
        return f"a number from {scale.low:g} to {scale.high:g}"
    return " | ".join(scale.labels)
