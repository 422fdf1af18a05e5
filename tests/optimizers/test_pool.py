"""The pool of the user's own variants: what is offered, what is combined, and how a bad file is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.asking import NAMES, judge_of, prompt_of, rows
from tests.commands import polyjudge
from tests.rated import FIVE, JUDGE, Recorder, knowing, rated

from polyjudge.domain.records import Rejected, ScoredPrompt
from polyjudge.errors import ConfigError
from polyjudge.llm.request import Abilities, Request
from polyjudge.optimizers.base import Context, Turn
from polyjudge.optimizers.pool import Pool, read_variants
from polyjudge.settings.given import Settings
from polyjudge.testing.asking import ScriptedAsker
from polyjudge.workflows.optimize import optimize

FIRST, SECOND = NAMES[:2]
TEXTS = ("Look at the words.", "Look at the order.", "Look at the end.")


def unasked(request: Request) -> str:
    raise AssertionError(f"asked {request}")


def turn(*tried: str) -> Turn:
    prompt = prompt_of()
    scored = [ScoredPrompt(0, prompt.instructions, "spearman", {}, 0.1)]
    scored += [ScoredPrompt(1, prompt.revise({FIRST: text}).instructions, "spearman", {}, 0.1, True) for text in tried]
    return Turn(2, prompt, rows(3), judge_of(ScriptedAsker(unasked)), (), tuple(scored))


def offered(pool: Pool, *tried: str) -> list[str]:
    proposal = asyncio.run(pool.build(Context(prompt_of(), ScriptedAsker(unasked), {})).propose(turn(*tried)))
    return [one.instructions.get(FIRST, one.failure) for one in proposal.candidates]


def test_each_variant_is_offered_until_it_was_measured_beside_the_current_instructions() -> None:
    pool = Pool(variants=[{FIRST: text} for text in TEXTS])
    assert offered(pool) == [*TEXTS]
    assert offered(pool, TEXTS[1]) == [TEXTS[0], TEXTS[2]]
    assert offered(pool, *TEXTS) == ["no variant is left to measure beside the current prompt"]


def test_texts_that_were_refused_together_are_offered_one_by_one() -> None:
    pool = Pool(variants=[{FIRST: TEXTS[0], SECOND: TEXTS[1]}]).build(Context(prompt_of(), ScriptedAsker(unasked), {}))
    before = turn()
    both = prompt_of().revise({FIRST: TEXTS[0], SECOND: TEXTS[1]}).instructions
    refused = tuple(Rejected(1, name, text, "spearman", 0.1, 0.1, name == FIRST) for name, text in both.items())
    after = replace(before, rejected=refused, scored=(*before.scored, ScoredPrompt(1, both, "spearman", {}, 0.1)))
    assert [one.instructions for one in asyncio.run(pool.propose(after)).candidates] == [{FIRST: TEXTS[0]}]


def test_equal_variants_are_offered_once() -> None:
    assert offered(Pool(variants=[{FIRST: TEXTS[0]}, {FIRST: f" {TEXTS[0]} "}])) == [TEXTS[0]]


def test_the_texts_of_a_file_are_taken_row_by_row_and_sets_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("criteria: {a: [one, two], b: [three]}\nsets: [{b: four}]", "utf-8")
    assert read_variants(file) == [{"a": "one", "b": "three"}, {"a": "two"}, {"b": "four"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("criterions: {a: [b]}", "unknown key 'criterions' (did you mean 'criteria'?)"),
        ("sets: [{a: ''}]", "sets[0], key 'a'"),
        ("sets: [text]", "sets[0] is 'text'"),
        ("criteria: {a: [ok, 3]}", "criteria, text 2, key 'a': 3"),
        ("criteria: [a]", "'criteria' must be a mapping"),
        ("sets: []", "holds no variants"),
        ("- a", "must be a mapping"),
        ("a: [", "line "),
    ],
)
def test_a_file_that_cannot_be_used_names_the_place(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as refused:
        read_variants(file)
    assert str(file) in str(refused.value)
    assert said in str(refused.value)


def test_an_unknown_criterion_is_refused_before_any_call() -> None:
    with pytest.raises(ConfigError, match="unknown criterion 'fluenzy'"):
        Pool(variants=[{"fluenzy": "x"}]).build(Context(prompt_of(), ScriptedAsker(unasked), {}))
    with pytest.raises(ConfigError, match="--candidates-file"):
        Pool().build(Context(prompt_of(), ScriptedAsker(unasked), {}))
    with pytest.raises(ConfigError, match="gate 'none'"):
        Pool(variants=[{FIRST: "x"}]).build(Context(prompt_of(), ScriptedAsker(unasked), {}, measures=False))


def test_a_file_without_the_optimizer_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("sets: [{fluency: x}]", "utf-8")
    ended = polyjudge("check", "simulated/default", "--model", "simulated/default", "--candidates-file", file)
    assert ended.code == 2
    assert "candidates_file" in ended.err


def test_the_parts_of_different_variants_are_combined(tmp_path: Path) -> None:
    """A judge that is right where the instruction is good: the good text of each criterion is taken."""
    data = rated({"a": FIVE, "b": FIVE}, documents=30)
    judge = Recorder(knowing(data, "look twice"), Abilities(schema=True))
    run = optimize(
        data.rows,
        criteria=data.criteria,
        model=JUDGE,
        backends={JUDGE: judge.backend},
        optimizer=Pool(
            variants=[{"a": "Please look twice.", "b": "Hurry."}, {"a": "Guess.", "b": "Always look twice."}]
        ),
        layout="joint",
        settings=Settings(),
        output=tmp_path / "run",
    )
    assert run.steps[-1].instructions == {"a": "Please look twice.", "b": "Always look twice."}
    assert {request.role for request in judge.asked} == {"judge"}
