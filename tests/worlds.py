"""Worlds to test with: the shipped default with changes, its items, and what its judge makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from tests.asking import rating_prompt

from polyjudge.domain.dataset import Dataset
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.llm.request import Message, Reply, Request, Sampling
from polyjudge.metrics import statistics
from polyjudge.templates.score_parser import read_scores
from polyjudge.testing.simulation.backend import Simulated
from polyjudge.testing.simulation.data import dataset_of
from polyjudge.testing.simulation.world import World, read_world

COLD = Sampling(0.0, 256)


def world(**tables: dict[str, Any]) -> World:
    """The default world with some parameters changed, by table; ``seed`` is a table of its own."""
    base = read_world("default")
    seed = tables.pop("seed", {}).get("seed", base.seed)
    changed = {name: replace(getattr(base, name), **values) for name, values in tables.items()}
    return replace(base, seed=seed, **changed)


def large(**tables: dict[str, Any]) -> tuple[World, Dataset, JudgePrompt]:
    """A world with 1,000 items of their own documents, its data and its first prompt."""
    shape = tables.pop("data", {}) | {"documents": 1000, "summaries": 1}
    made = world(**tables, data=shape)
    data = dataset_of(made)
    return made, data, JudgePrompt.initial(data.rubric)


def answer(backend: Simulated, request: Request) -> Reply:
    return asyncio.run(backend.complete(request))


def asked(text: str, role: str, **parts: Any) -> Request:
    return Request("simulated/default", (Message("user", text),), role, **({"sampling": COLD} | parts))


def judged(made: World, prompt: JudgePrompt, examples: Sequence[Example], **parts: Any) -> npt.NDArray[np.float64]:
    """Scores of all criteria from one joint call a row (n, K)."""
    backend = Simulated(made)

    async def ask() -> list[list[float]]:
        rows = []
        for example in examples:
            reply = await backend.complete(asked(rating_prompt(prompt, example), "judge", **parts))
            scores = read_scores(reply.text, prompt.criteria)
            rows.append([scores[name] for name in prompt.names])
        return rows

    return np.array(asyncio.run(ask()))


def apart(made: World, prompt: JudgePrompt, examples: Sequence[Example]) -> npt.NDArray[np.float64]:
    """Scores of all criteria from a call each (n, K)."""
    return np.hstack([judged(made, prompt.only((name,)), examples) for name in prompt.names])


def people(prompt: JudgePrompt, examples: Sequence[Example]) -> npt.NDArray[np.float64]:
    return np.array([[example.human(criterion) for criterion in prompt.criteria] for example in examples])


def agreements(scores: npt.NDArray[np.float64], human: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Spearman of each column (K,)."""
    columns = range(scores.shape[1])
    return np.array([statistics.spearman(scores[:, k], human[:, k]) for k in columns])
