"""Recorded scores that come with the package: real judges beside real raters, without any text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.datasets import shipped
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Ordinal
from polyjudge.judge.measure import levels
from polyjudge.metrics.rated import RatedRows

# Scores are stored as whole ten-thousandths, 0 = unscored.
UNIT = 10_000


def hanna() -> ScoreTable:
    """HANNA: 1,056 stories of 96 writing prompts, six criteria, three crowd raters, 20 judges (five LLMs of 2023 under
    four prompts each, one criterion a call, the mean of up to three samples).

    Numbers only, of the public repository dig-team/hanna-benchmark-asg, under the MIT licence that stands beside them
    in polyjudge/datasets/shipped/hanna. The writing prompt is the document. The raters hardly agree on one story.
    """
    with np.load(Path(shipped.__file__).with_name("hanna") / "scores.npz", allow_pickle=False) as file:
        names, documents, ids = (file[key].tolist() for key in ("criteria", "documents", "ids"))
        ratings, stored, judges = file["ratings"].astype(np.float64), file["scores"], file["judges"].tolist()
    criteria = tuple(
        Criterion(name, Ordinal(1, 5), ratings=tuple(f"{name}_{rater}" for rater in "abc")) for name in names
    )
    rows = RatedRows(
        ratings.mean(axis=2),
        tuple(levels(criterion.scale) for criterion in criteria),
        tuple(documents),
        "documents",
        tuple(names),
        tuple(ratings[:, k] for k in range(len(names))),
    )
    scores = np.where(stored > 0, stored / UNIT, np.nan)
    return ScoreTable(
        "the recorded scores 'hanna'",
        tuple(ids),
        criteria,
        rows,
        tuple(Judgement(judge, "", scores[number]) for number, judge in enumerate(judges)),
        columns=(
            "Judges: five LLMs of 2023 under four prompts. Documents: writing prompts. Scores without any text, MIT.",
        ),
    )
