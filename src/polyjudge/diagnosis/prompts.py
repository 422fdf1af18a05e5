"""The prompts of the diagnostic model. What it judges is data: fenced, and never an instruction."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from random import Random

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.records import Gradient
from polyjudge.judge.render import described
from polyjudge.templates.load import fenced, render

MASK = "[criterion]"


def joined(gradients: Sequence[Gradient]) -> str:
    """The texts of several gradients as one criticism."""
    return "\n\n".join(gradient.text.strip() for gradient in gradients)


def specificity(criterion: Criterion, criteria: Sequence[Criterion], text: str) -> str:
    """Rate how specific a criticism is to a criterion among others."""
    others = [other for other in criteria if other.name != criterion.name]
    return render("specificity", criterion=described(criterion), others=_listed(others), gradient=fenced(text))


def adherence(criterion: Criterion, before: str, text: str, after: str) -> str:
    """Rate how closely a new instruction follows a criticism."""
    return render(
        "adherence",
        criterion=described(criterion),
        before=fenced(before),
        gradient=fenced(text),
        after=fenced(after),
    )


def attribution(criteria: Sequence[Criterion], text: str) -> str:
    """Say which criterion a criticism serves, the criteria's names masked in it; their order hangs on the text."""
    masked = mask(text, [criterion.name for criterion in criteria])
    order = Random(f"attribution/{masked}").sample(list(criteria), len(criteria))
    return render("attribution", criteria=_listed(order), gradient=fenced(masked))


def sentences(criteria: Sequence[Criterion], parts: Sequence[str]) -> str:
    """Say which criteria each sentence of a criticism serves."""
    numbered = "\n".join(f"{number}. {' '.join(part.split())}" for number, part in enumerate(parts, 1))
    example = json.dumps({str(number): [] for number in range(1, len(parts) + 1)})
    return render("sentences", criteria=_listed(criteria), sentences=fenced(numbered), format=example)


def mask(text: str, names: Sequence[str]) -> str:
    """A text without the criteria's names."""
    return naming(names).sub(MASK, text)


def naming(names: Sequence[str]) -> re.Pattern[str]:
    """Finds criteria's names however they are written: case, hyphens, blanks and a plural do not matter."""
    spelled = sorted((re.split(r"[\W_]+", name) for name in names), key=len, reverse=True)
    either = "|".join(r"[\W_]+".join(map(re.escape, filter(None, words))) for words in spelled if any(words))
    # Without a name the group must match nothing at all.
    return re.compile(rf"(?<![^\W_])(?:{either or '(?!)'})(?:['’]?s)?(?![^\W_])", re.IGNORECASE)


def _listed(criteria: Sequence[Criterion]) -> str:
    return "\n".join(f"- {described(criterion)}" for criterion in criteria) or "none"
