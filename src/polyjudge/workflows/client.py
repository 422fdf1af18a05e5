"""The client of one invocation: backends, journal, budget and limits from the settings."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from polyjudge.datasets.readers import is_there
from polyjudge.errors import ConfigError
from polyjudge.llm.accounts import Accounts
from polyjudge.llm.budget import Budget
from polyjudge.llm.client import Client
from polyjudge.llm.journal import Journal
from polyjudge.llm.limits import Limits
from polyjudge.llm.money import PICO
from polyjudge.llm.request import Backend
from polyjudge.results.outcome import notice, simulated
from polyjudge.settings.config import RunConfig
from polyjudge.workflows.assemble import models_of, open_backends
from polyjudge.workflows.costs import tariffs_of
from polyjudge.workflows.events import Counted, Noted, Observer


def journal_folder() -> Path:
    """``.polyjudge/journal``, unless POLYJUDGE_JOURNAL names another.

    Raises:
        ConfigError: there is a file instead of the folder, or of a folder above it.
    """
    folder = Path(os.environ.get("POLYJUDGE_JOURNAL") or Path(".polyjudge") / "journal")
    there = next((path for path in (folder, *folder.parents) if is_there(path)), None)
    if there is not None and not there.is_dir():
        raise ConfigError(
            f"the journal cannot be kept in {str(folder)!r}: {str(there)!r} is no folder; move it away, or set "
            f"POLYJUDGE_JOURNAL to a folder"
        )
    return folder


@asynccontextmanager
async def open_client(
    config: RunConfig,
    backends: Mapping[str, Backend],
    observer: Observer,
    *,
    journal: bool = True,
    also: Sequence[RunConfig] = (),
) -> AsyncIterator[Client]:
    """The client of one invocation, closed at the end.

    Args:
        config: models, addresses, budget and limits.
        backends: model name -> an opened backend, instead of looking the name up.
        observer: told how many answers there are.
        journal: False for an invocation that asks nothing; it needs no key then.
        also: further runs of the invocation, for their models and addresses; budget and limits are ``config``'s.

    Raises:
        ModelError: unknown provider, missing key, bad address.
        ConfigError: the journal has no folder to be in, or money is bounded and a price is unknown.
    """

    def counted() -> None:
        observer(Counted(*accounts.ended()))

    def noted(text: str) -> None:
        observer(Noted(text))

    tariffs = {model: price for one in (config, *also) for model, price in tariffs_of(one, backends).items()}
    most = None if config.max_cost is None else int(config.max_cost * PICO)
    accounts = Accounts(counted, tariffs)
    record = Journal(journal_folder(), reuse=not config.no_cache) if journal else None
    client = Client(
        await _open_all([config, *also], backends, noted, planning=not journal),
        record,
        Budget(config.max_calls, config.max_tokens, most),
        Limits(
            max_concurrency=config.max_concurrency,
            requests_per_minute=config.requests_per_minute,
            tokens_per_minute=config.tokens_per_minute,
            timeout=config.attempt_timeout,
        ),
        accounts,
        notify=noted,
        tariffs=tariffs,
    )
    async with client:
        told = notice(simulated((model for one in (config, *also) for model in models_of(one)), client))
        if told:
            noted(told)
        try:
            yield client
        finally:
            for warning in record.warnings if record is not None else ():
                observer(Noted(warning))


async def _open_all(
    configs: Sequence[RunConfig], given: Mapping[str, Backend], notify: Callable[[str], None], *, planning: bool
) -> dict[str, Backend | Sequence[Backend]]:
    """The backends of several runs, each opened once.

    Raises:
        ConfigError: two runs reach one model at different addresses.
    """
    found: dict[str, Backend | Sequence[Backend]] = {}
    seen: set[tuple[object, ...]] = set()
    for config in configs:
        reached = (config.base_url, config.endpoint_name, config.limit_field, models_of(config))
        if reached in seen:
            continue
        seen.add(reached)
        for model, opened in open_backends(config, given, notify, planning=planning).items():
            known = found.setdefault(model, opened)
            if known is opened:
                continue
            here, there = _identity(known), _identity(opened)
            for backend in _each(opened):
                await backend.close()
            if here != there:
                raise ConfigError(
                    f"the model {model!r} is reached at two addresses, {here!r} and {there!r}; give one of them "
                    f"another name, or run two studies"
                )
    return found


def _each(opened: Backend | Sequence[Backend]) -> Sequence[Backend]:
    return opened if isinstance(opened, Sequence) else (opened,)


def _identity(opened: Backend | Sequence[Backend]) -> str:
    return _each(opened)[0].identity
