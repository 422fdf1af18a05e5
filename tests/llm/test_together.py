"""Work done at once: results in order, and one error as itself."""

from __future__ import annotations

import asyncio

import pytest

from polyjudge.concurrency import together
from polyjudge.errors import BudgetSpent, ReplyError


async def after(turns: int, result: int | Exception) -> int:
    for _ in range(turns):
        await asyncio.sleep(0)
    if isinstance(result, Exception):
        raise result
    return result


def test_results_come_in_the_order_of_the_work() -> None:
    assert asyncio.run(together(after(9 - at, at) for at in range(9))) == list(range(9))
    assert asyncio.run(together([])) == []


def test_the_first_error_cancels_the_others_and_comes_out_as_itself() -> None:
    stop = BudgetSpent("no calls are left")
    ended: list[str] = []

    async def endless() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return 0

    with pytest.raises(BudgetSpent) as caught:
        asyncio.run(together([endless(), after(3, stop), endless()]))
    assert caught.value is stop
    assert ended == ["cancelled"] * 2


def test_nested_work_is_unwrapped_too() -> None:
    stop = BudgetSpent("no calls are left")

    async def inner() -> int:
        return sum(await together([after(1, 1), after(2, stop)]))

    async def plain_group() -> int:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(after(1, stop))
        return 0

    for work in (inner, plain_group):
        with pytest.raises(BudgetSpent) as caught:
            asyncio.run(together([after(9, 0), work()]))
        assert caught.value is stop


def test_an_error_while_the_work_is_listed_comes_out_as_itself() -> None:
    def listed():
        yield after(1, 1)
        raise ReplyError("no more work")

    with pytest.raises(ReplyError, match="no more work"):
        asyncio.run(together(listed()))


def test_a_cancellation_from_outside_stays_one() -> None:
    async def run() -> bool:
        task = asyncio.create_task(together([after(1000, 1), after(1000, 2)]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return True
        return False

    assert asyncio.run(run())


def test_others_get_their_turn_while_many_are_started() -> None:
    order: list[str] = []

    async def one(name: str) -> None:
        order.append(name)

    async def scenario() -> None:
        other = asyncio.ensure_future(one("other"))
        await together(one(str(number)) for number in range(100))
        await other

    asyncio.run(scenario())
    assert order.index("other") < 20
    assert [name for name in order if name != "other"] == [str(number) for number in range(100)]
