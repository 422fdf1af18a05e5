"""The prompts of the textual stages. A template is chosen by the size of the group, never by the mode."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.decomposition import Group
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Critique, Gradient, Prediction, Rejected
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, show
from polyjudge.formatting.text import number
from polyjudge.judge.render import described, instruction_line, item
from polyjudge.judge.scoring import Scoring
from polyjudge.templates.instruction_parser import instruction_form
from polyjudge.templates.load import fenced, labelled, render

# A scale without steps is taken as one of five points.
CONTINUOUS_STEPS = 4


def loss(prompt: JudgePrompt, example: Example, prediction: Prediction, scoring: Scoring, shows_item: bool) -> str:
    """The loss LLM's prompt: compare the prediction of the prompt's criteria with the human ratings."""
    judged_item = render("loss_item", item=item(prompt, example)) if shows_item else ""
    rated = [criterion for criterion in prompt.criteria if not math.isnan(example.human(criterion))]
    results = "\n".join(result(criterion, example, prediction, scoring) for criterion in rated)
    if len(prompt.criteria) == 1:
        return render("loss_one", criteria=described(prompt.criteria[0]), results=results, item=judged_item)
    return render(
        "loss_many",
        criteria="\n".join(f"- {described(criterion)}" for criterion in rated),
        results=results,
        tally=_tally(rated, example, prediction, scoring),
        item=judged_item,
    )


def gradient(prompt: JudgePrompt, asked: str, prediction: Prediction, critiques: Sequence[Critique]) -> str:
    """The gradient LLM's prompt: criticise the instructions of the prompt's criteria by one example."""
    return render(
        "gradient_one" if len(prompt.criteria) == 1 else "gradient_many",
        criteria=_described(prompt),
        instructions=_instructions(prompt),
        prompt=fenced(asked),
        reply=fenced(_replies(prediction, prompt.names)),
        critiques=_headed(critiques),
    )


def sections(
    prompt: JudgePrompt, asked: str, prediction: Prediction, critiques: Sequence[Critique], form: Mapping[str, object]
) -> str:
    """The gradient LLM's prompt that asks for a section on each criterion, in a JSON object of this form."""
    return render(
        "gradient_sections",
        criteria=_described(prompt),
        instructions=_instructions(prompt),
        prompt=fenced(asked),
        reply=fenced(_replies(prediction, prompt.names)),
        critiques=_headed(critiques),
        format=json.dumps(form, ensure_ascii=False),
    )


def optimizer(
    prompt: JudgePrompt,
    asked: Sequence[str],
    predictions: Sequence[Prediction],
    gradients: Sequence[Gradient],
    rejected: Sequence[Rejected] = (),
    *,
    held: bool = False,
) -> str:
    """The optimizer LLM's prompt: rewrite the criteria's instructions by the step's gradients.

    ``held``: whether the new ones are asked for in JSON that a schema holds, else between markers.
    """
    conversations = "\n\n".join(
        f"Prompt:\n{fenced(text)}\n\nReply:\n{fenced(_replies(prediction, prompt.names))}"
        for text, prediction in zip(asked, predictions, strict=True)
    )
    values = {
        "criteria": _described(prompt),
        "instructions": _instructions(prompt),
        "conversations": conversations,
        "gradients": _headed(gradients),
        "rejected": _rejected(rejected),
    }
    return _asking("optimizer", prompt, values, held)


def trajectory(
    prompt: JudgePrompt,
    tried: Sequence[tuple[Mapping[str, str], float]],
    metric: str,
    examples: Sequence[Example],
    *,
    held: bool = False,
) -> str:
    """OPRO's prompt: write instructions that do better than those that were tried.

    Args:
        prompt: over the criteria to write for.
        tried: instructions by criterion and their agreement, from worst to best.
        metric: the agreement's name and direction.
        examples: rated training examples.
        held: as for ``optimizer``.
    """
    values = {
        "criteria": _described(prompt),
        "metric": metric,
        "trajectory": "\n\n".join(
            labelled(f"Agreement {number(score)}", "\n".join(_by_name(instructions))) for instructions, score in tried
        ),
        "examples": "\n\n".join(f"{item(prompt, one)}\n{_rated_by_people(prompt, one)}" for one in examples),
    }
    return _asking("opro", prompt, values, held)


def _asking(template: str, prompt: JudgePrompt, values: Mapping[str, str], held: bool) -> str:
    """A prompt that asks for new instructions of its criteria, in JSON or between markers."""
    size = "one" if len(prompt.criteria) == 1 else "many"
    form = json.dumps(instruction_form(prompt.names), ensure_ascii=False)
    if held:
        return render(f"{template}_{size}_json", **values, format=form)
    return render(f"{template}_{size}", **values, **({} if size == "one" else {"format": form}))


def rubric(
    prompt: JudgePrompt,
    cells: Sequence[tuple[str, Sequence[tuple[Example, Prediction]]]],
    scoring: Scoring,
    rejected: Sequence[Rejected] = (),
    *,
    refines: bool = False,
    held: bool = False,
) -> str:
    """The prompt that asks for a rubric of the one criterion of ``prompt``.

    Args:
        prompt: with the current instruction.
        cells: the examples under the name of the judge's error on them.
        scoring: speaks of scores.
        rejected: rubrics that were tried and rejected.
        refines: whether the current instruction is a rubric already.
        held: as for ``optimizer``.
    """
    (criterion,) = prompt.criteria
    examples = [
        f"{title}:\n\n"
        + "\n\n".join(f"{item(prompt, one)}\n{result(criterion, one, said, scoring)}" for one, said in judged)
        for title, judged in cells
    ]
    values = {
        "criteria": _described(prompt),
        "instructions": _instructions(prompt),
        "cells": "\n\n".join(examples) or "None of them could be shown.",
        "rejected": _rejected(rejected),
    }
    return _asking("rubric_refine" if refines else "rubric_write", prompt, values, held)


def _rejected(edits: Sequence[Rejected]) -> str:
    return render("rejected", edits="\n\n".join(map(_edit, edits))) + "\n" if edits else ""


def _by_name(instructions: Mapping[str, str]) -> list[str]:
    """The instruction of one criterion alone, those of several with their names."""
    if len(instructions) == 1:
        return [*instructions.values()]
    return [f"- {name}: {text}" for name, text in instructions.items()]


def _rated_by_people(prompt: JudgePrompt, example: Example) -> str:
    rated = [(criterion, example.human(criterion)) for criterion in prompt.criteria]
    known = [
        f"- {criterion.name}: {show(criterion.scale, human)}" for criterion, human in rated if not math.isnan(human)
    ]
    return "\n".join(["Human ratings:", *known]) if known else "Human ratings: none"


def _described(prompt: JudgePrompt) -> str:
    if len(prompt.criteria) == 1:
        return described(prompt.criteria[0])
    return "\n".join(f"- {described(criterion)}" for criterion in prompt.criteria)


def _headed(results: Sequence[Critique | Gradient]) -> str:
    """Each text under the names of its criteria."""
    return "\n\n".join(labelled(f"On {', '.join(result.group)}", result.text) for result in results)


def _edit(rejected: Rejected) -> str:
    effect = f"{rejected.metric} {number(rejected.before)} -> {number(rejected.after)}"
    merged = ", refused with the changes that were tried beside it" if rejected.together else ""
    return labelled(f"For {rejected.criterion}, {effect}{merged}", rejected.text)


def _instructions(prompt: JudgePrompt) -> str:
    if len(prompt.criteria) == 1:
        return fenced(prompt.criteria[0].instruction)
    return fenced("\n".join(instruction_line(criterion) for criterion in prompt.criteria))


def _replies(prediction: Prediction, group: Group) -> str:
    """The replies of the calls that asked for any criterion of the group."""
    return "\n".join(call.reply for call in prediction.calls if set(call.group) & set(group))


def _right(criterion: Criterion, example: Example, prediction: Prediction) -> bool:
    score, human = prediction.score(criterion.name), example.human(criterion)
    if isinstance(criterion.scale, Categorical):
        return score == human
    return abs(score - human) <= half_step(criterion.scale)


def half_step(scale: Ordinal | Continuous) -> float:
    """The largest difference that counts as right; raters' means are rarely whole numbers."""
    return scale.step / 2 if isinstance(scale, Ordinal) else (scale.high - scale.low) / CONTINUOUS_STEPS / 2


def result(criterion: Criterion, example: Example, prediction: Prediction, scoring: Scoring) -> str:
    score, human = prediction.score(criterion.name), example.human(criterion)
    people = f"the human rating is {show(criterion.scale, human)} (scale {criterion.scale.describe()})"
    if math.isnan(score):
        return f"- {criterion.name}: the judge gave no readable score, {people}"
    judged = f"- {criterion.name}: the judge gave {scoring.spoken(criterion, score)}, {people}"
    if not scoring.on_scale:
        return judged
    if _right(criterion, example, prediction):
        return f"{judged}: right"
    if isinstance(criterion.scale, Categorical):
        return f"{judged}: wrong"
    return f"{judged}: wrong, too {'high' if score > human else 'low'} by {abs(score - human):.3g}"


def _tally(rated: Sequence[Criterion], example: Example, prediction: Prediction, scoring: Scoring) -> str:
    """The number of right scores; "" if scores are not on the scale."""
    if not scoring.on_scale:
        return ""
    return f" ({sum(_right(criterion, example, prediction) for criterion in rated)} of {len(rated)} right)"
