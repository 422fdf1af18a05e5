"""Journals with answers in them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from polyjudge.llm.journal import Journal
from polyjudge.llm.locks import FileLock
from polyjudge.llm.request import Reply
from polyjudge.llm.shards import shard_names


def fill(
    folder: Path, answers: Mapping[int, str], *, role: str = "judge", model: str = "m", reuse: bool = True
) -> None:
    async def put() -> None:
        journal = Journal(folder, reuse=reuse)
        for number, text in answers.items():
            await journal.put(f"{number:064x}", Reply(text), role=role, model=model, seconds=0.5)
        journal.close()

    asyncio.run(put())


def shard_of_its_own(folder: Path, answers: Mapping[int, str], **more: str) -> None:
    """Fill a shard that is not one of the folder's present ones."""
    locks = [
        FileLock((folder / name).with_suffix(".lock")) for name in (shard_names(folder) if folder.exists() else ())
    ]
    try:
        assert all(lock.take() for lock in locks)
        fill(folder, answers, reuse=False, **more)
    finally:
        for lock in locks:
            lock.close()
