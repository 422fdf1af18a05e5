"""Attempts: no limit and no budget is exceeded, and what passes is tried again for long enough."""

import asyncio
import random
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.llm.hands import HandBackend, Skipping, ask_all, ask_for, echo, failing, refused, text_of, total

from polyjudge.concurrency import together
from polyjudge.errors import BudgetSpent, CallFailed, ProviderGone, ReplyError
from polyjudge.llm.accounts import Accounts
from polyjudge.llm.budget import Bound, Budget
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.client import Client
from polyjudge.llm.limits import Limits
from polyjudge.llm.prices import Price, usd
from polyjudge.llm.request import NobodyListens, Reply, Request, Usage


@pytest.mark.parametrize(("limit", "own", "most"), [(5, None, 5), (50, 3, 3), (2, 9, 2)])
def test_an_endpoint_never_sees_more_calls_at_once_than_allowed(limit: int, own: int | None, most: int) -> None:
    async def scenario() -> None:
        backend = HandBackend(echo, concurrency=own)
        async with Client({"m": backend, "n": backend}, limits=Limits(max_concurrency=limit)) as client:
            await ask_all(client, [ask_for(number, model="mn"[number % 2]) for number in range(40)])
        assert backend.most == most

    asyncio.run(scenario())


def test_failures_that_pass_are_tried_again() -> None:
    async def scenario() -> None:
        skipping = Skipping()
        backend = HandBackend(failing(lambda: refused(retryable=True), 5))
        async with Client({"m": backend}, time=skipping.time) as client:
            assert await ask_all(client, [ask_for(number) for number in range(30)]) == [
                f"re: {number}" for number in range(30)
            ]
            account = total(client)
            assert (account.sent, account.answered, account.retries, account.failures) == (180, 30, 150, 0)

    asyncio.run(scenario())


def test_nobody_is_asked_before_the_time_the_endpoint_named() -> None:
    async def scenario() -> None:
        skipping = Skipping()
        sent: list[float] = []
        allowed = 0.0

        async def answer(request: Request) -> Reply:
            nonlocal allowed
            sent.append(skipping.now)
            assert skipping.now >= allowed
            if len(sent) == 3:
                allowed = skipping.now + 77
                raise refused(retryable=True, retry_after=77)
            return Reply("fine")

        limits = Limits(max_concurrency=2)
        async with Client({"m": HandBackend(answer)}, limits=limits, time=skipping.time) as client:
            await ask_all(client, [ask_for(number) for number in range(9)])
        assert len(sent) == 10
        assert sent[-1] >= 77

    asyncio.run(scenario())


@pytest.mark.parametrize("retry_after", [None, 2.0])
def test_a_storm_of_refusals_is_ridden_out(retry_after: float | None) -> None:
    async def scenario() -> None:
        chance, skipping = random.Random(1), Skipping()

        async def answer(request: Request) -> Reply:
            await skipping.sleep(0.2)
            if chance.random() < 0.5:
                raise refused(retryable=True, retry_after=retry_after)
            return await echo(request)

        async with Client({"m": HandBackend(answer)}, time=skipping.time) as client:
            texts = await ask_all(client, [ask_for(number) for number in range(200)])
        assert texts == [f"re: {number}" for number in range(200)]
        assert skipping.now < 60

    asyncio.run(scenario())


@pytest.mark.parametrize("retry_after", [None, 50.0])
def test_a_gone_provider_ends_every_waiting_call_with_the_way_to_go_on(retry_after: float | None) -> None:
    async def scenario() -> None:
        skipping = Skipping()
        backend = HandBackend(failing(lambda: refused(retryable=True, retry_after=retry_after), 10**6))
        limits = Limits(max_concurrency=4)
        async with Client({"m": backend}, limits=limits, time=skipping.time) as client:
            calls = [client.ask(ask_for(number)) for number in range(100)]
            ends = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(end) for end in ends} == {ProviderGone}
            message = str(ends[0])
            for part in ("'m'", "'hand://one'", "6 times", "status 4xx", "same command"):
                assert part in message
            assert len(backend.asked) <= 24
            with pytest.raises(ProviderGone):
                await client.ask(ask_for("later"))
            assert total(client).failures == 101
            assert client.budget.calls == total(client).sent == len(backend.asked)

    asyncio.run(scenario())


def test_a_wait_that_is_too_long_gives_the_provider_up_and_names_it() -> None:
    async def scenario() -> None:
        skipping = Skipping()
        backend = HandBackend(failing(lambda: refused(retryable=True, retry_after=3600), 1))
        async with Client({"m": backend}, time=skipping.time) as client:
            with pytest.raises(ProviderGone, match="3600 s"):
                await client.ask(ask_for("a"))
        assert skipping.waits == []

    asyncio.run(scenario())


def test_a_hanging_attempt_is_charged_as_reserved_and_tried_again() -> None:
    async def scenario() -> None:
        hung: set[str] = set()

        async def answer(request: Request) -> Reply:
            if text_of(request) not in hung:
                hung.add(text_of(request))
                await asyncio.sleep(60)
            return await echo(request)

        limits, request = Limits(timeout=0.02, backoff=0.001), ask_for("a")
        async with Client({"m": HandBackend(answer)}, limits=limits) as client:
            await client.ask(request)
            account = total(client)
            assert account.estimated_tokens == Bound.of(request).tokens
            assert (account.sent, account.retries, account.answered) == (2, 1, 1)
            assert client.budget.tokens == account.tokens

    asyncio.run(scenario())


def test_a_call_that_was_never_sent_is_not_counted() -> None:
    async def scenario() -> None:
        backend = HandBackend(echo)
        async with Client({"m": backend}, limits=Limits(requests_per_minute=1)) as client:
            await client.ask(ask_for("a"))
            waiting = asyncio.ensure_future(client.ask(ask_for("b")))
            await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert (len(backend.asked), total(client).sent, client.budget.calls) == (1, 1, 1)
            assert client.budget.tokens == 7

    asyncio.run(scenario())


def test_a_request_that_is_always_answered_with_nothing_fails_alone() -> None:
    async def scenario() -> None:
        skipping = Skipping()

        async def answer(request: Request) -> Reply:
            if "7" in request.messages[-1].content:
                raise CallFailed("an answer without choices", retryable=True, charged=True, scope="request")
            return Reply("fine")

        async with Client({"m": HandBackend(answer)}, time=skipping.time) as client:
            assert (await client.ask(ask_for(1))).text == "fine"
            with pytest.raises(ReplyError, match="an answer without choices"):
                await client.ask(ask_for(7))
            assert (await client.ask(ask_for(2))).text == "fine"

    asyncio.run(scenario())


def test_long_waits_are_told_once_and_short_ones_not_at_all() -> None:
    async def scenario(retry_after: float) -> list[str]:
        skipping, told, seen = Skipping(), list[str](), list[str]()

        async def answer(request: Request) -> Reply:
            seen.append(text_of(request))
            for _ in range(9):
                await asyncio.sleep(0)
            if seen.count(text_of(request)) == 1:
                raise refused(retryable=True, retry_after=retry_after)
            return Reply("fine")

        backend = HandBackend(answer)
        async with Client({"m": backend}, time=skipping.time, notify=told.append) as client:
            await ask_all(client, [ask_for(number) for number in range(5)])
        return told

    assert asyncio.run(scenario(1.0)) == []
    (line,) = asyncio.run(scenario(8.0))
    assert line.startswith("m asks to wait 8 s: status 4xx")


def test_an_address_where_nobody_ever_listened_is_given_up_within_seconds() -> None:
    async def scenario(*, answered_before: bool) -> tuple[int, float]:
        skipping, open_to_all = Skipping(), answered_before

        async def answer(request: Request) -> Reply:
            if not open_to_all:
                raise NobodyListens("nobody answers at hand://one: is the server running?")
            return Reply("fine")

        backend = HandBackend(answer)
        async with Client({"m": backend}, time=skipping.time) as client:
            if answered_before:
                await client.ask(ask_for("first"))
                open_to_all = False
            with pytest.raises(ProviderGone, match="is the server running"):
                await client.ask(ask_for("a"))
        return len(backend.asked) - answered_before, skipping.now

    attempts, seconds = asyncio.run(scenario(answered_before=False))
    assert (attempts, seconds < 3) == (3, True)
    assert asyncio.run(scenario(answered_before=True))[0] == 6


def test_what_was_sent_before_the_budget_was_spent_is_answered_and_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Client({"m": HandBackend(echo)}, SqliteStore(tmp_path), Budget(max_calls=7)) as client:
            # As the rooms above do it, the first error cancels everything else.
            await together(client.ask(ask_for(number)) for number in range(20))

    with pytest.raises(BudgetSpent, match="7 of 7 calls"):
        asyncio.run(scenario())

    async def replay() -> int:
        with closing(SqliteStore(tmp_path)) as store:
            replies = [await store.get(ask_for(number).key("hand://one")) for number in range(20)]
            return sum(reply is not None for reply in replies)

    assert asyncio.run(replay()) == 7


OUTCOMES = st.sampled_from(["answer", "answer", "no usage", "429", "reset", "hang", "refused", "bug", "cancel"])


@settings(max_examples=60, deadline=None)
@given(
    st.none() | st.integers(0, 30),
    st.none() | st.integers(0, 3000),
    st.none() | st.integers(0, 10**10),
    st.lists(OUTCOMES, min_size=1, max_size=25),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_no_budget_is_exceeded_whatever_happens(
    max_calls: int | None,
    max_tokens: int | None,
    max_cost: int | None,
    outcomes: list[str],
    seed: int,
    stored: bool,
) -> None:
    price = Price(1, 2, cached=0.5)
    chance, billed = random.Random(seed), 0

    async def answer(request: Request) -> Reply:
        nonlocal billed
        outcome = text_of(request).split("/")[0]
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
        if outcome in ("429", "reset") and chance.random() < 0.6:
            billed += Bound.of(request).tokens if outcome == "reset" else 0
            raise refused("endpoint", retryable=True, charged=outcome == "reset")
        if outcome == "refused":
            raise refused()
        if outcome == "bug":
            raise RuntimeError("a mistake in a backend")
        if outcome == "hang":
            billed += Bound.of(request).tokens
            await asyncio.sleep(60)
        billed += 12
        return Reply("fine", usage=Usage() if outcome == "no usage" else Usage(7, 5))

    async def scenario(folder: Path) -> None:
        budget, backend = Budget(max_calls, max_tokens, max_cost), HandBackend(answer)
        limits = Limits(max_concurrency=chance.randint(1, 8), timeout=0.01, backoff=0.0001, attempts=3)
        store = SqliteStore(folder) if stored else None
        async with Client(
            {"m": backend}, store, budget, limits, Accounts(tariffs={"m": price}), tariffs={"m": price}
        ) as client:
            tasks = [
                asyncio.ensure_future(client.ask(ask_for(f"{outcome}/{number}")))
                for number, outcome in enumerate(outcomes)
            ]
            await asyncio.sleep(0)
            for task, outcome in zip(tasks, outcomes, strict=True):
                if outcome == "cancel":
                    await asyncio.sleep(0)
                    task.cancel()
            await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        account = total(client)
        assert len(backend.asked) == account.sent == budget.calls
        assert max_calls is None or budget.calls <= max_calls
        assert billed <= budget.tokens == account.tokens
        assert max_tokens is None or budget.tokens <= max_tokens
        assert max_cost is None or budget.cost <= max_cost
        assert usd(budget.cost) == pytest.approx(
            account.cost or sum(one.cost or 0 for one in client.accounts.snapshot())
        )
        # A token costs at least half a millionth of a dollar here, and at most two.
        assert budget.tokens * 500_000 <= budget.cost <= budget.tokens * 2_000_000
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(Path(folder)))
