"""A judge in memory: called from anywhere, one item at a time, and closed cleanly."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, TONE, Recorder, by_chance, rated

import polyjudge
from polyjudge.datasets.load import load_rubric
from polyjudge.errors import BudgetSpent, ConfigError, CriteriaError, ModelError
from polyjudge.llm.request import Sampling
from polyjudge.results.judge_file import JudgeFile, dump_judge

DATA = rated({"clarity": FIVE, "tone": TONE})
SAME = '{"clarity": 4, "tone": "cold"}'


@pytest.fixture
def path(place: Path) -> Path:
    judge = JudgeFile(load_rubric(DATA.criteria), JUDGE, "joint", "json", Sampling(0.0, 64))
    (place / "judge.yaml").write_text(dump_judge(judge), "utf-8")
    return place / "judge.yaml"


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(by_chance(DATA))


@pytest.fixture
def judge(path: Path, recorder: Recorder) -> Iterator[polyjudge.LoadedJudge]:
    with polyjudge.load(path, backends={JUDGE: recorder.backend}) as loaded:
        yield loaded


def always(path: Path, reply: str, **options: Any) -> polyjudge.LoadedJudge:
    return polyjudge.load(path, backends={JUDGE: Recorder(lambda request: reply).backend}, **keywords(**options))


def test_scores_are_numbers_labels_or_nothing(path: Path) -> None:
    with always(path, SAME) as judge:
        assert judge(letter="Dear all.") == {"clarity": 4.0, "tone": "cold"}
    with always(path, '{"clarity": 9, "tone": "icy"}') as judge:
        assert judge(letter="Dear none.") == {"clarity": None, "tone": None}


def test_many_rows_are_scored_in_their_order(judge: polyjudge.LoadedJudge, recorder: Recorder) -> None:
    rows = [{"letter": f"Dear {k}.", "more": "x"} for k in range(12)]
    found = judge.map(rows)
    assert found == [judge(letter=row["letter"]) for row in rows]
    assert judge.map([]) == []
    with pytest.raises(ConfigError, match=r"takes the inputs \['letter'\]"):
        judge.map([rows[0], {"more": "x"}])


def test_a_judge_travels_to_another_process(path: Path, judge: polyjudge.LoadedJudge) -> None:
    again = pickle.loads(pickle.dumps(polyjudge.load(path, model="simulated/default")))
    with again:
        assert again.file == judge.file
        assert set(again(letter="Dear all.")) == {"clarity", "tone"}
    with pytest.raises(TypeError, match="load it where it is called"):
        pickle.dumps(judge)


def test_the_model_stays_open_and_an_item_is_asked_for_once(judge: polyjudge.LoadedJudge, recorder: Recorder) -> None:
    first = judge(letter="Dear all.")
    assert judge(letter="Dear all.") == first
    assert judge(letter="Dear none.") is not None
    assert len(recorder.asked) == 2


def test_awaiting_gives_the_same_and_does_not_block(path: Path) -> None:
    async def work(judge: polyjudge.LoadedJudge) -> list[Any]:
        ticks: list[int] = []

        async def tick() -> None:
            for number in range(5):
                ticks.append(number)
                await asyncio.sleep(0)

        found = await asyncio.gather(*(judge.acall(letter=f"Dear {number}.") for number in range(20)), tick())
        assert ticks == [0, 1, 2, 3, 4]
        return found[:-1]

    backend = polyjudge.Scripted(by_chance(DATA), latency=0.01)
    with polyjudge.load(path, backends={JUDGE: backend}) as judge:
        found = asyncio.run(work(judge))
        assert found == [judge(letter=f"Dear {number}.") for number in range(20)]
    assert backend.calls == 20


def test_many_threads_may_call(judge: polyjudge.LoadedJudge, recorder: Recorder) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: judge(letter=f"Dear {number % 5}."), range(40)))
    assert found == found[:5] * 8
    assert len(recorder.asked) == 5


def test_a_notebook_s_own_loop_is_no_hindrance(judge: polyjudge.LoadedJudge) -> None:
    async def cell() -> Any:
        return judge(letter="Dear all.")

    assert asyncio.run(cell()) == judge(letter="Dear all.")


def test_closing_ends_the_thread_and_calling_afterwards_opens_anew(path: Path, recorder: Recorder) -> None:
    before = threading.active_count()
    judge = polyjudge.load(path, backends={JUDGE: recorder.backend})
    first = judge(letter="Dear all.")
    assert threading.active_count() > before
    judge.close()
    assert threading.active_count() == before
    assert judge(letter="Dear all.") == first
    judge.close()
    judge.close()
    assert len(recorder.asked) == 1
    assert threading.active_count() == before


def test_a_judge_that_was_never_called_closes(path: Path) -> None:
    polyjudge.load(path).close()


@pytest.mark.parametrize("inputs", [{}, {"text": "Dear all."}, {"letter": "Dear all.", "tone": "warm"}])
def test_other_inputs_are_refused_by_name(inputs: dict[str, str], judge: polyjudge.LoadedJudge) -> None:
    with pytest.raises(ConfigError, match=r"takes the inputs \['letter'\], not"):
        judge(**inputs)


@pytest.mark.parametrize("value", [3, None, ["Dear"], "half \ud800 a character", "nul \0"])
def test_an_input_that_is_no_text_is_refused(value: Any, judge: polyjudge.LoadedJudge, recorder: Recorder) -> None:
    with pytest.raises(ConfigError, match="'letter'"):
        judge(letter=value)
    assert recorder.asked == []


def test_a_model_that_cannot_be_reached_is_told_at_the_call_and_again(path: Path) -> None:
    with polyjudge.load(path) as judge:
        for _ in range(2):
            with pytest.raises(ModelError, match="unknown provider 'test'"):
                judge(letter="Dear all.")


def test_options_of_scoring_hold_and_others_are_refused(path: Path) -> None:
    with always(path, SAME, max_calls=1) as judge:
        judge(letter="Dear all.")
        with pytest.raises(BudgetSpent):
            judge(letter="Dear none.")
    with pytest.raises(ConfigError, match=r"takes no setting \['mode'\]"):
        always(path, SAME, mode="SSS")


def test_a_file_that_is_no_judge_is_told_at_once(place: Path) -> None:
    (place / "criteria.yaml").write_text(json.dumps(DATA.criteria), "utf-8")
    with pytest.raises(CriteriaError, match="not a judge file"):
        polyjudge.load(place / "criteria.yaml")


def test_a_call_under_way_is_answered_when_the_judge_is_closed(path: Path) -> None:
    backend = polyjudge.Scripted(lambda request: SAME, latency=0.2)
    judge = polyjudge.load(path, backends={JUDGE: backend})
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(judge, letter="Dear all.")
        while not backend.calls:
            time.sleep(0.001)
        judge.close()
        assert under_way.result(20) == {"clarity": 4.0, "tone": "cold"}


def test_it_says_what_it_is(judge: polyjudge.LoadedJudge) -> None:
    assert repr(judge) == "<judge of clarity, tone on test/judge>"
