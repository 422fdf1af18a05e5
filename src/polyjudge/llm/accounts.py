"""Who asked whom how often, and what it took: by role and model, read at any time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any

from polyjudge.llm.budget import Charge
from polyjudge.llm.money import NoPrice, Price, Tariff, usd
from polyjudge.llm.request import ROLES, Reply, Request, Usage

PART: ContextVar[str] = ContextVar("part", default="")
"""The part of an invocation that a task works for, such as one run of a study; tasks that it starts inherit it."""


@dataclass(frozen=True, slots=True)
class RoleAccount:
    """The account of one role and model; of all of them, but for money, when both names are "".

    ``answered + from_journal + joined + failures`` is the number of calls that have ended, but for
    cancelled ones.

    Attributes:
        sent: attempts sent to the endpoint.
        answered: calls that the endpoint answered.
        from_journal: calls answered from the journal, free.
        joined: calls that shared the answer of an identical call under way, free.
        retries: attempts after the first of a call.
        failures: calls that ended in an error.
        prompt_tokens: as reported by the provider, cached ones included.
        completion_tokens: as reported by the provider.
        cached_tokens: prompt tokens that the provider reported as served from its prefix cache.
        estimated_tokens: charged as reserved: time-outs, and whatever the provider did not report.
        journal_tokens: tokens that the answers from the journal had taken when they were asked, as reported.
        seconds: answered attempts, from sending to answer, summed.
        cost: USD charged; None where there is no price.
        unpriced: why there is none; "" where there is one.
    """

    role: str = ""
    model: str = ""
    sent: int = 0
    answered: int = 0
    from_journal: int = 0
    joined: int = 0
    retries: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    estimated_tokens: int = 0
    journal_tokens: int = 0
    seconds: float = 0.0
    cost: float | None = None
    unpriced: str = ""

    @property
    def tokens(self) -> int:
        """All tokens charged, reported and estimated."""
        return self.prompt_tokens + self.completion_tokens + self.estimated_tokens


class Accounts:
    """Counts what the client does, by part, role and model.

    Args:
        on_change: called after every change, for a progress display; it must be quick and must not raise.
        tariffs: what each model costs.
    """

    def __init__(
        self, on_change: Callable[[], None] | None = None, tariffs: Mapping[str, Tariff] | None = None
    ) -> None:
        self._tariffs = tariffs or {}
        self._accounts: dict[tuple[str, str, str], RoleAccount] = {}
        self._on_change = on_change
        self._asked = 0
        self._free = 0

    def sent(self, request: Request, *, again: bool) -> None:
        """An attempt is on its way; ``again`` for every one after a call's first."""
        old = self._of(request)
        self._write(replace(old, sent=old.sent + 1, retries=old.retries + again))

    def charged(self, request: Request, charge: Charge) -> None:
        """An attempt without an answer was settled."""
        self._write(_with(self._of(request), charge))

    def answered(self, request: Request, reply: Reply, charge: Charge, seconds: float) -> None:
        """The endpoint answered and the answer is settled."""
        old = _with(self._of(request), charge)
        cached = old.cached_tokens + max(0, reply.usage.cached or 0)
        self._asked += 1
        new = replace(old, answered=old.answered + 1, cached_tokens=cached, seconds=old.seconds + seconds)
        self._write(new)

    def replayed(self, request: Request, usage: Usage) -> None:
        """The journal answered what had once taken ``usage``."""
        old = self._of(request)
        self._free += 1
        tokens = old.journal_tokens + (usage.prompt or 0) + (usage.completion or 0)
        self._write(replace(old, from_journal=old.from_journal + 1, journal_tokens=tokens))

    def joined(self, request: Request) -> None:
        """An identical call under way answered."""
        old = self._of(request)
        self._free += 1
        self._write(replace(old, joined=old.joined + 1))

    def failed(self, request: Request) -> None:
        """The call ended in an error."""
        old = self._of(request)
        self._write(replace(old, failures=old.failures + 1))

    def snapshot(self) -> tuple[RoleAccount, ...]:
        """The account of each role and model of this task's part, roles in the order of ``ROLES``."""
        own = PART.get()
        return tuple(sorted((one for key, one in self._accounts.items() if key[0] == own), key=_place))

    def whole(self) -> tuple[RoleAccount, ...]:
        """The same of all parts together."""
        return by_role(self._accounts.values())

    def ended(self) -> tuple[int, int]:
        """How many calls were answered by an endpoint, and how many free of charge; quick, for every change."""
        return self._asked, self._free

    def total(self) -> RoleAccount:
        """All parts, roles and models together."""
        return RoleAccount(**_summed(self._accounts.values()))

    def _of(self, request: Request) -> RoleAccount:
        found = self._accounts.get((PART.get(), request.role, request.model))
        return found or self._new(request.role, request.model)

    def _new(self, role: str, model: str) -> RoleAccount:
        tariff = self._tariffs.get(model)
        if isinstance(tariff, Price):
            return RoleAccount(role, model, cost=0.0)
        return RoleAccount(role, model, unpriced=tariff.reason if isinstance(tariff, NoPrice) else "")

    def _write(self, account: RoleAccount) -> None:
        self._accounts[PART.get(), account.role, account.model] = account
        if self._on_change is not None:
            self._on_change()


def by_role(accounts: Iterable[RoleAccount]) -> tuple[RoleAccount, ...]:
    """The accounts of several parts or runs, one a role and model, roles in the order of ``ROLES``."""
    by_pair: dict[tuple[str, str], list[RoleAccount]] = {}
    for one in accounts:
        by_pair.setdefault((one.role, one.model), []).append(one)
    return tuple(sorted(map(_together, by_pair.values()), key=_place))


def _together(accounts: Sequence[RoleAccount]) -> RoleAccount:
    """The accounts of one role and model in several parts, as one."""
    costs = [one.cost for one in accounts if one.cost is not None]
    return replace(accounts[0], **_summed(accounts), cost=math.fsum(costs) if costs else None)


def _summed(accounts: Iterable[RoleAccount]) -> dict[str, Any]:
    """The counters of some accounts, added up; money is another matter, for it may be unknown."""
    others = ("role", "model", "cost", "unpriced")
    listed = tuple(accounts)
    counters = [field.name for field in fields(RoleAccount) if field.name not in others]
    return {name: sum(getattr(one, name) for one in listed) for name in counters}


def _with(account: RoleAccount, charge: Charge) -> RoleAccount:
    return replace(
        account,
        prompt_tokens=account.prompt_tokens + charge.prompt,
        completion_tokens=account.completion_tokens + charge.completion,
        estimated_tokens=account.estimated_tokens + charge.estimated,
        cost=None if account.cost is None else account.cost + usd(charge.cost),
    )


def _place(account: RoleAccount) -> tuple[int, str, str]:
    rank = ROLES.index(account.role) if account.role in ROLES else len(ROLES)
    return (rank, account.role, account.model)
