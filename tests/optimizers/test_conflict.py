"""Conflicts between changes: what is measured, what is narrowed, and which subset is offered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tests.asking import NAMES, judge_of, prompt_of, rows, speaker

from polyjudge.domain.records import Rejected, ScoredPrompt
from polyjudge.llm.request import Role, Sampling
from polyjudge.optimizers.base import Context, Turn
from polyjudge.optimizers.conflict import resolutions, scoped
from polyjudge.optimizers.textgrad import TextGrad
from polyjudge.testing.asking import ScriptedAsker

PROMPT = prompt_of()
A, B, C, _ = NAMES
TEXTS = {A: "Look at words.", B: "Look at order.", C: "Look at sense."}


def scored(edits: Mapping[str, str], **gains: float) -> ScoredPrompt:
    values = {name: 0.3 + gains.get(name, 0.0) for name in NAMES}
    return ScoredPrompt(1, PROMPT.revise(edits).instructions, "spearman", values, 0.3)


def turn(*prompts: ScoredPrompt) -> Turn:
    refused = tuple(Rejected(1, name, text, "spearman", 0.3, 0.3, together=True) for name, text in TEXTS.items())
    measured = (scored({}), scored(TEXTS), *prompts)
    return Turn(2, PROMPT, rows(3), judge_of(ScriptedAsker(speaker())), refused, measured)


def offered(*prompts: ScoredPrompt) -> list[dict[str, str]]:
    return [dict(candidate.instructions) for candidate in resolutions(turn(*prompts))]


def alone(name: str, **gains: float) -> ScoredPrompt:
    return scored({name: TEXTS[name]}, **gains)


def test_each_change_is_measured_alone_first() -> None:
    assert offered() == [{name: text} for name, text in TEXTS.items()]
    assert offered(alone(A)) == [{B: TEXTS[B]}, {C: TEXTS[C]}]


def test_a_change_that_harms_another_criterion_is_narrowed_once() -> None:
    measured = (alone(A, **{A: 0.1}), alone(B, **{B: 0.1, A: -0.2}), alone(C, **{C: 0.1}))
    narrowed = dict([scoped((B, TEXTS[B]))])
    assert offered(*measured) == [narrowed]
    assert scoped(scoped((B, TEXTS[B]))) == scoped((B, TEXTS[B]))


def test_the_subset_whose_worst_criterion_gains_most_is_offered_whole() -> None:
    measured = (alone(A, **{A: 0.1, B: -0.01}), alone(B, **{B: 0.1}), alone(C, **{C: 0.1, A: -0.2}))
    still_harmful = scored(dict([scoped((C, TEXTS[C]))]), **{C: 0.1, A: -0.2})
    assert offered(*measured, still_harmful) == [{A: TEXTS[A], B: TEXTS[B]}]
    whole = scored({A: TEXTS[A], B: TEXTS[B]})
    assert offered(*measured, still_harmful, whole) == []


def test_without_a_conflict_nothing_is_offered() -> None:
    assert resolutions(Turn(2, PROMPT, rows(3), judge_of(ScriptedAsker(speaker())), (), (scored({}),))) == ()


def test_textgrad_resolves_before_it_writes_and_asks_no_model_for_it() -> None:
    asker = ScriptedAsker(speaker())
    roles = {role: Role(role, "s/w", Sampling(0.7, 1024), 3) for role in ("loss", "gradient", "optimizer")}
    optimizer = TextGrad(resolve=True, candidates=2).build(Context(PROMPT, asker, roles))
    proposal = asyncio.run(optimizer.propose(turn()))
    assert [dict(one.instructions) for one in proposal.candidates] == [{A: TEXTS[A]}, {B: TEXTS[B]}]
    assert asker.asked == []


def test_a_longer_instruction_than_allowed_is_not_used() -> None:
    asker = ScriptedAsker(speaker())
    roles = {role: Role(role, "s/w", Sampling(0.7, 1024), 3) for role in ("loss", "gradient", "optimizer")}
    optimizer = TextGrad(mode="CCC", longest=1).build(Context(PROMPT, asker, roles))
    (candidate,) = asyncio.run(optimizer.propose(Turn(1, PROMPT, rows(3), judge_of(asker)))).candidates
    assert not candidate.instructions
    assert all(f"{name} has" in candidate.failure for name in NAMES)
    assert "more than 1 words" in asker.of_role("optimizer")[0].messages[0].content
