"""The router: what counts as specific, what is asked for again, and how sections are read."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asking import CALLS, NAMES, judge_of, prompt_of, rows, speaker

from polyjudge.errors import ConfigError, ReplyError
from polyjudge.llm.request import Request, Role, Sampling
from polyjudge.optimizers.base import Context, Proposal, Turn
from polyjudge.optimizers.routing import Router, percentile
from polyjudge.optimizers.textgrad import TextGrad
from polyjudge.templates.section_parser import Section, read_sections, section_form
from polyjudge.testing.asking import ScriptedAsker, said

# Each criterion has a word of its own.
PROMPT = replace(
    prompt_of(),
    criteria=tuple(replace(one, definition=f"Is the {one.name}grammar sound?") for one in prompt_of().criteria),
)
PASSAGE = "The text of row-1."


def section(text: str) -> dict[str, object]:
    return {"keep": "", "problem": text, "fixes": [], "evidence": []}


def proposed(mode: str, problem: str, names: tuple[str, ...] = NAMES) -> tuple[Proposal, Counter[str], list[Request]]:
    """A turn whose joint calls write the same problem on each criterion; {} stands for the criterion's name."""

    def answer(request: Request) -> str:
        if request.role == "gradient" and "\n<sections>\n" in said(request):
            return json.dumps({name: section(problem.replace("{}", name)) for name in names})
        return speaker()(request)

    asker = ScriptedAsker(answer)
    roles = {role: Role(role, "s/w", Sampling(0.7, 1024), 3) for role in ("loss", "gradient", "optimizer")}
    optimizer = TextGrad(mode=mode, routed=True).build(Context(PROMPT, asker, roles))
    proposal = asyncio.run(optimizer.propose(Turn(1, PROMPT, rows(3), judge_of(asker))))
    return proposal, Counter(request.role for request in asker.asked), asker.of_role("gradient")


@pytest.mark.parametrize("mode", ["SCC", "CCC"])
def test_specific_sections_cost_no_further_call(mode: str) -> None:
    proposal, calls, _ = proposed(mode, "The {} of it fails: {}grammar deserves a 2.")
    assert calls["gradient"] == CALLS[mode]["gradient"]
    assert all(f"{gradient.group[0]}grammar" in gradient.text for gradient in proposal.gradients)


@pytest.mark.parametrize("mode", ["SCC", "CCC"])
def test_a_criterion_whose_sections_are_general_gets_separate_gradients(mode: str) -> None:
    proposal, calls, asked = proposed(mode, "It could be more careful.")
    assert calls["gradient"] == CALLS[mode]["gradient"] + 3 * len(NAMES)
    assert {gradient.group for gradient in proposal.gradients} == {(name,) for name in NAMES}
    assert len(proposal.gradients) == 3 * len(NAMES)
    assert not any("careful" in gradient.text for gradient in proposal.gradients)
    alone = [request for request in asked if "<sections>" not in said(request)]
    assert len({request.messages for request in alone}) == len(alone)


def test_a_criterion_that_a_reply_leaves_out_gets_separate_gradients() -> None:
    _, calls, _ = proposed("SCC", "It could be more careful.", NAMES[:1])
    assert calls["gradient"] == 3 + 3 * len(NAMES)


def test_modes_that_write_separately_are_as_before() -> None:
    _, calls, asked = proposed("SSC", "")
    assert calls["gradient"] == CALLS["SSC"]["gradient"]
    assert not any("<sections>" in said(request) for request in asked)


def test_naming_the_criterion_earns_nothing() -> None:
    for text in ("fluency fluency fluency.", "Fluency, FLUENCY!"):
        assert Router(PROMPT.criteria).score("fluency", [text], []) == 0


def test_a_quotation_counts_if_it_stands_in_the_prompt() -> None:
    router = Router(PROMPT.criteria)
    text = 'The fluencygrammar fails in "{}" here.'
    right = router.score("fluency", [text.format("the TEXT of row-1")], [PASSAGE])
    wrong = router.score("fluency", [text.format("words of no prompt")], [PASSAGE])
    none = router.score("fluency", ["The fluencygrammar fails."], [PASSAGE])
    level = router.score("fluency", ["The fluencygrammar deserves a 2."], [PASSAGE])
    assert (right, wrong, none, level) == (1.0, 0.0, 0.5, 1.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_a_percentile_lies_within_and_is_a_value_at_the_ends(values: list[float], share: float) -> None:
    assert min(values) <= percentile(values, share) <= max(values)
    assert (percentile(values, 0), percentile(values, 1)) == (min(values), max(values))


@pytest.mark.parametrize(
    "given_",
    [{"routed": 1}, {"tau": 2}, {"tau": "high"}, {"tau": True}, {"resolve": "yes"}, {"longest": 0}, {"longest": 1.5}],
)
def test_settings_that_mean_nothing_are_refused(given_: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        TextGrad(**given_)


def test_sections_are_read_by_criterion() -> None:
    whole = {"a": {"keep": "k", "problem": "p", "fixes": ["f", "g", "h", "i"], "evidence": ["e"]}, "b": {"keep": ""}}
    found = read_sections(f"```json\n{json.dumps(whole)}\n```", ("a", "b"))
    assert found == {"a": Section("k", "p", ("f", "g", "h"), ("e",))}
    assert found["a"].text == 'k\n\np ("e")\n\n- f\n- g\n- h'
    for reply in ("", "Fine.", "[1]", json.dumps({"b": "text"}), json.dumps(section_form(("a",)))[:-2]):
        with pytest.raises(ReplyError):
            read_sections(reply, ("a", "b"))
