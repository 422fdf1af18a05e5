"""A jury combines members on a common footing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from polyjudge.combining import Footing, Jury

NAN = float("nan")
cell = st.one_of(st.integers(1, 5).map(float), st.just(NAN))


def scores(*members):
    shape = st.tuples(st.sampled_from(members), st.integers(3, 20), st.just(2))
    return shape.flatmap(lambda size: hnp.arrays(np.float64, size, elements=cell))


def named(judged):
    return {f"judge {number}": member for number, member in enumerate(judged)}


@settings(deadline=None, max_examples=60)
@given(scores(1))
def test_a_jury_of_one_is_its_member(judged):
    combined = Jury.of(named(judged), [False, False]).combine(named(judged))
    np.testing.assert_array_equal(combined.scores, judged[0])
    np.testing.assert_array_equal(combined.n_members, ~np.isnan(judged[0]))


@settings(deadline=None, max_examples=60)
@given(scores(2, 3, 4), st.booleans())
def test_unscored_members_are_left_out_and_counted(judged, nominal):
    combined = Jury.of(named(judged), [nominal, False]).combine(named(judged))
    np.testing.assert_array_equal(combined.n_members, (~np.isnan(judged)).sum(axis=0))
    np.testing.assert_array_equal(np.isnan(combined.scores), combined.n_members == 0)


@settings(deadline=None, max_examples=60)
@given(scores(2, 3, 4))
def test_twins_are_as_good_as_one(judged):
    twins = {"a": judged[0], "b": judged[0]}
    combined = Jury.of(twins, [False, False]).combine(twins)
    np.testing.assert_allclose(combined.scores, judged[0], atol=1e-8)


@settings(deadline=None, max_examples=60)
@given(scores(2, 3, 4), st.floats(0.1, 10), st.floats(-5, 5))
def test_the_spread_and_level_of_a_member_do_not_change_the_order(judged, spread, level):
    plain = named(judged)
    moved = plain | {"judge 0": judged[0] * spread + level}
    before = Jury.of(plain, [False, False]).combine(plain).scores
    after = Jury.of(moved, [False, False]).combine(moved).scores
    for k in range(2):
        one, other = before[:, k], after[:, k]
        apart = ~np.isnan(one[:, None] - one) & (np.abs(one[:, None] - one) > 1e-6)
        # A constant member counts as nothing, however large; the sign of a clear difference stays.
        assert (np.sign(one[:, None] - one)[apart] * np.sign(other[:, None] - other)[apart] >= 0).all()


def test_a_missing_lenient_member_does_not_lower_the_score():
    generator = np.random.default_rng(0)
    strict = generator.normal(2, 0.5, (200, 1))
    lenient = strict + 2 + generator.normal(0, 0.1, (200, 1))
    jury = Jury.of({"strict": strict, "lenient": lenient}, [False])
    both = jury.combine({"strict": strict, "lenient": lenient}).scores
    alone = jury.combine({"strict": strict, "lenient": np.full((200, 1), NAN)}).scores
    assert np.abs(both - alone).max() < 0.5
    assert both.mean() == pytest.approx((strict.mean() + lenient.mean()) / 2)


def test_labels_are_decided_by_vote_and_ties_by_the_first():
    votes = {"a": [[0.0], [0.0], [NAN], [NAN]], "b": [[1.0], [1.0], [1.0], [NAN]], "c": [[1.0], [2.0], [2.0], [NAN]]}
    combined = Jury.of(votes, [True]).combine(votes).scores
    np.testing.assert_array_equal(combined, [[1.0], [0.0], [1.0], [NAN]])


def test_weights_count_in_means_and_votes():
    numbers = {"a": [[1.0, 0.0], [3.0, 1.0]], "b": [[1.0, 1.0], [3.0, 1.0]], "c": [[3.0, 1.0], [1.0, 1.0]]}
    jury = Jury.of(numbers, [False, True], weights=(1.0, 1.0, 4.0))
    combined = jury.combine(numbers).scores
    np.testing.assert_allclose(combined[:, 0], [2 + 1 / 3, 2 - 1 / 3])
    np.testing.assert_array_equal(combined[:, 1], [1.0, 1.0])


@pytest.mark.parametrize(
    ("members", "weights", "said"),
    [((), (), "one or more"), (("a", "a"), (1.0, 1.0), "different names"), (("a",), (0.0,), "positive")],
)
def test_what_makes_no_jury(members, weights, said):
    with pytest.raises(ValueError, match=said):
        Jury(members, weights, (Footing.own(1),) * len(members), (False,))


def test_a_member_without_scores_is_named():
    jury = Jury.of({"a": [[1.0], [2.0]], "b": [[2.0], [1.0]]}, [False])
    with pytest.raises(KeyError, match="'b'"):
        jury.combine({"a": [[1.0], [2.0]]})
