"""What was sent is answered and kept, whoever is cancelled or interrupted meanwhile."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.llm.hands import HandBackend, ask_for, refused, text_of, total

from polyjudge.concurrency import together
from polyjudge.errors import ProviderGone
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.client import Client
from polyjudge.llm.limits import Limits
from polyjudge.llm.request import Reply, Request


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
        client = Client({"m": HandBackend(answer)}, SqliteStore(tmp_path))
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
    """The names whose calls the cache holds."""

    async def look() -> list[str]:
        with closing(SqliteStore(folder)) as store:
            replies = [await store.get(ask_for(name).key("hand://one")) for name in names]
        return [str(name) for name, reply in zip(names, replies, strict=True) if reply is not None]

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
        async with Client({"m": backend}, SqliteStore(tmp_path), limits=limits) as client:
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
        client = Client({"m": HandBackend(answer)}, SqliteStore(tmp_path))
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
