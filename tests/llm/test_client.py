"""The client: an answer is paid once, nothing is exceeded, trouble ends in an error of the tree."""

import asyncio
import gc
import heapq
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyjudge
from polyjudge.errors import BudgetSpent, CallFailed, JournalError, ModelError, ProviderGone, ReplyError
from polyjudge.llm.accounts import Accounts, RoleAccount
from polyjudge.llm.budget import Bound, Budget
from polyjudge.llm.client import Client
from polyjudge.llm.journal import Journal
from polyjudge.llm.limits import Limits, Time
from polyjudge.llm.money import Price, usd
from polyjudge.llm.request import Abilities, Message, NobodyListens, Reply, Request, Sampling, Usage
from polyjudge.llm.together import together

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(polyjudge.__file__).parents[1])}
Scope = Literal["request", "endpoint"]
Answering = Callable[[Request], Awaitable[Reply]]


class HandBackend:
    """An endpoint made of one function; notes what it was asked and how many calls were under way."""

    def __init__(self, answer: Answering, identity: str = "hand://one", concurrency: int | None = None) -> None:
        self._answer = answer
        self.identity = identity
        self.concurrency = concurrency
        self.abilities = Abilities(logprobs=3)
        self.asked: list[Request] = []
        self.under_way = 0
        self.most = 0
        self.closed = 0

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await self._answer(request)
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        self.closed += 1


class Skipping:
    """A clock that jumps to the next sleeper's time whenever the event loop has had nothing to do for a while."""

    def __init__(self) -> None:
        chance = random.Random(5)
        self.now = 0.0
        self.waits: list[float] = []
        self.time = Time(lambda: self.now, self.sleep, chance.random)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        loop = asyncio.get_running_loop()
        waked: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, len(self.waits), waked))
        if len(self._sleepers) == 1:
            loop.call_soon(self._jump, loop, 0)
        await waked

    def _jump(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if turns < 20:
            loop.call_soon(self._jump, loop, turns + 1)
            return
        self.now, _, waked = heapq.heappop(self._sleepers)
        if not waked.done():
            waked.set_result(None)
        if self._sleepers:
            loop.call_soon(self._jump, loop, 0)


def ask_for(name: object, role: str = "judge", sampling: Sampling | None = None, model: str = "m") -> Request:
    return Request(model, (Message("user", str(name)),), role, sampling or Sampling(max_tokens=10))


def text_of(request: Request) -> str:
    return request.messages[0].content


async def echo(request: Request) -> Reply:
    await asyncio.sleep(0)
    return Reply(f"re: {text_of(request)}", "stop", "real-model", Usage(5, 2, 1))


def failing(failure: Callable[[], CallFailed], times: int) -> Answering:
    """Every request fails so many times before it is answered."""
    seen: dict[str, int] = {}

    async def answer(request: Request) -> Reply:
        seen[text_of(request)] = seen.get(text_of(request), 0) + 1
        if seen[text_of(request)] <= times:
            raise failure()
        return await echo(request)

    return answer


def refused(
    scope: Scope = "request", *, retryable: bool = False, retry_after: float | None = None, charged: bool = False
) -> CallFailed:
    return CallFailed("status 4xx", retryable=retryable, retry_after=retry_after, charged=charged, scope=scope)


async def ask_all(client: Client, requests: Sequence[Request]) -> list[str]:
    return [reply.text for reply in await asyncio.gather(*(client.ask(request) for request in requests))]


def total(client: Client) -> RoleAccount:
    return client.accounts.total()


# ---- answers


def test_identical_calls_under_way_are_sent_once() -> None:
    async def scenario() -> None:
        backend = HandBackend(echo)
        async with Client({"m": backend}) as client:
            texts = await ask_all(client, [ask_for("a", role) for role in ("judge", "loss")] * 5)
            assert texts == ["re: a"] * 10
            assert len(backend.asked) == 1
            account = total(client)
            assert (account.sent, account.answered, account.joined) == (1, 1, 9)

    asyncio.run(scenario())


def test_those_who_joined_share_the_error_too() -> None:
    async def scenario() -> None:
        backend = HandBackend(failing(lambda: refused("endpoint"), 99))
        async with Client({"m": backend}) as client:
            asked = [client.ask(ask_for("a")) for _ in range(3)]
            ends = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(end) for end in ends] == [ModelError] * 3
            assert len(backend.asked) == 1

    asyncio.run(scenario())


def test_when_the_first_of_identical_calls_is_cancelled_another_is_sent() -> None:
    async def scenario() -> None:
        backend = HandBackend(echo)
        async with Client({"m": backend}) as client:
            tasks = [asyncio.ensure_future(client.ask(ask_for("a"))) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(ends[0], asyncio.CancelledError)
            assert [end.text for end in ends[1:] if isinstance(end, Reply)] == ["re: a"] * 2
            assert len(backend.asked) == 2

    asyncio.run(scenario())


def test_a_replay_asks_nothing_and_gives_the_same(tmp_path: Path) -> None:
    requests = [ask_for(number % 40) for number in range(60)]

    async def run(answer: Answering) -> tuple[list[str], RoleAccount]:
        async with Client({"m": HandBackend(answer)}, Journal(tmp_path), Budget(max_calls=40)) as client:
            return await ask_all(client, requests), total(client)

    first, paid = asyncio.run(run(echo))
    again, free = asyncio.run(run(failing(lambda: refused("endpoint"), 99)))
    assert again == first
    assert (paid.sent, paid.answered) == (40, 40)
    assert (free.sent, free.tokens, free.from_journal + free.joined) == (0, 0, 60)


def test_what_another_process_had_answered_while_a_call_waited_for_its_place_is_not_sent(tmp_path: Path) -> None:
    async def run() -> None:
        begun, release = asyncio.Event(), asyncio.Event()

        async def slow(request: Request) -> Reply:
            begun.set()
            await release.wait()
            return Reply(f"mine: {text_of(request)}")

        busy, other = HandBackend(slow), HandBackend(echo)
        accounts, budget = Accounts(), Budget(max_calls=2)
        async with (
            Client({"m": busy}, Journal(tmp_path), budget, Limits(max_concurrency=1), accounts) as waiting,
            Client({"m": other}, Journal(tmp_path)) as another,
        ):
            asked = [asyncio.create_task(waiting.ask(ask_for(name))) for name in ("first", "second")]
            await begun.wait()
            await another.ask(ask_for("second"))
            release.set()
            assert [(await one).text for one in asked] == ["mine: first", "re: second"]
        assert [text_of(request) for request in busy.asked] == ["first"]
        assert (accounts.total().sent, accounts.total().from_journal, budget.calls) == (1, 1, 1)

    asyncio.run(run())


def test_without_the_cache_all_is_asked_anew_once_and_a_replay_gives_the_new_answers(tmp_path: Path) -> None:
    counter = iter(range(1000))

    async def numbered(request: Request) -> Reply:
        return Reply(f"{next(counter)}")

    async def run(*, reuse: bool) -> list[str]:
        async with Client({"m": HandBackend(numbered)}, Journal(tmp_path, reuse=reuse)) as client:
            first = await ask_all(client, [ask_for(name) for name in "abc"])
            assert await ask_all(client, [ask_for(name) for name in "abc"]) == first
            return first

    assert asyncio.run(run(reuse=True)) == ["0", "1", "2"]
    assert asyncio.run(run(reuse=False)) == ["3", "4", "5"]
    assert asyncio.run(run(reuse=True)) == ["3", "4", "5"]


def test_errors_are_never_stored(tmp_path: Path) -> None:
    async def run(answer: Answering) -> object:
        async with Client({"m": HandBackend(answer)}, Journal(tmp_path)) as client:
            return (await asyncio.gather(client.ask(ask_for("a")), return_exceptions=True))[0]

    assert isinstance(asyncio.run(run(failing(refused, 99))), ModelError)
    assert asyncio.run(run(echo)) == Reply("re: a", "stop", "real-model", Usage(5, 2, 1))


def test_nothing_is_paid_when_the_answer_could_not_be_recorded(tmp_path: Path) -> None:
    (tmp_path / "journal").symlink_to(tmp_path / "missing" / "folder")

    async def scenario() -> None:
        backend = HandBackend(echo)
        async with Client({"m": backend}, Journal(tmp_path / "journal")) as client:
            with pytest.raises(JournalError, match="cannot be written"):
                await client.ask(ask_for("a"))
            assert backend.asked == []

    asyncio.run(scenario())


def test_models_are_kept_apart_and_an_unknown_one_is_named() -> None:
    async def scenario() -> None:
        one, two = HandBackend(echo, "hand://one"), HandBackend(echo, "hand://two")
        async with Client({"m": one, "n": two, "o": one}) as client:
            await ask_all(client, [ask_for("a", model=model) for model in ("m", "n", "o", "n")])
            assert (len(one.asked), len(two.asked)) == (2, 1)
            assert client.abilities("n") == Abilities(logprobs=3)
            with pytest.raises(ModelError, match="'p'; there are: m, n, o"):
                await client.ask(ask_for("a", model="p"))
            with pytest.raises(ModelError, match="'p'"):
                client.abilities("p")
        assert (one.closed, two.closed) == (1, 1)

    asyncio.run(scenario())


# ---- limits and retries


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


# ---- refusals


def test_a_refused_key_before_anything_was_paid_is_a_mistake_of_the_user() -> None:
    async def scenario() -> None:
        backend = HandBackend(failing(lambda: refused("endpoint"), 99))
        async with Client({"m": backend}) as client:
            with pytest.raises(ModelError, match="status 4xx; nothing was paid"):
                await client.ask(ask_for("a"))
            with pytest.raises(ModelError):
                await client.ask(ask_for("b"))
            assert (client.budget.tokens, len(backend.asked)) == (0, 1)

    asyncio.run(scenario())


def test_a_refused_key_later_stops_the_run() -> None:
    async def scenario() -> None:
        async def answer(request: Request) -> Reply:
            if text_of(request) == "b":
                raise refused("endpoint")
            return await echo(request)

        async with Client({"m": HandBackend(answer)}) as client:
            await client.ask(ask_for("a"))
            with pytest.raises(ProviderGone, match="same command"):
                await client.ask(ask_for("b"))

    asyncio.run(scenario())


async def refuses_long(request: Request) -> Reply:
    await asyncio.sleep(0)
    if "long" in text_of(request):
        raise refused()
    for _ in range(5):
        await asyncio.sleep(0)
    return await echo(request)


def test_one_refused_request_does_not_stop_the_others_wherever_it_comes() -> None:
    async def scenario() -> None:
        for place in (0, 3, 6):
            names = [f"{number}" for number in range(6)]
            names.insert(place, "too long")
            async with Client({"m": HandBackend(refuses_long)}) as client:
                calls = [client.ask(ask_for(name)) for name in names]
                ends = await asyncio.gather(*calls, return_exceptions=True)
            kinds = [type(end) for end in ends]
            assert kinds == [ReplyError if name == "too long" else Reply for name in names]

    asyncio.run(scenario())


def test_a_refused_request_stays_one_refused_request_in_a_replay(tmp_path: Path) -> None:
    async def run() -> list[type]:
        async with Client({"m": HandBackend(refuses_long)}, Journal(tmp_path)) as client:
            ends: list[object] = []
            for name in ("a", "too long", "b"):
                ends += await asyncio.gather(client.ask(ask_for(name)), return_exceptions=True)
            return [type(end) for end in ends]

    assert asyncio.run(run()) == asyncio.run(run()) == [Reply, ReplyError, Reply]


def test_parameters_that_every_request_is_refused_for_are_no_fault_of_a_request() -> None:
    async def scenario() -> None:
        async def answer(request: Request) -> Reply:
            await asyncio.sleep(0)
            if request.sampling.temperature is not None:
                raise refused()
            return await echo(request)

        async with Client({"m": HandBackend(answer)}) as client:
            calls = [client.ask(ask_for(number)) for number in range(5)]
            ends = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(end) for end in ends} == {ModelError}
        async with Client({"m": HandBackend(answer)}) as client:
            await client.ask(ask_for("a", sampling=Sampling(temperature=None, max_tokens=5)))
            with pytest.raises(ProviderGone):
                await client.ask(ask_for("a"))

    asyncio.run(scenario())


# ---- budgets


def test_what_was_sent_before_the_budget_was_spent_is_answered_and_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Client({"m": HandBackend(echo)}, Journal(tmp_path), Budget(max_calls=7)) as client:
            # As the rooms above do it, the first error cancels everything else.
            await together(client.ask(ask_for(number)) for number in range(20))

    with pytest.raises(BudgetSpent, match="7 of 7 calls"):
        asyncio.run(scenario())

    async def replay() -> int:
        with closing(Journal(tmp_path)) as journal:
            entries = [await journal.get(ask_for(number).key("hand://one")) for number in range(20)]
            return sum(entry is not None for entry in entries)

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
    journalled: bool,
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
        journal = Journal(folder) if journalled else None
        async with Client(
            {"m": backend}, journal, budget, limits, Accounts(tariffs={"m": price}), tariffs={"m": price}
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


# ---- cancellation, leaks, kills


def test_an_interrupted_run_keeps_every_answer_that_arrived_and_waits_for_no_other(tmp_path: Path) -> None:
    arrived: list[str] = []
    some = asyncio.Event()

    async def answer(request: Request) -> Reply:
        if text_of(request) == "never":
            await asyncio.Event().wait()
        arrived.append(text_of(request))
        some.set()
        return Reply("fine")

    async def work(client: Client) -> None:
        async with client:
            await together(client.ask(ask_for(name)) for name in [*range(50), "never"])

    async def scenario() -> None:
        client = Client({"m": HandBackend(answer)}, Journal(tmp_path))
        run = asyncio.ensure_future(work(client))
        await some.wait()
        run.cancel()
        await asyncio.wait([run])
        assert run.cancelled()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        account = total(client)
        assert account.estimated_tokens == client.budget.tokens > 0

    asyncio.run(scenario())
    assert arrived
    assert set(arrived) <= set(kept(tmp_path, [*range(50), "never"]))


def kept(folder: Path, names: Sequence[object]) -> list[str]:
    """The names whose calls the journal holds."""

    async def look() -> list[str]:
        with closing(Journal(folder)) as journal:
            entries = [await journal.get(ask_for(name).key("hand://one")) for name in names]
        return [str(name) for name, entry in zip(names, entries, strict=True) if entry is not None]

    return asyncio.run(look())


@pytest.mark.parametrize("fault", [refused("endpoint"), RuntimeError("a mistake in a backend")])
def test_what_is_under_way_when_another_call_ends_the_run_is_answered_and_kept(
    tmp_path: Path, fault: Exception
) -> None:
    backend: HandBackend
    full = asyncio.Event()

    async def answer(request: Request) -> Reply:
        if text_of(request) == "first":
            return Reply("fine")
        if text_of(request) == "bad":
            await full.wait()
            raise fault
        if backend.under_way == 4:
            full.set()
        for _ in range(50):
            await asyncio.sleep(0)
        return Reply("fine")

    async def scenario() -> RoleAccount:
        limits = Limits(max_concurrency=4)
        async with Client({"m": backend}, Journal(tmp_path), limits=limits) as client:
            await client.ask(ask_for("first"))
            with pytest.raises((ProviderGone, RuntimeError)):
                await together(client.ask(ask_for(name)) for name in ["bad", *range(20)])
            assert backend.most == 4
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return total(client)

    backend = HandBackend(answer)
    account = asyncio.run(scenario())
    sent = [text_of(request) for request in backend.asked if text_of(request) != "bad"]
    assert sorted(sent) == sorted(kept(tmp_path, ["first", *range(20)]))
    # Before the news of a mistake arrives, its place may serve one more.
    assert 4 <= account.answered == len(sent) <= 5


def test_an_interrupt_while_answers_are_waited_for_ends_the_wait(tmp_path: Path) -> None:
    sent = asyncio.Event()

    async def answer(request: Request) -> Reply:
        sent.set()
        await asyncio.Event().wait()
        return Reply("late")

    async def scenario() -> None:
        client = Client({"m": HandBackend(answer)}, Journal(tmp_path))
        asked = asyncio.ensure_future(client.ask(ask_for("a")))
        await sent.wait()
        asked.cancel()
        closing_down = asyncio.ensure_future(client.close())
        await asyncio.wait([asked])
        assert not closing_down.done()
        closing_down.cancel()
        await asyncio.wait([closing_down])
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_who_asks_again_for_what_a_cancelled_asker_has_sent_shares_the_answer() -> None:
    async def scenario() -> None:
        sent, go_on = asyncio.Event(), asyncio.Event()

        async def answer(request: Request) -> Reply:
            sent.set()
            await go_on.wait()
            return Reply("fine")

        backend = HandBackend(answer)
        async with Client({"m": backend}) as client:
            first = asyncio.ensure_future(client.ask(ask_for("a")))
            await sent.wait()
            first.cancel()
            second = asyncio.ensure_future(client.ask(ask_for("a")))
            await asyncio.wait([first])
            go_on.set()
            assert (await second).text == "fine"
            assert len(backend.asked) == 1

    asyncio.run(scenario())


def test_thousands_of_calls_with_faults_leave_no_tasks_and_no_objects_behind() -> None:
    async def scenario() -> None:
        chance, skipping = random.Random(3), Skipping()

        async def answer(request: Request) -> Reply:
            await asyncio.sleep(0)
            if chance.random() < 0.05:
                raise refused(retryable=True)
            return Reply("fine", usage=Usage(1, 1))

        async with Client({"m": HandBackend(answer)}, time=skipping.time) as client:

            async def many(count: int) -> int:
                numbers = iter(range(count))

                async def worker() -> None:
                    for number in numbers:
                        await client.ask(ask_for(number))

                await asyncio.gather(*(worker() for _ in range(200)))
                client._desks["m"].backends[0].asked.clear()  # type: ignore[attr-defined]
                gc.collect()
                return len(gc.get_objects())

            await many(1000)
            before = await many(1000)
            after = await many(3000)
            assert after - before < 100
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


RUN = """
import asyncio, os, sys
from pathlib import Path
from typing import Literal
from polyjudge.llm.client import Client
from polyjudge.llm.journal import Journal
from polyjudge.llm.limits import Limits
from polyjudge.llm.request import Abilities, Message, Reply, Request

class Noting:
    identity, abilities, concurrency = "noting://", Abilities(), None

    async def complete(self, request):
        os.write(1, (request.messages[0].content + "\\n").encode())
        await asyncio.sleep(0.002)
        return Reply("re: " + request.messages[0].content)

    async def close(self):
        pass

async def main():
    limits = Limits(max_concurrency=8)
    async with Client({"m": Noting()}, Journal(Path(sys.argv[1])), limits=limits) as client:
        requests = [Request("m", (Message("user", str(number)),)) for number in range(400)]
        replies = await asyncio.gather(*(client.ask(request) for request in requests))
        assert [reply.text for reply in replies] == [f"re: {number}" for number in range(400)]

asyncio.run(main())
"""


def committed(folder: Path) -> set[str]:
    async def scenario() -> set[str]:
        with closing(Journal(folder)) as journal:
            found = set()
            for number in range(400):
                request = Request("m", (Message("user", str(number)),))
                if await journal.get(request.key("noting://")) is not None:
                    found.add(str(number))
            return found

    return asyncio.run(scenario())


def test_runs_that_are_killed_and_started_again_never_ask_a_committed_call_again(tmp_path: Path) -> None:
    asked = 0
    for least in (1, 30, 60, 90, 10**6):
        before = committed(tmp_path)
        command = [sys.executable, "-c", RUN, str(tmp_path)]
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        names = [line.strip() for _, line in zip(range(least), process.stdout, strict=False)]
        process.send_signal(signal.SIGKILL)
        # Not communicate(): it reads past what the lines above have left in the buffer.
        names += process.stdout.read().split()
        process.wait(timeout=60)
        assert not before & set(names)
        asked += len(names)
    assert committed(tmp_path) == {str(number) for number in range(400)}
    # Four kills, and at most eight calls in flight at each.
    assert 400 <= asked <= 400 + 4 * 8


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


def test_a_refused_call_does_not_wait_for_a_call_that_waits_for_its_place() -> None:
    """An overload leaves one place, the refused call has it, and the verdict hangs on the other call."""
    seen: list[str] = []

    async def answer(request: Request) -> Reply:
        seen.append(text_of(request))
        if text_of(request) == "filtered":
            await asyncio.sleep(0.05)
            raise CallFailed("filtered", retryable=False, scope="request")
        if seen.count("busy") == 1:
            raise CallFailed("429", retryable=True, overloaded=True)
        return Reply("fine")

    async def run() -> list[object]:
        limits = Limits(max_concurrency=2, backoff=0.005)
        async with Client({"m": HandBackend(answer)}, limits=limits) as client:
            asked = asyncio.gather(*(client.ask(ask_for(one)) for one in ("busy", "filtered")), return_exceptions=True)
            return list(await asyncio.wait_for(asked, 10))

    busy, filtered = asyncio.run(run())
    assert isinstance(busy, Reply)
    assert isinstance(filtered, ReplyError)
