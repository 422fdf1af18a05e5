"""The statistics against scipy and scikit-learn, their laws, and the traps of missing and constant scores."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from polyjudge.errors import ConfigError
from polyjudge.metrics import Levels, metric_of, names
from polyjudge.metrics.pairs import Pairs

NAN = float("nan")
FIVE = Levels(1, 5)
CORRELATIONS = ("spearman", "kendall", "pearson")
KAPPAS = ("qwk", "kappa")
ALL = tuple(map(metric_of, names()))
each_metric = pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)

labels = st.integers(1, 5).map(float)
cells = st.one_of(labels, st.just(NAN))
columns = st.lists(st.tuples(cells, cells), max_size=25).map(lambda rows: np.array(rows, dtype=float).reshape(-1, 2).T)
complete = st.lists(st.tuples(labels, labels), min_size=1, max_size=25).map(lambda rows: np.array(rows).T)
thirds = st.integers(3, 15).map(lambda third: third / 3)
fractional = st.lists(st.tuples(thirds, thirds), min_size=1, max_size=25).map(lambda rows: np.array(rows).T)
quick = settings(deadline=None, max_examples=40)


def same(one, other):
    return one == other or (math.isnan(one) and math.isnan(other))


def without_missing(pair):
    return pair[:, ~np.isnan(pair).any(axis=0)]


def oracle(name, predicted, human):
    """What scipy and scikit-learn say of complete pairs, NaN where this package calls it undefined."""
    constant = len(np.unique(predicted)) < 2 or len(np.unique(human)) < 2
    if not len(human) or (name in (*CORRELATIONS, "primary") and constant) or (name in KAPPAS and len(human) < 2):
        return NAN
    as_labels = np.floor(predicted + 0.5).astype(int), np.floor(human + 0.5).astype(int)
    if name in KAPPAS and len(np.unique(as_labels)) < 2:
        return NAN
    return {
        "spearman": lambda: stats.spearmanr(predicted, human).statistic,
        "primary": lambda: stats.spearmanr(predicted, human).statistic,
        "kendall": lambda: stats.kendalltau(predicted, human).statistic,
        "pearson": lambda: stats.pearsonr(predicted, human).statistic,
        "qwk": lambda: sk.cohen_kappa_score(*as_labels, weights="quadratic", labels=[1, 2, 3, 4, 5]),
        "kappa": lambda: sk.cohen_kappa_score(*as_labels),
        "mae": lambda: sk.mean_absolute_error(human, predicted),
        "rmse": lambda: sk.root_mean_squared_error(human, predicted),
        "off_by_one": lambda: np.mean(np.abs(predicted - human) <= 1 + 1e-9),
        "accuracy": lambda: sk.accuracy_score(*as_labels),
        "macro_f1": lambda: sk.f1_score(*as_labels, average="macro", zero_division=0),
    }[name]()


@each_metric
@quick
@given(pair=columns)
def test_integer_ratings_agree_with_the_oracle_and_missing_pairs_are_left_out(one, pair):
    expected = oracle(one.name, *without_missing(pair))
    assert one(*pair, FIVE) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@each_metric
@quick
@given(pair=fractional)
def test_fractional_means_agree_with_the_oracle(one, pair):
    assert one(*pair, FIVE) == pytest.approx(oracle(one.name, *pair), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", ["spearman", "kendall", "pearson", "mae", "rmse"])
@pytest.mark.parametrize("shape", ["both continuous", "few against many", "many against few"])
def test_hundreds_of_continuous_scores_agree_with_the_oracle(name, shape):
    generator = np.random.default_rng(7)
    human = generator.normal(size=300)
    predicted = human + generator.normal(size=300)
    if shape == "few against many":
        predicted = np.round(predicted)
    if shape == "many against few":
        human = np.round(human)
    assert metric_of(name)(predicted, human) == pytest.approx(oracle(name, predicted, human), abs=1e-12)


@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_pearson_survives_a_far_origin(offset):
    generator = np.random.default_rng(3)
    human, predicted = generator.normal(size=(2, 100))
    assert metric_of("pearson")(predicted + offset, human) == pytest.approx(
        metric_of("pearson")(predicted, human), abs=1e-9
    )


@each_metric
@quick
@given(pair=columns, data=st.data())
def test_the_order_of_rows_means_nothing(one, pair, data):
    order = data.draw(st.permutations(range(pair.shape[1])))
    assert same(one(*pair[:, list(order)], FIVE), one(*pair, FIVE))


@each_metric
@quick
@given(pair=columns)
def test_all_are_symmetric_in_judge_and_humans(one, pair):
    assert same(one(*pair, FIVE), one(*pair[::-1], FIVE))


@each_metric
@quick
@given(pair=fractional)
def test_agreement_with_oneself_is_best_or_undefined(one, pair):
    value = one(pair[0], pair[0], FIVE)
    assert math.isnan(value) or value == one.range.best


@each_metric
@quick
@given(pair=complete)
def test_values_stay_in_the_stated_range_and_nothing_beats_the_best(one, pair):
    value = one(*pair, FIVE)
    if not math.isnan(value):
        assert min(one.range) <= value <= max(one.range)
        assert not one.is_better(value, one.range.best)
        assert not one.is_better(one.range.worst, value)


@pytest.mark.parametrize("name", ["spearman", "kendall"])
@quick
@given(pair=columns)
def test_rank_metrics_see_only_the_order_of_values(name, pair):
    bent = np.vstack([np.exp(pair[0]), pair[1] ** 3 - 100])
    assert same(metric_of(name)(*bent), metric_of(name)(*pair))
    assert same(metric_of(name)(-pair[0], pair[1]), -metric_of(name)(*pair))


@quick
@given(pair=columns, factor=st.sampled_from([0.5, 2.0, 4.0]), shift=st.integers(-5, 5))
def test_pearson_is_unmoved_by_units(pair, factor, shift):
    assert metric_of("pearson")(factor * pair[0] + shift, pair[1]) == pytest.approx(
        metric_of("pearson")(*pair), abs=1e-12, nan_ok=True
    )


@each_metric
@quick
@given(pair=complete, data=st.data())
def test_counts_say_the_same_as_rows_spelled_out(one, pair, data):
    n = pair.shape[1]
    counts = np.array(data.draw(st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=1, max_size=4)))
    assert one.weighted is not None
    weighted = one.weighted(Pairs.of(*pair), counts.astype(float), FIVE)
    spelled_out = [one(*np.repeat(pair, row, axis=1), FIVE) for row in counts]
    assert all(map(same, weighted.tolist(), spelled_out))


@each_metric
@quick
@given(pair=complete)
def test_merging_equal_pairs_changes_nothing(one, pair):
    merged = Pairs.of(*pair).merged()
    counts = np.bincount(merged.position, minlength=len(merged.distinct)).astype(float)
    assert one.weighted is not None
    assert same(float(one.weighted(merged.distinct, counts[None, :], FIVE)[0]), one(*pair, FIVE))


def test_a_resample_of_one_value_has_no_correlation_whatever_its_digits():
    pairs = Pairs.of([0.1, 0.7, 1 / 3, 0.2], [1 / 7, 0.9, 0.3, 0.6])
    counts = np.array([[count, 0, 0, 0] for count in range(2, 12)], dtype=float)
    for name in CORRELATIONS:
        assert np.isnan(metric_of(name).weighted(pairs, counts, None)).all()


@each_metric
@pytest.mark.parametrize("pair", [([], []), ([NAN, 1], [2, NAN]), ([NAN, NAN], [1, 5])])
def test_of_nothing_is_nan(one, pair):
    assert math.isnan(one(*pair, FIVE))


@pytest.mark.parametrize("name", [*CORRELATIONS, *KAPPAS])
def test_one_pair_has_no_correlation_and_no_kappa(name):
    assert math.isnan(metric_of(name)([2], [3], FIVE))


@pytest.mark.parametrize("name", CORRELATIONS)
@pytest.mark.parametrize("value", [3, 0.1])
def test_a_constant_judge_has_no_correlation(name, value):
    assert math.isnan(metric_of(name)([value] * 7, [1, 2, 3, 4, 5, 1, 2]))
    assert math.isnan(metric_of(name)([1, 2, 3, 4, 5, 1, 2], [value] * 7))


@pytest.mark.parametrize("name", KAPPAS)
def test_a_constant_judge_has_no_more_than_chance_and_agreement_by_chance_alone_is_undefined(name):
    assert metric_of(name)([4] * 5, [1, 2, 3, 4, 5], FIVE) == 0
    assert math.isnan(metric_of(name)([4] * 5, [4] * 5, FIVE))


def test_halves_round_up_whatever_their_parity_and_only_for_labels():
    predicted, human = [1.5, 2.5, 3.5, 4.5], [2, 3, 4, 5]
    assert metric_of("accuracy")(predicted, human, FIVE) == 1
    assert metric_of("kappa")(predicted, human, FIVE) == 1
    assert metric_of("mae")(predicted, human, FIVE) == 0.5


def test_off_by_one_counts_steps_of_the_scale():
    tenths = Levels(0, 1, 0.1)
    assert metric_of("off_by_one")([0.1, 0.3, 0.5], [0.2, 0.4, 0.7], tenths) == pytest.approx(2 / 3)
    assert metric_of("off_by_one")([1, 3], [2.01, 2], FIVE) == 0.5


def test_a_metric_without_a_meaning_on_the_scale_is_nan():
    three, two, continuous = Levels.categorical(3), Levels.categorical(2), Levels(0, 1, None)
    codes = [0, 1, 1, 0], [0, 1, 0, 1]
    meaningful = {
        "categorical": {one.name for one in ALL if not math.isnan(one(*codes, three))},
        "binary": {one.name for one in ALL if not math.isnan(one(*codes, two))},
        "float": {one.name for one in ALL if not math.isnan(one(*codes, continuous))},
    }
    assert meaningful["categorical"] == {"kappa", "accuracy", "macro_f1", "primary"}
    assert meaningful["binary"] == {
        "spearman",
        "kendall",
        "pearson",
        "qwk",
        "kappa",
        "accuracy",
        "macro_f1",
        "primary",
    }
    assert meaningful["float"] == {"spearman", "kendall", "pearson", "mae", "rmse", "primary"}


@pytest.mark.parametrize("name", ["qwk", "kappa", "off_by_one", "accuracy", "macro_f1"])
def test_a_metric_of_labels_asks_for_the_scale(name):
    with pytest.raises(ValueError, match="scale with a step"):
        metric_of(name)([1, 2], [2, 3])


labelled = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=25)


@quick
@given(rows=labelled, data=st.data())
def test_the_primary_metric_is_kappa_on_labels_and_spearman_elsewhere(rows, data):
    predicted, human = np.array(rows, dtype=float).T
    counts = np.array([data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))], dtype=float)
    pairs = Pairs.of(predicted, human)
    for name, scale in (
        ("kappa", Levels.categorical(3)),
        ("spearman", Levels(0, 2)),
        ("spearman", Levels(0, 2, None)),
        ("spearman", None),
    ):
        assert same(metric_of("primary")(predicted, human, scale), metric_of(name)(predicted, human, scale))
        found, expected = (metric_of(each).weighted(pairs, counts, scale) for each in ("primary", name))
        assert same(found[0], expected[0])
    two = Levels.categorical(2)
    assert same(metric_of("primary")(predicted % 2, human % 2, two), metric_of("kappa")(predicted % 2, human % 2, two))


def test_the_names_are_those_of_the_field_and_errors_are_the_two_that_fall():
    assert names() == (
        "spearman", "kendall", "pearson", "qwk", "kappa", "mae", "rmse", "off_by_one", "accuracy", "macro_f1",
        "primary",
    )  # fmt: skip
    assert {one.name for one in ALL if not one.higher_is_better} == {"mae", "rmse"}
    assert {one.name for one in ALL if not one.needs_scale} == set(CORRELATIONS)


def test_an_unknown_name_is_an_error_that_lists_the_known():
    with pytest.raises(ConfigError, match=r"'spearmann'.*spearman, kendall"):
        metric_of("spearmann")


@each_metric
def test_missing_never_wins_and_always_loses(one):
    assert not one.is_better(NAN, NAN)
    assert not one.is_better(NAN, one.range.worst)
    assert one.is_better(one.range.worst, NAN)
    assert one.is_better(one.range.best, 0.5)
    assert not one.is_better(0.5, 0.5)


def test_a_metric_cannot_be_changed_by_a_reader():
    with pytest.raises(dataclasses.FrozenInstanceError):
        metric_of("mae").higher_is_better = True


@pytest.mark.parametrize(
    ("predicted", "human", "message"),
    [
        ([1, 2], [1], "same rows"),
        ([[1, 2]], [1, 2], "shape"),
        ([1, math.inf], [1, 2], "infinite value in row 1"),
    ],
)
def test_misuse_is_told_plainly(predicted, human, message):
    with pytest.raises(ValueError, match=message):
        metric_of("mae")(predicted, human)
