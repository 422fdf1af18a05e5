"""The rules by which annotators agree enough, and the words for it."""

import numpy as np
import pytest

from polyjudge.audits.annotators import annotators, verdict
from polyjudge.metrics import Levels, RatedRows


def raters(noise: float, seed: int = 0):
    random = np.random.default_rng(seed)
    truth = random.normal(0, 1, (120, 1))
    return np.clip(np.round(3 + truth + random.normal(0, 1, (120, 2)) * noise), 1, 5)


def rated(matrix, documents=None):
    return RatedRows(matrix[:, :1], (Levels(1, 5),), documents, names=("tone",), raters=(matrix,))


@pytest.mark.parametrize(("noise", "agree"), [(0.3, "enough"), (1.4, "weak"), (30.0, "none")])
def test_the_noise_of_raters_decides(noise, agree):
    (found,) = annotators(rated(raters(noise), tuple(str(n // 3) for n in range(120))))
    assert found.agree == agree
    assert ("enough on every criterion" in verdict([found])) == (agree == "enough")
    assert ("makes no sense" in verdict([found])) == (agree == "none")


def test_one_rater_says_nothing_of_agreement():
    (found,) = annotators(rated(raters(0.3)[:, :1]))
    assert found.agree == "unknown"
    assert "two or more people" in verdict([found])
