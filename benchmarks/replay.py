"""What gates, juries, calibration and ridges are worth on recorded judges: their scores stand in for a judge.

    python benchmarks/replay.py [--draws 40] [--rows 100] [--llm NAME ...] [--only gates|juries|calibration|ridge]

HANNA's recorded scores come with the package; no model and no key is needed. An LLM's four prompts are the four
instructions that a criterion can have, and one criterion was judged a call, so that any mixture of them was measured.
A draw takes whole documents until there are as many validation rows as asked for; the other documents are the truth.
The loop and the gates are the library's own (`engine.optimize`).

Gates: the run begins with a random prompt for each criterion; each of six turns proposes a random other prompt for
every criterion. Its end is measured on the truth, as mean Spearman over the criteria. Then the same from the prompts
that are truly best. Juries: forward selection of prompts on the validation rows, against the end of the gate's run.
Calibration: MAE of each prompt before and after. Ridge: over the four prompts' scores of all criteria, against the
mean of the standardised prompts.

Errors are two standard errors over the draws. All draws share one set of documents, so that they say how sure the
replay is, not how other stories would come out.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from random import Random

import numpy as np

from polyjudge.audits.recordings import hanna
from polyjudge.combining import Jury, calibrate, fit_ridge, select_jury
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Candidate, Prediction, Step
from polyjudge.engine import Setup, optimize
from polyjudge.gates import EmpiricalBayesGate, Gate, MeanGate, PerCriterionGate
from polyjudge.gates.early import EarlyReject
from polyjudge.metrics import RatedRows, mae, spearman
from polyjudge.optimizers.base import Proposal, Turn

TURNS = 6
MEMBERS = 4
Sample = Sequence[float]


@dataclass(frozen=True)
class Recorded:
    """One LLM: the scores (n, K) of each of its prompts, and the ratings of the same rows."""

    name: str
    criteria: tuple[Criterion, ...]
    ids: tuple[str, ...]
    prompts: Mapping[str, np.ndarray]
    rows: RatedRows

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.criteria)

    def scores(self, instructions: Mapping[str, str]) -> np.ndarray:
        """The scores (n, K) under one prompt for each criterion."""
        return np.column_stack([self.prompts[instructions[name]][:, k] for k, name in enumerate(self.names)])

    def agreement(self, scores: np.ndarray, rows: np.ndarray) -> float:
        """Mean Spearman over the criteria on the rows of a mask."""
        return float(np.mean([spearman(scores[rows, k], self.rows.human[rows, k]) for k in range(len(self.names))]))


@dataclass(frozen=True)
class Draw:
    """Validation rows in whole documents, and the truth: all other documents."""

    judge: Recorded
    number: int
    validation: np.ndarray

    @classmethod
    def of(cls, judge: Recorded, number: int, size: int) -> Draw:
        clusters = judge.rows.clusters
        order = np.random.default_rng([number, 7]).permutation(clusters.count)
        counts = np.bincount(clusters.position, minlength=clusters.count)[order]
        taken = order[: int(np.searchsorted(np.cumsum(counts), size)) + 1]
        return cls(judge, number, np.isin(clusters.position, taken))

    @property
    def truth(self) -> np.ndarray:
        return ~self.validation

    @cached_property
    def true(self) -> Mapping[tuple[str, str], float]:
        """(criterion, prompt) -> its agreement on the truth."""
        return {
            (name, prompt): spearman(scores[self.truth, k], self.judge.rows.human[self.truth, k])
            for k, name in enumerate(self.judge.names)
            for prompt, scores in self.judge.prompts.items()
        }

    def best(self) -> dict[str, str]:
        """The truly best prompt of each criterion."""
        return {name: max(self.judge.prompts, key=lambda p: self.true[name, p]) for name in self.judge.names}

    def random(self) -> dict[str, str]:
        chance = Random(f"{self.number}/start")
        return {name: chance.choice(list(self.judge.prompts)) for name in self.judge.names}

    def end(self, instructions: Mapping[str, str]) -> float:
        return self.judge.agreement(self.judge.scores(instructions), self.truth)


@dataclass
class Replay:
    """A judge that answers from the record, and counts the scores that it was asked for."""

    judge: Recorded
    asked: int = 0
    position: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.position = {item: row for row, item in enumerate(self.judge.ids)}

    def groups(self, prompt: JudgePrompt) -> tuple[tuple[str, ...], ...]:
        return tuple((name,) for name in prompt.names)

    async def evaluate(self, prompt: JudgePrompt, examples: Sequence[Example]) -> tuple[Prediction, ...]:
        rows = [self.position[example.id] for example in examples]
        self.asked += len(rows) * len(prompt.names)
        columns = {
            name: self.judge.prompts[prompt.instructions[name]][rows, self.judge.names.index(name)].tolist()
            for name in prompt.names
        }
        return tuple(
            Prediction(example.id, {name: column[at] for name, column in columns.items()}, ())
            for at, example in enumerate(examples)
        )


@dataclass(frozen=True)
class Proposer:
    """A random other prompt for every criterion in every turn."""

    draw: Draw

    async def propose(self, turn: Turn) -> Proposal:
        chance = Random(f"{self.draw.number}/{turn.index}")
        now = turn.prompt.instructions
        others = {name: [p for p in self.draw.judge.prompts if p != now[name]] for name in now}
        return Proposal((Candidate({name: chance.choice(choices) for name, choices in others.items()}),))


@dataclass(frozen=True)
class Ended:
    """A finished run: its steps, and how many scores its candidates were asked for."""

    steps: tuple[Step, ...]
    asked: int

    @property
    def instructions(self) -> Mapping[str, str]:
        return self.steps[-1].instructions


def run(draw: Draw, gate: Gate, start: Mapping[str, str], early: EarlyReject | None = None) -> Ended:
    """The library's loop on the record."""
    judge = draw.judge
    prompt = JudgePrompt("Judge.", (("text", "Text"),), judge.criteria).revise(dict(start))
    positions = np.flatnonzero(draw.validation)
    examples = tuple(Example(judge.ids[row], {"text": judge.ids[row]}, None, {}) for row in positions)
    replay = Replay(judge)
    rated = judge.rows.take(draw.validation)
    setup = Setup(prompt, replay, Proposer(draw), gate, examples, rated, lambda turn: (), 0, TURNS, early)

    async def collect() -> tuple[Step, ...]:
        return tuple([step async for step in optimize(setup)])

    return Ended(asyncio.run(collect()), replay.asked)


def gates_of(judge: Recorded, seed: int) -> dict[str, Gate]:
    metrics = dict.fromkeys(judge.names, "spearman")
    return {
        "per-criterion, point": PerCriterionGate(metrics, seed),
        "per-criterion, empirical Bayes": EmpiricalBayesGate(metrics, seed),
        "mean Spearman": MeanGate("spearman"),
        "mean MAE, no worse (paper)": MeanGate("mae", strict=False),
    }


def on_gates(judges: Sequence[Recorded], draws: int, size: int) -> Iterator[tuple[str, ...]]:
    yield ("LLM", "random", *gates_of(judges[0], 0), "oracle")
    for judge in judges:
        ends: dict[str, list[float]] = {}
        for draw in (Draw.of(judge, number, size) for number in range(draws)):
            start = draw.random()
            ends.setdefault("random", []).append(draw.end(start))
            for name, gate in gates_of(judge, draw.number).items():
                ends.setdefault(name, []).append(draw.end(run(draw, gate, start).instructions))
            ends.setdefault("oracle", []).append(draw.end(draw.best()))
        yield (judge.name, *(figure(values) for values in ends.values()))


def on_the_best(judges: Sequence[Recorded], draws: int, size: int) -> Iterator[tuple[str, ...]]:
    yield (
        "LLM", "gate", "end - best start", "ends more than .02 lower", "1st turn: P(pass | better)", "P(pass | worse)",
        "empirical Bayes - point, random start",
    )  # fmt: skip
    for judge in judges:
        losses: dict[str, list[float]] = {}
        passes: dict[str, tuple[list[bool], list[bool]]] = {}
        costs: list[float] = []
        for draw in (Draw.of(judge, number, size) for number in range(draws)):
            gates = {name: gate for name, gate in gates_of(judge, draw.number).items() if "per-criterion" in name}
            best, start = draw.best(), draw.random()
            ends = []
            for name, gate in gates.items():
                losses.setdefault(name, []).append(draw.end(run(draw, gate, best).instructions) - draw.end(best))
                ended = run(draw, gate, start)
                ends.append(draw.end(ended.instructions))
                _count(draw, ended.steps, passes.setdefault(name, ([], [])))
            costs.append(ends[1] - ends[0])
        for name, values in losses.items():
            better, worse = passes[name]
            lower = share([value < -0.02 for value in values])
            cost = signed(costs) if name.endswith("Bayes") else ""
            yield (judge.name, name, signed(values), lower, share(better), share(worse), cost)


def _count(draw: Draw, steps: Sequence[Step], passes: tuple[list[bool], list[bool]]) -> None:
    """Which proposals of the first turn passed, apart for those that are truly better and truly worse.

    Later turns meet a prompt that was chosen on the same rows, which hardly anything passes.
    """
    for before, step in pairwise(steps[:2]):
        for name, proposed in step.candidates[0].instructions.items():
            gain = draw.true[name, proposed] - draw.true[name, before.instructions[name]]
            passes[0 if gain > 0 else 1].append(name in step.candidates[0].passed)


def on_early_reject(judges: Sequence[Recorded], draws: int, size: int) -> Iterator[tuple[str, ...]]:
    yield ("LLM", "scores of candidates saved", "end - end without")
    for judge in judges:
        saved: list[float] = []
        cost: list[float] = []
        for draw in (Draw.of(judge, number, size) for number in range(draws)):
            gate, start = gates_of(judge, draw.number)["per-criterion, empirical Bayes"], draw.random()
            whole, short = run(draw, gate, start), run(draw, gate, start, EarlyReject(draw.number))
            first = int(draw.validation.sum()) * len(judge.names)
            saved.append(1 - (short.asked - first) / (whole.asked - first))
            cost.append(draw.end(short.instructions) - draw.end(whole.instructions))
        yield (judge.name, figure(saved), signed(cost))


def on_juries(judges: Sequence[Recorded], draws: int, size: int) -> Iterator[tuple[str, ...]]:
    yield (
        "LLM",
        "jury - gate's single",
        "jury for each criterion - gate's single",
        "all four - gate's single",
        "members",
    )
    for judge in judges:
        gains: list[float] = []
        apart: list[float] = []
        everything: list[float] = []
        members: list[float] = []
        for draw in (Draw.of(judge, number, size) for number in range(draws)):
            rows = judge.rows.take(draw.validation)
            seen = {name: scores[draw.validation] for name, scores in judge.prompts.items()}
            single = draw.end(
                run(draw, gates_of(judge, draw.number)["per-criterion, point"], draw.random()).instructions
            )
            choice = select_jury(seen, rows, spearman, most=MEMBERS)
            members.append(len(choice.members))
            gains.append(judge.agreement(choice.jury.combine(judge.prompts).scores, draw.truth) - single)
            columns = []
            for k in range(len(judge.names)):
                one = {name: scores[:, [k]] for name, scores in seen.items()}
                jury = select_jury(one, rows.select([k]), spearman, most=MEMBERS).jury
                whole = {name: scores[:, [k]] for name, scores in judge.prompts.items()}
                columns.append(jury.combine(whole).scores)
            apart.append(judge.agreement(np.hstack(columns), draw.truth) - single)
            mean = Jury.of(seen, [False] * len(judge.names)).combine(judge.prompts).scores
            everything.append(judge.agreement(mean, draw.truth) - single)
        yield (judge.name, signed(gains), signed(apart), signed(everything), f"{np.mean(members):.1f}")


def on_calibration(judges: Sequence[Recorded], draws: int, size: int) -> Iterator[tuple[str, ...]]:
    yield ("LLM", "MAE", "calibrated", "constant (median)", "Spearman", "calibrated")
    for judge in judges:
        sums: dict[str, list[float]] = {name: [] for name in ("raw", "mapped", "constant", "before", "after")}
        for draw in (Draw.of(judge, number, size) for number in range(draws)):
            rows, truth = judge.rows.take(draw.validation), draw.truth
            human = judge.rows.human[truth]
            constant = np.median(rows.human, axis=0) * np.ones_like(human)
            for scores in judge.prompts.values():
                whole = np.where(truth[:, None], calibrate(scores[draw.validation], rows)(scores), np.nan)
                sums["raw"].append(error(scores[truth], human))
                sums["mapped"].append(error(whole[truth], human))
                sums["constant"].append(error(constant, human))
                sums["before"].append(judge.agreement(scores, truth))
                sums["after"].append(judge.agreement(whole, truth))
        yield (judge.name, *(figure(values) for values in sums.values()))


def on_ridge(judges: Sequence[Recorded], draws: int, sizes: Sequence[int]) -> Iterator[tuple[str, ...]]:
    yield ("LLM", *(f"ridge - mean of z-scores, {size} rows" for size in sizes))
    for judge in judges:
        cells = []
        for size in sizes:
            gains: list[float] = []
            for draw in (Draw.of(judge, number, size) for number in range(draws)):
                rows = judge.rows.take(draw.validation)
                seen = {name: scores[draw.validation] for name, scores in judge.prompts.items()}
                ridge = fit_ridge(list(seen), seen, rows).predict(judge.prompts)
                mean = Jury.of(seen, [False] * len(judge.names)).combine(judge.prompts).scores
                gains.append(judge.agreement(ridge, draw.truth) - judge.agreement(mean, draw.truth))
            cells.append(signed(gains))
        yield (judge.name, *cells)


def error(scores: np.ndarray, human: np.ndarray) -> float:
    return float(np.mean([mae(scores[:, k], human[:, k]) for k in range(human.shape[1])]))


def figure(values: Sample) -> str:
    return f"{np.mean(values):.3f} ± {_two_errors(values):.3f}"


def signed(values: Sample) -> str:
    return f"{np.mean(values):+.3f} ± {_two_errors(values):.3f}"


def share(values: Sequence[bool]) -> str:
    return f"{np.mean(values):.2f}" if values else "-"


def _two_errors(values: Sample) -> float:
    return 2 * float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def recorded(names: Sequence[str] = ()) -> list[Recorded]:
    """The LLMs of HANNA, each with its prompts."""
    table = hanna()
    prompts: dict[str, dict[str, np.ndarray]] = {}
    for judgement in table.judgements:
        llm, _, prompt = judgement.judge.partition("/")
        prompts.setdefault(llm, {})[prompt] = judgement.scores
    unknown = set(names) - set(prompts)
    if unknown:
        raise SystemExit(f"no LLM {sorted(unknown)}; there are {sorted(prompts)}")
    return [
        Recorded(llm, table.criteria, table.ids, scores, table.rows)
        for llm, scores in prompts.items()
        if not names or llm in names
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--llm", action="append", default=[])
    parser.add_argument("--only", choices=("gates", "juries", "calibration", "ridge"))
    given = parser.parse_args()
    judges = recorded(given.llm)
    common = (judges, given.draws, given.rows)
    parts: dict[str, Sequence[tuple[str, Callable[[], Iterator[tuple[str, ...]]]]]] = {
        "gates": (
            ("Agreement after six turns, random start", lambda: on_gates(*common)),
            ("From the truly best prompts", lambda: on_the_best(*common)),
            ("Early reject", lambda: on_early_reject(*common)),
        ),
        "juries": (("Juries of up to four prompts", lambda: on_juries(*common)),),
        "calibration": (("Isotonic calibration", lambda: on_calibration(*common)),),
        "ridge": (
            ("Ridge over four prompts and six criteria", lambda: on_ridge(judges, given.draws, (100, 200, 600))),
        ),
    }
    print(f"{given.draws} draws of {given.rows} validation rows in whole documents; ± two standard errors over draws")
    for name, tables in parts.items():
        for title, rows in tables if given.only in (None, name) else ():
            print(f"\n{title}\n", flush=True)
            for row in rows():
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
