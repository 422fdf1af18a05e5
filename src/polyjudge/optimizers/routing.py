"""The router between joint gradients and the optimizer: what a joint call dilutes is asked for again, separately.

One call about an example writes a section on each criterion. The sections of a criterion over the batch are scored
for their specificity, without a model:

    attribution * concreteness * evidence

The share of sentences that speak of the criterion in words of its own (its name does not count, so that naming it
earns nothing); 1 if a sentence cites a level of the scale or a passage of the prompt, else one half; and the share of
its quoted passages that really stand in the prompt. A criterion below the threshold ``tau`` gets separate gradients.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyjudge.domain.criterion import Criterion
from polyjudge.optimizers.vocabulary import Vocabulary, sentences

# The tenth percentile of the score of separate gradients over 20 simulated default worlds (benchmarks/router.py).
TAU = 0.178
_QUOTED = re.compile(r"[\"“«](?P<text>[^\"“”«»\n]{12,300})[\"”»]")
# What is compared of a passage: letters and digits.
_UNLIKE = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Router:
    """Scores texts about one criterion each.

    Attributes:
        criteria: all of the run, with their initial instructions.
        tau: texts that score less get a separate call, 0..1.
    """

    criteria: tuple[Criterion, ...]
    tau: float = TAU

    def poor(self, texts: Mapping[str, Sequence[str]], asked: Sequence[str]) -> tuple[str, ...]:
        """The criteria whose texts about a batch score less than ``tau``.

        Args:
            texts: criterion -> its texts, one an example at most.
            asked: the judge's prompts about the examples.
        """
        return tuple(name for name, written in texts.items() if self.score(name, written, asked) < self.tau)

    def score(self, name: str, texts: Sequence[str], asked: Sequence[str]) -> float:
        """How specific texts on a criterion are, 0..1; 0 without a text."""
        text = "\n\n".join(texts)
        criterion = next(one for one in self.criteria if one.name == name)
        blind = _masked(text, [one.name for one in self.criteria])
        attribution = Vocabulary(self.criteria).share(blind, name)
        quoted = [match["text"] for match in _QUOTED.finditer(text)]
        source = _plain(" ".join(asked))
        valid = [passage for passage in quoted if _plain(passage) in source]
        cites = bool(valid) or any(_cites_level(criterion, sentence) for sentence in sentences(text))
        return attribution * (1.0 if cites else 0.5) * (len(valid) / len(quoted) if quoted else 1.0)


def percentile(scores: Sequence[float], share: float) -> float:
    """The value below which a share (0..1) of scores lies, between two of them if need be; nan without scores."""
    ranked = sorted(scores)
    if not ranked:
        return math.nan
    place = share * (len(ranked) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (place - below) * (ranked[above] - ranked[below])


def _masked(text: str, names: Sequence[str]) -> str:
    """The text with the criteria's names, in any spelling of their words, replaced."""
    spelled = sorted({re.escape(form) for name in names for form in (name, name.replace("_", " "))}, key=len)
    return re.sub(rf"(?<!\w)(?:{'|'.join(reversed(spelled))})(?!\w)", "criterion", text, flags=re.IGNORECASE)


def _cites_level(criterion: Criterion, sentence: str) -> bool:
    return any(
        re.search(rf"(?<![\w.,]){re.escape(label)}(?![\w]|[.,]\d)", sentence, re.IGNORECASE)
        for label in criterion.scale.labels
    )


def _plain(text: str) -> str:
    return _UNLIKE.sub(" ", text.casefold()).strip()
