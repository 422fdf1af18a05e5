"""A metric: the mean nearness of scores to ratings, 1 at no distance and falling by half with every step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyjudge.metrics import scalar_metric


@scalar_metric("guest_nearness", range=(0.0, 1.0), kinds=("ordinal", "float"), needs_scale=True)
def nearness(predicted: npt.NDArray[np.float64], human: npt.NDArray[np.float64]) -> float:
    """Mean nearness."""
    return float(np.mean(0.5 ** np.abs(predicted - human)))
