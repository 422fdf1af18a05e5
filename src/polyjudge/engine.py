"""The loop: propose, measure, decide, and yield one immutable Step at a time. It writes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Candidate, Measured, Step
from polyjudge.gates import Decision, MeanGate
from polyjudge.judge.measure import measure
from polyjudge.judge.predict import Judge
from polyjudge.llm.together import together
from polyjudge.optimizers.base import Draft, Optimizer, Proposal, Turn


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
        gate: decides; None accepts every readable candidate unmeasured.
        validation: the gate's rows; disjoint from the sampler's unless a recipe says otherwise.
        sampler: draws the batches.
        batch: how many examples a batch has.
        steps: how many turns.
    """

    prompt: JudgePrompt
    judge: Judge
    optimizer: Optimizer
    gate: MeanGate | None
    validation: tuple[Example, ...]
    sampler: Sampler
    batch: int
    steps: int


async def optimize(setup: Setup) -> AsyncGenerator[Step, None]:
    """Step 0 (the initial prompt) and then one Step a turn.

    Raises:
        Stopped: budget or provider; the steps so far stand, and the same call goes on from the journal.
    """
    prompt = setup.prompt
    measured = await _measure(setup, prompt)
    yield Step(
        0, prompt.names, "initial", _initially(measured), (), (), (), (), (), None, prompt.instructions, measured
    )
    for index in range(1, setup.steps + 1):
        batch = setup.sampler(index)
        proposal = await setup.optimizer.propose(Turn(index, prompt, batch, setup.judge))
        candidates = await together(_candidate(setup, prompt, draft) for draft in proposal.drafts)
        chosen, candidates, reason = _choose(setup.gate, candidates, measured)
        if chosen is not None:
            prompt = prompt.revise(candidates[chosen].texts)
            measured = candidates[chosen].measured
        yield _step(index, prompt, measured, batch, proposal, candidates, chosen, reason)


def _initially(measured: Measured | None) -> str:
    return f"mean {measured.metric} {measured.mean:.4f}" if measured else "not measured"


async def _measure(setup: Setup, prompt: JudgePrompt) -> Measured | None:
    if setup.gate is None:
        return None
    predictions = await setup.judge.evaluate(prompt, setup.validation)
    return measure(setup.gate.metric, prompt.criteria, predictions, setup.validation)


async def _candidate(setup: Setup, prompt: JudgePrompt, draft: Draft) -> Candidate:
    if not draft.texts:
        return Candidate({}, draft.failure)
    return Candidate(draft.texts, draft.failure, await _measure(setup, prompt.revise(draft.texts)))


def _choose(
    gate: MeanGate | None, candidates: Sequence[Candidate], current: Measured | None
) -> tuple[int | None, list[Candidate], str]:
    """The accepted candidate's position, the candidates with the gate's words, and the step's reason."""
    readable = [position for position, candidate in enumerate(candidates) if candidate.texts]
    if not readable:
        reasons = [candidate.failure for candidate in candidates] or ["the optimizer proposed nothing"]
        return None, list(candidates), "; ".join(reasons)
    if gate is None:
        return readable[0], list(candidates), _with_failure("accepted without a gate", candidates[readable[0]])
    decided = list(candidates)
    decisions: dict[int, Decision] = {}
    for position in readable:
        decisions[position] = _decide(gate, candidates[position].measured, current)
        decided[position] = replace(candidates[position], reason=decisions[position].reason)
    accepted = [position for position in readable if decisions[position].accepted]
    best = _best(gate, candidates, accepted or readable)
    return (best if accepted else None), decided, _with_failure(decisions[best].reason, candidates[best])


def _with_failure(reason: str, candidate: Candidate) -> str:
    """The reason, and which criteria keep their instruction because no new one could be read."""
    return f"{reason} (without a new instruction for {candidate.failure})" if candidate.failure else reason


def _decide(gate: MeanGate, new: Measured | None, current: Measured | None) -> Decision:
    if new is None or current is None:
        raise ValueError("the gate was asked about a prompt that was not measured")
    return gate.decide(new, current)


def _best(gate: MeanGate, candidates: Sequence[Candidate], positions: Sequence[int]) -> int:
    measured = [candidates[position].measured for position in positions]
    return positions[gate.best([one for one in measured if one is not None])]


def _step(
    index: int,
    prompt: JudgePrompt,
    measured: Measured | None,
    batch: Sequence[Example],
    proposal: Proposal,
    candidates: Sequence[Candidate],
    chosen: int | None,
    reason: str,
) -> Step:
    failed = not any(candidate.texts for candidate in candidates)
    return Step(
        index=index,
        criteria=prompt.names,
        status="failed" if failed else "rejected" if chosen is None else "accepted",
        reason=reason,
        batch=tuple(example.id for example in batch),
        predictions=proposal.predictions,
        critiques=proposal.critiques,
        gradients=proposal.gradients,
        candidates=tuple(candidates),
        chosen=chosen,
        instructions=prompt.instructions,
        measured=measured,
    )
