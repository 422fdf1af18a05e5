"""Several samples of one prediction as one: the mean of the readable scores, or the label that most of them gave.

Every prediction needs it, so it stands apart from the scoring methods.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import NAN, Categorical, Scale


def pooled(prompt: JudgePrompt, samples: Sequence[Prediction]) -> Prediction:
    """One prediction of several samples of it, with the calls and reasons of the first that could be read.

    Its distributions are the shares of the readable samples; a scale without steps has none.
    """
    read = {
        c.name: [score for score in (one.score(c.name) for one in samples) if not math.isnan(score)]
        for c in prompt.criteria
    }
    shown = next((one for one in samples if len(one.unscored) < len(one.scores)), samples[0])
    return Prediction(
        example=shown.example,
        scores={c.name: _middle(c.scale, read[c.name]) for c in prompt.criteria},
        calls=shown.calls,
        distributions={
            c.name: _shares(c.scale, read[c.name]) for c in prompt.criteria if read[c.name] and c.scale.labels
        },
        samples={name: len(scores) for name, scores in read.items()},
        reasons=shown.reasons,
    )


def _middle(scale: Scale, scores: Sequence[float]) -> float:
    if not scores:
        return NAN
    if isinstance(scale, Categorical):
        return Counter(scores).most_common(1)[0][0]
    return math.fsum(scores) / len(scores)


def _shares(scale: Scale, scores: Sequence[float]) -> dict[str, float]:
    counts = Counter(scores)
    return {label: counts[level] / len(scores) for label, level in zip(scale.labels, scale.levels, strict=True)}
