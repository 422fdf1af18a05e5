"""Write the two small logs of tests/connect/logs with Inspect itself, without a model.

    uv run --with inspect-ai scripts/make_inspect_logs.py FOLDER

Notes, scores and ratings are invented: a quality from 1 to 5 and noise.
"""

import sys
from random import Random

from inspect_ai import Task
from inspect_ai import eval as run
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score, mean, scorer
from inspect_ai.solver import solver

RATERS = ("fluency_a", "fluency_b", "relevance_a", "relevance_b")


def samples(count: int) -> list[Sample]:
    random = Random(7)
    found = []
    for n in range(count):
        quality = random.randint(1, 5)

        def near(quality: int = quality) -> int:
            return max(1, min(5, quality + random.choice((-1, 0, 0, 1))))

        ratings = {name: near() for name in RATERS}
        scores = {"fluency": near(), "relevance": near()}
        metadata = {"document": f"doc-{n // 3}", **ratings, "scores": scores}
        text = f"An invented note, number {n}."
        found.append(Sample(input=text, target=str(quality), id=f"item-{n:02d}", metadata=metadata))
    return found


@solver
def answer():
    async def solve(state, generate):
        state.output = ModelOutput.from_content("mockllm/model", "An invented answer.")
        return state

    return solve


@scorer(metrics={"*": [mean()]})
def panel():
    async def score(state, target):
        return Score(value=dict(state.metadata["scores"]), explanation="invented")

    return score


@scorer(metrics=[mean()])
def fluency():
    async def score(state, target):
        return Score(value=float(state.metadata["scores"]["fluency"]))

    return score


if __name__ == "__main__":
    task = Task(dataset=MemoryDataset(samples(18)), solver=[answer()], scorer=[panel(), fluency()], name="summaries")
    for kind in ("json", "eval"):
        run(task, model="mockllm/model", log_dir=sys.argv[1], log_format=kind, display="none")
