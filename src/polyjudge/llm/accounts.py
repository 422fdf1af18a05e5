"""Calls, tokens, time and money by role and model; they can be read at any time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from polyjudge.llm.budget import Charge
from polyjudge.llm.prices import NoPrice, Price, Tariff, usd
from polyjudge.llm.request import ROLES, Reply, Request, Usage

# The counters, by the fields of a RoleAccount.
_Counts = defaultdict[str, Any]
# Picodollars, whose sum is exact.
_SPENT = "spent"


@dataclass(frozen=True, slots=True)
class RoleAccount:
    """The account of one role and model; when both names are "", the sums over all of them, without money.

    ``answered + from_cache + joined + failures`` is the number of calls that have ended, without the cancelled ones.

    Attributes:
        sent: attempts sent to the endpoint.
        answered: calls that the endpoint answered.
        from_cache: calls answered from the cache, free.
        joined: calls that shared the answer of an identical call under way, free.
        retries: attempts after the first of a call.
        failures: calls that ended in an error.
        prompt_tokens: as reported by the provider, cached ones included.
        completion_tokens: as reported by the provider.
        cached_tokens: prompt tokens that the provider reported as served from its prefix cache.
        estimated_tokens: charged as reserved: time-outs, and what the provider did not report.
        replayed_tokens: tokens that the answers from the cache had taken when they were paid for, as reported.
        seconds: answered attempts, from sending to answer, summed.
        cost: USD charged; None where there is no price.
        unpriced: why there is none; "" where there is one.
    """

    role: str = ""
    model: str = ""
    sent: int = 0
    answered: int = 0
    from_cache: int = 0
    joined: int = 0
    retries: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    estimated_tokens: int = 0
    replayed_tokens: int = 0
    seconds: float = 0.0
    cost: float | None = None
    unpriced: str = ""

    @property
    def tokens(self) -> int:
        """All tokens charged, reported and estimated."""
        return self.prompt_tokens + self.completion_tokens + self.estimated_tokens


class Accounts:
    """Counts what the client does, by role and model; each part of an invocation has separate accounts.

    Args:
        on_change: called after every change, for a progress display; it must be quick and must not raise.
        tariffs: what each model costs.
    """

    def __init__(
        self, on_change: Callable[[], None] | None = None, tariffs: Mapping[str, Tariff] | None = None
    ) -> None:
        self._tariffs = tariffs or {}
        self._counts: defaultdict[tuple[str, str], _Counts] = defaultdict(lambda: defaultdict(int))
        self._parts: dict[str, Accounts] = {}
        self._on_change = on_change
        self._asked = 0
        self._free = 0

    def part(self, name: str) -> Accounts:
        """The accounts of one part, such as one run of a study; they count in ``whole``, ``total`` and ``ended``."""
        return self._parts.setdefault(name, Accounts(self._on_change, self._tariffs))

    def sent(self, request: Request, *, again: bool) -> None:
        """An attempt is on its way; ``again`` for every one after a call's first."""
        counts = self._of(request)
        counts["sent"] += 1
        counts["retries"] += again
        self._changed()

    def charged(self, request: Request, charge: Charge) -> None:
        """An attempt without an answer was settled."""
        _charge(self._of(request), charge)
        self._changed()

    def answered(self, request: Request, reply: Reply, charge: Charge, seconds: float) -> None:
        """The endpoint answered and the answer is settled."""
        counts = self._of(request)
        _charge(counts, charge)
        counts["answered"] += 1
        counts["cached_tokens"] += max(0, reply.usage.cached or 0)
        counts["seconds"] += seconds
        self._asked += 1
        self._changed()

    def replayed(self, request: Request, usage: Usage) -> None:
        """The cache gave an answer that had taken ``usage`` when it was paid for."""
        counts = self._of(request)
        counts["from_cache"] += 1
        counts["replayed_tokens"] += (usage.prompt or 0) + (usage.completion or 0)
        self._free += 1
        self._changed()

    def joined(self, request: Request) -> None:
        """An identical call under way answered."""
        self._of(request)["joined"] += 1
        self._free += 1
        self._changed()

    def failed(self, request: Request) -> None:
        """The call ended in an error."""
        self._of(request)["failures"] += 1
        self._changed()

    def snapshot(self) -> tuple[RoleAccount, ...]:
        """The account of each role and model, without the parts; roles in the order of ``ROLES``."""
        return tuple(sorted(map(self._account, self._counts), key=_order))

    def whole(self) -> tuple[RoleAccount, ...]:
        """The account of each role and model, the parts included."""
        return by_role(account for accounts in self._all() for account in accounts.snapshot())

    def ended(self) -> tuple[int, int]:
        """How many calls were answered by an endpoint, and how many free of charge; quick, for every change."""
        parts = self._all()
        return sum(accounts._asked for accounts in parts), sum(accounts._free for accounts in parts)

    def total(self) -> RoleAccount:
        """All parts, roles and models together."""
        return RoleAccount(**_summed(self.whole()))

    def _all(self) -> tuple[Accounts, ...]:
        return (self, *self._parts.values())

    def _of(self, request: Request) -> _Counts:
        return self._counts[request.role, request.model]

    def _account(self, key: tuple[str, str]) -> RoleAccount:
        role, model = key
        tariff, counts = self._tariffs.get(model), dict(self._counts[key])
        spent = usd(counts.pop(_SPENT, 0))
        if isinstance(tariff, Price):
            return RoleAccount(role, model, **counts, cost=spent)
        return RoleAccount(role, model, **counts, unpriced=tariff.reason if isinstance(tariff, NoPrice) else "")

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change()


def by_role(accounts: Iterable[RoleAccount]) -> tuple[RoleAccount, ...]:
    """The accounts of several parts or runs, one a role and model, roles in the order of ``ROLES``."""
    by_pair: dict[tuple[str, str], list[RoleAccount]] = {}
    for account in accounts:
        by_pair.setdefault((account.role, account.model), []).append(account)
    return tuple(sorted(map(_added_up, by_pair.values()), key=_order))


def _added_up(accounts: Sequence[RoleAccount]) -> RoleAccount:
    """The accounts of one role and model in several parts, as one."""
    costs = [account.cost for account in accounts if account.cost is not None]
    return replace(accounts[0], **_summed(accounts), cost=math.fsum(costs) if costs else None)


def _summed(accounts: Iterable[RoleAccount]) -> dict[str, Any]:
    """The sums of the counters of several accounts, without money, which may be unknown."""
    not_counted = ("role", "model", "cost", "unpriced")
    accounts = tuple(accounts)
    counters = [field.name for field in fields(RoleAccount) if field.name not in not_counted]
    return {name: sum(getattr(account, name) for account in accounts) for name in counters}


def _charge(counts: _Counts, charge: Charge) -> None:
    counts["prompt_tokens"] += charge.prompt
    counts["completion_tokens"] += charge.completion
    counts["estimated_tokens"] += charge.estimated
    counts[_SPENT] += charge.cost


def _order(account: RoleAccount) -> tuple[int, str, str]:
    rank = ROLES.index(account.role) if account.role in ROLES else len(ROLES)
    return (rank, account.role, account.model)
