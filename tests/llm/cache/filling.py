"""Response caches with answers in them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.request import Reply


def fill(
    folder: Path, answers: Mapping[int, str], *, role: str = "judge", model: str = "m", reuse: bool = True
) -> None:
    async def put() -> None:
        with closing(SqliteStore(folder, reuse=reuse)) as store:
            for number, text in answers.items():
                await store.put(f"{number:064x}", Reply(text), role=role, model=model, seconds=0.5)

    asyncio.run(put())


def held(folder: Path, numbers: range | list[int]) -> dict[int, str]:
    async def get() -> dict[int, str]:
        with closing(SqliteStore(folder)) as store:
            found = {number: await store.get(f"{number:064x}") for number in numbers}
        return {number: reply.text for number, reply in found.items() if reply is not None}

    return asyncio.run(get())
