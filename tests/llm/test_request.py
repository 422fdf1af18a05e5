"""The cache's key: everything that can change an answer, and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from polyjudge.llm.request import Blank, Message, Request, Role, Sampling

ASKED = Request("made/up", (Message("user", "How good?"),), sampling=Sampling(0.5, 8))
# Another value of every field that can change an answer.
OTHERS: dict[str, Any] = {
    "model": "made/other",
    "messages": (Message("assistant", "How good?"),),
    "sampling": Sampling(0.5, 9),
    "schema": "{}",
    "top_logprobs": 1,
    "seed": 1,
    "sample": 1,
    "retry": 1,
    "questions": "[]",
    "form": (Blank('{"a": ', ("1", "2")), Blank("}")),
}
SAME: dict[str, Any] = {"role": "loss", "rank": 3, "shared": 4}


def test_every_field_is_known_to_change_the_answer_or_not() -> None:
    assert {field.name for field in fields(Request)} == OTHERS.keys() | SAME.keys()


@pytest.mark.parametrize("name", OTHERS)
def test_what_can_change_an_answer_changes_the_key(name: str) -> None:
    assert replace(ASKED, **{name: OTHERS[name]}).key("here") != ASKED.key("here")


@pytest.mark.parametrize(
    "other", [Sampling(0.6, 8), Sampling(None, 8), Sampling(0.5, 9), Sampling(0.5, 8, (("top_p", "0.5"),))]
)
def test_every_part_of_the_sampling_changes_the_key(other: Sampling) -> None:
    assert replace(ASKED, sampling=other).key("here") != ASKED.key("here")


def test_who_asks_and_where_a_call_goes_change_no_key() -> None:
    assert replace(ASKED, **SAME).key("here") == ASKED.key("here")
    assert ASKED.key("there") != ASKED.key("here")


def test_the_keys_of_answers_that_are_stored_stay() -> None:
    plain = Request("made/up", (Message("user", "How good?"),))
    assert plain.key("here") == "eb956d3f84e7eb0e77871cbb2f7d88df7750b4dca49634ff2c598269f0877b0f"


@pytest.mark.parametrize(("temperature", "seed"), [(0.0, 0), (0.7, 5), (None, 5)])
def test_the_seed_counts_only_where_answers_vary_by_chance(temperature: float | None, seed: int) -> None:
    role = Role("judge", "made/up", Sampling(temperature, 8), seed=5)
    assert role.request([Message("user", "How good?")]).seed == seed
