"""SIMULATED: what share of separate gradients' blind attributions a router keeps, at what share of their calls.

    python benchmarks/router.py [--calibrate] [--worlds 200] [--first 1] [--tau X]

Each world writes the gradients of one step (batch of three, four criteria, separate losses) three ways: separately
(mode SSS), jointly (SCC), and jointly with a section on each criterion and the router between them. The simulated
diagnostic model attributes the masked texts. ``--calibrate`` prints the tenth percentile of the scores of separate
gradients, over worlds that the measurement does not use; it is the router's default threshold.

The figures were set before the first measurement: at least 90 % of the separate attributions' accuracy, with at most
40 % of their gradient calls. What a world dilutes is its parameter, so that this says nothing about a real model.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from polyjudge.diagnosis.prompts import joined
from polyjudge.diagnosis.rater import Rater
from polyjudge.diagnosis.texts import speaking
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Gradient
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.predict import Judge
from polyjudge.llm.request import Role, Sampling
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.base import Context, Turn
from polyjudge.optimizers.routing import TAU, Router, percentile
from polyjudge.optimizers.textgrad import TextGrad, TextGradOptimizer
from polyjudge.testing.asking import ScriptedAsker
from polyjudge.testing.simulation.backend import Simulated
from polyjudge.testing.simulation.data import dataset_of
from polyjudge.testing.simulation.world import read_world

WORLDS = ("default", "joint-helps", "null")
ARMS = {"separate": ("SSS", False), "joint": ("SCC", False), "routed": ("SCC", True)}
# Seeds of the worlds that the threshold is read from; the measurement has seeds from 1 on.
CALIBRATION = range(10_001, 10_021)
BATCH = 3
ACCURACY, CALLS = 0.90, 0.40


@dataclass(frozen=True)
class Step:
    """The gradients of one step, its turn, and what they cost and what they are taken for."""

    turn: Turn
    gradients: tuple[Gradient, ...]
    calls: int
    right: float


async def step_of(name: str, seed: int, arm: str, tau: float = TAU) -> Step:
    """One step of one world; an attribution that no text was there for counts as chance."""
    world = replace(read_world(name), seed=seed)
    data = dataset_of(replace(world, data=replace(world.data, documents=4, train=2)))
    prompt = JudgePrompt.initial(data.rubric)
    asker = ScriptedAsker(Simulated(world).complete)
    judge = Judge(asker, Role("judge", "w/w", Sampling(0.0, 256)), layout("joint", prompt.names), JsonScoring())
    roles = {role: Role(role, "w/w", Sampling(0.7, 1024), seed) for role in ("loss", "gradient", "optimizer")}
    mode, routed = ARMS[arm]
    optimizer = TextGrad(mode=mode, routed=routed, tau=tau).build(Context(prompt, asker, roles))
    assert isinstance(optimizer, TextGradOptimizer)
    turn = Turn(1, prompt, data.examples[:BATCH], judge)
    gradients = await optimizer.gradients(turn)
    calls = len(asker.of_role("gradient"))
    rater = Rater(Stage(asker, Role("diagnostic", "w/w", Sampling(0.0, 64))), prompt.criteria)
    texts = {one: speaking(gradients, one) for one in prompt.names}
    said = {one: await rater.attribution(joined(found)) for one, found in texts.items() if found}
    hits = sum(said[one] == one if one in said else 1 / len(texts) for one in texts)
    return Step(turn, gradients, calls, hits / len(texts))


async def calibrated() -> float:
    """The tenth percentile of the scores of separate gradients, a score for each criterion of a step."""
    scores = []
    for seed in CALIBRATION:
        step = await step_of("default", seed, "separate")
        router, asked = Router(step.turn.prompt.criteria), questions(step.turn)
        scores += [
            router.score(name, [one.text for one in speaking(step.gradients, name)], asked)
            for name in step.turn.prompt.names
        ]
    return percentile(scores, 0.1)


def questions(turn: Turn) -> list[str]:
    return [turn.judge.question(turn.prompt, example).text for example in turn.batch]


async def measured(worlds: Sequence[int], tau: float) -> None:
    print(
        f"SIMULATED, {len(worlds)} worlds each, tau {tau:g}: blind attribution (mean, standard error) and gradient "
        f"calls a step\n"
    )
    for name in WORLDS:
        found = {arm: [await step_of(name, seed, arm, tau) for seed in worlds] for arm in ARMS}
        base = found["separate"]
        for arm, steps in found.items():
            rights = [step.right for step in steps]
            error = statistics.stdev(rights) / len(rights) ** 0.5
            calls = statistics.mean(step.calls for step in steps)
            kept = statistics.mean(rights) / statistics.mean(step.right for step in base)
            share = calls / statistics.mean(step.calls for step in base)
            verdict = ("kept" if kept >= ACCURACY and share <= CALLS else "missed") if arm == "routed" else ""
            print(
                f"{name:12} {arm:9} {statistics.mean(rights):.3f} ({error:.3f})  {calls:5.2f} calls  "
                f"accuracy {kept:.0%} and calls {share:.0%} of separate  {verdict}"
            )
        print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calibrate", action="store_true", help="print the threshold and measure nothing")
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--first", type=int, default=1, help="the first world's seed")
    parser.add_argument("--tau", type=float, default=TAU)
    options = parser.parse_args()
    if options.calibrate:
        print(f"tau = {asyncio.run(calibrated()):.3f}")
        return
    asyncio.run(measured(range(options.first, options.first + options.worlds), options.tau))


if __name__ == "__main__":
    main()
