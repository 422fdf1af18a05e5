"""The client of one invocation: backends, response cache, budget and limits from the settings."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from polyjudge.datasets.readers import is_there
from polyjudge.errors import ConfigError, InputError
from polyjudge.llm.accounts import Accounts
from polyjudge.llm.budget import Budget
from polyjudge.llm.cache.sqlite import SqliteStore
from polyjudge.llm.cache.store import AnswerStore
from polyjudge.llm.client import Client
from polyjudge.llm.limits import Limits
from polyjudge.llm.prices import PICO
from polyjudge.llm.request import Backend
from polyjudge.results.outcome import notice, simulated
from polyjudge.settings.config import RunConfig
from polyjudge.workflows.assemble import models_of, open_backends
from polyjudge.workflows.costs import tariffs_of
from polyjudge.workflows.events import Counted, Noted, Observer


def cache_folder() -> Path:
    """``.polyjudge/cache``, unless POLYJUDGE_CACHE names another.

    Raises:
        ConfigError: there is a file instead of the folder, or of a folder above it.
    """
    folder = Path(os.environ.get("POLYJUDGE_CACHE") or Path(".polyjudge") / "cache")
    there = next((path for path in (folder, *folder.parents) if is_there(path)), None)
    if there is not None and not there.is_dir():
        raise ConfigError(
            f"the response cache cannot be kept in {str(folder)!r}: {str(there)!r} is no folder; move it away, or set "
            f"POLYJUDGE_CACHE to a folder"
        )
    return folder


@dataclass(frozen=True, slots=True)
class FileAddress:
    """Addresses that only a file names, which may be a stranger's.

    Attributes:
        source: the file.
        trusted: whether the user allows to send texts there.
    """

    source: str
    trusted: bool

    def check(self, config: RunConfig, given: Collection[str], notify: Callable[[str], None]) -> None:
        """Tell where the texts of a run will go.

        Raises:
            ConfigError: to an address that the user neither gave nor trusts.
        """
        from polyjudge.llm.models import reached_by_address

        asked = [model for model in models_of(config) if model not in given]
        url = config.base_url
        if not url or not reached_by_address(asked):
            return
        if not self.trusted:
            raise ConfigError(
                f"{self.source!r} names the address {url!r}, which you did not; nothing is sent there: pass "
                f"--base-url {url} if it is yours, or --trust-address to send the texts, but no key"
            )
        notify(
            f"texts go to {url}, as {self.source!r} says, and no key with them; to send POLYJUDGE_API_KEY too, "
            f"pass --base-url {url}"
        )


@asynccontextmanager
async def open_client(
    config: RunConfig,
    backends: Mapping[str, Backend],
    observer: Observer,
    *,
    store: AnswerStore | None = None,
    planning: bool = False,
    also: Sequence[RunConfig] = (),
    address: FileAddress | None = None,
) -> AsyncIterator[Client]:
    """The client of one invocation, closed at the end.

    Args:
        config: models, addresses, budget and limits.
        backends: model name -> an opened backend, instead of looking the name up.
        observer: told how many answers there are.
        store: where answers are kept, and closed with the client; None: the response cache of this folder.
        planning: nothing is asked, so no key is needed and no answer is kept.
        also: further runs of the invocation, for their models and addresses; budget and limits are ``config``'s.
        address: the runs' address, where only a file names it; None where the user does, or nobody.

    Raises:
        ModelError: unknown provider, missing key, bad address.
        ConfigError: the cache has no folder to be in, ``no_cache`` is set beside a store, money is bounded and a price
            is unknown, or the address is a file's that the user does not trust.
    """

    def counted() -> None:
        observer(Counted(*accounts.ended()))

    def noted(text: str) -> None:
        observer(Noted(text))

    if store is not None and config.no_cache:
        raise ConfigError("no_cache is set beside store, which would not be asked; leave one of the two out")
    if address is not None and not planning:
        for one in (config, *also):
            address.check(one, backends, noted)
    tariffs = {model: price for one in (config, *also) for model, price in tariffs_of(one, backends).items()}
    most = None if config.max_cost is None else int(config.max_cost * PICO)
    accounts = Accounts(counted, tariffs)
    if store is None and not planning:
        store = SqliteStore(cache_folder(), reuse=not config.no_cache)
    client = Client(
        await _open_all([config, *also], backends, noted, planning=planning, keyless=address is not None),
        store,
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
        except InputError as error:
            whole = accounts.total()
            if whole.answered or whole.tokens:
                error.after_paying()
            raise
        finally:
            for warning in store.warnings if store is not None else ():
                observer(Noted(warning))


async def _open_all(
    configs: Sequence[RunConfig],
    given: Mapping[str, Backend],
    notify: Callable[[str], None],
    *,
    planning: bool,
    keyless: bool,
) -> dict[str, Backend]:
    """The backends of several runs, each opened once.

    Raises:
        ConfigError: two runs reach one model at different addresses.
    """
    found: dict[str, Backend] = {}
    seen: set[tuple[object, ...]] = set()
    for config in configs:
        reached = (config.base_url, config.endpoint_name, config.limit_field, models_of(config))
        if reached in seen:
            continue
        seen.add(reached)
        alone = keyless and bool(config.base_url)
        for model, opened in open_backends(config, given, notify, planning=planning, keyless=alone).items():
            known = found.setdefault(model, opened)
            if known is opened:
                continue
            await opened.close()
            if known.identity != opened.identity:
                raise ConfigError(
                    f"the model {model!r} is reached at two addresses, {known.identity!r} and {opened.identity!r}; "
                    f"give one of them another name, or run two studies"
                )
    return found
