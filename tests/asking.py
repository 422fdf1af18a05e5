"""Builders that the tests of the upper rooms share: a small prompt, rated rows, a judge and TextGrad on a script."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.decomposition import decomposition
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Ordinal, Scale
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.predict import Judge
from polyjudge.judge.render import rating_messages
from polyjudge.judge.scoring import Scoring
from polyjudge.llm.request import Request, Role, Sampling
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.textgrad import TextGradOptimizer
from polyjudge.testing.asking import ScriptedAsker, instructions_for, said

NAMES = ("fluency", "coherence", "relevance", "consistency")
FIVE = Ordinal(1, 5)
# The calls of a step over these criteria with a batch of three.
CALLS = {
    "SSS": {"loss": 12, "gradient": 12, "optimizer": 4},
    "SSC": {"loss": 12, "gradient": 12, "optimizer": 1},
    "SCC": {"loss": 12, "gradient": 3, "optimizer": 1},
    "CCC": {"loss": 3, "gradient": 3, "optimizer": 1},
}


def rating_prompt(prompt: JudgePrompt, example: Example) -> str:
    """The one message that asks for ratings."""
    (message,) = rating_messages(prompt, example)
    return message.content


def prompt_of(names: Sequence[str] = NAMES, scale: Scale = FIVE) -> JudgePrompt:
    criteria = tuple(
        Criterion(name, scale, definition=f"How is the {name}?", instruction=f"Rate {name} from 1 to 5.")
        for name in names
    )
    return JudgePrompt("Evaluate the text.", (("source", "Source"), ("text", "Text")), criteria)


def row(place: int, names: Sequence[str] = NAMES, *, prefix: str = "row") -> Example:
    """A row whose texts name it; its ratings differ from row to row and from criterion to criterion."""
    ratings = {name: (float(1 + (place + at) % 5),) for at, name in enumerate(names)}
    inputs = {"source": f"The source of {prefix}-{place}.", "text": f"The text of {prefix}-{place}."}
    return Example(f"{prefix}-{place}", inputs, f"document-{place}", ratings, place)


def rows(count: int, names: Sequence[str] = NAMES, *, prefix: str = "row") -> tuple[Example, ...]:
    return tuple(row(place, names, prefix=prefix) for place in range(count))


def number(request: Request, salt: str = "") -> int:
    """A number that hangs on the request alone."""
    return int.from_bytes(hashlib.sha256((salt + request.key("here")).encode()).digest()[:4], "big")


def mark(request: Request) -> str:
    """A word that no other request has."""
    return f"mark{number(request):08x}mark"


def wanted(request: Request, names: Sequence[str] = NAMES) -> tuple[str, ...]:
    """The criteria that a judge call asks for, by its output format."""
    line = next(line for line in said(request).splitlines() if line.startswith('{"'))
    return tuple(name for name in names if f'"{name}"' in line)


def speaker(names: Sequence[str] = NAMES) -> Callable[[Request], str]:
    """Good replies for every role; each critique, gradient and instruction carries its request's mark."""

    def speak(request: Request) -> str:
        if request.role == "judge":
            return json.dumps({name: 1 + number(request, name) % 5 for name in wanted(request, names)})
        if request.role != "optimizer":
            return f"The {request.role} says {mark(request)}."
        return instructions_for(
            request, lambda name: f"Look {f'at {name} ' if name else ''}for {mark(request)}, then rate."
        )

    return speak


def judge_of(
    asker: ScriptedAsker,
    names: Sequence[str] = NAMES,
    *,
    layout_name: str = "joint",
    scoring: Scoring | None = None,
    temperature: float = 0.0,
    seed: int = 0,
) -> Judge:
    role = Role("judge", "script/judge", Sampling(temperature, 256), seed)
    return Judge(asker, role, layout(layout_name, names), scoring or JsonScoring())


def textgrad_of(
    asker: ScriptedAsker, mode: str = "SSS", names: Sequence[str] = NAMES, *, candidates: int = 1, shows: bool = True
) -> TextGradOptimizer:
    def stage(name: str) -> Stage:
        return Stage(asker, Role(name, "script/writer", Sampling(0.7, 1024), 3))

    return TextGradOptimizer(
        decomposition(mode, names), stage("loss"), stage("gradient"), stage("optimizer"), candidates, shows
    )
