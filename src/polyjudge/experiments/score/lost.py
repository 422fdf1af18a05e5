"""What an expected score leaves out: probability that fell on no label of its scale, in words."""

from __future__ import annotations

from collections.abc import Sequence

from polyjudge.domain.records import Prediction

# Less of it changes no score by more than reading it as an integer does.
WORTH_SAYING = 0.05


def lost_lines(predictions: Sequence[Prediction]) -> list[str]:
    """One line on the criteria that lost more than ``WORTH_SAYING`` on average; none when there is none.

    Args:
        predictions: of any scoring method; only those read from token probabilities say what was lost.
    """
    lost = Lost()
    for prediction in predictions:
        lost.add(prediction)
    return lost.lines()


class Lost:
    """What was lost so far, by criterion."""

    def __init__(self) -> None:
        self._shares: dict[str, tuple[float, int]] = {}

    def add(self, prediction: Prediction) -> None:
        for name, share in prediction.lost.items():
            total, count = self._shares.get(name, (0.0, 0))
            self._shares[name] = total + share, count + 1

    def lines(self) -> list[str]:
        """As ``lost_lines``."""
        means = {name: total / count for name, (total, count) in self._shares.items()}
        said = [f"{name} {mean:.0%}" for name, mean in means.items() if mean > WORTH_SAYING]
        if not said:
            return []
        return [f"Token probability that fell on no label of the scale, left out of the scores: {', '.join(said)}."]
