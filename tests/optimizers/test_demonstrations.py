"""Demonstrations: which are tried, what a run keeps of them, and that old records are read."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asking import FIVE, NAMES, judge_of, prompt_of, rows
from tests.rated import JUDGE, Rated, Recorder, by_chance, rated

from polyjudge import codec
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.records import Candidate, Step
from polyjudge.domain.scale import Categorical, Continuous
from polyjudge.errors import ConfigError
from polyjudge.llm.request import Abilities, Request
from polyjudge.optimizers.base import Context, Turn
from polyjudge.optimizers.demonstrations import Demonstrations, balanced
from polyjudge.results.judge_file import read_judge
from polyjudge.settings.given import Settings
from polyjudge.testing.asking import ScriptedAsker
from polyjudge.workflows.optimize import optimize

NAN = math.nan
SCALES = (FIVE, Continuous(0.0, 1.0), Categorical(("a", "b", "c")))


@given(
    st.sampled_from(SCALES),
    st.lists(st.one_of(st.just(NAN), st.floats(0, 1)), max_size=25),
    st.integers(0, 12),
    st.one_of(st.none(), st.just("seed")),
)
def test_chosen_examples_are_rated_and_different_and_spread_as_far_as_there_are_levels(
    scale: object, shares: list[float], count: int, seed: str | None
) -> None:
    criterion = Criterion("a", scale)
    value = {
        "ordinal": lambda x: float(1 + round(4 * x)),
        "float": float,
        "categorical": lambda x: float(round(2 * x)),
    }
    examples = [
        Example(f"e{at}", {}, ratings={"a": (NAN if math.isnan(share) else value[scale.kind](share),)})
        for at, share in enumerate(shares)
    ]
    taken = balanced(examples, (criterion,), count, seed=seed)
    known = [example for example in examples if not math.isnan(example.human(criterion))]
    assert len({example.id for example in taken}) == len(taken) == min(count, len(known))
    if scale.kind != "float":
        levels = Counter(example.human(criterion) for example in taken)
        assert len(levels) == min(len(taken), len({example.human(criterion) for example in known}))


def propose(turn: Turn, **settings: int) -> tuple[Candidate, ...]:
    optimizer = Demonstrations(**settings).build(Context(prompt_of(), ScriptedAsker(lambda request: ""), {}))
    return asyncio.run(optimizer.propose(turn)).candidates


def test_each_candidate_adds_one_example_behind_those_that_are_shown() -> None:
    batch = rows(5)
    prompt = prompt_of().revise({}, batch[:2])
    turn = Turn(1, prompt, batch, judge_of(ScriptedAsker(lambda request: "")))
    shown = [one.demonstrations for one in propose(turn, candidates=2)]
    assert [examples[:2] for examples in shown] == [batch[:2]] * 2
    assert all(examples[2] in batch[2:] for examples in shown)
    assert propose(turn, most=2)[0].failure == "the prompt has its 2 demonstrations"
    assert "no rated example" in propose(replace(turn, batch=batch[:2]))[0].failure


@pytest.mark.parametrize(("settings", "said"), [({"most": 0}, "most=0"), ({"mode": "ST"}, "--mode ST")])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Demonstrations(**settings).build(Context(prompt_of(), ScriptedAsker(lambda request: ""), {}))


def seeing(data: Rated) -> object:
    """A judge that tells the truth once it is shown a person's rating."""
    chance = by_chance(data)

    def answer(request: Request) -> str:
        said = request.messages[0].content
        letters = re.findall(r"letter \d{3}", said)
        truth = data.truth[letters[-1]]
        return json.dumps(dict(truth)) if len(set(letters)) > 1 else chance(request)

    return answer


def test_a_run_keeps_what_helps_to_the_judge_file_and_is_read_again(tmp_path: Path) -> None:
    data = rated({"a": (1, 5), "b": (1, 5)}, documents=30)

    def run_again() -> object:
        judge = Recorder(seeing(data), Abilities(schema=True))
        return optimize(
            data.rows,
            criteria=data.criteria,
            model=JUDGE,
            backends={JUDGE: judge.backend},
            optimizer=Demonstrations(candidates=2),
            layout="joint",
            gate="spearman",
            settings=Settings(steps=2),
            output=tmp_path / "run",
        )

    run = run_again()
    assert [step.status for step in run.steps] == ["initial", "accepted", "rejected"]
    (kept,) = run.steps[1].demonstrations
    assert run.steps[2].demonstrations == (kept,)
    assert run.steps[1].instructions == run.steps[0].instructions
    assert kept.id in run.steps[1].batch
    assert [shown.inputs for shown in read_judge(tmp_path / "run" / "judge.yaml").demonstrations] == [kept.inputs]
    assert run.outcome.mean.fitted > run.outcome.mean.initial
    assert run_again().steps == run.steps


def test_a_step_of_an_older_run_has_no_demonstrations_and_is_written_as_before() -> None:
    step = Step(0, NAMES, "initial", "", (), (), (), (), (Candidate({"a": "b"}),), None, {}, None)
    line = codec.line(step)
    assert "demonstrations" not in line
    assert codec.record(Step, line, "steps.jsonl") == step
