"""SIMULATED: how often a gate accepts when no instruction changes anything, and whether its guard sees a real loss.

    python benchmarks/gate_on_noise.py [--worlds 200] [--draws 400]

A world has four criteria, rated 1 to 5, five rows a document. Its judge agrees with people at about .4 (Spearman),
whatever it is told; an instruction changes nothing but which rows it gets wrong, so that two prompts' scores
correlate at about .8. With ``apart`` a criterion's scores hang on its own instruction (one call a criterion), with
``joint`` on all of them. The loop and the gates are the real ones, over twelve turns that propose new instructions
for all criteria. Every acceptance is false, and every rise of the validation mean is optimism.

The second table draws single decisions: three criteria rise from .30 by .10, and one, untouched, falls by as much as
is said. Refusing is right, and at a fall of 0 it is the price of the guard.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Candidate, Prediction, Step
from polyjudge.domain.scale import Ordinal
from polyjudge.engine import Setup, optimize
from polyjudge.gates import EmpiricalBayesGate, Evidence, Gate, MeanGate, PerCriterionGate, Scored
from polyjudge.optimizers.base import Proposal, Turn
from polyjudge.judge.measure import rated_rows

NAMES = ("one", "two", "three", "four")
PROMPT = JudgePrompt(
    "Judge.", (("text", "Text"),), tuple(Criterion(name, Ordinal(1, 5), instruction="Rate.") for name in NAMES)
)
STEPS, EACH = 12, 5
# Latent correlations: of the judge with people, of two prompts' scores, and of two rows of a document.
AGREEMENT, LIKENESS, SAME_DOCUMENT = 0.42, 0.85, 0.3
GATES: Mapping[str, Gate] = {
    "mean of spearman, strict": MeanGate("spearman"),
    "mean of mae, no worse (paper)": MeanGate("mae", strict=False),
    "per-criterion": PerCriterionGate(dict.fromkeys(NAMES, "spearman"), seed=0),
    "per-criterion, empirical Bayes": EmpiricalBayesGate(dict.fromkeys(NAMES, "spearman"), seed=0),
}


def normal(rows: int, *key: object) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(rows)


def rated(latent: np.ndarray) -> list[float]:
    return [float(value) for value in np.clip(np.round(3 + 1.2 * latent), 1, 5)]


def people(rows: int, *key: object) -> np.ndarray:
    """Latent opinions, those of one document alike."""
    documents = np.repeat(normal(math.ceil(rows / EACH), "document", *key), EACH)[:rows]
    return math.sqrt(SAME_DOCUMENT) * documents + math.sqrt(1 - SAME_DOCUMENT) * normal(rows, "row", *key)


def judged(opinions: np.ndarray, agreement: float, own: np.ndarray, told: np.ndarray) -> np.ndarray:
    """A judge's latent scores: people's opinions, errors of its own, and errors that hang on what it is told."""
    shared = (LIKENESS - agreement**2) / (1 - agreement**2)
    errors = math.sqrt(shared) * own + math.sqrt(1 - shared) * told
    return agreement * opinions + math.sqrt(1 - agreement**2) * errors


def examples_of(human: Mapping[str, Sequence[float]], rows: int) -> tuple[Example, ...]:
    return tuple(
        Example(f"e{row}", {"text": f"Text {row}."}, f"d{row // EACH}", {name: (human[name][row],) for name in human})
        for row in range(rows)
    )


def predictions_of(scores: Mapping[str, Sequence[float]], rows: int) -> tuple[Prediction, ...]:
    return tuple(Prediction(f"e{row}", {name: scores[name][row] for name in scores}, ()) for row in range(rows))


@dataclass(frozen=True)
class DeafJudge:
    """A judge who gets no better by any instruction."""

    world: int
    joint: bool

    async def evaluate(self, prompt: JudgePrompt, examples: Sequence[Example]) -> tuple[Prediction, ...]:
        rows, scores = len(examples), {}
        for name in NAMES:
            told = sorted(prompt.instructions.items()) if self.joint else prompt.instructions[name]
            own = normal(rows, self.world, name, "own"), normal(rows, self.world, name, told)
            scores[name] = rated(judged(people(rows, self.world, name), AGREEMENT, *own))
        return predictions_of(scores, rows)


@dataclass(frozen=True)
class Proposer:
    """An optimizer with a new text for every criterion in every turn."""

    async def propose(self, turn: Turn) -> Proposal:
        return Proposal((Candidate(dict.fromkeys(NAMES, f"Rate, way {turn.index}.")),))


def steps_of(world: int, rows: int, gate: Gate, joint: bool) -> list[Step]:
    examples = examples_of({name: rated(people(rows, world, name)) for name in NAMES}, rows)
    setup = Setup(
        PROMPT,
        DeafJudge(world, joint),
        Proposer(),
        gate,
        examples,
        rated_rows(PROMPT.criteria, examples),
        lambda turn: (),
        0,
        STEPS,
    )

    async def collect() -> list[Step]:
        return [step async for step in optimize(setup)]

    return asyncio.run(collect())


def on_noise(worlds: int) -> Iterator[tuple[str, ...]]:
    yield (
        "gate", "scores", "rows", "1st turn accepted", "turns accepted", "instructions changed in the 1st turn",
        "refused when merged", "mean spearman on validation: last - first", "truth",
    )  # fmt: skip
    for rows in (50, 100):
        for joint in (False, True):
            for name, gate in GATES.items():
                runs = [steps_of(world, rows, gate, joint) for world in range(worlds)]
                first = [run[1].status == "accepted" for run in runs]
                every = [step.status == "accepted" for run in runs for step in run[1:]]
                changed = [len(run[1].kept) / len(NAMES) for run in runs]
                merged = [step.merged is not None and step.status == "rejected" for run in runs for step in run[1:]]
                rise = [_spearman(run[-1], world, rows, joint) - _spearman(run[0], world, rows, joint)
                        for world, run in enumerate(runs)]  # fmt: skip
                yield (
                    name, "joint" if joint else "apart", str(rows), share(first), share(every), share(changed),
                    share(merged), f"{np.mean(rise):+.3f} (SE {np.std(rise, ddof=1) / math.sqrt(worlds):.3f})", "0",
                )  # fmt: skip


def _spearman(step: Step, world: int, rows: int, joint: bool) -> float:
    """Mean Spearman of a step's prompt, by whatever the gate decided."""
    examples = examples_of({name: rated(people(rows, world, name)) for name in NAMES}, rows)
    prompt = PROMPT.revise(step.instructions)
    predictions = asyncio.run(DeafJudge(world, joint).evaluate(prompt, examples))
    return GATES["mean of spearman, strict"].measure(prompt, predictions, rated_rows(PROMPT.criteria, examples)).mean


def on_a_loss(draws: int) -> Iterator[tuple[str, ...]]:
    levels = (0.80, 0.90, 0.95)
    yield ("fall", "rows", "mean gate", *(f"per-criterion, guard at {level:.0%}" for level in levels))
    gates = [PerCriterionGate(dict.fromkeys(NAMES, "spearman"), 0, level) for level in levels]
    mean = GATES["mean of spearman, strict"]
    for fall in (0.25, 0.10, 0.0):
        for rows in (50, 100):
            cases = [_loss(fall, rows, draw) for draw in range(draws)]
            refusals = [
                [not gate.confirm(case, case.candidates[0]).accepted for case in cases] for gate in (mean, *gates)
            ]
            yield (f".30 -> {0.30 - fall:.2f}", str(rows), *map(share, refusals))


def _loss(fall: float, rows: int, draw: int) -> Evidence:
    """A prompt with new instructions for all criteria but the first, on which agreement falls."""
    key = ("loss", fall, rows, draw)
    opinions = {name: people(rows, *key, name) for name in NAMES}
    human = rated_rows(PROMPT.criteria, examples_of({name: rated(opinions[name]) for name in NAMES}, rows))
    gate = GATES["per-criterion"]

    def scored(prompt: JudgePrompt, agreements: Mapping[str, float]) -> Scored:
        scores = {
            name: rated(
                judged(
                    opinions[name],
                    agreements[name] * 1.06,  # what rounding to five steps takes away
                    normal(rows, *key, name, "own"),
                    normal(rows, *key, name, tuple(agreements.values())),
                )
            )
            for name in NAMES
        }
        predictions = predictions_of(scores, rows)
        return Scored(prompt, predictions, gate.measure(prompt, predictions, human))

    before = dict.fromkeys(NAMES, 0.30)
    after = {name: 0.30 - fall if name == NAMES[0] else 0.40 for name in NAMES}
    new = PROMPT.revise(dict.fromkeys(NAMES[1:], "Rate, another way."))
    return Evidence(1, human, scored(PROMPT, before), (scored(new, after),))


def share(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f}"


def show(rows: Iterator[tuple[str, ...]]) -> None:
    for number, row in enumerate(rows):
        print("| " + " | ".join(row) + " |", flush=True)
        if not number:
            print("|" + "---|" * len(row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200, help="runs of twelve turns behind each row")
    parser.add_argument("--draws", type=int, default=400, help="decisions behind each share of the second table")
    chosen = parser.parse_args()
    show(on_noise(chosen.worlds))
    print()
    show(on_a_loss(chosen.draws))


if __name__ == "__main__":
    main()
