"""Accounts: by role and model, adding up."""

import random
from dataclasses import fields

from polyjudge.llm.accounts import Accounts, RoleAccount
from polyjudge.llm.budget import Charge
from polyjudge.llm.request import Reply, Request, Usage


def asked(role: str, model: str = "m") -> Request:
    return Request(model, (), role=role)


def test_each_role_and_model_has_its_account_in_the_order_of_the_roles() -> None:
    accounts = Accounts()
    for role, model in [("optimizer", "b"), ("judge", "z"), ("stranger", "a"), ("judge", "a")]:
        accounts.replayed(asked(role, model), Usage(3, 2))
    names = [(account.role, account.model) for account in accounts.snapshot()]
    assert names == [("judge", "a"), ("judge", "z"), ("optimizer", "b"), ("stranger", "a")]


def test_a_snapshot_stays_as_it_was() -> None:
    accounts = Accounts()
    accounts.sent(asked("judge"), again=False)
    before = accounts.snapshot()
    accounts.sent(asked("judge"), again=True)
    assert (before[0].sent, before[0].retries) == (1, 0)
    assert (accounts.snapshot()[0].sent, accounts.snapshot()[0].retries) == (2, 1)


def test_reported_and_estimated_tokens_are_kept_apart() -> None:
    accounts = Accounts()
    reply = Reply("text", usage=Usage(10, None, 4))
    accounts.answered(asked("loss"), reply, Charge(10, 0, 50), 1.5)
    accounts.charged(asked("loss"), Charge(0, 0, 80))
    (account,) = accounts.snapshot()
    assert account == RoleAccount(
        "loss", "m", answered=1, prompt_tokens=10, cached_tokens=4, estimated_tokens=130, seconds=1.5
    )
    assert account.tokens == 140


def test_the_total_is_the_sum_of_all_accounts() -> None:
    accounts, chance = Accounts(), random.Random(0)
    for _ in range(300):
        request = asked(chance.choice(["judge", "loss", "gradient"]), chance.choice(["a", "b"]))
        charge = Charge(chance.randrange(9), chance.randrange(9), chance.randrange(9))
        accounts.sent(request, again=chance.random() < 0.5)
        chance.choice([accounts.joined, accounts.failed])(request)
        accounts.replayed(request, Usage(5, 4))
        accounts.charged(request, charge)
        accounts.answered(request, Reply("", usage=Usage(1, 1, 1)), charge, 0.25)
    total, snapshot = accounts.total(), accounts.snapshot()
    assert len(snapshot) == 6
    for field in fields(RoleAccount)[2:-2]:
        assert getattr(total, field.name) == sum(getattr(account, field.name) for account in snapshot) > 0


def test_what_the_cache_saved_is_counted() -> None:
    accounts = Accounts()
    accounts.replayed(asked("judge"), Usage(30, 4))
    accounts.replayed(asked("judge"), Usage(None, 6))
    (account,) = accounts.snapshot()
    assert (account.from_cache, account.replayed_tokens, account.tokens) == (2, 40, 0)


def test_every_change_is_told() -> None:
    seen: list[int] = []
    accounts = Accounts(on_change=lambda: seen.append(accounts.total().sent))
    for again in (False, True, True):
        accounts.sent(asked("judge"), again=again)
    assert seen == [1, 2, 3]


def test_parts_have_accounts_of_their_own_and_count_in_the_whole() -> None:
    seen: list[tuple[int, int]] = []
    accounts = Accounts(on_change=lambda: seen.append(accounts.ended()))
    for name in ("one", "two", "one"):
        accounts.part(name).replayed(asked("judge"), Usage(3, 2))
    accounts.replayed(asked("judge"), Usage(3, 2))
    assert [account.from_cache for account in accounts.part("one").snapshot()] == [2]
    assert [account.from_cache for account in accounts.snapshot()] == [1]
    assert [account.from_cache for account in accounts.whole()] == [4] == [accounts.total().from_cache]
    assert seen == [(0, 1), (0, 2), (0, 3), (0, 4)]
