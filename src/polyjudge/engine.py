"""The loop: propose, measure, decide, and yield one immutable Step at a time. It writes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from polyjudge.concurrency import together
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Candidate, Measured, Rejected, Step
from polyjudge.gates.base import Decision, Evidence, Gate, Scored, Selection
from polyjudge.judge.predict import Judge
from polyjudge.optimizers.base import Draft, Optimizer, Proposal, Turn
from polyjudge.optimizers.memory import remember


class Sampler(Protocol):
    """Draws the batch of a turn; the same turn always gives the same batch."""

    def __call__(self, turn: int) -> tuple[Example, ...]: ...


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything one optimisation needs.

    Attributes:
        prompt: the initial one, over the criteria to fit.
        judge: predicts.
        optimizer: proposes.
        gate: decides.
        validation: the gate's rows; disjoint from the sampler's unless a recipe says otherwise.
        sampler: draws the batches.
        batch: how many examples a batch has.
        steps: how many turns.
        remember_rejected: whether the optimizer is told which instructions were tried and not kept.
    """

    prompt: JudgePrompt
    judge: Judge
    optimizer: Optimizer
    gate: Gate
    validation: tuple[Example, ...]
    sampler: Sampler
    batch: int
    steps: int
    remember_rejected: bool = True


@dataclass(frozen=True, slots=True)
class _Ruling:
    """What a turn's candidates came to.

    ``chosen`` is the place among the readable candidates of the prompt that was decided on, None when it was made of
    parts or there was none; ``merged`` is that prompt.
    """

    selection: Selection
    decision: Decision
    merged: Scored | None = None
    chosen: int | None = None


async def optimize(setup: Setup) -> AsyncGenerator[Step, None]:
    """Step 0 (the initial prompt) and then one Step a turn.

    Raises:
        Stopped: budget or provider; the steps so far stand, and the same call goes on from the journal.
    """
    current = initial = await _scored(setup, setup.prompt)
    names, instructions = setup.prompt.names, setup.prompt.instructions
    told = _initially(current.measured)
    step = Step(0, names, "initial", told, (), (), (), (), (), None, instructions, current.measured)
    yield step
    rejected: tuple[Rejected, ...] = ()
    for index in range(1, setup.steps + 1):
        batch = setup.sampler(index)
        proposal = await setup.optimizer.propose(Turn(index, current.prompt, batch, setup.judge, rejected))
        readable = [draft for draft in proposal.drafts if draft.texts]
        scored = await together(_scored(setup, current.prompt.revise(draft.texts)) for draft in readable)
        evidence = Evidence(index, setup.validation, current, tuple(scored), initial)
        ruling = await _rule(setup, evidence) if readable else None
        before, step = step, _step(evidence, batch, proposal, ruling)
        if ruling is not None and ruling.merged is not None and ruling.decision.accepted:
            current = ruling.merged
        if setup.remember_rejected:
            rejected = remember(rejected, before, step)
        yield step


def _initially(measured: Measured | None) -> str:
    return f"mean {measured.metric} {measured.mean:.4f}" if measured else "not measured"


async def _scored(setup: Setup, prompt: JudgePrompt) -> Scored:
    if not setup.gate.measures:
        return Scored(prompt)
    predictions = await setup.judge.evaluate(prompt, setup.validation)
    return Scored(prompt, predictions, setup.gate.measure(prompt, predictions, setup.validation))


async def _rule(setup: Setup, evidence: Evidence) -> _Ruling:
    """Let the gate select, measure the prompt that this makes unless it is a candidate, and let the gate confirm."""
    selection = setup.gate.select(evidence)
    if not selection.texts:
        return _Ruling(selection, Decision(False, selection.reason))
    prompt = evidence.current.prompt.revise(selection.texts)
    chosen = next((at for at, candidate in enumerate(evidence.candidates) if candidate.prompt == prompt), None)
    merged = await _scored(setup, prompt) if chosen is None else evidence.candidates[chosen]
    return _Ruling(selection, setup.gate.confirm(evidence, merged), merged, chosen)


def _step(evidence: Evidence, batch: Sequence[Example], proposal: Proposal, ruling: _Ruling | None) -> Step:
    candidates, chosen = _candidates(evidence, proposal.drafts, ruling)
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
    )


def _candidates(
    evidence: Evidence, drafts: Sequence[Draft], ruling: _Ruling | None
) -> tuple[tuple[Candidate, ...], int | None]:
    """All drafts with the gate's words, and the place of the one that was decided on as a whole."""
    if ruling is None:
        return tuple(Candidate({}, draft.failure) for draft in drafts), None
    found: list[Candidate] = []
    chosen: int | None = None
    heard = enumerate(zip(evidence.candidates, ruling.selection.verdicts, strict=True))
    for place, draft in enumerate(drafts):
        if not draft.texts:
            found.append(Candidate({}, draft.failure))
            continue
        at, (scored, verdict) = next(heard)
        chosen = place if at == ruling.chosen else chosen
        words = verdict.reason or ruling.decision.reason
        found.append(Candidate(draft.texts, draft.failure, scored.measured, words, verdict.passed, verdict.effects))
    return tuple(found), chosen


def _merged(evidence: Evidence, ruling: _Ruling) -> Candidate | None:
    if ruling.merged is None:
        return None
    texts, decision = evidence.new(ruling.merged), ruling.decision
    passed = tuple(texts) if decision.accepted else ()
    return Candidate(texts, "", ruling.merged.measured, decision.reason, passed, decision.effects)


def _reason(candidates: Sequence[Candidate], chosen: int | None, ruling: _Ruling | None) -> str:
    """The gate's reason, and which criteria keep their instruction because no new one could be read."""
    if ruling is None:
        return "; ".join(one.failure for one in candidates) or "the optimizer proposed nothing"
    about = candidates[0] if len(candidates) == 1 else candidates[chosen] if chosen is not None else None
    reason = ruling.decision.reason
    if about is None or not about.failure:
        return reason
    return f"{reason} (without a new instruction for {about.failure})"
