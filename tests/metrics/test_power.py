"""What the data can show: the simulated standard error against theory, and the way it moves."""

import math

import numpy as np
import pytest

from polyjudge.metrics import Levels, metric_of, names, paired_bootstrap, smallest_detectable_difference
from polyjudge.metrics.rated import RatedRows

NAN = float("nan")
FIVE = Levels(1, 5)
SPEARMAN, PEARSON = metric_of("spearman"), metric_of("pearson")


def five_point(n, criteria=1, seed=0, lopsided=False):
    chances = [0.02, 0.03, 0.05, 0.1, 0.8] if lopsided else [0.1, 0.2, 0.4, 0.2, 0.1]
    return np.random.default_rng(seed).choice(np.arange(1.0, 6.0), size=(n, criteria), p=chances)


@pytest.mark.parametrize(("agreement", "outputs"), [(0.3, 0.72), (0.3, 0.5), (0.6, 0.8)])
def test_the_standard_error_of_a_pearson_difference_is_that_of_theory(agreement, outputs):
    n = 500
    human = np.random.default_rng(1).normal(size=n)
    found = smallest_detectable_difference(
        PEARSON, human, agreement=agreement, output_correlation=outputs, n_draws=1000
    )
    # Variance and covariance of two correlations with one variable in common (Pearson and Filon 1898), normal data.
    one, q = agreement, outputs
    variance = (1 - one**2) ** 2
    covariance = 0.5 * (2 * q - one**2) * (1 - 2 * one**2 - q**2) + q**3
    assert found.standard_error == pytest.approx(math.sqrt(2 * (variance - covariance) / n), rel=0.15)
    assert found.mean == pytest.approx(2.8 * found.standard_error)


@pytest.mark.parametrize("lopsided", [False, True])
def test_the_simulated_judges_are_what_is_stated_also_on_coarse_and_lopsided_scales(lopsided):
    found = smallest_detectable_difference(SPEARMAN, RatedRows.of(five_point(480, 3, lopsided=lopsided), levels=FIVE))
    assert found.reached_agreement == pytest.approx([0.3] * 3, abs=0.05)
    assert found.reached_output_correlation == pytest.approx([0.72] * 3, abs=0.05)


@pytest.mark.parametrize("one", [*map(metric_of, names())], ids=lambda one: one.name)
def test_more_rows_show_smaller_differences_in_every_metric(one):
    few, many = (
        smallest_detectable_difference(one, RatedRows.of(five_point(n), levels=FIVE)).mean for n in (150, 600)
    )
    assert few / many == pytest.approx(2, rel=0.3)


def test_a_large_sample_is_scaled_from_a_part_of_it():
    part, whole = (
        smallest_detectable_difference(SPEARMAN, RatedRows.of(five_point(n), levels=FIVE)) for n in (2000, 8000)
    )
    assert part.mean / whole.mean == pytest.approx(2, rel=0.2)
    assert whole.n_rows == whole.n_documents == 8000


def test_likelier_outputs_show_smaller_differences():
    errors = [
        smallest_detectable_difference(SPEARMAN, RatedRows.of(five_point(400), levels=FIVE), output_correlation=q).mean
        for q in (0.54, 0.72, 0.87)
    ]
    assert errors == sorted(errors, reverse=True)


def test_the_mean_over_criteria_shows_smaller_differences_than_one_criterion():
    found = smallest_detectable_difference(SPEARMAN, RatedRows.of(five_point(400, 4), levels=FIVE))
    assert found.mean < 0.7 * min(found.per_criterion)
    copies = smallest_detectable_difference(SPEARMAN, RatedRows.of(np.repeat(five_point(400), 4, axis=1), levels=FIVE))
    assert copies.criteria_correlation > 0.9
    assert copies.mean > 0.7 * min(copies.per_criterion)


def test_documents_whose_ratings_are_alike_show_less():
    generator = np.random.default_rng(5)
    documents = np.repeat(np.arange(40), 10)
    human = generator.normal(size=40)[documents] + 0.3 * generator.normal(size=400)
    clustered = smallest_detectable_difference(SPEARMAN, RatedRows.of(human, documents=documents.tolist()))
    scattered = smallest_detectable_difference(SPEARMAN, human)
    assert clustered.document_correlation[0] == pytest.approx(1 / 1.09, abs=0.1)
    assert scattered.document_correlation == (0,)
    assert clustered.mean > 1.5 * scattered.mean
    assert "40 documents" in clustered.assumptions
    assert "do not cluster" in scattered.assumptions


def test_the_forecast_is_what_a_bootstrap_then_finds():
    human = five_point(600, seed=3)[:, 0]
    forecast = smallest_detectable_difference(
        SPEARMAN, RatedRows.of(human, levels=FIVE), agreement=0.5, output_correlation=0.5
    )
    generator = np.random.default_rng(4)
    noise = generator.normal(size=(2, 600))
    shared = generator.normal(size=600)
    first, second = human + 1.3 * (0.55 * shared + 0.83 * noise)
    found = paired_bootstrap(SPEARMAN, first, second, human, n_resamples=500).mean
    assert found.standard_error == pytest.approx(forecast.standard_error, rel=0.35)


def test_labels_without_order_are_simulated_by_kappa():
    human = np.random.default_rng(6).integers(0, 3, (300, 2)).astype(float)
    found = smallest_detectable_difference(metric_of("kappa"), RatedRows.of(human, levels=Levels.categorical(3)))
    assert found.reached_agreement == pytest.approx([0.3] * 2, abs=0.05)
    assert found.reached_output_correlation == pytest.approx([0.72] * 2, abs=0.05)
    assert 0 < found.mean < 0.3
    assert math.isnan(smallest_detectable_difference(SPEARMAN, RatedRows.of(human, levels=Levels.categorical(3))).mean)


def test_the_seed_decides():
    human = five_point(100)
    human[:10] = NAN
    one, again, other = (
        smallest_detectable_difference(SPEARMAN, RatedRows.of(human, levels=FIVE), n_draws=50, seed=seed)
        for seed in (1, 1, 2)
    )
    assert str(one) == str(again)
    assert one.mean != other.mean


@pytest.mark.parametrize("human", [np.zeros((0, 2)), np.full((9, 2), NAN), np.full((9, 2), 3.0), np.ones((1, 2))])
def test_ratings_that_allow_no_agreement_allow_no_forecast(human):
    found = smallest_detectable_difference(SPEARMAN, RatedRows.of(human, levels=FIVE), n_draws=10)
    assert all(map(math.isnan, (found.mean, *found.per_criterion, *found.reached_agreement)))


def test_one_constant_criterion_leaves_the_others_theirs():
    human = np.column_stack([five_point(100)[:, 0], np.full(100, 4.0)])
    found = smallest_detectable_difference(SPEARMAN, RatedRows.of(human, levels=FIVE), n_draws=50)
    assert found.per_criterion[0] > 0
    assert math.isnan(found.per_criterion[1])
    assert math.isnan(found.mean)


@pytest.mark.parametrize("options", [{"agreement": 1}, {"output_correlation": -0.1}, {"n_draws": 1}])
def test_impossible_assumptions_are_refused(options):
    with pytest.raises(ValueError, match="must lie"):
        smallest_detectable_difference(SPEARMAN, [1, 2, 3], **options)
