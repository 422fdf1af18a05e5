"""Budgets: never exceeded, first come first served, spent only when nothing can be given back any more."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.errors import BudgetSpent
from polyjudge.llm.budget import Bound, Budget, Charge
from polyjudge.llm.prices import PICO, Price
from polyjudge.llm.request import Message, Request, Sampling, Usage

TURNS = st.integers(0, 3)
OUTCOMES = st.sampled_from(["answered", "unreported", "refused", "timed out", "never sent", "cancelled"])
PRICES = st.none() | st.builds(
    Price, *[st.integers(0, 9)] * 2, cached=st.none() | st.integers(0, 9), written=st.none() | st.integers(0, 9)
)
CALLS = st.lists(st.tuples(TURNS, st.integers(1, 60), st.integers(0, 40), OUTCOMES, TURNS), max_size=25)


class Overseer:
    """Makes calls on a budget and checks its laws after every change."""

    def __init__(
        self, max_calls: int | None, max_tokens: int | None, max_cost: int | None, price: Price | None
    ) -> None:
        self.budget = Budget(max_calls, max_tokens, max_cost)
        self.price = price
        self.held_cost = 0
        self.cost = 0
        self.held = 0
        self.sent = 0
        self.tokens = 0

    def check(self) -> None:
        budget = self.budget
        # A call whose turn has just come has not heard of it yet.
        assert budget.calls >= self.sent
        assert budget.tokens == self.tokens
        assert budget.max_calls is None or budget.calls <= budget.max_calls
        assert budget.max_tokens is None or self.tokens + self.held <= budget.max_tokens
        assert budget.cost == self.cost
        assert budget.max_cost is None or self.cost + self.held_cost <= budget.max_cost

    async def call(self, start: int, prompt: int, completion: int, outcome: str, length: int) -> str:
        for _ in range(start):
            await asyncio.sleep(0)
        bound = Bound(prompt, completion, self.price)
        try:
            reservation = await self.budget.reserve(bound)
        except BudgetSpent:
            # What is settled alone leaves no room: no reservation could have given any back.
            no_calls = self.budget.max_calls is not None and self.budget.calls >= self.budget.max_calls
            left = float("inf") if self.budget.max_tokens is None else self.budget.max_tokens - self.tokens
            money = float("inf") if self.budget.max_cost is None else self.budget.max_cost - self.cost
            assert no_calls or bound.tokens > left or bound.cost > money
            return "spent"
        self.held += bound.tokens
        self.held_cost += bound.cost
        self.sent += 1
        self.check()
        try:
            for _ in range(length):
                await asyncio.sleep(0)
        finally:
            self.held -= bound.tokens
            self.held_cost -= bound.cost
            if outcome == "never sent":
                self.sent -= 1
                self.budget.withdraw(reservation)
            else:
                told = Usage(prompt - length, completion // 3, cached=prompt // 2, written=length)
                usage = told if outcome == "answered" else Usage()
                charge = self.budget.settle(reservation, usage, charged=outcome != "refused")
                self.tokens += charge.tokens
                self.cost += charge.cost
                assert charge.tokens <= bound.tokens
                assert charge.cost <= bound.cost
            self.check()
        return outcome


@settings(deadline=None)
@given(
    st.none() | st.integers(0, 12), st.none() | st.integers(0, 300), st.none() | st.integers(0, 10**9), PRICES, CALLS
)
def test_no_budget_is_ever_exceeded_and_nobody_waits_for_ever(
    max_calls: int | None,
    max_tokens: int | None,
    max_cost: int | None,
    price: Price | None,
    calls: list[tuple[int, int, int, str, int]],
) -> None:
    async def scenario() -> None:
        overseer = Overseer(max_calls, max_tokens, max_cost, price)
        tasks = [asyncio.ensure_future(overseer.call(*call)) for call in calls]
        for task, call in zip(tasks, calls, strict=True):
            if call[3] == "cancelled":
                await asyncio.sleep(0)
                task.cancel()
        ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert all(isinstance(end, str | asyncio.CancelledError) for end in ends)
        overseer.check()
        assert (overseer.budget.calls, overseer.held) == (overseer.sent, 0)

    asyncio.run(scenario())


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(50, 120))
def test_turns_come_in_the_order_of_asking(sizes: list[int], max_tokens: int) -> None:
    order: list[int] = []

    async def call(budget: Budget, number: int, size: int) -> None:
        reservation = await budget.reserve(Bound(size, 0))
        order.append(number)
        await asyncio.sleep(0)
        budget.settle(reservation, Usage(0, 0))

    async def scenario() -> None:
        budget = Budget(max_tokens=max_tokens)
        await asyncio.gather(*(call(budget, number, size) for number, size in enumerate(sizes)))

    asyncio.run(scenario())
    assert order == sorted(order)


def test_a_call_waits_for_what_outstanding_calls_may_give_back() -> None:
    async def scenario() -> None:
        budget = Budget(max_tokens=100)
        first = await budget.reserve(Bound(80, 0))
        second = asyncio.ensure_future(budget.reserve(Bound(60, 0)))
        await asyncio.sleep(0)
        assert not second.done()
        budget.settle(first, Usage(30, 0))
        budget.settle(await second, Usage(60, 0))
        assert budget.tokens == 90
        with pytest.raises(BudgetSpent):
            await budget.reserve(Bound(11, 0))
        await budget.reserve(Bound(10, 0))

    asyncio.run(scenario())


def test_the_last_calls_are_answered_before_the_budget_is_called_spent() -> None:
    async def scenario() -> None:
        budget = Budget(max_calls=1)
        first = await budget.reserve(Bound(1, 1))
        second = asyncio.ensure_future(budget.reserve(Bound(1, 1)))
        await asyncio.sleep(0)
        assert not second.done()
        budget.settle(first, Usage())
        with pytest.raises(BudgetSpent):
            await second

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("budget", "parts"),
    [
        (Budget(max_calls=0), ["0 of 0 calls", "--max-calls", "same command"]),
        (Budget(max_tokens=5), ["0 of 5 tokens", "may take 12", "--max-tokens", "same command"]),
    ],
)
def test_the_message_says_what_is_used_and_how_to_go_on(budget: Budget, parts: list[str]) -> None:
    with pytest.raises(BudgetSpent) as caught:
        asyncio.run(budget.reserve(Bound(10, 2)))
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("usage", "charge"),
    [
        (Usage(7, 3), Charge(7, 3, 0)),
        (Usage(7, None), Charge(7, 0, 20)),
        (Usage(None, 3), Charge(0, 3, 100)),
        (Usage(), Charge(0, 0, 120)),
        (Usage(500, 3), Charge(500, 3, 0)),
        (Usage(-4, 3), Charge(0, 3, 0)),
    ],
)
def test_what_is_not_reported_is_charged_as_reserved(usage: Usage, charge: Charge) -> None:
    async def scenario() -> Budget:
        budget = Budget()
        reservation = await budget.reserve(Bound(100, 20))
        assert budget.settle(reservation, usage) == charge
        return budget

    assert asyncio.run(scenario()).tokens == charge.tokens


def test_what_is_free_goes_on_when_the_money_is_spent() -> None:
    async def scenario() -> None:
        budget = Budget(max_cost=PICO // 1000)
        with pytest.raises(BudgetSpent, match=r"0 of 0\.001 USD .* may take 0\.00104; .*--max-cost"):
            await budget.reserve(Bound(1000, 10, Price(1, 4)))
        budget.settle(await budget.reserve(Bound(1000, 10)), Usage())
        assert (budget.tokens, budget.cost) == (1010, 0)

    asyncio.run(scenario())


def test_settling_or_withdrawing_again_changes_nothing() -> None:
    async def scenario() -> None:
        budget = Budget(max_calls=2, max_tokens=100)
        reservation = await budget.reserve(Bound(50, 0))
        budget.settle(reservation, Usage(20, 0))
        assert budget.settle(reservation, Usage(20, 0)) == Charge()
        budget.withdraw(reservation)
        assert (budget.calls, budget.tokens) == (1, 20)

    asyncio.run(scenario())


@settings(deadline=None)
@given(st.lists(st.text(st.characters())), st.text(), st.integers(1, 5000))
def test_the_bound_covers_every_byte_and_the_longest_answer(texts: list[str], schema: str, longest: int) -> None:
    messages = tuple(Message("user", text) for text in texts)
    bound = Bound.of(Request("m", messages, sampling=Sampling(max_tokens=longest), schema=schema))
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in [*texts, schema])
    assert bound.prompt == size + 16 * len(texts) + 64
    assert bound.completion == longest


def test_money_that_is_reserved_is_not_given_to_others_and_free_models_need_none() -> None:
    async def scenario() -> None:
        # Prices are dollars a million tokens; each call may take 60 of 100 millionths.
        most = 100 * PICO // 10**6
        budget = Budget(max_cost=most)
        first = await budget.reserve(Bound(10, 0, Price(6, 0)))
        waiting = asyncio.ensure_future(budget.reserve(Bound(10, 0, Price(6, 0))))
        await asyncio.sleep(0)
        assert not waiting.done()
        budget.settle(first, Usage(prompt=10, completion=0))
        with pytest.raises(BudgetSpent, match="--max-cost"):
            await waiting
        budget.cost = most
        assert (await budget.reserve(Bound(10, 0, Price(0, 0)))).open
        budget.cost = most + 1
        assert (await budget.reserve(Bound(10, 0, None))).open

    asyncio.run(scenario())
