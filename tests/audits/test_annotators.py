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


def test_a_judge_that_correlates_shows_that_there_is_something_to_align_to():
    (alone,) = annotators(rated(raters(30.0)))
    (followed,) = annotators(rated(raters(30.0)), followed={"tone"})
    assert (alone.agree, followed.agree) == ("none", "weak")


def test_raters_of_different_level_agree_though_their_single_ratings_do_not():
    random = np.random.default_rng(3)
    truth = random.normal(0, 1, (150, 1))
    levelled = np.clip(np.round(3 + 0.8 * truth + random.normal(0, 0.7, (150, 3)) + [-1.5, 0, 1.5]), 1, 5)
    (found,) = annotators(rated(levelled))
    assert found.alpha.value < 0.3
    assert found.reliability.low > 0.3
    assert found.agree == "weak"
    assert found.limit.value == pytest.approx(found.reliability.value**0.5)
