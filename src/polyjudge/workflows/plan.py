"""What a run will ask, counted before anything is paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from polyjudge.domain.dataset import Split
from polyjudge.domain.layout import Layout
from polyjudge.engine import Setup
from polyjudge.formatting.text import CHARACTERS_A_TOKEN
from polyjudge.results.money import PlannedRole
from polyjudge.settings.config import DIAGNOSTIC, RunConfig

# How many rejected instructions an optimizer's prompt shows, taken over a run.
REJECTED = 3
# Typical lengths of answers in tokens, bounded by the role's longest.
ANSWERS = {"judge": 40, "loss": 150, "gradient": 350, "optimizer": 250}


def plan_of(
    config: RunConfig, setups: Sequence[Setup], split: Split, layouts: Sequence[Layout]
) -> tuple[PlannedRole, ...]:
    """The plan of a run, by role; with the meters, where they are wanted."""
    protocol, every = config.protocol, config.evaluate_every
    roles = planned(setups, split, protocol=protocol, evaluate_every=every, layouts=layouts)
    return (*roles, _meters(setups, config.model_of(DIAGNOSTIC))) if config.meters else roles


def planned(
    setups: Sequence[Setup], split: Split, *, protocol: str, evaluate_every: int, layouts: Sequence[Layout] = ()
) -> tuple[PlannedRole, ...]:
    """The plan of a run, by role.

    Args:
        setups: one, or one a criterion under ST.
        split: the rows.
        protocol: "sealed" reads the test rows for the initial and the chosen prompt, "paper" after every step too.
        evaluate_every: under "paper", at every how many steps the test rows are read.
        layouts: those that are measured before one is chosen; while it is not, the setups' is the one of most calls.
    """
    calls: dict[str, int] = {}
    merged = sum(_merged(setup) for setup in setups)
    tokens: dict[str, tuple[int, int]] = {}
    models: dict[str, str] = {}
    for setup in setups:
        for role, count in _calls(setup, split, protocol, evaluate_every).items():
            calls[role] = calls.get(role, 0) + count
            prompt, completion = _tokens(setup, role)
            before = tokens.get(role, (0, 0))
            tokens[role] = (before[0] + count * prompt, before[1] + count * completion)
            models[role] = _model(setup, role)
    choosing = 0
    for setup in _measured(setups, layouts):
        count = len(setup.validation) * len(setup.judge.groups(setup.prompt)) * setup.judge.scoring.samples
        prompt, completion = _tokens(setup, "judge")
        choosing += count
        calls["judge"] += count
        tokens["judge"] = (tokens["judge"][0] + count * prompt, tokens["judge"][1] + count * completion)
    return tuple(
        PlannedRole(role, models[role], calls[role], *tokens[role], *((merged, choosing) if role == "judge" else ()))
        for role in calls
    )


def _measured(setups: Sequence[Setup], layouts: Sequence[Layout]) -> Iterator[Setup]:
    """The setup in each layout whose answers are asked for to choose one, and for nothing else."""
    for setup in setups if len(layouts) > 1 else ():
        for used in layouts:
            if used != setup.judge.layout or not setup.gate.measures:
                yield replace(setup, judge=replace(setup.judge, layout=used))


def _meters(setups: Sequence[Setup], model: str) -> PlannedRole:
    """What ``--meters`` asks of the diagnostic model while a run goes on, at most: a call a criterion and step for
    specificity, and one more a candidate for adherence."""
    calls = sum(setup.steps * len(setup.prompt.names) * (1 + setup.optimizer.candidates) for setup in setups)
    read = setups[0].batch * min(ANSWERS["gradient"], _longest(setups[0], "gradient")) + 250
    return PlannedRole("diagnostic", model, calls, calls * read, calls * 2)


def test_readings(protocol: str, steps: int, evaluate_every: int) -> tuple[int, ...]:
    """After which steps the test rows are read while the run goes; empty when sealed. Always the first and last."""
    if protocol == "sealed" or not evaluate_every:
        return ()
    return tuple(sorted({0, steps, *range(0, steps + 1, evaluate_every)}))


def _calls(setup: Setup, split: Split, protocol: str, evaluate_every: int) -> Mapping[str, int]:
    each = len(setup.judge.groups(setup.prompt)) * setup.judge.scoring.samples
    stages = setup.optimizer.calls_per_turn(setup.prompt, setup.batch)
    gate_rows = len(setup.validation) if setup.gate.measures else 0
    readings = len(test_readings(protocol, setup.steps, evaluate_every)) or 2
    judged = gate_rows * (1 + setup.steps * setup.optimizer.candidates)
    judged += setup.steps * setup.batch + readings * len(split.test)
    return {
        "judge": each * judged + _merged(setup),
        **{role: setup.steps * count for role, count in stages.items()},
    }


def _merged(setup: Setup) -> int:
    """At most so many calls judge merged prompts.

    Where a call holds one criterion, its question was asked for the candidate that the text came from, and its
    answer is in the journal.
    """
    if not setup.gate.merges:
        return 0
    shared = sum(len(group) > 1 for group in setup.judge.groups(setup.prompt))
    return setup.steps * len(setup.validation) * shared * setup.judge.scoring.samples


def _tokens(setup: Setup, role: str) -> tuple[int, int]:
    """Estimated (prompt, completion) tokens of one call."""
    sampled, groups = setup.validation[:20], setup.judge.groups(setup.prompt)
    questions = [setup.judge.question(setup.prompt.only(group), example) for example in sampled for group in groups]
    judged = round(sum(len(one.text) for one in questions) / max(1, len(questions)) / CHARACTERS_A_TOKEN)
    longest = {name: _longest(setup, name) for name in ANSWERS} | {"judge": questions[0].sampling.max_tokens}
    answers = {name: min(length, longest[name]) for name, length in ANSWERS.items()}
    remembered = REJECTED if setup.remember_rejected and setup.gate.measures else 0
    prompts = {
        "judge": judged,
        "loss": judged + 120,
        "gradient": judged + answers["loss"] + 250,
        "optimizer": setup.batch * (judged + answers["gradient"]) + 250 + remembered * answers["optimizer"],
    }
    return prompts[role], answers[role]


def _longest(setup: Setup, role: str) -> int:
    if role == "judge":
        return setup.judge.role.sampling.max_tokens
    return setup.optimizer.role(role).sampling.max_tokens


def _model(setup: Setup, role: str) -> str:
    return setup.judge.role.model if role == "judge" else setup.optimizer.role(role).model
