"""Filling a template: one pass, known names only, and fences that what stands inside cannot close."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.templates.load import VERSION, fenced, labelled, render

law = settings(deadline=None, max_examples=100)
nasty = st.lists(st.sampled_from(['"', '"""', "\n", "\r", "\u2028", "a", "{{ task }}", "{% x %}", " "])).map("".join)


def unfenced(text: str) -> str:
    """What stands between the first fence and the first line that closes it."""
    opening, _, rest = text.partition("\n")
    assert set(opening) == {'"'}
    assert len(opening) >= 3
    inside, closed, _ = f"\n{rest}\n".partition(f"\n{opening}\n")
    assert closed
    return inside[1:]


@law
@given(nasty | st.text())
def test_a_fence_cannot_be_closed_by_what_stands_inside(text: str) -> None:
    assert unfenced(fenced(text)) == text
    opening = fenced(text).partition("\n")[0]
    assert opening not in text


@law
@given(st.lists(nasty, min_size=1, max_size=4))
def test_fences_may_stand_within_fences(texts: list[str]) -> None:
    inner = "\n\n".join(fenced(text) for text in texts)
    outer = fenced(inner)
    assert unfenced(outer) == inner
    for text in texts:
        assert unfenced(inner) == text
        inner = inner.removeprefix(fenced(text)).removeprefix("\n\n")


def test_a_label_stands_before_its_fence() -> None:
    assert labelled("Note", "Hello") == 'Note:\n"""\nHello\n"""'


@law
@given(nasty | st.text(), nasty | st.text())
def test_what_is_filled_in_is_never_a_template(task: str, item: str) -> None:
    assert render("cloze", task=task, item=item, criteria="{{ item }}") == f"{task}\n\n{item}\n\n{{{{ item }}}}"


def test_a_missing_or_surplus_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        render("cloze", task="t", item="i")
    with pytest.raises(KeyError, match="no place for"):
        render("cloze", task="t", item="i", criteria="c", other="o")


def test_the_templates_of_a_version_are_those_that_are_used() -> None:
    names = {entry.name.removesuffix(".txt") for entry in files("polyjudge.templates").joinpath(VERSION).iterdir()}
    package = Path(str(files("polyjudge")))
    source = "\n".join(file.read_text("utf-8") for file in package.rglob("*.py"))
    # Those that depend on the number of criteria are named by their stage.
    unused = {name for name in names if f'"{re.sub("_(one|many)(_json)?$", "", name)}' not in source}
    assert not unused
