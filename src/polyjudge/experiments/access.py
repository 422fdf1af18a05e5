"""The client of one invocation: backends, journal, budget and limits from the settings."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from polyjudge.experiments.assemble import open_backends
from polyjudge.experiments.config import RunConfig
from polyjudge.experiments.events import Counted, Noted, Observer
from polyjudge.llm.accounts import Accounts
from polyjudge.llm.budget import Budget
from polyjudge.llm.client import Client
from polyjudge.llm.journal import Journal
from polyjudge.llm.limits import Limits
from polyjudge.llm.request import Backend


def journal_folder() -> Path:
    """``.polyjudge/journal``, unless POLYJUDGE_JOURNAL names another."""
    return Path(os.environ.get("POLYJUDGE_JOURNAL") or Path(".polyjudge") / "journal")


@asynccontextmanager
async def open_client(
    config: RunConfig, backends: Mapping[str, Backend], observer: Observer, *, journal: bool = True
) -> AsyncIterator[Client]:
    """The client of one invocation, closed at the end.

    Args:
        config: models, addresses, budget and limits.
        backends: model name -> an opened backend, instead of looking the name up.
        observer: told how many answers there are.
        journal: False for an invocation that asks nothing.

    Raises:
        ModelError: unknown provider, missing key, bad address.
        JournalError: answers could not be recorded.
    """

    def counted() -> None:
        total = accounts.total()
        observer(Counted(total.answered, total.from_journal + total.joined))

    accounts = Accounts(counted)
    record = Journal(journal_folder(), reuse=not config.no_cache) if journal else None
    client = Client(
        open_backends(config, backends, lambda text: observer(Noted(text))),
        record,
        Budget(config.max_calls, config.max_tokens),
        Limits(
            max_concurrency=config.max_concurrency,
            requests_per_minute=config.requests_per_minute,
            tokens_per_minute=config.tokens_per_minute,
            timeout=config.attempt_timeout,
        ),
        accounts,
    )
    async with client:
        if record is not None:
            record.claim()
        yield client
        for warning in record.warnings if record is not None else ():
            observer(Noted(warning))
