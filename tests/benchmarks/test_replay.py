"""The replay of recorded judges: draws share no document with their truth, and the loop is asked what it should be."""

import numpy as np
import pytest
from benchmarks.replay import TURNS, Draw, gates_of, on_calibration, on_juries, recorded, run

from polyjudge.gates.early import EarlyReject


@pytest.fixture(scope="module")
def judge():
    (only,) = recorded(["ChatGPT"])
    return only


def test_the_validation_rows_are_whole_documents(judge):
    draw = Draw.of(judge, 3, 100)
    documents = np.array(judge.rows.documents)
    assert not set(documents[draw.validation]) & set(documents[draw.truth])
    assert 100 <= draw.validation.sum() <= 111


def test_no_run_ends_above_the_oracle_nor_asks_twice_for_what_it_gives_up(judge):
    draw = Draw.of(judge, 0, 100)
    gate, start = gates_of(judge, 0)["per-criterion, empirical Bayes"], draw.random()
    whole, short = run(draw, gate, start), run(draw, gate, start, EarlyReject(0))
    assert len(whole.steps) == TURNS + 1
    assert draw.end(whole.instructions) <= draw.end(draw.best()) + 1e-12
    assert short.asked < whole.asked
    assert run(draw, gate, start).instructions == whole.instructions


def test_the_tables_have_a_row_an_llm(judge):
    header, row = on_calibration([judge], 2, 100)
    assert row[0] == "ChatGPT"
    assert float(row[2].split()[0]) < float(row[1].split()[0])
    assert len(header) == len(row)
    assert len(list(on_juries([judge], 1, 100))) == 2
