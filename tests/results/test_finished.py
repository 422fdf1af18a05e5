"""predictions.jsonl agrees with what a run says of itself."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from tests.rated import FIVE, JUDGE, TONE, Recorder, knowing, rated

import polyjudge
from polyjudge.metrics import agreement
from polyjudge.results.finished import matrix_of, people_of, read_row_scores


def test_the_rows_give_the_outcome_again(place: Path) -> None:
    data = rated({"clarity": FIVE, "tone": TONE}, raters=3, documents=30, missing=0.2)
    backends = {JUDGE: Recorder(knowing(data)).backend}
    run = polyjudge.optimize(
        data.rows,
        criteria=data.criteria,
        model=JUDGE,
        backends=backends,
        output="run",
        settings=polyjudge.Settings(steps=1),
    )
    rows = read_row_scores(run.path)
    criteria = run.judge.rubric.criteria
    people = people_of(rows, criteria, run.outcome.unit)
    assert len({row.document for row in rows}) == run.outcome.documents
    for k, row in enumerate(run.outcome.criteria):
        metric = agreement.metric_of("kappa" if row.name == "tone" else "spearman")
        for what, said in (("initial", row.initial), ("fitted", row.fitted)):
            found = metric(matrix_of(rows, criteria, what)[:, k], people.human[:, k], people.levels[k])
            assert math.isclose(found, said)


def test_what_nobody_rated_or_scored_is_null_and_reads_back_as_missing(place: Path) -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE}, documents=30, missing=0.3)
    backends = {JUDGE: Recorder(knowing(data)).backend}
    run = polyjudge.optimize(
        data.rows,
        criteria=data.criteria,
        model=JUDGE,
        backends=backends,
        output="run",
        settings=polyjudge.Settings(steps=0),
    )
    assert '"clarity":null' in (run.path / "predictions.jsonl").read_text("utf-8")
    assert np.isnan(matrix_of(read_row_scores(run.path), run.judge.rubric.criteria, "human")).any()


def test_a_folder_without_the_file_has_no_rows(place: Path) -> None:
    assert read_row_scores(place) == ()
