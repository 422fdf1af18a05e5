"""OPRO: what the model is shown of earlier prompts, how candidates are drawn, and whole runs to their reports."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asking import NAMES, judge_of, prompt_of, rows, speaker
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, Recorder, by_chance, knowing, rated

import polyjudge
from polyjudge.domain.records import ScoredPrompt
from polyjudge.errors import ConfigError
from polyjudge.llm.request import Request, Role, Sampling
from polyjudge.optimizers.base import Context, Turn
from polyjudge.optimizers.opro import OPRO, trajectory
from polyjudge.testing.asking import ScriptedAsker, said

NAN = math.nan
BATCH = rows(3)
figures = st.sampled_from([NAN, -0.5, 0.0, 0.1, 0.25, 0.3, 0.9])
histories = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyz"), figures, figures), max_size=30)


def scored(first: str, second: str, one: float, other: float, *, higher: bool = True) -> ScoredPrompt:
    return ScoredPrompt(1, {"a": first, "b": second}, "spearman", {"a": one, "b": other}, NAN, higher)


def propose(history: tuple[ScoredPrompt, ...], **settings: object) -> tuple[list[Request], tuple[str, ...]]:
    asker = ScriptedAsker(speaker())
    role = Role("optimizer", "script/writer", Sampling(1.0, 1024), 3)
    optimizer = OPRO(**settings).build(Context(prompt_of(), asker, {"optimizer": role}))
    turn = Turn(2, prompt_of(), BATCH, judge_of(asker), (), history)
    proposal = asyncio.run(optimizer.propose(turn))
    return asker.asked, tuple(one.instructions.get("fluency", "") for one in proposal.candidates)


@given(histories, st.integers(1, 20), st.booleans(), st.sampled_from([("a",), ("b",), ("a", "b")]))
def test_a_trajectory_holds_the_best_different_instructions_from_worst_to_best(
    history: list[tuple[str, str, float, float]], count: int, higher: bool, group: tuple[str, ...]
) -> None:
    prompts = [scored(*one, higher=higher) for one in history]
    shown = trajectory(prompts, group, count)
    every = trajectory(prompts, group, 1000)
    assert len(shown) == min(count, len(every))
    assert len({tuple(one.instructions.values()) for one in every}) == len(every)
    assert {tuple(one.instructions[name] for name in group) for one in every} == {
        tuple(prompt.instructions[name] for name in group) for prompt in prompts
    }
    assert shown == every[len(every) - len(shown) :]
    known = [one.score for one in every if not math.isnan(one.score)]
    assert known == sorted(known, reverse=not higher)
    assert all(math.isnan(one.score) for one in every[: len(every) - len(known)])


def test_an_instruction_that_stood_in_several_prompts_has_their_mean() -> None:
    history = [scored("p", "x", 0.2, 0.0), scored("p", "y", 0.4, 0.0), scored("q", "y", 0.1, NAN)]
    assert [(one.instructions["a"], round(one.score, 3)) for one in trajectory(history, ("a",), 9)] == [
        ("q", 0.1),
        ("p", 0.3),
    ]


def test_the_model_sees_the_twenty_best_with_their_scores_and_three_rated_examples() -> None:
    values = Random(1).sample(range(100), 30)
    history = tuple(
        ScoredPrompt(1, dict.fromkeys(NAMES, f"Try number {value}."), "qwk", dict.fromkeys(NAMES, value / 100), NAN)
        for value in values
    )
    asked, _ = propose(history)
    text = said(asked[0])
    places = [text.index(f"Agreement {value / 100:.3f}") for value in sorted(values)[-20:]]
    assert places == sorted(places)
    assert text.count("Try number") == 20
    assert "qwk, higher is better" in text
    assert all(example.inputs["text"] in text for example in BATCH)
    assert text.count("Human ratings:\n- fluency: ") == 3


@pytest.mark.parametrize(("mode", "calls"), [("SSS", 4), ("CCC", 1), ("SSC", 1)])
def test_eight_candidates_are_drawn_of_each_group_unless_told_otherwise(mode: str, calls: int) -> None:
    asked, written = propose((), mode=mode)
    assert len(asked) == 8 * calls
    assert len(set(written)) == 8
    assert {request.role for request in asked} == {"optimizer"}
    assert len(propose((), mode=mode, candidates=2)[1]) == 2


def test_the_judge_has_temperature_0_and_the_optimizer_1_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE})
    for preset, own, expected in (("default", {}, (0.0, 1.0)), ("paper", {"judge": {"temperature": 0.3}}, (0.3, 1.0))):
        recorder = Recorder(by_chance(data))
        polyjudge.optimize(
            data.rows,
            criteria=data.criteria,
            model=JUDGE,
            backends={JUDGE: recorder.backend},
            optimizer="opro",
            output=tmp_path / preset,
            settings=polyjudge.Settings(preset=preset, steps=1, parameters=own),
        )
        judged, written = ({one.sampling.temperature for one in recorder.of(role)} for role in ("judge", "optimizer"))
        assert (judged, written) == ({expected[0]}, {expected[1]})
        assert recorder.of("loss") == recorder.of("gradient") == []


def test_it_finds_what_helps_and_tells_the_models_that_it_asked(tmp_path: Path) -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE})
    backends = {JUDGE: Recorder(knowing(data)).backend}
    run = polyjudge.optimize(
        data.rows,
        criteria=data.criteria,
        model=JUDGE,
        backends=backends,
        optimizer=OPRO(candidates=3),
        layout="joint",
        output=tmp_path / "run",
        settings=polyjudge.Settings(steps=2),
    )
    assert run.steps[-1].measured is not None
    assert run.steps[-1].measured.mean > 0.8
    assert all("look twice" in text for text in run.steps[-1].instructions.values())
    assert set(run.judge.lineage["models"]) == {"judge", "optimizer"}
    assert json.loads((run.path / "config.json").read_text("utf-8"))["optimizer"] == "opro"


def test_a_gate_that_measures_nothing_and_a_senseless_trajectory_are_refused() -> None:
    data = rated({"clarity": FIVE})
    settings = {"criteria": data.criteria, "model": JUDGE, "backends": {JUDGE: Recorder(by_chance(data)).backend}}
    with pytest.raises(ConfigError, match="gate 'none' measures none; choose another --gate"):
        polyjudge.check(data.rows, optimizer="opro", gate="none", **keywords(**settings))
    for senseless in (0, "many", True, 1.5):
        with pytest.raises(ConfigError, match="a whole number from 1 on"):
            polyjudge.check(
                data.rows, optimizer="opro", **keywords(optimizer_options={"trajectory": senseless}, **settings)
            )
