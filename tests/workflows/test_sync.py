"""From synchronous code into the asynchronous core, also from inside a running loop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from polyjudge.workflows.sync import run


async def answer() -> tuple[int, bool]:
    await asyncio.sleep(0)
    return 42, threading.current_thread() is threading.main_thread()


async def fail() -> None:
    await asyncio.sleep(0)
    raise LookupError("nothing there")


def test_without_a_loop_the_caller_s_thread_does_the_work() -> None:
    assert run(answer()) == (42, True)


def test_inside_a_loop_another_thread_does_and_is_gone_afterwards() -> None:
    async def cell() -> tuple[int, bool]:
        return run(answer())

    before = threading.active_count()
    assert asyncio.run(cell()) == (42, False)
    assert threading.active_count() == before


def test_an_error_reaches_the_caller_as_it_is() -> None:
    async def cell() -> None:
        run(fail())

    with pytest.raises(LookupError, match="nothing there"):
        run(fail())
    with pytest.raises(LookupError, match="nothing there"):
        asyncio.run(cell())


def test_it_can_be_used_again_and_again_in_one_loop() -> None:
    async def cell() -> list[int]:
        return [run(answer())[0] for _ in range(3)]

    assert asyncio.run(cell()) == [42, 42, 42]


@pytest.mark.skipif(os.name != "posix", reason="needs signals as POSIX has them")
def test_an_interrupted_cell_does_not_leave_its_work_running() -> None:
    stopped = threading.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        finally:
            stopped.set()

    async def cell() -> None:
        run(work())

    # As in a notebook: the loop leaves SIGINT to Python.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(cell())
        assert stopped.is_set()
    finally:
        loop.close()
        signal.signal(signal.SIGINT, before)
