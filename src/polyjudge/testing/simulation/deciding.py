"""Decision questions of the simulated judge: their words as it reads prompts, and answers of its probabilities."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any


def decisions_in_words(questions: str) -> str:
    """Questions as the criteria and the output format of a prompt; "" for none."""
    asked = json.loads(questions or "[]")
    if not asked:
        return ""
    lines = ["- {}: {}".format(one["name"], "\n  ".join(one["instructions"].splitlines())) for one in asked]
    members = ", ".join(f"{json.dumps(one['name'], ensure_ascii=False)}: {' | '.join(_labels(one))}" for one in asked)
    criteria = "\n".join(lines)
    return f"\n\n<criteria>\n{criteria}\n</criteria>\n\n{{{members}}}"


def decided(questions: str, shares: Sequence[Sequence[float]]) -> str:
    """The answers as JSON text; ``shares``: the weight of each level, by question."""
    answers = [_answer(asked, weights) for asked, weights in zip(json.loads(questions), shares, strict=True)]
    return json.dumps(answers, ensure_ascii=False)


def _answer(asked: dict[str, Any], weights: Sequence[float]) -> dict[str, Any]:
    total = math.fsum(weights)
    masses = [weight / total for weight in weights]
    best = max(range(len(masses)), key=masses.__getitem__)
    answer = {"type": asked["type"], "name": asked["name"], "confidence": masses[best]}
    if asked["type"] == "choice":
        values = [choice["value"] for choice in asked["choices"]]
        told = [{"value": value, "probability": mass} for value, mass in zip(values, masses, strict=True)]
        return {**answer, "choice": values[best], "probabilities": told}
    labels = [level["label"] for level in asked["levels"]]
    told = [
        {"label": label, "value": index, "probability": mass}
        for index, (label, mass) in enumerate(zip(labels, masses, strict=True))
    ]
    mean = math.fsum(index * mass for index, mass in enumerate(masses))
    return {**answer, "score": mean, "probabilities": told}


def _labels(asked: dict[str, Any]) -> list[str]:
    """The labels of a question as a prompt's output format writes them."""
    if asked["type"] == "choice":
        return [json.dumps(choice["value"], ensure_ascii=False) for choice in asked["choices"]]
    return [level["label"] for level in asked["levels"]]
