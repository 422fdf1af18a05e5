"""Prediction-powered means: unbiased, narrower where predictions are good, and covering what they say."""

import math

import numpy as np
import pytest
from scipy import stats

from polyjudge.metrics import bootstrap, metric_of
from polyjudge.metrics.ppi import FEWEST_LABELLED, FEWEST_TO_WEIGH, Sample, difference, mean, t_quantile
from polyjudge.metrics.rated import RatedRows

NAN = float("nan")


def drawn(generator, clusters, labelled, each=4, likeness=0.7, shift=3.0):
    """Rows of clusters that share 40 % of their variance, mean 0, predicted with a bias; whole clusters labelled."""
    names = np.repeat(np.arange(clusters), each)
    shared, own = generator.normal(size=clusters)[names], generator.normal(size=names.size)
    truth = math.sqrt(0.4) * shared + math.sqrt(0.6) * own
    guessed = likeness * truth + math.sqrt(1 - likeness**2) * generator.normal(size=names.size) + shift
    chosen = np.isin(names, generator.permutation(clusters)[:labelled])
    return Sample(np.where(chosen, truth, NAN), guessed, names.tolist())


@pytest.mark.parametrize(("clusters", "labelled"), [(160, 40), (40, 40)])
def test_its_intervals_cover_what_they_say_from_forty_clusters_on(clusters, labelled):
    generator = np.random.default_rng(clusters)
    found = [mean(drawn(generator, clusters, labelled)) for _ in range(2000)]
    assert 0.93 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.97
    assert np.mean([one.value for one in found]) == pytest.approx(0, abs=0.015)


def test_a_difference_covers_what_it_says_too():
    generator = np.random.default_rng(3)
    held = []
    for _ in range(2000):
        one, other = drawn(generator, 60, 40, likeness=0.8), drawn(generator, 80, 40, shift=-1.0)
        separate = Sample(other.labels, other.predictions, [("other", name) for name in other.clusters])
        found = difference(one, separate)
        held.append(found.low <= 0 <= found.high)
    assert 0.93 <= np.mean(held) <= 0.97


@pytest.mark.parametrize("documents", [40, 100])
def test_bootstrap_intervals_cover_what_they_say_from_forty_documents_on(documents):
    """Spearman's correlation on five-point scales, four rows a document that share 30 % of their variance."""
    generator = np.random.default_rng(7)

    def five_point(count):
        names = np.repeat(np.arange(count), 4)
        latent = math.sqrt(0.3) * generator.normal(size=(count, 2))[names]
        latent = latent + math.sqrt(0.7) * generator.normal(size=(names.size, 2))
        latent[:, 1] = 0.4 * latent[:, 0] + math.sqrt(1 - 0.16) * latent[:, 1]
        return np.clip(np.round(3 + 1.2 * latent), 1, 5), names.tolist()

    spearman = metric_of("spearman")
    truth = stats.spearmanr(*five_point(100_000)[0].T).statistic
    held = []
    for seed in range(2000):
        rows, names = five_point(documents)
        found = bootstrap(
            spearman, rows[:, 0], RatedRows.of(rows[:, 1], documents=names), n_resamples=400, seed=seed
        ).mean
        held.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(held) <= 0.97


def test_good_predictions_make_it_narrower_and_useless_ones_do_no_harm():
    generator = np.random.default_rng(1)
    for likeness, least, most in ((0.95, 0.3, 0.7), (0.7, 0.6, 0.9), (0.0, 0.98, 1.06)):
        ratios = []
        for _ in range(60):
            sample = drawn(generator, 200, 40, likeness=likeness)
            alone = mean(Sample(sample.labels, None, sample.clusters))
            ratios.append(mean(sample).standard_error / alone.standard_error)
        assert least < np.mean(ratios) < most


def test_without_predictions_it_is_the_mean_with_a_t_interval():
    values = np.random.default_rng(5).normal(2, 1, 12)
    found = mean(Sample(values))
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))
    assert (found.weight, found.n_labelled, found.n_predicted, found.n_clusters) == (0, 12, 0, 12)


def test_by_cluster_it_is_the_t_interval_of_the_clusters_means_where_these_are_of_one_size():
    values = np.random.default_rng(5).normal(2, 1, (10, 3))
    found = mean(Sample(values.ravel(), None, np.repeat(range(10), 3).tolist()))
    low, high = stats.t.interval(0.95, 9, values.mean(), stats.sem(values.mean(axis=1)))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_difference_of_paired_columns_is_the_mean_of_the_differences():
    generator = np.random.default_rng(2)
    one, other = generator.normal(size=(2, 20))
    names = list(range(20))
    found = difference(Sample(one, None, names), Sample(other, None, names))
    expected = mean(Sample(one - other))
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_a_full_weight_with_perfect_predictions_gives_the_mean_of_all():
    truth = np.random.default_rng(4).normal(size=50)
    labels = np.where(np.arange(50) < 20, truth, NAN)
    assert mean(Sample(labels, truth), weight=1.0).value == pytest.approx(truth[20:].mean())


def test_what_is_missing_is_left_out_and_too_little_gives_no_interval():
    assert math.isnan(mean(Sample([NAN, NAN])).value)
    assert math.isnan(mean(Sample([])).value)
    few = mean(Sample([1.0] * (FEWEST_LABELLED - 1)))
    assert few.value == 1
    assert math.isnan(few.low)
    found = mean(Sample([1.0, NAN, 2.0, 3.0], [1.0, NAN, 2.0, NAN]))
    assert (found.value, found.n_labelled, found.n_predicted) == (1.5, 2, 0)


def test_a_weight_is_not_fitted_to_a_handful_of_clusters():
    generator = np.random.default_rng(6)
    assert mean(drawn(generator, 50, FEWEST_TO_WEIGH - 1)).weight == 0
    assert mean(drawn(generator, 50, FEWEST_TO_WEIGH)).weight > 0


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="one length"):
        mean(Sample([1.0, 2.0], [1.0]))
    with pytest.raises(ValueError, match="documents for"):
        mean(Sample([1.0, 2.0], None, ["a"]))
    with pytest.raises(ValueError, match="level"):
        mean(Sample([1.0]), level=95)
    with pytest.raises(ValueError, match="weight"):
        mean(Sample([1.0]), weight=2)


@pytest.mark.parametrize("freedom", [1, 2, 3, 5.5, 11, 40, 1000])
def test_quantiles_of_t_are_those_of_scipy(freedom):
    for probability in (0.01, 0.5, 0.6, 0.9, 0.975, 0.99, 0.9999):
        assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-8, abs=1e-8)
    for wrong in (0, 1):
        with pytest.raises(ValueError, match="quantile"):
            t_quantile(wrong, freedom)
