"""Money of a run: planned, bounded, told; an unknown price is never 0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, Recorder, by_chance, rated

import polyjudge
from polyjudge.errors import BudgetSpent, ConfigError
from polyjudge.llm.accounts import RoleAccount
from polyjudge.results.money import cost_text, total_text, unpriced

DATA = rated({"clarity": FIVE}, documents=12)
PRICE = {JUDGE: {"input": 1.0, "cached": 0.1, "output": 2.0}}


def fitted(recorder: Recorder, **options: Any) -> polyjudge.Run:
    options = {"steps": 1, "preset": "smoke", "scoring": "json", "model": JUDGE, **options}
    return polyjudge.optimize(
        DATA.rows, criteria=DATA.criteria, output="run", backends={JUDGE: recorder.backend}, **keywords(**options)
    )


def test_money_cannot_be_bounded_where_a_price_is_unknown_and_nothing_is_asked() -> None:
    recorder = Recorder(by_chance(DATA))
    with pytest.raises(ConfigError, match=r"--max-cost .* 'test/judge' is unknown; .*\[prices.\"test/judge\"\]"):
        fitted(recorder, max_cost=1.0)
    assert not recorder.asked
    with pytest.raises(ConfigError, match="--max-cost"):
        polyjudge.check(
            DATA.rows, criteria=DATA.criteria, model="openai/no-such-model", settings=polyjudge.Settings(max_cost=1.0)
        )


def test_a_run_stops_before_its_money_is_overdrawn_and_goes_on_with_more() -> None:
    recorder = Recorder(by_chance(DATA))
    with pytest.raises(BudgetSpent, match=r"of 0.002 USD are spent .*--max-cost"):
        fitted(recorder, max_cost=0.002, prices=PRICE)
    first = len(recorder.asked)
    assert first > 0
    done = fitted(recorder, max_cost=5.0, prices=PRICE)
    assert len(recorder.asked) > first
    assert all(account.cost is not None and account.unpriced == "" for account in done.accounts)


def test_costs_by_role_stand_in_result_and_summary() -> None:
    done = fitted(Recorder(by_chance(DATA)), prices=PRICE)
    for account in done.accounts:
        expected = (account.prompt_tokens + 2 * account.completion_tokens) / 1e6
        assert account.cost == pytest.approx(expected)
        assert account.cost > 0
    written = json.loads((done.path / "result.json").read_text("utf-8"))
    assert [row["cost"] for row in written["accounts"]] == [account.cost for account in done.accounts]
    summary = (done.path / "summary.md").read_text("utf-8")
    assert f"- cost: {cost_text(sum(account.cost or 0 for account in done.accounts))}" in summary


def test_an_unknown_price_is_said_to_be_unknown(place: Path) -> None:
    done = fitted(Recorder(by_chance(DATA)))
    assert {(account.cost, account.unpriced) for account in done.accounts} == {(None, "price unknown")}
    assert "- cost: test/judge: price unknown" in (done.path / "summary.md").read_text("utf-8")
    written = json.loads((done.path / "result.json").read_text("utf-8"))
    assert {row["cost"] for row in written["accounts"]} == {None}


def test_the_plan_estimates_what_has_a_price() -> None:
    recorder = Recorder(by_chance(DATA))
    options: dict[str, Any] = {"backends": {JUDGE: recorder.backend}, "model": JUDGE, "preset": "smoke"}
    plan = polyjudge.check(DATA.rows, criteria=DATA.criteria, scoring="json", **keywords(prices=PRICE, **options))
    for role in plan.roles:
        assert role.cost == pytest.approx((role.prompt_tokens + 2 * role.completion_tokens) / 1e6)
    plan = polyjudge.check(DATA.rows, criteria=DATA.criteria, scoring="json", **keywords(**options))
    assert {(role.cost, role.unpriced) for role in plan.roles} == {(None, "price unknown")}
    assert unpriced(plan.roles) == [JUDGE]
    plan = polyjudge.check(
        DATA.rows, criteria=DATA.criteria, model="llamacpp/x", settings=polyjudge.Settings(preset="smoke")
    )
    assert {role.unpriced for role in plan.roles} == {"no price: a server of your own"}
    assert unpriced(plan.roles) == []


@pytest.mark.parametrize("odd", [{"input": -1, "output": 1}, {"input": 1}, {"input": 1, "output": 1, "cahced": 1}])
def test_a_price_that_is_none_is_refused_by_its_name(odd: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"prices.test/judge"):
        polyjudge.check(DATA.rows, criteria=DATA.criteria, settings=polyjudge.Settings(prices={JUDGE: odd}))


def test_a_sum_names_what_is_missing_from_it() -> None:
    rows = [
        RoleAccount("judge", "a/b", cost=1234.5),
        RoleAccount("loss", "c/d", unpriced="price unknown"),
        RoleAccount("gradient", "c/d", unpriced="price unknown"),
        RoleAccount("optimizer", "local/x", unpriced="no price: it runs in this process"),
    ]
    assert total_text(rows) == "1,234.50 USD; c/d: price unknown; local/x: no price: it runs in this process"


@pytest.mark.parametrize(
    ("cost", "said"), [(0.0, "0 USD"), (3e-7, "less than 0.0001 USD"), (0.0123, "0.012 USD"), (2.345, "2.35 USD")]
)
def test_a_small_figure_is_no_nothing(cost: float, said: str) -> None:
    assert cost_text(cost) in (said, said.replace("2.35", "2.34"))
