"""What an expected score leaves out: probability that fell on no label of its scale, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from polyjudge.domain.records import Prediction

# Less of it changes no score by more than reading it as an integer does.
WORTH_SAYING = 0.05


def lost_lines(predictions: Sequence[Prediction]) -> list[str]:
    """One line on the criteria that lost more than ``WORTH_SAYING`` on average; none when there is none.

    Args:
        predictions: of any readout; only those read from token probabilities say what was lost.
    """
    shares: dict[str, list[float]] = {}
    for prediction in predictions:
        for name, share in prediction.lost.items():
            shares.setdefault(name, []).append(share)
    means = {name: math.fsum(found) / len(found) for name, found in shares.items()}
    said = [f"{name} {mean:.0%}" for name, mean in means.items() if mean > WORTH_SAYING]
    if not said:
        return []
    return [f"Token probability that fell on no label of the scale, left out of the scores: {', '.join(said)}."]
