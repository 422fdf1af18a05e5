"""Scoring methods against layouts: what agreement each has with people, on the embedded model or any other.

    python benchmarks/scoring_and_layouts.py [moods:100 briefs:100 brighter:150] [--model local/smollm2-135m]

Every scoring method is asked in every layout that it allows, with the initial prompt and no parse retries; ``json``
and ``expected`` read the very same replies. Rows are drawn from the seed, by whole documents. Agreement is Spearman,
pooled, the mean over the criteria, with an interval from resampled documents; coverage is the share of rated rows with
a score. Answers are kept in the cache (POLYJUDGE_CACHE), so that a stopped run goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np

from polyjudge.datasets.load import load_dataset
from polyjudge.domain.dataset import Dataset
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.workflows.client import open_client
from polyjudge.settings.config import RunConfig
from polyjudge.workflows.assemble import open_judge, open_scoring, refusal
from polyjudge.judge.expected import ALTERNATIVES
from polyjudge.judge.measure import rated_rows, scores
from polyjudge.llm.request import Abilities, Asker, Reply, Request, Sampling, Usage
from polyjudge.llm.request import Role
from polyjudge.metrics import agreement, uncertainty
from polyjudge.metrics.rated import RatedRows

METHODS = ("json", "expected", "yes-no", "cloze")
LAYOUTS = ("joint", "separate", "forked")
SPEARMAN = agreement.metric_of("spearman")


@dataclass
class Counting:
    """An asker that asks for token probabilities always, and adds up what the answers took."""

    asker: Asker
    usages: list[Usage] = field(default_factory=list)

    async def ask(self, request: Request) -> Reply:
        reply = await self.asker.ask(replace(request, top_logprobs=request.top_logprobs or ALTERNATIVES))
        self.usages.append(reply.usage)
        return reply

    def abilities(self, model: str) -> Abilities:
        return self.asker.abilities(model)

    def evaluated(self) -> int:
        return sum((one.prompt or 0) - (one.cached or 0) for one in self.usages)

    def written(self) -> int:
        return sum(one.completion or 0 for one in self.usages)


def drawn(dataset: Dataset, count: int, seed: int = 0) -> tuple[Example, ...]:
    """About so many rows, whole documents, in file order."""
    documents = list(dict.fromkeys(example.document or example.id for example in dataset.examples))
    Random(f"{seed}/rows").shuffle(documents)
    kept: set[str] = set()
    size = 0
    for document in documents:
        if size >= count:
            break
        kept.add(document)
        size += sum((example.document or example.id) == document for example in dataset.examples)
    return tuple(example for example in dataset.examples if (example.document or example.id) in kept)


async def cells(name: str, count: int, model: str) -> None:
    dataset = load_dataset(name)
    rows, prompt = drawn(dataset, count), JudgePrompt.initial(dataset.rubric)
    people = rated_rows(prompt.criteria, rows)
    units = people.n_units
    print(f"\n{name}: {len(rows)} rows of {units} {people.unit}, {model}\n", flush=True)
    show(("layout", "scoring", "calls a row", "evaluated", "written", "coverage", "mean", *prompt.names))
    show(("---",) * (7 + len(prompt.names)))
    found: dict[tuple[str, str], Any] = {}
    config = RunConfig(model=model)
    async with open_client(config, {}, lambda event: None) as client:
        role = Role("judge", model, Sampling(0.0, 64))
        for one in LAYOUTS:
            for scoring_name in METHODS:
                scoring = open_scoring(scoring_name, prompt, role, structured=True)
                used = layout(one, prompt.names)
                if refusal(scoring, used, prompt, client.abilities(model)):
                    continue
                counting = Counting(client)
                judge = open_judge(scoring, used, prompt, role, counting, parse_retries=0, max_concurrency=1)
                predictions = await judge.evaluate(prompt, rows)
                found[one, scoring_name] = given = scores(prompt.names, predictions)
                figures = [len(counting.usages), counting.evaluated(), counting.written()]
                told = (f"{figure / len(rows):.1f}" for figure in figures)
                show((one, scoring_name, *told, *agreements(given, people)))
    print("\nPaired differences of the mean, on the rows that both scored:\n")
    for first, second in pairs(found):
        paired = uncertainty.paired_bootstrap(
            SPEARMAN,
            found[first],
            found[second],
            people,
        )
        print(f"- {' '.join(first)} - {' '.join(second)}: {interval(paired.mean)}", flush=True)


def agreements(given: np.ndarray, people: RatedRows) -> Iterator[str]:
    rated = ~np.isnan(people.human)
    yield f"{(rated & ~np.isnan(given)).sum() / rated.sum():.0%}"
    found = uncertainty.bootstrap(SPEARMAN, given, people)
    yield interval(found.mean)
    yield from (interval(one) for one in found.per_criterion)


def pairs(found: dict[tuple[str, str], Any]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Expected against json in each layout, and the layouts of each scoring method against each other."""
    for one in LAYOUTS:
        yield (one, "expected"), (one, "json")
    for scoring in METHODS:
        for first, second in (("separate", "joint"), ("forked", "joint"), ("forked", "separate")):
            if (first, scoring) in found and (second, scoring) in found:
                yield (first, scoring), (second, scoring)


def interval(one: uncertainty.Interval) -> str:
    return f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"


def show(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=["moods:100", "briefs:100", "brighter:150"], help="NAME:ROWS")
    parser.add_argument("--model", default="local/smollm2-135m")
    chosen = parser.parse_args()
    os.environ.setdefault("POLYJUDGE_CACHE", ".polyjudge/scoring-and-layouts")
    for one in chosen.data:
        name, _, count = one.partition(":")
        asyncio.run(cells(name, int(count or 100), chosen.model))


if __name__ == "__main__":
    main()
