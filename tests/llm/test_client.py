"""The client: an answer is paid once, trouble ends in an error of the tree, and nothing is left behind."""

import asyncio
import gc
import os
import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.llm.hands import Answering, HandBackend, Skipping, ask_all, ask_for, echo, failing, refused, text_of, total

import polyjudge
from polyjudge.errors import CacheError, CallFailed, ModelError, ProviderGone, ReplyError
from polyjudge.llm.accounts import Accounts, RoleAccount
from polyjudge.llm.budget import Budget
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.cache.store import NoStore
from polyjudge.llm.client import Client
from polyjudge.llm.limits import Limits
from polyjudge.llm.request import Abilities, Message, Reply, Request, Sampling, Usage

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(polyjudge.__file__).parents[1])}


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


def test_those_who_joined_a_request_that_is_refused_alone_do_not_ask_it_again() -> None:
    async def answer(request: Request) -> Reply:
        if text_of(request) == "filtered":
            raise refused("request")
        return await echo(request)

    async def scenario() -> None:
        backend = HandBackend(answer)
        async with Client({"m": backend}) as client:
            await client.ask(ask_for("fine"))
            asked = [client.ask(ask_for("filtered")) for _ in range(3)]
            ends = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(end) for end in ends] == [ReplyError] * 3
            assert [text_of(request) for request in backend.asked] == ["fine", "filtered"]

    asyncio.run(scenario())


def test_a_call_is_claimed_before_it_is_sent_and_released_when_it_has_ended() -> None:
    class Noting(NoStore):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def claim(self, key: str) -> bool:
            self.seen.append("claimed")
            return True

        def release(self, key: str) -> None:
            self.seen.append("released")

    async def scenario(answer: Answering) -> list[str]:
        store = Noting()
        async with Client({"m": HandBackend(answer)}, store) as client:
            await asyncio.gather(client.ask(ask_for("a")), return_exceptions=True)
        return store.seen

    assert asyncio.run(scenario(echo)) == ["claimed", "released"]
    assert asyncio.run(scenario(failing(lambda: refused("endpoint"), 99))) == ["claimed", "released"]


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
        async with Client({"m": HandBackend(answer)}, SqliteStore(tmp_path), Budget(max_calls=40)) as client:
            return await ask_all(client, requests), total(client)

    first, paid = asyncio.run(run(echo))
    again, free = asyncio.run(run(failing(lambda: refused("endpoint"), 99)))
    assert again == first
    assert (paid.sent, paid.answered) == (40, 40)
    assert (free.sent, free.tokens, free.from_cache + free.joined) == (0, 0, 60)


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
            Client({"m": busy}, SqliteStore(tmp_path), budget, Limits(max_concurrency=1), accounts) as waiting,
            Client({"m": other}, SqliteStore(tmp_path)) as another,
        ):
            asked = [asyncio.create_task(waiting.ask(ask_for(name))) for name in ("first", "second")]
            await begun.wait()
            await another.ask(ask_for("second"))
            release.set()
            assert [(await one).text for one in asked] == ["mine: first", "re: second"]
        assert [text_of(request) for request in busy.asked] == ["first"]
        assert (accounts.total().sent, accounts.total().from_cache, budget.calls) == (1, 1, 1)

    asyncio.run(run())


def test_without_the_cache_all_is_asked_anew_once_and_a_replay_gives_the_new_answers(tmp_path: Path) -> None:
    counter = iter(range(1000))

    async def numbered(request: Request) -> Reply:
        return Reply(f"{next(counter)}")

    async def run(*, reuse: bool) -> list[str]:
        async with Client({"m": HandBackend(numbered)}, SqliteStore(tmp_path, reuse=reuse)) as client:
            first = await ask_all(client, [ask_for(name) for name in "abc"])
            assert await ask_all(client, [ask_for(name) for name in "abc"]) == first
            return first

    assert asyncio.run(run(reuse=True)) == ["0", "1", "2"]
    assert asyncio.run(run(reuse=False)) == ["3", "4", "5"]
    assert asyncio.run(run(reuse=True)) == ["3", "4", "5"]


def test_errors_are_never_stored(tmp_path: Path) -> None:
    async def run(answer: Answering) -> object:
        async with Client({"m": HandBackend(answer)}, SqliteStore(tmp_path)) as client:
            return (await asyncio.gather(client.ask(ask_for("a")), return_exceptions=True))[0]

    assert isinstance(asyncio.run(run(failing(refused, 99))), ModelError)
    assert asyncio.run(run(echo)) == Reply("re: a", "stop", "real-model", Usage(5, 2, 1))


def test_nothing_is_paid_when_the_answer_could_not_be_recorded(tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to(tmp_path / "missing" / "folder")

    async def scenario() -> None:
        backend = HandBackend(echo)
        async with Client({"m": backend}, SqliteStore(tmp_path / "cache")) as client:
            with pytest.raises(CacheError, match="cannot be written"):
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
        async with Client({"m": HandBackend(refuses_long)}, SqliteStore(tmp_path)) as client:
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


# ---- leaks, kills


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
                client._models["m"].backend.asked.clear()  # type: ignore[attr-defined]
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
from polyjudge.llm.cache.sqlite import SqliteStore
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
    async with Client({"m": Noting()}, SqliteStore(Path(sys.argv[1])), limits=limits) as client:
        requests = [Request("m", (Message("user", str(number)),)) for number in range(400)]
        replies = await asyncio.gather(*(client.ask(request) for request in requests))
        assert [reply.text for reply in replies] == [f"re: {number}" for number in range(400)]

asyncio.run(main())
"""


def committed(folder: Path) -> set[str]:
    async def scenario() -> set[str]:
        with closing(SqliteStore(folder)) as store:
            found = set()
            for number in range(400):
                request = Request("m", (Message("user", str(number)),))
                if await store.get(request.key("noting://")) is not None:
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


SHARED = """
import asyncio, os, sys
from pathlib import Path
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.client import Client
from polyjudge.llm.limits import Limits
from polyjudge.llm.request import Abilities, Message, Reply, Request

class Noting:
    identity, abilities, concurrency = "noting://", Abilities(), None

    async def complete(self, request):
        os.write(1, (request.messages[0].content + "\\n").encode())
        await asyncio.sleep(0.02)
        return Reply(f"{os.getpid()}: {request.messages[0].content}")

    async def close(self):
        pass

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    store.claim("00" * 32)
    print("ready", flush=True)
    sys.stdin.readline()
    async with Client({"m": Noting()}, store, limits=Limits(max_concurrency=8)) as client:
        requests = [Request("m", (Message("user", str(number)),)) for number in range(100)]
        replies = await asyncio.gather(*(client.ask(request) for request in requests))
        print("answers", *(reply.text.replace(" ", "") for reply in replies))

asyncio.run(main())
"""


def test_processes_that_ask_the_same_at_the_same_time_share_the_calls(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHARED, str(tmp_path)]
    askers = [
        subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for asker in askers:
        assert asker.stdout is not None
        assert asker.stdout.readline() == "ready\n"
    for asker in askers:
        assert asker.stdin is not None
        asker.stdin.write("go\n")
        asker.stdin.flush()
    ends = [asker.communicate(timeout=60)[0].splitlines() for asker in askers]
    assert [asker.returncode for asker in askers] == [0, 0, 0]
    assert len({end[-1] for end in ends}) == 1
    asked = [line for end in ends for line in end[:-1]]
    assert sorted(asked, key=int) == [str(number) for number in range(100)]
