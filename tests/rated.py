"""Rated rows on any scales, and a backend that answers for every role and keeps what it was asked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import polyjudge
from polyjudge.llm.request import Abilities, Reply, Request
from polyjudge.testing.asking import instructions_for

JUDGE = "test/judge"
Scale = Sequence[int] | Mapping[str, Any]
FIVE: Scale = (1, 5)
SHARE: Scale = {"low": 0, "high": 1, "step": "any"}
REFUSAL: Scale = {"labels": ["compliance", "refusal"]}
TONE: Scale = {"labels": ["warm", "cold", "none"]}


@dataclass(frozen=True, slots=True)
class Rated:
    """Rows, the criteria mapping for them, and each row's value on each criterion before raters differ."""

    rows: list[dict[str, str]]
    criteria: dict[str, Any]
    truth: Mapping[str, Mapping[str, Any]]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(criterion["name"] for criterion in self.criteria["criteria"])


def rated(
    scales: Mapping[str, Scale],
    *,
    raters: int = 1,
    documents: int = 16,
    each: int = 2,
    missing: float = 0.0,
    seed: int = 0,
) -> Rated:
    """Invented letters; raters mostly say what is true of a letter, and sometimes nothing."""
    random = Random(f"rated/{seed}")
    columns = {name: [f"{name}_{rater}" for rater in range(raters)] for name in scales}
    rows: list[dict[str, str]] = []
    truth: dict[str, dict[str, Any]] = {}
    for place in range(documents * each):
        name = f"letter {place:03d}"
        row = {"id": f"r{place}", "street": f"s{place // each}", "letter": f"This is {name} about a garden gate."}
        truth[name] = {criterion: _value(scale, random) for criterion, scale in scales.items()}
        for criterion, scale in scales.items():
            for column in columns[criterion]:
                says = truth[name][criterion] if random.random() < 0.8 else _value(scale, random)
                row[column] = "" if random.random() < missing else str(says)
        rows.append(row)
    criteria = [{"name": name, "scale": _plain(scale), "ratings": columns[name]} for name, scale in scales.items()]
    frame = {"task": "Judge the letter.", "inputs": {"letter": "Letter"}, "document": "street", "id": "id"}
    return Rated(rows, {**frame, "criteria": criteria}, truth)


class Recorder:
    """A backend that keeps what it was asked.

    Args:
        answer: of every role.
        abilities: what it says it can do; by default everything.
    """

    def __init__(
        self,
        answer: Callable[[Request], str | Reply | Exception],
        abilities: Abilities | None = None,
        identity: str = "here",
    ) -> None:
        self.asked: list[Request] = []
        self._answer = answer
        self.backend = polyjudge.Scripted(self._keep, abilities=abilities, identity=identity)

    def _keep(self, request: Request) -> str | Reply | Exception:
        self.asked.append(request)
        return self._answer(request)

    def of(self, role: str) -> list[Request]:
        return [request for request in self.asked if request.role == role]


def by_chance(data: Rated) -> Callable[[Request], str]:
    """Readable answers that hang on the question alone; no two questions' texts are alike."""
    scales = {criterion["name"]: criterion["scale"] for criterion in data.criteria["criteria"]}

    def answer(request: Request) -> str:
        digest = hashlib.sha256(request.key("here").encode()).hexdigest()
        if request.role == "judge":
            return json.dumps({name: _value(scale, Random(digest + name)) for name, scale in scales.items()})
        return written(request, f"Mind {digest[:16]}.")

    return answer


def knowing(data: Rated, secret: str = "look twice") -> Callable[[Request], str]:
    """A judge that sees the truth of criteria whose instruction holds the secret; the optimizer always tells it."""
    chance = by_chance(data)

    def answer(request: Request) -> str:
        if request.role != "judge":
            return written(request, f"Rate and {secret}.")
        said = request.messages[0].content
        told = [name for name in data.names if re.search(rf"^- {name}\b.*{secret}", said, re.MULTILINE)]
        letter = re.findall(r"letter \d{3}", said)[-1]
        return json.dumps(json.loads(chance(request)) | {name: data.truth[letter][name] for name in told})

    return answer


def written(request: Request, text: str) -> str:
    """A text in the form that a role is asked for."""
    if request.role != "optimizer":
        return text
    return instructions_for(request, lambda name: f"{text[:-1]} in {name}." if name else text)


def _value(scale: Scale, random: Random) -> int | float | str:
    if not isinstance(scale, Mapping):
        return random.randint(scale[0], scale[1])
    if "labels" in scale:
        return str(random.choice(scale["labels"]))
    return round(random.uniform(scale["low"], scale["high"]), 2)


def _plain(scale: Scale) -> Any:
    return dict(scale) if isinstance(scale, Mapping) else list(scale)
