"""Count the calls and tokens of a run before anything is paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from polyjudge.domain.dataset import Split
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Rejected, ScoredPrompt
from polyjudge.domain.scale import NAN
from polyjudge.engine import Setup
from polyjudge.formatting.text import CHARACTERS_A_TOKEN
from polyjudge.judge.predict import Judge
from polyjudge.optimizers.base import Turn, TurnPlan
from polyjudge.optimizers.bounded import BoundedOptimizer
from polyjudge.optimizers.estimate import answer, filler, grown, tokens_of
from polyjudge.optimizers.memory import REMEMBERED
from polyjudge.results.money import PlannedRole
from polyjudge.settings.config import DIAGNOSTIC, RunConfig
from polyjudge.workflows.assemble import RunSetup

# The assumed chance that a turn's proposal passes the gate, by which instructions grow.
TAKEN = 0.3
# Tokens of the prompt around the gradients that the diagnostic model rates.
FRAME = 250
# The mean length of questions is estimated from so many rows.
ROWS = 20


def plan_of(
    config: RunConfig,
    setups: Sequence[Setup],
    split: Split,
    measured: Sequence[Setup] = (),
    tested: Sequence[Setup] = (),
) -> tuple[PlannedRole, ...]:
    """The plan of a run by role, with the diagnostics if the settings ask for them.

    Args:
        config: the settings.
        setups: one, or one a criterion under ST.
        split: the rows.
        measured: the setups of the configurations that are measured to choose one. A setup that is also among
            ``setups`` is judged on the validation rows once.
        tested: the setups whose judges read the test rows beside the initial and the fitted one.
    """
    read = test_readings(config.protocol, config.steps, config.evaluate_every)
    setups = [_affordable(setup) for setup in setups]
    tallies: dict[str, _Tally] = {}
    merged = choosing = 0
    for setup in setups:
        turns = list(_turns(setup))
        plans = [setup.optimizer.plan(turn) for turn in turns]
        _judged(setup, split.test, read, turns, plans, tallies.setdefault("judge", _Tally()))
        merged += _merged(setup)
        for plan in plans:
            for asked in plan.calls:
                tallies.setdefault(asked.role, _Tally()).add(asked.calls, asked.prompt_tokens, asked.completion_tokens)
    for setup in setups if config.confirm and config.steps else ():
        if setup.gate.measures:
            _Questions(setup.judge, setup.validation).add(setup.prompt, 2 * len(split.train), tallies["judge"])
    for setup in tested:
        _Questions(setup.judge, setup.validation).add(setup.prompt, len(split.test), tallies["judge"])
    for setup in measured:
        if _affordable(setup) in setups and setup.gate.measures:
            continue
        before = tallies["judge"].calls
        _Questions(setup.judge, setup.validation).add(setup.prompt, len(setup.validation), tallies["judge"])
        choosing += tallies["judge"].calls - before
    roles = tuple(
        PlannedRole(
            role,
            config.model_of(role),
            tally.calls,
            tally.prompt_tokens,
            tally.completion_tokens,
            *((merged, choosing) if role == "judge" else ()),
        )
        for role, tally in tallies.items()
    )
    return (*roles, *_diagnostics(config, setups, tallies)) if config.diagnostics else roles


def planned_judging(judge: Judge, prompt: JudgePrompt, some: Sequence[Example], rows: int) -> PlannedRole:
    """The calls that judge so many rows with a prompt; tokens are estimated from some of them."""
    tally = _Tally()
    _Questions(judge, some).add(prompt, rows, tally)
    return PlannedRole("judge", judge.role.model, tally.calls, tally.prompt_tokens, tally.completion_tokens)


def planned(config: RunConfig, run_setup: RunSetup) -> tuple[PlannedRole, ...]:
    """The plan of a run as it stands: while there is a choice, with the configuration of most calls."""
    options, jury = run_setup.options, config.members - 1 if config.climbs("jury") else 0
    if len(options) == 1:
        return plan_of(config, run_setup.setups, run_setup.split, tested=jury * run_setup.setups)
    dearest = run_setup.under(max(options, key=lambda one: len(one.layout.groups)))
    measured = [setup for option in options for setup in run_setup.under(option).setups]
    return plan_of(
        config,
        dearest.setups,
        run_setup.split,
        measured,
        (*run_setup.under(options[0]).setups, *jury * dearest.setups),
    )


def added(roles: Sequence[PlannedRole]) -> list[PlannedRole]:
    """The planned calls of each role and model in one entry."""
    sums: dict[tuple[str, str], PlannedRole] = {}
    for role in roles:
        known = sums.get((role.role, role.model))
        sums[role.role, role.model] = (
            role
            if known is None
            else replace(
                known,
                calls=known.calls + role.calls,
                prompt_tokens=known.prompt_tokens + role.prompt_tokens,
                completion_tokens=known.completion_tokens + role.completion_tokens,
            )
        )
    return list(sums.values())


def _affordable(setup: Setup) -> Setup:
    """The setup with as many steps as its bound of calls allows."""
    optimizer = setup.optimizer
    if not isinstance(optimizer, BoundedOptimizer):
        return setup
    first = Turn(1, setup.prompt, setup.sampler(1), setup.judge)
    return replace(setup, steps=min(setup.steps, optimizer.turns(first)))


@dataclass(slots=True)
class _Tally:
    """Calls and tokens of a role so far."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, calls: int, prompt_tokens: int, completion_tokens: int) -> None:
        self.calls += calls
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens


class _Questions:
    """Estimates the judge's calls and tokens for a prompt from the questions about some rows."""

    def __init__(self, judge: Judge, rows: Sequence[Example]) -> None:
        self._judge = judge
        self._rows = rows[:: max(1, len(rows) // ROWS)][:ROWS]

    def add(self, prompt: JudgePrompt, rows: int, tally: _Tally) -> None:
        """Count so many rows, judged with a prompt."""
        for group in self._judge.groups(prompt):
            part = prompt.only(group)
            questions = [self._judge.question(part, example) for example in self._rows]
            asked = sum(len(question.text) for question in questions) / len(questions) / CHARACTERS_A_TOKEN
            longest = min(question.sampling.max_tokens for question in questions)
            calls = rows * self._judge.scoring.samples * prompt.orders
            written = tokens_of(answer(part.criteria, self._judge.scoring))
            tally.add(calls, round(calls * asked), calls * min(longest, written))


def _turns(setup: Setup) -> Iterator[Turn]:
    """The turns of a run, with filler of the expected length for texts that are not written yet."""
    written = 0
    for index in range(1, setup.steps + 1):
        prompt = grown(setup.prompt, written, _grown_by(setup, index)) if written else setup.prompt
        rejected, scored = _remembered(setup, index, written)
        turn = Turn(index, prompt, setup.sampler(index), setup.judge, rejected, scored)
        yield turn
        written = written or setup.optimizer.plan(turn).instruction_tokens


def _grown_by(setup: Setup, turn: int) -> float:
    """The chance that a turn before this one was accepted, 0..1, by which instructions have grown."""
    return 1 - (1 - TAKEN) ** (turn - 1) if setup.gate.measures else float(turn > 1)


def _remembered(setup: Setup, index: int, written: int) -> tuple[tuple[Rejected, ...], tuple[ScoredPrompt, ...]]:
    """The rejected and the scored prompts that a turn is expected to have."""
    if not setup.gate.measures:
        return (), ()
    before = (index - 1) * setup.optimizer.candidates
    names, new = setup.prompt.names, filler(written)
    refused = min(REMEMBERED, round(before * (1 - TAKEN)))
    rejected = [Rejected(index, name, new, "metric", NAN, NAN) for name in names for _ in range(refused)]
    values = dict.fromkeys(names, 0.5)
    initial = ScoredPrompt(0, setup.prompt.instructions, "metric", values, 0.5)
    later = [
        ScoredPrompt(index, dict.fromkeys(names, f"{new} {number}"), "metric", values, 0.5) for number in range(before)
    ]
    return tuple(rejected), (initial, *later)


def _judged(
    setup: Setup,
    test: Sequence[Example],
    read: Sequence[int],
    turns: Sequence[Turn],
    plans: Sequence[TurnPlan],
    tally: _Tally,
) -> None:
    """Count the judge's calls: the validation rows, the batches, and the test rows."""
    questions, rows = _Questions(setup.judge, setup.validation), len(setup.validation) if setup.gate.measures else 0
    written = max((plan.instruction_tokens for plan in plans), default=0)
    new, fitted = grown(setup.prompt, written), grown(setup.prompt, written, _grown_by(setup, setup.steps + 1))
    questions.add(setup.prompt, rows, tally)
    questions.add(new, rows * setup.steps * setup.optimizer.candidates, tally)
    for turn, plan in zip(turns, plans, strict=True):
        questions.add(turn.prompt, plan.judged, tally)
    questions.add(setup.prompt, len(test), tally)
    questions.add(fitted, len(test) * (max(2, len(read)) - 1), tally)
    shared = [group for group in setup.judge.groups(new) if len(group) > 1]
    if setup.gate.merges and shared:
        questions.add(new.only(tuple(name for group in shared for name in group)), rows * setup.steps, tally)


def _merged(setup: Setup) -> int:
    """The most calls that judge merged prompts.

    A call with a single criterion needs none: it was asked for the candidate that the text came from, and the cache
    holds its answer.
    """
    if not setup.gate.merges:
        return 0
    shared = sum(len(group) > 1 for group in setup.judge.groups(setup.prompt))
    return setup.steps * len(setup.validation) * shared * setup.judge.scoring.samples * setup.prompt.orders


def _diagnostics(config: RunConfig, setups: Sequence[Setup], tallies: Mapping[str, _Tally]) -> tuple[PlannedRole, ...]:
    """The most calls of the diagnostic model during a run with ``--diagnostics``.

    There is one call for each criterion and step (specificity), and one more for each candidate (adherence). There is
    none if no gradients are written.
    """
    gradients = tallies.get("gradient", _Tally())
    if not gradients.calls:
        return ()
    calls = sum(setup.steps * len(setup.prompt.names) * (1 + setup.optimizer.candidates) for setup in setups)
    read = setups[0].batch * gradients.completion_tokens // gradients.calls + FRAME
    return (PlannedRole(DIAGNOSTIC, config.model_of(DIAGNOSTIC), calls, calls * read, calls * 2),)


def test_readings(protocol: str, steps: int, evaluate_every: int) -> tuple[int, ...]:
    """The steps after which the test rows are evaluated during the run, the first and the last among them.

    There are none if the test rows are sealed.
    """
    if protocol == "sealed" or not evaluate_every:
        return ()
    return tuple(sorted({0, steps, *range(0, steps + 1, evaluate_every)}))
