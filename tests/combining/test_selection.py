"""Forward selection of a jury."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.combining import select_jury
from polyjudge.metrics import Levels, RatedRows, kappa, mae, spearman
from polyjudge.metrics.grouping import mean

NAN = float("nan")
FIVE = Levels(1, 5)


def world(seed, n_judges=5, n=80, criteria=2, noise=1.5, missing=0.0):
    """Judges that see the quality with noise of their own, on the scale 1 to 5."""
    generator = np.random.default_rng(seed)
    quality = generator.normal(3, 1, (n, criteria))
    human = np.clip(np.round(quality), 1, 5)
    judges = {}
    for number in range(n_judges):
        seen = np.clip(np.round(quality + generator.normal(0, noise, (n, criteria))), 1, 5)
        judges[f"judge {number}"] = np.where(generator.random((n, criteria)) < missing, NAN, seen)
    return judges, RatedRows.of(human, levels=FIVE, documents=[row // 4 for row in range(n)])


def agreement(scores, rows, metric=spearman):
    return mean([metric(scores[:, k], rows.human[:, k], rows.levels[k]) for k in range(rows.human.shape[1])])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([spearman, mae]), st.sampled_from([0.0, 0.1]))
def test_it_is_never_worse_on_the_rows_that_it_chose_by(seed, metric, missing):
    judges, rows = world(seed, missing=missing)
    choice = select_jury(judges, rows, metric)
    first = judges[choice.members[0]]
    scored = np.where(np.isnan(first), NAN, choice.jury.combine(judges).scores)
    assert agreement(scored, rows, metric) == pytest.approx(choice.value)
    single, best = agreement(first, rows, metric), choice.value
    assert best == single if len(choice.members) == 1 else metric.is_better(best, single)
    values = [addition.value for addition in choice.history]
    assert all(metric.is_better(new, old) for old, new in itertools.pairwise(values))
    assert single == pytest.approx(choice.alone[choice.members[0]])
    if not missing:
        assert not any(metric.is_better(a, single) and abs(a - single) > 1e-9 for a in choice.alone.values())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter(seed, random):
    judges, rows = world(seed, missing=0.05)
    names = list(judges)
    random.shuffle(names)
    one, other = select_jury(judges, rows, spearman), select_jury({n: judges[n] for n in names}, rows, spearman)
    assert one.history == other.history
    assert one.jury == other.jury


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_no_more_members_than_allowed_and_fewer_are_a_beginning(seed, most):
    judges, rows = world(seed)
    short, long = select_jury(judges, rows, spearman, most=most), select_jury(judges, rows, spearman, most=5)
    assert len(short.members) <= most
    assert short.members == long.members[: len(short.members)]
    assert short.cost == len(short.members)


def test_a_copy_never_enters_and_the_cheaper_of_equals_does():
    judges, rows = world(1, n_judges=1)
    copies = {"a": judges["judge 0"], "b": judges["judge 0"], "c": judges["judge 0"] * 2 - 1}
    assert select_jury(copies, rows, spearman, costs={"a": 3.0, "b": 2.0, "c": 2.0}).members == ("b",)
    assert select_jury(copies, rows, spearman).members == ("a",)


def test_it_finds_a_gain_where_there_is_one_and_stops_where_there_is_none():
    judges, rows = world(2, n=400)
    choice = select_jury(judges, rows, spearman)
    assert len(choice.members) == 4
    assert choice.value > choice.history[0].value + 0.05
    constant = {"good": judges["judge 0"], "constant": np.full((400, 2), 3.0)}
    assert select_jury(constant, rows, spearman).members == ("good",)


def test_a_further_member_has_to_be_worth_the_least_gain():
    judges, rows = world(2, n=400)
    free = select_jury(judges, rows, spearman)
    gains = np.diff([addition.value for addition in free.history])
    held = select_jury(judges, rows, spearman, least_gain=gains[0] + 1e-6)
    assert held.members == free.members[:1]


def test_a_judge_that_skips_rows_cannot_found_a_jury_but_may_join():
    judges, rows = world(3, n_judges=3, n=400)
    oracle = rows.human.copy()
    oracle[40:] = NAN
    choice = select_jury(judges | {"skips": oracle}, rows, spearman)
    assert choice.members[0] != "skips"
    assert "skips" in choice.members
    assert choice.alone["skips"] == pytest.approx(1.0)


def test_an_undefined_criterion_counts_below_a_defined_one():
    judges, rows = world(4, n_judges=2, n=100)
    best = rows.human.copy()
    best[:, 1] = 3.0
    choice = select_jury({"half": best, "judge 0": judges["judge 0"]}, rows, spearman, most=1)
    assert choice.members == ("judge 0",)
    constant_people = replace(rows, human=np.column_stack([rows.human[:, 0], np.full(100, 3.0)]))
    assert not math.isnan(select_jury(judges, constant_people, spearman).value)


def test_labels_are_chosen_by_kappa():
    generator = np.random.default_rng(5)
    human = generator.integers(0, 3, (300, 1)).astype(float)
    judges = {
        f"judge {number}": np.where(generator.random((300, 1)) < 0.6, human, generator.integers(0, 3, (300, 1)))
        for number in range(5)
    }
    rows = RatedRows.of(human, levels=Levels.categorical(3))
    choice = select_jury(judges, rows, kappa, most=5)
    assert choice.value > choice.history[0].value + 0.05
    assert len(choice.history[1].members) == 2
    assert choice.members == tuple(name for addition in choice.history for name in addition.members)
    assert set(np.unique(choice.jury.combine(judges).scores)) <= {0.0, 1.0, 2.0}


def test_what_cannot_be_chosen_from():
    judges, rows = world(6)
    with pytest.raises(ValueError, match="at least one candidate"):
        select_jury({}, rows, spearman)
    with pytest.raises(ValueError, match="at least one member"):
        select_jury(judges, rows, spearman, most=0)
    with pytest.raises(ValueError, match="no candidate has a defined agreement"):
        select_jury({"constant": np.full((80, 2), 3.0)}, rows, spearman)
    with pytest.raises(ValueError, match="'judge 0' have the shape"):
        select_jury({"judge 0": np.ones((3, 2))}, rows, spearman)
    with pytest.raises(ValueError, match="one direction"):
        select_jury(judges, rows, [spearman, mae])
