"""Layouts: any partition of the criteria into calls is one, and what asks the same is called the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.asking import NAMES

from polyjudge.domain.layout import Layout, are_groups, grouped, layout, read_groups
from polyjudge.errors import ConfigError

law = settings(deadline=None, max_examples=100)


@st.composite
def partitions(draw: st.DrawFn) -> tuple[tuple[str, ...], ...]:
    names = draw(st.permutations(NAMES))
    places = [draw(st.integers(0, len(NAMES) - 1)) for _ in names]
    groups = [
        tuple(name for name, at in zip(names, places, strict=True) if at == place) for place in range(len(NAMES))
    ]
    return tuple(group for group in groups if group)


def test_the_named_layouts() -> None:
    assert layout("joint", NAMES) == Layout("joint", (NAMES,))
    assert layout("separate", NAMES).groups == layout("forked", NAMES).groups == tuple((name,) for name in NAMES)
    assert [layout(name, NAMES).item_first for name in ("joint", "separate", "forked")] == [False, False, True]


@law
@given(partitions())
def test_every_partition_is_a_layout_and_reads_back_as_written(groups: tuple[tuple[str, ...], ...]) -> None:
    found = grouped(groups, NAMES)
    assert {frozenset(group) for group in found.groups} == {frozenset(group) for group in groups}
    assert layout(str(found), NAMES) == found
    assert found.name == {1: "joint", len(NAMES): "forked"}.get(len(groups), "grouped")
    assert found.item_first == (len(groups) > 1)


@law
@given(partitions(), st.data())
def test_what_is_no_partition_is_refused(groups: tuple[tuple[str, ...], ...], data: st.DataObject) -> None:
    less = data.draw(st.sampled_from(NAMES))
    kept = [[name for name in group if name != less] for group in groups]
    broken = [
        ([group for group in kept if group] + [["style", "tone"]], "'style' is no criterion"),
        ([group for group in kept if group] + [["style", "tone"]], f"{less!r} is missing"),
        ([*groups, (less, less)], f"{less!r} stands twice"),
    ]
    for wrong, fault in broken:
        with pytest.raises(ConfigError, match=fault):
            grouped(wrong, NAMES)


def test_blanks_around_names_do_not_matter_and_single_words_are_names() -> None:
    assert read_groups(" fluency + coherence , relevance") == (("fluency", "coherence"), ("relevance",))
    assert read_groups("fork") == ()
    with pytest.raises(ConfigError, match=r"unknown layout 'fork'.*joint, separate, forked.*'one\+two,three'"):
        layout("fork", NAMES)


@pytest.mark.parametrize("found", ["a", [], [[]], [["a"], []], ["ab"], [["a", 1]], {"a": 1}, None])
def test_what_has_not_the_form_of_a_packing(found: object) -> None:
    assert not are_groups(found)
