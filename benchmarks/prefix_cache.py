"""Prompt tokens that llama.cpp's server evaluates in the layouts ``joint`` and ``forked``, on one slot.

    python benchmarks/prefix_cache.py [--items 4] [--tokens 0 400 800 1600]

Each layout gets a server of its own, in a process of its own, with the embedded model's weights. Items are notes of
the shipped data set ``briefs``, joined until an item has so many tokens; 0 takes them as they are. "First" is the
first item, which finds nothing cached; "next" is the mean of the others, which find what all prompts of the layout
begin with. What is evaluated is what the server reports: prompt tokens less cached ones.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from polyjudge.datasets.load import load_dataset
from polyjudge.datasets.summeval import rubric
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.workflows.assemble import open_judge, open_scoring
from polyjudge.llm.backends.weights import smollm2
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Abilities, Backend, Reply, Request, Sampling
from polyjudge.llm.request import Role

MODEL = "llamacpp/tiny"
# About; an item is then as long as its text turns out to be, and at least so long.
CHARACTERS_A_TOKEN = 4.6


@dataclass
class Counting:
    """An asker that keeps, by item, how many prompt tokens were evaluated."""

    backend: Backend
    evaluated: dict[str, int] = field(default_factory=dict)
    whole: dict[str, int] = field(default_factory=dict)
    item: str = ""

    async def ask(self, request: Request) -> Reply:
        reply = await self.backend.complete(request)
        if reply.usage.prompt is None or reply.usage.cached is None:
            raise SystemExit("the server does not tell what it took from its cache")
        self.evaluated[self.item] = self.evaluated.get(self.item, 0) + reply.usage.prompt - reply.usage.cached
        self.whole[self.item] = self.whole.get(self.item, 0) + reply.usage.prompt
        return reply

    def abilities(self, model: str) -> Abilities:
        return self.backend.abilities


def serve(weights: str) -> None:
    """Run llama.cpp's server until standard input closes."""
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = weights
    settings.n_ctx = 4096
    settings.n_parallel = 1
    settings.cpuparams.n_threads = 1
    settings.cpuparams_batch.n_threads = 1
    settings.cache_ram_mib = 0
    settings.verbosity = 0
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)
    select.select([sys.stdin], [], [], 600)


@contextmanager
def served() -> Iterator[str]:
    weights = smollm2(dict(os.environ), lambda text: None)
    command = [sys.executable, __file__, "--serve", str(weights)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        yield f"{server.stdout.readline().strip()}/v1"
        server.stdin.close()


def rows(count: int, tokens: int) -> tuple[JudgePrompt, tuple[Example, ...]]:
    """Items of at least so many tokens under SummEval's criteria, or those of ``briefs`` as they are."""
    data = load_dataset("briefs")
    by_note = {example.document: example for example in data.examples}
    examples = list(by_note.values())
    if not tokens:
        return JudgePrompt.initial(data.rubric), tuple(examples[:count])
    prompt = JudgePrompt.initial(rubric())
    (source, _), (target, _) = prompt.inputs
    notes, made, place = [example.inputs["note"] for example in examples], [], 0
    for number in range(count):
        text = ""
        while len(text) < tokens * CHARACTERS_A_TOKEN:
            text += notes[place % len(notes)] + "\n"
            place += 1
        summary = examples[number].inputs["summary"]
        made.append(Example(f"item-{number}", {source: text, target: summary}, None, {}))
    return prompt, tuple(made)


async def measured(address: str, name: str, prompt: JudgePrompt, examples: Sequence[Example]) -> Counting:
    backend = open_backend(MODEL, base_url=address, environment={}, folder=Path("/"))
    counting, role = Counting(backend), Role("judge", MODEL, Sampling(0.0, 24))
    scoring = open_scoring("json", prompt, role, structured=True)
    used = layout(name, prompt.names)
    judge = open_judge(scoring, used, prompt, role, counting, parse_retries=0, max_concurrency=1)
    try:
        for example in examples:
            counting.item = example.id
            await judge.predict(prompt, example)
    finally:
        await backend.close()
    return counting


def mean(values: Sequence[int]) -> float:
    return sum(values) / len(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=4)
    parser.add_argument("--tokens", type=int, nargs="+", default=[0, 400, 800, 1600])
    parser.add_argument("--serve", metavar="WEIGHTS", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve)
        return
    print("| items | joint: first | forked: first | ratio | joint: next | forked: next | ratio | forked, uncached |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for tokens in chosen.tokens:
        prompt, examples = rows(chosen.items, tokens)
        found = {}
        for name in ("joint", "forked"):
            with served() as address:
                found[name] = asyncio.run(measured(address, name, prompt, examples))
        first = [found[name].evaluated[examples[0].id] for name in ("joint", "forked")]
        later = [mean([found[name].evaluated[one.id] for one in examples[1:]]) for name in ("joint", "forked")]
        whole = mean(list(found["forked"].whole.values()))
        kind = f">= {tokens} tokens" if tokens else "briefs"
        print(
            f"| {kind} | {first[0]} | {first[1]} | {first[1] / first[0]:.2f} | {later[0]:.0f} | {later[1]:.0f} | "
            f"{later[1] / later[0]:.2f} | {whole:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
