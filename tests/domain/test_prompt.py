"""A prompt changes by ``revise`` only, and ``revise`` changes instructions only."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.asking import NAMES, prompt_of, rows

from polyjudge.domain.prompt import JudgePrompt

law = settings(deadline=None, max_examples=50)
texts = st.dictionaries(st.sampled_from(NAMES), st.text(min_size=1).filter(lambda text: bool(text.strip())))


def without_instructions(prompt: JudgePrompt) -> JudgePrompt:
    return replace(prompt, criteria=tuple(replace(criterion, instruction="") for criterion in prompt.criteria))


@law
@given(texts)
def test_revise_changes_the_named_instructions_and_nothing_else(new: dict[str, str]) -> None:
    prompt = replace(prompt_of(), reply_begins="The text is", demonstrations=rows(2))
    revised = prompt.revise(new)
    assert revised.instructions == {**prompt.instructions, **new}
    assert without_instructions(revised) == without_instructions(prompt)
    assert prompt == replace(prompt_of(), reply_begins="The text is", demonstrations=rows(2))


@law
@given(texts, texts)
def test_the_last_revision_wins(first: dict[str, str], second: dict[str, str]) -> None:
    assert prompt_of().revise(first).revise(second) == prompt_of().revise({**first, **second})


@pytest.mark.parametrize("empty", ["", " ", "\n\t", "\u2003"])
def test_an_empty_instruction_is_refused(empty: str) -> None:
    with pytest.raises(ValueError, match="empty instructions for \\['fluency'\\]"):
        prompt_of().revise({"fluency": empty, "coherence": "Rate."})


def test_an_unknown_criterion_is_refused() -> None:
    with pytest.raises(ValueError, match="no such criteria to revise: \\['style'\\]"):
        prompt_of().revise({"style": "Rate."})
    with pytest.raises(ValueError, match="no such criteria: \\['style'\\]"):
        prompt_of().only(("style",))


@law
@given(st.sets(st.sampled_from(NAMES)))
def test_a_reduced_prompt_keeps_its_order_and_its_frame(group: set[str]) -> None:
    prompt = prompt_of()
    reduced = prompt.only(tuple(sorted(group)))
    assert reduced.names == tuple(name for name in NAMES if name in group)
    assert replace(reduced, criteria=prompt.criteria) == prompt


def test_a_prompt_cannot_be_changed_in_place() -> None:
    prompt = prompt_of()
    for field in fields(prompt):
        with pytest.raises(FrozenInstanceError):
            setattr(prompt, field.name, None)
    for field in fields(prompt.criteria[0]):
        with pytest.raises(FrozenInstanceError):
            setattr(prompt.criteria[0], field.name, None)
    assert isinstance(prompt.criteria, tuple)
