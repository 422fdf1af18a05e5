"""Random budgets under concurrency, retries, time-outs and cancelled askers: none is ever exceeded.

    python -m benchmarks.reliability.budgets [--count 1000] [--seed 0] [--short]

Each budget bounds the calls, the tokens or the money of one client over an endpoint that answers, refuses, breaks
off, hangs until the time-out, or tells no usage. The endpoint keeps its own bill: an attempt costs what it reports;
one that hangs or breaks off, or whose usage is not told, costs anything up to what was reserved for it (the bytes of
the prompt and the longest answer, at the dearest rate). Asked of that bill: were there more calls, tokens or dollars
than allowed, more than the client charged itself with? And does a run stop for its budget only when the next call does
not fit?
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from random import Random

from benchmarks.reliability.findings import Findings, main

from polyjudge.errors import BudgetSpent, CallFailed, PolyjudgeError, ProviderGone, ReplyError
from polyjudge.llm.budget import Bound, Budget
from polyjudge.llm.client import Client
from polyjudge.llm.limits import Limits
from polyjudge.llm.prices import Price
from polyjudge.llm.request import Abilities, Message, Reply, Request, Sampling, Usage

TIMEOUT = 0.02
# A budget is spent in a tenth of a second; one that takes so long waits for ever.
LONGEST = 30.0


@dataclass
class Till:
    """An endpoint that keeps its own bill.

    Attributes:
        price: of its one model.
        calls, tokens, cost: what it was asked and would bill; money in picodollars.
    """

    random: Random
    trouble: float
    price: Price
    identity: str = "till"
    concurrency: int | None = None
    abilities: Abilities = field(default_factory=Abilities)
    calls: int = 0
    tokens: int = 0
    cost: int = 0

    async def complete(self, request: Request) -> Reply:
        self.calls += 1
        bound = Bound.of(request)
        way = self.random.random() / self.trouble if self.trouble else 1.0
        await asyncio.sleep(self.random.choice((0, 0, 0.0005, 0.002)))
        if way < 0.3:
            # Refused before anything was computed: free.
            wait = self.random.choice((None, 0.001))
            raise CallFailed("429", retryable=True, retry_after=wait)
        prompt, completion = self.random.randint(1, bound.prompt), self.random.randint(0, bound.completion)
        self.tokens += prompt + completion
        cached = self.random.randint(0, prompt)
        taken = Usage(prompt, completion, cached, self.random.randint(0, prompt - cached))
        self.cost += self.price.of(taken, prompt, completion)
        if way < 0.5:
            raise CallFailed("broken off", retryable=True, charged=True)
        if way < 0.7:
            await asyncio.sleep(10)
        if way < 0.75:
            raise CallFailed("filtered", retryable=False, charged=True, scope="request")
        usage = taken
        if way < 0.85:
            usage = self.random.choice((Usage(), replace(taken, completion=None), replace(taken, prompt=None)))
        return Reply("4", "stop", usage=usage)

    async def close(self) -> None:
        return None


def requests_of(random: Random) -> list[Request]:
    """Some calls, a few of them alike."""
    names = [random.randrange(80) for _ in range(random.randint(1, 80))]
    return [
        Request("m", (Message("user", "x" * (1 + name * 7)),), sampling=Sampling(max_tokens=1 + name % 9 * 20))
        for name in names
    ]


async def spend(random: Random, found: Findings, case: object) -> None:
    """One budget."""
    calls = random.choice((None, random.randint(0, 100)))
    tokens = random.choice((None, random.randint(0, 20_000)))
    cost = random.choice((None, random.randint(0, 50_000) * 1_000_000))
    dearer = Price(4.0, 9.0)
    price = random.choice((Price(1.0, 3.0), Price(2.0, 1.0, 0.2, 2.5), Price(1.0, 2.0, above=((300, dearer),))))
    till = Till(random, random.choice((0.0, 0.3, 0.6, 1.0)), price)
    budget = Budget(calls, tokens, cost)
    limits = Limits(
        max_concurrency=random.choice((1, 3, 16, 64)), timeout=TIMEOUT, backoff=0.002, longest_backoff=0.004,
        attempts=random.choice((2, 6)),
    )  # fmt: skip
    stopped: list[BudgetSpent] = []
    async with Client({"m": till}, budget=budget, limits=limits, tariffs={"m": price}) as client:

        async def ask(request: Request) -> None:
            try:
                await client.ask(request)
                found.count("calls answered")
            except BudgetSpent as error:
                stopped.append(error)
            except (ProviderGone, ReplyError):
                found.count("calls that ended otherwise")
            except PolyjudgeError as error:
                # A refusal before anything was answered.
                found.count(f"calls that ended with {type(error).__name__}")

        askers = [asyncio.create_task(ask(request)) for request in requests_of(random)]
        for asker in askers:
            if random.random() < 0.05:
                asyncio.get_running_loop().call_later(random.random() * 0.01, asker.cancel)
        await asyncio.gather(*askers, return_exceptions=True)
    crashed = [one for one in askers if not one.cancelled() and one.exception() is not None]
    found.require(not crashed, "crash", [repr(one.exception()) for one in crashed])
    found.require(calls is None or till.calls <= calls, "more calls than allowed", (case, till.calls, calls))
    found.require(tokens is None or till.tokens <= tokens, "more tokens than allowed", (case, till.tokens, tokens))
    found.require(tokens is None or budget.tokens <= tokens, "charged with more than allowed", (case, budget.tokens))
    found.require(budget.calls == till.calls, "calls counted wrongly", (case, budget.calls, till.calls))
    found.require(till.tokens <= budget.tokens, "billed above what was reserved", (case, till.tokens, budget.tokens))
    found.require(cost is None or till.cost <= cost, "more money than allowed", (case, till.cost, cost))
    found.require(
        cost is None or budget.cost <= cost, "charged with more money than allowed", (case, budget.cost, cost)
    )
    found.require(till.cost <= budget.cost, "billed above the money reserved", (case, till.cost, budget.cost))
    if stopped:
        found.count("budgets that were spent")
        # The longest prompt and answer that are asked for; a smaller rest may not be enough for a call.
        largest = Bound(80 * 7 + 200, 200, price)
        tight = (
            (calls is not None and till.calls >= calls)
            or (tokens is not None and budget.tokens + largest.tokens > tokens)
            or (cost is not None and budget.cost + largest.cost > cost)
        )
        found.require(tight, "stopped although the next call fits", case)
    found.count("calls sent", till.calls)
    found.count("tokens billed", till.tokens)
    found.count("picodollars billed", till.cost)


def campaign(count: int, seed: int) -> Findings:
    """Spend ``count`` budgets."""
    found = Findings()
    for place in range(count):
        case = f"budgets/{seed}/{place}"
        try:
            asyncio.run(asyncio.wait_for(spend(Random(case), found, case), LONGEST))
        except TimeoutError:
            found.fault("hangs", case)
    found.figures["budgets"] = count
    return found


if __name__ == "__main__":
    main(__doc__, campaign, full=1_000, short=40)
