"""A judge prompt as text. Judged material stands between fences it cannot close; instructions are indented lines."""

from __future__ import annotations

import json
import math

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Continuous, Scale, show
from polyjudge.templates.load import labelled, render


def item(prompt: JudgePrompt, example: Example) -> str:
    """The material of one example, each input under its label."""
    return "\n\n".join(labelled(label, example.inputs[column]) for column, label in prompt.inputs)


def instruction_line(criterion: Criterion) -> str:
    """``- name (definition): instruction``; further lines of an instruction, however they are broken, are indented,
    so that none of them can pass for a line of the frame."""
    definition = f" ({criterion.definition})" if criterion.definition else ""
    return f"- {criterion.name}{definition}: " + "\n  ".join(criterion.instruction.strip().splitlines())


def described(criterion: Criterion) -> str:
    """``name, scale 1..5: definition``, for the stages that speak about a criterion."""
    definition = f": {criterion.definition}" if criterion.definition else ""
    return f"{criterion.name}, scale {criterion.scale.describe()}{definition}"


def output_format(prompt: JudgePrompt) -> str:
    """The object that a reply must be, with the allowed values written out."""
    members = ", ".join(f"{json.dumps(c.name, ensure_ascii=False)}: {_allowed(c.scale)}" for c in prompt.criteria)
    return "{" + members + "}"


def rating_prompt(prompt: JudgePrompt, example: Example) -> str:
    """The text that asks for ratings as JSON."""
    return render(
        "judge",
        task=prompt.task,
        format=output_format(prompt),
        criteria="\n".join(instruction_line(criterion) for criterion in prompt.criteria),
        demonstrations="".join(_demonstration(prompt, shown) for shown in prompt.demonstrations),
        item=item(prompt, example),
    )


def _demonstration(prompt: JudgePrompt, example: Example) -> str:
    ratings = {c.name: _shown(c.scale, example.human(c)) for c in prompt.criteria}
    return render("demonstration", item=item(prompt, example), ratings=json.dumps(ratings, ensure_ascii=False)) + "\n"


def _shown(scale: Scale, value: float) -> float | str | None:
    """A human rating as the judge would have to write it: the nearest allowed value, halfway rounding up."""
    if math.isnan(value):
        return None
    if isinstance(scale, Categorical):
        return show(scale, value)
    if isinstance(scale, Continuous):
        return value
    return int(min(scale.levels, key=lambda level: (abs(level - value), -level)))


def _allowed(scale: Scale) -> str:
    if isinstance(scale, Categorical):
        return " | ".join(json.dumps(label, ensure_ascii=False) for label in scale.labels)
    if isinstance(scale, Continuous):
        return f"a number from {scale.low:g} to {scale.high:g}"
    return " | ".join(scale.labels)
