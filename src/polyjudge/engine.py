"""The loop: propose, measure, decide, and yield one immutable Step at a time. It writes nothing."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from polyjudge.concurrency import together
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Candidate, Effect, Measured, Prediction, Rejected, ScoredPrompt, Step
from polyjudge.domain.scale import NAN
from polyjudge.gates.base import Decision, Evidence, Gate, Scored, Selection, StopsEarly, Verdict
from polyjudge.gates.early import EarlyReject
from polyjudge.judge.predict import Judge
from polyjudge.metrics.rated import RatedRows
from polyjudge.optimizers.base import Optimizer, Proposal, Turn
from polyjudge.optimizers.memory import remember


class Sampler(Protocol):
    """Draws the batch of a turn; the same turn always gives the same batch."""

    def __call__(self, turn: int) -> tuple[Example, ...]: ...


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that one optimisation needs.

    Attributes:
        prompt: the initial one, over the criteria to fit.
        judge: predicts.
        optimizer: proposes.
        gate: decides.
        validation: the gate's rows; disjoint from the sampler's unless a preset says otherwise.
        rated: the same rows as people rated them, on the prompt's criteria.
        sampler: draws the batches.
        batch: how many examples a batch has.
        steps: how many turns.
        early: how candidates are given up on a first half of the rows; None: all are judged on all rows.
    """

    prompt: JudgePrompt
    judge: Judge
    optimizer: Optimizer
    gate: Gate
    validation: tuple[Example, ...]
    rated: RatedRows
    sampler: Sampler
    batch: int
    steps: int
    early: EarlyReject | None = None


@dataclass(frozen=True, slots=True)
class _Ruling:
    """The gate's ruling on a turn's candidates.

    ``chosen`` is the index among the readable candidates of the prompt that was decided on, None when it was made of
    parts or there was none; ``merged`` is that prompt.
    """

    selection: Selection
    decision: Decision
    merged: Scored | None = None
    chosen: int | None = None


async def optimize(setup: Setup) -> AsyncGenerator[Step, None]:
    """Step 0 (the initial prompt) and then one Step a turn.

    Raises:
        Stopped: budget or provider; the steps so far stand, and the same call goes on from the cache.
    """
    current = initial = await _scored(setup, setup.prompt)
    names, instructions = setup.prompt.names, setup.prompt.instructions
    reason = _initially(current.measured)
    step = Step(0, names, "initial", reason, (), (), (), (), (), None, instructions, current.measured)
    yield step
    rejected: tuple[Rejected, ...] = ()
    history: tuple[Effect, ...] = ()
    measured = _recorded((), 0, [initial], setup.gate)
    for index in range(1, setup.steps + 1):
        batch = setup.sampler(index)
        turn = Turn(index, current.prompt, batch, setup.judge, rejected, measured)
        proposal = await setup.optimizer.propose(turn)
        readable = [candidate for candidate in proposal.candidates if candidate.readable]
        evidence = Evidence(index, setup.rated, current, (), initial, history)
        scored = await together(
            _screened(setup, evidence, current.prompt.revise(candidate.instructions, candidate.demonstrations))
            for candidate in readable
        )
        evidence = replace(evidence, candidates=tuple(scored))
        ruling = await _rule(setup, evidence) if readable else None
        history += _new_effects(evidence, ruling)
        before, step = step, _step(evidence, batch, proposal, ruling)
        if ruling is not None and ruling.merged is not None and ruling.decision.accepted:
            current = ruling.merged
        merged = [ruling.merged] if ruling is not None and ruling.merged is not None else []
        measured = _recorded(measured, index, [*scored, *merged], setup.gate)
        rejected = remember(rejected, before, step)
        yield step


def _recorded(
    recorded: tuple[ScoredPrompt, ...], turn: int, scored: Sequence[Scored], gate: Gate
) -> tuple[ScoredPrompt, ...]:
    """The prompts that were measured so far, each once."""
    for scored_prompt in scored:
        prompt, measured = scored_prompt.prompt, scored_prompt.measured
        shown = tuple(example.id for example in prompt.demonstrations)
        key = (prompt.instructions, shown)
        if measured is not None and all(key != (one.instructions, one.demonstrations) for one in recorded):
            record = ScoredPrompt(
                turn, key[0], measured.metric, measured.values, measured.mean, gate.higher_is_better, shown
            )
            recorded = (*recorded, record)
    return recorded


def _initially(measured: Measured | None) -> str:
    return f"mean {measured.metric} {measured.mean:.4f}" if measured else "not measured"


async def _scored(setup: Setup, prompt: JudgePrompt) -> Scored:
    if not setup.gate.measures:
        return Scored(prompt)
    predictions = await setup.judge.evaluate(prompt, setup.validation)
    return Scored(prompt, predictions, setup.gate.measure(prompt, predictions, setup.rated))


async def _screened(setup: Setup, evidence: Evidence, prompt: JudgePrompt) -> Scored:
    """A candidate's scores; criteria that are given up on the first half of the rows are not judged on the others.

    A call is left out only when every new instruction that it asks about was given up.
    """
    gate, current = setup.gate, evidence.current
    if prompt == current.prompt:
        return current
    if setup.early is None or not isinstance(gate, StopsEarly):
        return await _scored(setup, prompt)
    mask = setup.early.first_half(evidence.turn, setup.rated)
    first = [example for example, inside in zip(setup.validation, mask, strict=True) if inside]
    begun = await setup.judge.evaluate(prompt, first)
    rows = setup.rated.take(mask)
    there = tuple(prediction for prediction, inside in zip(current.predictions, mask, strict=True) if inside)
    part = replace(evidence, rows=rows, current=replace(current, predictions=there))
    hopeless = set(gate.hopeless(part, Scored(prompt, begun), setup.early.errors))
    new = set(evidence.new(Scored(prompt)))
    stopped = tuple(
        name
        for group in setup.judge.groups(prompt)
        if new & set(group) and new & set(group) <= hopeless
        for name in group
    )
    rest = [example for example, inside in zip(setup.validation, mask, strict=True) if not inside]
    going_on = tuple(name for name in prompt.names if name not in stopped)
    later = iter(
        await setup.judge.evaluate(prompt.only(going_on), rest)
        if going_on
        else [Prediction(example.id, {}, ()) for example in rest]
    )
    earlier = iter(begun)
    predictions = tuple(next(earlier) if inside else next(later) for inside in mask)
    return Scored(prompt, predictions, gate.measure(prompt, predictions, setup.rated), stopped)


def _new_effects(evidence: Evidence, ruling: _Ruling | None) -> tuple[Effect, ...]:
    """The effects of the turn's new instructions, each on its own criterion."""
    if ruling is None:
        return ()
    verdicts = zip(evidence.candidates, ruling.selection.verdicts, strict=True)
    return tuple(
        effect
        for candidate, verdict in verdicts
        for effect in verdict.effects
        if effect.criterion in evidence.new(candidate)
    )


async def _rule(setup: Setup, evidence: Evidence) -> _Ruling:
    """Let the gate select, measure the prompt that this makes unless it is a candidate, and let the gate confirm."""
    if any(_shows_others(evidence, candidate) for candidate in evidence.candidates):
        return _rule_on_demonstrations(setup.gate, evidence)
    selection = setup.gate.select(evidence)
    if not selection.instructions:
        return _Ruling(selection, Decision(False, selection.reason))
    prompt = evidence.current.prompt.revise(selection.instructions)
    chosen = next((index for index, candidate in enumerate(evidence.candidates) if candidate.prompt == prompt), None)
    merged = await _scored(setup, prompt) if chosen is None else evidence.candidates[chosen]
    return _Ruling(selection, setup.gate.confirm(evidence, merged), merged, chosen)


def _shows_others(evidence: Evidence, scored: Scored) -> bool:
    return scored.prompt.demonstrations != evidence.current.prompt.demonstrations


def _rule_on_demonstrations(gate: Gate, evidence: Evidence) -> _Ruling:
    """Let the gate confirm the candidate with the best mean, because demonstrations belong to no single criterion."""
    sign = 1 if gate.higher_is_better else -1
    means = [candidate.measured.mean if candidate.measured else NAN for candidate in evidence.candidates]
    worths = [-math.inf if math.isnan(mean) else sign * mean for mean in means]
    chosen = worths.index(max(worths))
    best = evidence.candidates[chosen]
    decision = gate.confirm(evidence, best)
    verdicts = tuple(Verdict((), "" if at == chosen else "another has the better mean") for at in range(len(worths)))
    return _Ruling(Selection(best.prompt.instructions, "", verdicts), decision, best, chosen)


def _step(evidence: Evidence, batch: Sequence[Example], proposal: Proposal, ruling: _Ruling | None) -> Step:
    candidates, chosen = _candidates(evidence, proposal.candidates, ruling)
    accepted = ruling is not None and ruling.decision.accepted
    now = ruling.merged if ruling and ruling.merged and accepted else evidence.current
    return Step(
        index=evidence.turn,
        criteria=now.prompt.names,
        status="accepted" if accepted else "failed" if ruling is None else "rejected",
        reason=_reason(candidates, chosen, ruling),
        batch=tuple(example.id for example in batch),
        predictions=proposal.predictions,
        critiques=proposal.critiques,
        gradients=proposal.gradients,
        candidates=candidates,
        chosen=chosen if accepted else None,
        instructions=now.prompt.instructions,
        measured=now.measured,
        kept=tuple(evidence.new(now)),
        merged=_merged(evidence, ruling) if ruling and not (accepted and chosen is not None) else None,
        demonstrations=_demonstrations(evidence, now.prompt),
    )


def _demonstrations(evidence: Evidence, prompt: JudgePrompt) -> tuple[Example, ...] | None:
    """The prompt's demonstrations; None while they are the initial prompt's."""
    initial = evidence.initial or evidence.current
    return None if prompt.demonstrations == initial.prompt.demonstrations else prompt.demonstrations


def _candidates(
    evidence: Evidence, proposed: Sequence[Candidate], ruling: _Ruling | None
) -> tuple[tuple[Candidate, ...], int | None]:
    """All candidates with the gate's verdicts, and the index of the one that was decided on as a whole."""
    if ruling is None:
        return tuple(proposed), None
    candidates: list[Candidate] = []
    chosen: int | None = None
    verdicts = enumerate(zip(evidence.candidates, ruling.selection.verdicts, strict=True))
    for index, candidate in enumerate(proposed):
        if not candidate.readable:
            candidates.append(candidate)
            continue
        scored_index, (scored, verdict) = next(verdicts)
        chosen = index if scored_index == ruling.chosen else chosen
        reason = verdict.reason or ruling.decision.reason
        candidates.append(
            replace(
                candidate,
                measured=scored.measured,
                reason=reason,
                passed=verdict.passed,
                effects=verdict.effects,
                stopped=scored.stopped,
            )
        )
    return tuple(candidates), chosen


def _merged(evidence: Evidence, ruling: _Ruling) -> Candidate | None:
    if ruling.merged is None:
        return None
    texts, decision = evidence.new(ruling.merged), ruling.decision
    passed = tuple(texts) if decision.accepted else ()
    return Candidate(texts, "", ruling.merged.measured, decision.reason, passed, decision.effects)


def _reason(candidates: Sequence[Candidate], chosen: int | None, ruling: _Ruling | None) -> str:
    """The gate's reason, and the criteria that keep their instruction because no new one could be read."""
    if ruling is None:
        return (
            "; ".join(dict.fromkeys(candidate.failure for candidate in candidates)) or "the optimizer proposed nothing"
        )
    judged = candidates[0] if len(candidates) == 1 else candidates[chosen] if chosen is not None else None
    reason = ruling.decision.reason
    if judged is None or not judged.failure:
        return reason
    return f"{reason} (without a new instruction for {judged.failure})"
