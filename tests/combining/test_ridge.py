"""A ridge over criteria, taken only where cross-validation prefers it."""

import numpy as np
import pytest

from polyjudge.combining import Jury, choose_ridge, fit_ridge
from polyjudge.combining.ridge import FEWEST_ROWS, PENALTIES
from polyjudge.metrics import Levels, RatedRows, kappa, spearman

NAN = float("nan")
FIVE = Levels(1, 5)


def world(n, *, shared, seed=0):
    """One judge of two criteria whose first score is noise; with `shared` its second tells about both."""
    generator = np.random.default_rng(seed)
    quality = generator.normal(3, 1, (n, 2))
    if shared:
        quality[:, 1] = quality[:, 0]
    judged = quality + generator.normal(0, [3, 0.5], (n, 2))
    rows = RatedRows.of(np.clip(np.round(quality), 1, 5), levels=FIVE, documents=[row // 4 for row in range(n)])
    return {"judge": judged}, rows


def choice(judges, rows):
    return choose_ridge(Jury.of(judges, [False, False]), judges, rows, spearman)


def test_it_is_taken_where_one_criterion_tells_about_another():
    judges, rows = world(400, shared=True)
    found = choice(judges, rows)
    assert found.ridge is not None
    assert found.value > found.jury_value + 0.1
    others, held_out = world(400, shared=True, seed=1)
    predicted = found.ridge.predict(others)
    assert (
        spearman(predicted[:, 0], held_out.human[:, 0]) > spearman(others["judge"][:, 0], held_out.human[:, 0]) + 0.1
    )


def test_it_is_left_where_it_has_nothing_to_add():
    taken = [choice(*world(240, shared=False, seed=seed)).ridge is not None for seed in range(20)]
    assert sum(taken) < 20
    gains = [choice(*world(240, shared=False, seed=seed)) for seed in range(20)]
    assert np.mean([found.value - found.jury_value for found in gains]) < 0.01


def test_it_is_never_taken_with_few_rows():
    judges, rows = world(FEWEST_ROWS - 4, shared=True)
    found = choice(judges, rows)
    assert found.ridge is None
    assert str(FEWEST_ROWS) in found.reason


def test_no_document_is_predicted_by_its_own_ratings():
    judges, rows = world(240, shared=True)
    from polyjudge.combining import folds

    left = folds(rows.clusters, 5, 0) == 2
    changed = rows.human.copy()
    changed[left] = 6 - changed[left]
    again = choice(judges, RatedRows.of(changed, levels=FIVE, documents=rows.documents))
    np.testing.assert_allclose(again.cross_fitted[left], choice(judges, rows).cross_fitted[left])


def test_its_penalty_has_the_least_leave_one_out_error_of_the_offered():
    judges, rows = world(60, shared=True)
    ridge = fit_ridge(["judge"], judges, rows)
    features = (judges["judge"] - np.array(ridge.means)) / np.array(ridge.spreads)
    human = rows.human[:, 0]

    def solved(seen, penalty):
        x = np.column_stack([features[seen], np.ones(seen.sum())])
        return np.linalg.solve(x.T @ x + penalty * seen.sum() * np.diag([1.0, 1.0, 0.0]), x.T @ human[seen])

    everything = np.ones(60, dtype=bool)
    candidates = {penalty: solved(everything, penalty) for penalty in PENALTIES}
    used = min(PENALTIES, key=lambda p: np.abs(candidates[p][:2] - np.array(ridge.coefficients[0])).max())
    np.testing.assert_allclose(candidates[used][:2], ridge.coefficients[0], atol=1e-8)
    np.testing.assert_allclose(candidates[used][2], ridge.intercepts[0], atol=1e-8)
    # The exact leave-one-out error, one refit a row; the penalty is a share of all rows there too.
    errors = {}
    for penalty in PENALTIES:
        residuals = []
        for row in range(60):
            seen = everything.copy()
            seen[row] = False
            weights = solved(seen, penalty * 60 / 59)
            residuals.append(human[row] - features[row] @ weights[:2] - weights[2])
        errors[penalty] = np.square(residuals).mean()
    assert used == min(errors, key=errors.get)


def test_missing_scores_count_as_the_mean_and_nothing_is_made_up():
    judges, rows = world(240, shared=True)
    judges = {"a": judges["judge"], "b": judges["judge"].copy()}
    ridge = fit_ridge(["a", "b"], judges, rows)
    gaps = {name: scores[:3].copy() for name, scores in judges.items()}
    gaps["a"][0, 0] = gaps["b"][0, 0] = NAN
    gaps["a"][1] = NAN
    predicted = ridge.predict(gaps)
    np.testing.assert_array_equal(np.isnan(predicted), [[True, False], [False, False], [False, False]])


def test_labels_stay_with_the_jury():
    judges, rows = world(240, shared=True)
    labels = (rows.human[:, 1] > 3).astype(float)
    rated = RatedRows.of(np.column_stack([rows.human[:, 0], labels]), levels=[FIVE, Levels.categorical(2)])
    mixed = {"judge": np.column_stack([judges["judge"][:, 0], (judges["judge"][:, 1] > 3).astype(float)])}
    ridge = fit_ridge(["judge"], mixed, rated)
    assert np.isnan(ridge.predict(mixed)[:, 1]).all()
    assert ridge.coefficients[0][1] == 0.0
    found = choose_ridge(Jury.of(mixed, [False, True]), mixed, rated, [spearman, kappa])
    np.testing.assert_array_equal(found.cross_fitted[:, 1], mixed["judge"][:, 1])


def test_shapes_that_do_not_fit():
    judges, rows = world(240, shared=True)
    with pytest.raises(KeyError):
        fit_ridge(["other"], judges, rows)
