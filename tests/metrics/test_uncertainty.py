"""Bootstrap intervals: the fast way equals the slow one, pairs share their noise, documents are drawn whole."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from polyjudge.metrics import Levels, bootstrap, metric_of, names, paired_bootstrap, scalar_metric, table
from polyjudge.metrics.rated import RatedRows
from polyjudge.metrics.uncertainty import FEWEST_CLUSTERS, MOST_UNDEFINED, contrast_bootstrap

NAN = float("nan")
FIVE = Levels(1, 5)
SPEARMAN = metric_of("spearman")
each_metric = pytest.mark.parametrize("one", [*map(metric_of, names())], ids=lambda one: one.name)


def some_scores(seed, n=40, criteria=2, missing=0.1, continuous=False):
    generator = np.random.default_rng(seed)
    human = generator.integers(1, 6, (n, criteria)).astype(float)
    judges = [np.clip(human + generator.integers(-2, 3, human.shape), 1, 5) for _ in range(2)]
    if continuous:
        judges = [judge + generator.normal(size=judge.shape) for judge in judges]
    for side in (human, *judges):
        side[generator.random(side.shape) < missing] = NAN
    return human, judges, [f"d{number}" for number in generator.integers(0, n // 4, n)]


def spelled_out(one):
    """The same metric as a plain function of two vectors: every resample is made of rows."""
    decorate = scalar_metric(one.name, range=one.range, kinds=one.kinds, needs_scale=one.needs_scale)
    return decorate(lambda predicted, human, levels: one(predicted, human, levels))


def same_intervals(found, expected, tolerance):
    for one, other in zip((*found.per_criterion, found.mean), (*expected.per_criterion, expected.mean), strict=True):
        for ours, theirs in ((one, other), (one.interval, other.interval)):
            values = [[getattr(side, field.name) for field in dataclasses.fields(side)] for side in (ours, theirs)]
            numbers = [[value for value in side if isinstance(value, (int, float))] for side in values]
            assert numbers[0] == pytest.approx(numbers[1], abs=tolerance, nan_ok=True)


@each_metric
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10**6), grouping=st.sampled_from(["pooled", "document-skip", "document-zero", "rows"]))
def test_the_fast_way_equals_the_slow_one_exactly(one, seed, grouping):
    assume(one.higher_is_better or grouping != "document-zero")
    human, (first, second), documents = some_scores(seed)
    options = {"n_resamples": 25, "seed": seed}
    rows = RatedRows.of(human, levels=FIVE, documents=None if grouping == "rows" else documents)
    if grouping != "rows":
        options["grouping"] = grouping
    slow = spelled_out(one)
    same_intervals(bootstrap(one, first, rows, **options), bootstrap(slow, first, rows, **options), 1e-12)
    same_intervals(
        paired_bootstrap(one, first, second, rows, **options),
        paired_bootstrap(slow, first, second, rows, **options),
        1e-12,
    )


@each_metric
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_the_fast_way_equals_the_slow_one_on_continuous_scores(one, seed):
    human, (first, second), documents = some_scores(seed, continuous=True)
    options, rows = {"n_resamples": 25, "seed": seed}, RatedRows.of(human, levels=FIVE, documents=documents)
    same_intervals(
        paired_bootstrap(one, first, second, rows, **options),
        paired_bootstrap(spelled_out(one), first, second, rows, **options),
        1e-12,
    )


@each_metric
@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_a_judge_does_not_differ_from_itself(one, seed):
    human, (judge, _), documents = some_scores(seed)
    found = paired_bootstrap(one, judge, judge, RatedRows.of(human, levels=FIVE, documents=documents), n_resamples=30)
    for each in (*found.per_criterion, found.mean):
        assert each.n_undefined == 30 or (each.value, each.low, each.high, each.standard_error) == (0, 0, 0, 0)


def test_the_value_is_that_of_the_data_and_lies_among_the_resamples():
    human, (judge, _), documents = some_scores(1, n=200)
    found = bootstrap(SPEARMAN, judge, RatedRows.of(human, documents=documents))
    assert found.mean.value == table(SPEARMAN, judge, human).mean
    assert found.mean.low < found.mean.value < found.mean.high
    assert found.n_clusters == len(set(documents))
    assert found.n_pairs == tuple((~np.isnan(human + judge)).sum(axis=0))


def test_the_seed_decides_and_nothing_else():
    human, (first, second), documents = some_scores(2)
    one = paired_bootstrap(SPEARMAN, first, second, RatedRows.of(human, documents=documents), n_resamples=200, seed=5)
    renamed = [hash(document) for document in documents]
    assert str(one) == str(
        paired_bootstrap(SPEARMAN, first, second, RatedRows.of(human, documents=renamed), n_resamples=200, seed=5)
    )
    assert one != paired_bootstrap(
        SPEARMAN, first, second, RatedRows.of(human, documents=documents), n_resamples=200, seed=6
    )


def test_a_difference_turns_its_sign_with_the_judges():
    human, (first, second), documents = some_scores(3)
    one = paired_bootstrap(SPEARMAN, first, second, RatedRows.of(human, documents=documents)).mean
    other = paired_bootstrap(SPEARMAN, second, first, RatedRows.of(human, documents=documents)).mean
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))


def test_the_seed_decides_an_interval_too():
    human, (judge, _), _ = some_scores(2)
    one, again, other = (bootstrap(SPEARMAN, judge, human, n_resamples=200, seed=seed) for seed in (1, 1, 2))
    assert str(one) == str(again)
    assert str(one) != str(other)


def test_the_interval_of_a_plain_mean_is_that_of_theory():
    errors = np.random.default_rng(9).gamma(4, size=900)
    found = bootstrap(metric_of("mae"), errors, np.zeros(900), n_resamples=4000).mean
    standard_error = errors.std() / 30
    assert found.standard_error == pytest.approx(standard_error, rel=0.08)
    assert found.high - found.low == pytest.approx(2 * 1.96 * standard_error, rel=0.08)
    assert found.high + found.low == pytest.approx(2 * found.value, rel=0.01)


def test_documents_without_a_rating_are_no_zeros_in_a_resample():
    human = [1, 2, 3] * 5 + [NAN] * 9
    documents = [f"d{row // 3}" for row in range(24)]
    rows = RatedRows.of(human, documents=documents)
    found = bootstrap(SPEARMAN, [1, 2, 3] * 8, rows, grouping="document-zero", n_resamples=3000).mean
    assert (found.value, found.low, found.high) == (1, 1, 1)
    # Only a draw of unrated documents alone has no value: (3/8)^8 of them, 1 in 2600.
    assert found.n_undefined < 30
    assert found.n_clusters == 5


def test_a_wider_level_gives_a_wider_interval():
    human, (judge, _), _ = some_scores(4)
    widths = [
        interval.high - interval.low
        for interval in (bootstrap(SPEARMAN, judge, human, level=level).mean for level in (0.5, 0.8, 0.95, 0.99))
    ]
    assert widths == sorted(widths)
    assert len(set(widths)) == 4


@pytest.mark.parametrize("name", ["spearman", "kendall", "pearson", "qwk", "mae"])
def test_copies_of_a_row_in_its_document_add_no_certainty(name):
    human, (judge, _), documents = some_scores(5, missing=0)
    copies = RatedRows.of(np.repeat(human, 3, axis=0), levels=FIVE, documents=np.repeat(documents, 3).tolist())
    once = bootstrap(metric_of(name), judge, RatedRows.of(human, levels=FIVE, documents=documents), n_resamples=300)
    thrice = bootstrap(metric_of(name), np.repeat(judge, 3, axis=0), copies, n_resamples=300)
    assert thrice.n_pairs == tuple(3 * count for count in once.n_pairs)
    assert thrice.mean.low == pytest.approx(once.mean.low, abs=1e-12)
    assert thrice.mean.high == pytest.approx(once.mean.high, abs=1e-12)


def test_rows_that_only_one_judge_scored_do_not_enter_a_difference():
    human = np.array([1, 2, 3, 4, 5, 1, 2, 3], dtype=float)
    judge = human[::-1].copy()
    evasive = judge.copy()
    evasive[:4] = NAN
    found = paired_bootstrap(SPEARMAN, evasive, judge, human, n_resamples=50)
    assert found.n_pairs == (4,)
    assert found.mean.value == 0


@pytest.mark.parametrize(("rare", "known"), [(1, False), (2, False), (4, True)])
def test_undefined_resamples_are_counted_and_where_they_are_many_there_is_no_interval(rare, known):
    human = np.arange(12.0)
    predicted = np.where(human < rare, 4.0, 3.0)
    found = bootstrap(SPEARMAN, predicted, human, n_resamples=2000).mean
    # A resample without one of the rare scores is constant.
    share = found.n_undefined / found.n_resamples
    assert share == pytest.approx((1 - rare / 12) ** 12, abs=0.04)
    assert (share <= MOST_UNDEFINED) == known
    assert math.isnan(found.low) == math.isnan(found.high) == math.isnan(found.standard_error) == (not known)
    if known:
        assert -1 <= found.low <= found.high <= 1


@pytest.mark.parametrize("documents", [2, FEWEST_CLUSTERS - 1, FEWEST_CLUSTERS])
def test_fewer_than_five_documents_with_a_pair_have_no_interval(documents):
    generator = np.random.default_rng(documents)
    human = generator.normal(size=(documents + 3, 6))
    first, second = human + generator.normal(size=(2, *human.shape))
    human[-3:] = NAN
    names = np.repeat(np.arange(documents + 3), 6).tolist()
    for found in (
        bootstrap(SPEARMAN, first.ravel(), RatedRows.of(human.ravel(), documents=names)),
        paired_bootstrap(SPEARMAN, first.ravel(), second.ravel(), RatedRows.of(human.ravel(), documents=names)),
    ):
        assert not math.isnan(found.mean.value)
        assert (found.n_clusters, found.mean.n_clusters) == (documents + 3, documents)
        assert math.isnan(found.mean.low) == math.isnan(found.mean.high) == (documents < FEWEST_CLUSTERS)


def test_two_equal_judges_of_few_documents_or_rare_ratings_are_not_told_apart():
    generator = np.random.default_rng(7)
    told = {"few documents": 0, "rare ratings": 0}
    for trial in range(60):
        human = generator.normal(size=16)
        first, second = human + generator.normal(size=(2, 16))
        documents = np.repeat(np.arange(2), 8).tolist()
        few = paired_bootstrap(
            SPEARMAN, first, second, RatedRows.of(human, documents=documents), n_resamples=200, seed=trial
        ).mean
        rare = np.zeros(60)
        rare[generator.integers(60)] = 3
        first, second = np.round(rare + generator.normal(size=(2, 60)))
        lone = paired_bootstrap(SPEARMAN, first, second, rare, n_resamples=200, seed=trial).mean
        told["few documents"] += few.low > 0 or few.high < 0
        told["rare ratings"] += lone.low > 0 or lone.high < 0
    assert told == {"few documents": 0, "rare ratings": 0}


def test_a_constant_judge_has_no_interval_and_neither_has_the_mean():
    human = np.array([[1, 1], [2, 2], [3, 3], [4, 4]], dtype=float)
    predicted = np.column_stack([human[:, 0], np.full(4, 3.0)])
    found = bootstrap(SPEARMAN, predicted, human, n_resamples=100)
    constant = found.per_criterion[1]
    assert constant.n_undefined == found.mean.n_undefined == 100
    for each in (constant, found.mean):
        assert all(map(math.isnan, (each.value, each.low, each.high, each.standard_error)))
    assert found.per_criterion[0].value == 1


@pytest.mark.parametrize("one", [metric_of("spearman"), metric_of("mae")], ids=lambda one: one.name)
def test_one_document_or_none_tells_no_spread(one):
    found = bootstrap(one, [1, 2, 3], RatedRows.of([1, 3, 2], documents=["a"] * 3)).mean
    assert not math.isnan(found.value)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    nothing = bootstrap(one, [], []).mean
    assert math.isnan(nothing.value)
    assert math.isnan(nothing.low)
    assert nothing.n_undefined == nothing.n_resamples


@pytest.mark.parametrize("options", [{"n_resamples": 0}, {"level": 1}, {"level": 0}])
def test_impossible_settings_are_refused(options):
    with pytest.raises(ValueError, match=r"resample|level"):
        bootstrap(SPEARMAN, [1, 2], [1, 2], **options)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    generator = np.random.default_rng(2026)
    correlation, share, documents, rows, trials = 0.5, 0.5, 60, 4, 200
    names = np.repeat(np.arange(documents), rows)

    def clustered():
        shared, own = generator.normal(size=documents), generator.normal(size=documents * rows)
        return math.sqrt(share) * shared[names] + math.sqrt(1 - share) * own

    truth = 6 / math.pi * math.asin(correlation / 2)
    covered = {"documents": 0, "rows": 0}
    for trial in range(trials):
        human = clustered()
        predicted = correlation * human + math.sqrt(1 - correlation**2) * clustered()
        for way, clusters in (("documents", names.tolist()), ("rows", None)):
            found = bootstrap(
                SPEARMAN, predicted, RatedRows.of(human, documents=clusters), n_resamples=300, seed=trial
            ).mean
            covered[way] += found.low <= truth <= found.high
    assert 0.88 <= covered["documents"] / trials <= 0.99
    assert covered["rows"] < covered["documents"]


def test_a_contrast_of_two_is_their_paired_difference_and_of_one_the_metric():
    human, (first, second), documents = some_scores(5)
    options, rows = {"n_resamples": 60, "seed": 4}, RatedRows.of(human, levels=FIVE, documents=documents)
    paired = paired_bootstrap(SPEARMAN, first, second, rows, **options)
    same_intervals(contrast_bootstrap(SPEARMAN, [(1, first), (-1, second)], rows, **options), paired, 0)
    alone = contrast_bootstrap(SPEARMAN, [(1, first)], rows, **options)
    same_intervals(alone, bootstrap(SPEARMAN, first, rows, **options), 0)


def test_a_contrast_of_differences_is_taken_on_the_rows_that_all_scored():
    human, (first, second), _ = some_scores(6)
    third = np.where(np.arange(len(human))[:, None] < 9, NAN, human)
    found = contrast_bootstrap(
        SPEARMAN, [(1, first), (-1, second), (-1, third), (1, first)], RatedRows.of(human, levels=FIVE)
    )
    rows = ~np.isnan(first + second + third + human)
    assert found.n_pairs == tuple(rows.sum(axis=0))
    k = [SPEARMAN(one[rows[:, 0], 0], human[rows[:, 0], 0]) for one in (first, second, third)]
    assert found.per_criterion[0].value == pytest.approx(2 * k[0] - k[1] - k[2])
    with pytest.raises(ValueError, match="at least one"):
        contrast_bootstrap(SPEARMAN, [], human)
