"""Laws of partitions: what covers, what may follow what, and that nothing is heard twice."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.domain.decomposition import (
    MODES,
    Decomposition,
    Group,
    Partition,
    combined,
    decomposition,
    heard,
    separate,
)
from polyjudge.errors import ConfigError

law = settings(deadline=None, max_examples=50)
criteria = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=6, unique=True).map(tuple)


def partition_by(names: Group, labels: list[int]) -> Partition:
    groups: dict[int, list[str]] = {}
    for name, label in zip(names, labels, strict=True):
        groups.setdefault(label, []).append(name)
    return tuple(tuple(group) for group in groups.values())


@st.composite
def chains(draw: st.DrawFn) -> tuple[Group, Partition, Partition, Partition]:
    """Names and three partitions, each of which merges groups of the one before."""
    names = draw(criteria)
    loss = partition_by(names, draw(st.lists(st.integers(0, 3), min_size=len(names), max_size=len(names))))
    return names, loss, (gradient := draw(coarser(loss))), draw(coarser(gradient))


def coarser(partition: Partition) -> st.SearchStrategy[Partition]:
    labels = st.lists(st.integers(0, 2), min_size=len(partition), max_size=len(partition))

    def merge(chosen: list[int]) -> Partition:
        merged: dict[int, Group] = {}
        for group, label in zip(partition, chosen, strict=True):
            merged[label] = merged.get(label, ()) + group
        return tuple(merged.values())

    return labels.map(merge)


@dataclass(frozen=True)
class Result:
    group: Group
    number: int


@law
@given(criteria)
def test_separate_and_combined_cover_every_criterion_once(names: Group) -> None:
    assert [name for group in separate(names) for name in group] == list(names)
    assert all(len(group) == 1 for group in separate(names))
    assert combined(names) == (names,)


@law
@given(criteria, st.sampled_from(["SSS", "SSC", "SCC", "CCC"]))
def test_a_mode_is_three_partitions(names: Group, mode: str) -> None:
    found = decomposition(mode, names)
    for letter, partition in zip(mode, (found.loss, found.gradient, found.optimizer), strict=True):
        assert partition == (separate(names) if letter == "S" else combined(names))


@law
@given(criteria.filter(lambda names: len(names) == 1))
def test_over_one_criterion_all_modes_are_one(names: Group) -> None:
    assert {decomposition(mode, names) for mode in MODES} == {decomposition("SSS", names)}


@pytest.mark.parametrize("mode", ["CSS", "CSC", "CCS", "SCS"])
def test_what_was_combined_cannot_be_separated(mode: str) -> None:
    for names in (("a",), ("a", "b"), ("a", "b", "c", "d")):
        with pytest.raises(ConfigError, match=f"{mode!r} would separate what was combined.*SSS, SSC, SCC, CCC"):
            decomposition(mode, names)


@pytest.mark.parametrize("mode", ["", "S", "SS", "SSSS", "sss", "XYZ", "ST ", "CT", "S S"])
def test_an_unknown_mode_names_the_known_ones(mode: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown mode {mode!r}.*ST, SSS, SSC, SCC, CCC"):
        decomposition(mode, ("a", "b"))


@law
@given(chains())
def test_any_coarser_partition_is_accepted(chain: tuple[Group, Partition, Partition, Partition]) -> None:
    _, loss, gradient, optimizer = chain
    found = Decomposition(loss, gradient, optimizer)
    assert (found.loss, found.gradient, found.optimizer) == (loss, gradient, optimizer)


@law
@given(chains())
def test_a_partition_that_splits_a_group_is_refused(chain: tuple[Group, Partition, Partition, Partition]) -> None:
    names, _, _, optimizer = chain
    if max(map(len, optimizer)) < 2:
        return
    with pytest.raises(ConfigError, match=r"the loss group .* is split among gradient groups"):
        Decomposition(optimizer, separate(names), separate(names))
    with pytest.raises(ConfigError, match=r"the gradient group .* is split among optimizer groups"):
        Decomposition(separate(names), optimizer, separate(names))


@pytest.mark.parametrize(
    ("loss", "gradient", "optimizer"),
    [
        ((("a",),), (("a",), ("b",)), (("a", "b"),)),
        ((("a",), ("b",)), (("a",),), (("a", "b"),)),
        ((("a",), ("b",)), (("a", "b"),), (("a", "b"), ("a",))),
        ((("a",), ("b",), ("a",)), (("a", "b"),), (("a", "b"),)),
        ((("a",), ("b",), ("c",)), (("a", "b"),), (("a", "b"),)),
        ((("a", "a"), ("b",)), (("a", "b"),), (("a", "b"),)),
        ((("a",), (), ("b",)), (("a", "b"),), (("a", "b"),)),
    ],
)
def test_a_partition_covers_every_criterion_once(loss: Partition, gradient: Partition, optimizer: Partition) -> None:
    with pytest.raises(ConfigError, match="do not cover every criterion once"):
        Decomposition(loss, gradient, optimizer)


@law
@given(chains(), st.integers(1, 3))
def test_each_result_is_heard_by_one_group_and_there_once(
    chain: tuple[Group, Partition, Partition, Partition], examples: int
) -> None:
    _, loss, gradient, optimizer = chain
    for earlier, later in ((loss, gradient), (gradient, optimizer)):
        results = [Result(group, number) for number in range(examples) for group in earlier]
        listened = [result for group in later for result in heard(group, results)]
        assert sorted(listened, key=results.index) == results
        for group in later:
            assert list(heard(group, results)) == [r for r in results if r in heard(group, results)]


def test_a_group_does_not_hear_what_speaks_of_more_than_itself() -> None:
    results = [Result(("a",), 0), Result(("a", "b"), 1), Result(("b", "c"), 2)]
    assert heard(("a", "b"), results) == (results[0], results[1])
    assert heard(("c",), results) == ()
