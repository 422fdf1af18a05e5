"""Counts of tokens that cannot be true are charged as reserved, and a server that cuts long prompts is told."""

from __future__ import annotations

import asyncio

import pytest

from polyjudge.llm.backends.scripted import Scripted
from polyjudge.llm.budget import Bound, Budget
from polyjudge.llm.client import Client
from polyjudge.llm.request import Message, Reply, Request, Sampling, Usage
from polyjudge.llm.usage import CutPrompts, believable

BOUND = Bound(prompt=100, completion=20)


@pytest.mark.parametrize(
    ("usage", "text", "left"),
    [
        (Usage(40, 3, 10, 5), "four", Usage(40, 3, 10, 5)),
        (Usage(0, 0), "four", Usage()),
        (Usage(0, 0), "", Usage(None, 0)),
        (Usage(40, 0), "four", Usage(40, None)),
        (Usage(40, 0), " ", Usage(40, 0)),
        (Usage(-1, -1), "four", Usage()),
        (Usage(10**30, 10**30), "four", Usage()),
        (Usage(500, 60), "four", Usage(500, 60)),
        (Usage(40, 3, 10**12, -4), "four", Usage(40, 3)),
        (Usage(None, 3, 10), "four", Usage(None, 3)),
        (Usage(), "four", Usage()),
    ],
)
def test_what_cannot_be_true_is_not_known(usage: Usage, text: str, left: Usage) -> None:
    assert believable(Reply(text, usage=usage), BOUND) == left


@pytest.mark.parametrize("usage", [Usage(0, 0), Usage(10**30, 10**30), Usage()])
def test_it_is_charged_as_reserved(usage: Usage) -> None:
    request = Request("test/m", (Message("user", "How many?"),), sampling=Sampling(0.0, 20))

    async def ask() -> int:
        budget = Budget()
        async with Client({"test/m": Scripted(lambda one: Reply("four", usage=usage))}, budget=budget) as client:
            await client.ask(request)
        return budget.tokens

    bound = Bound.of(request)
    assert asyncio.run(ask()) == bound.prompt + bound.completion


def told(*calls: tuple[int | None, int]) -> list[str]:
    notes: list[str] = []
    watch = CutPrompts(notes.append)
    for prompt, size in calls:
        watch.add("ollama/m", prompt, size)
    return notes


def test_prompts_of_all_lengths_that_are_counted_alike_were_cut() -> None:
    (note,) = told((900, 3_600), *((4096, size) for size in (17_000, 21_000, 30_000, 40_000)))
    assert "4,096 tokens" in note
    assert "17,000 to 30,000 bytes" in note


@pytest.mark.parametrize(
    "calls",
    [
        [(4096, 17_000), (4096, 40_000)],
        [(4096, 17_000), (4096, 17_100), (4096, 17_200)],
        [(4000, 17_000), (4100, 21_000), (4200, 30_000), (4300, 40_000)],
        [(4096, 17_000), (4096, 21_000), (9000, 36_000), (4096, 30_000)],
        [(7, 100), (7, 200), (7, 300), (7, 400)],
        [(None, 17_000), (None, 21_000), (None, 30_000)],
    ],
    ids=["two", "alike", "growing", "longer ones pass", "short", "not counted"],
)
def test_others_were_not_cut(calls: list[tuple[int | None, int]]) -> None:
    assert told(*calls) == []
