"""Several real servers for one model: one is killed in the middle of the work, nothing is lost, and it comes back."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from polyjudge.errors import ProviderGone
from polyjudge.llm.client import Client
from polyjudge.llm.journal import Journal
from polyjudge.llm.limits import Limits
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Backend, Message, Request, Sampling

COMMAND = (sys.executable, str(Path(__file__).parents[2] / "benchmarks" / "server.py"))
QUICK = Limits(max_concurrency=8, backoff=0.05, longest_backoff=0.2, attempts=4, timeout=10)


class Servers:
    """Processes that answer; killed at the end if not before."""

    def __init__(self, folder: Path, latency: str = "none") -> None:
        self._folder = folder
        self._latency = latency
        self.processes: list[subprocess.Popen[str]] = []
        self.logs: list[Path] = []

    def start(self, port: int = 0) -> str:
        self.logs.append(self._folder / f"{len(self.logs)}.log")
        self.processes.append(
            subprocess.Popen(
                [*COMMAND, "--port", str(port), "--latency", self._latency, "--log", str(self.logs[-1])],
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        out = self.processes[-1].stdout
        assert out is not None
        return out.readline().strip()

    def kill(self, number: int) -> None:
        self.processes[number].kill()
        self.processes[number].wait()

    def answered(self, number: int) -> int:
        return len(self.logs[number].read_text("utf-8").splitlines())

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def pool(addresses: list[str]) -> list[Backend]:
    return [open_backend("m", base_url=url, endpoint_name="pool", environment={}) for url in addresses]


def ask_for(name: object, affinity: str = "") -> Request:
    return Request("m", (Message("user", f"question {name}"),), sampling=Sampling(max_tokens=50), affinity=affinity)


def test_when_one_server_is_killed_the_other_answers_all_and_it_is_asked_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    told: list[str] = []

    async def scenario() -> None:
        with Servers(tmp_path, "constant") as servers:
            addresses = [servers.start(), servers.start()]
            port = int(addresses[0].split(":")[2].partition("/")[0])
            client = Client({"m": pool(addresses)}, Journal(tmp_path / "journal"), limits=QUICK, notify=told.append)
            async with client:
                work = asyncio.gather(*(client.ask(ask_for(number)) for number in range(80)))
                async with asyncio.timeout(30):
                    while servers.answered(0) < 8:  # noqa: ASYNC110 - what is waited for happens in another process
                        await asyncio.sleep(0.01)
                servers.kill(0)
                assert len({reply.text for reply in await work}) > 1
                assert servers.answered(1) >= 40
                servers.start(port)
                for number in range(80, 200):
                    await client.ask(ask_for(number))
                    if servers.answered(2):
                        break
                assert servers.answered(2) >= 1
                total = client.accounts.total()
                assert total.failures == 0
                assert total.answered == number + 1
        # What the dead server was asked is under the pool's name, and a replay needs none of the addresses.
        async with Client({"m": pool([addresses[1]])}, Journal(tmp_path / "journal")) as client:
            await asyncio.gather(*(client.ask(ask_for(number)) for number in range(80)))
            assert client.accounts.total().from_journal == 80

    asyncio.run(scenario())
    assert len(told) == 2
    assert "address 1 of 2" in told[0]
    assert "others take its calls" in told[0]
    assert "answers again" in told[1]


def test_calls_of_one_affinity_meet_at_one_server(tmp_path: Path) -> None:
    async def scenario() -> None:
        with Servers(tmp_path) as servers:
            addresses = [servers.start() for _ in range(3)]
            async with Client({"m": pool(addresses)}, limits=QUICK) as client:
                await asyncio.gather(
                    *(client.ask(ask_for(f"item-{item}-{n}", f"item {item}")) for item in range(30) for n in range(4))
                )
            where = [
                Counter(tuple(json.loads(line)["rows"]) for line in log.read_text("utf-8").splitlines())
                for log in servers.logs
            ]
            assert sum(map(len, where)) == 30
            assert all(count == 4 for there in where for count in there.values())
            assert all(where)

    asyncio.run(scenario())


def test_only_when_all_servers_are_gone_the_run_stops(tmp_path: Path) -> None:
    async def scenario() -> None:
        with Servers(tmp_path) as servers:
            addresses = [servers.start(), servers.start()]
            async with Client({"m": pool(addresses)}, limits=QUICK) as client:
                await client.ask(ask_for(0))
                servers.kill(1)
                await asyncio.gather(*(client.ask(ask_for(number)) for number in range(1, 30)))
                servers.kill(0)
                with pytest.raises(ProviderGone, match="connection refused"):
                    await client.ask(ask_for(31))

    asyncio.run(scenario())
