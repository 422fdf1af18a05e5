"""The cache's key: everything that can change an answer, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from polyjudge.llm.request import Message, Request

ASKED = Request("made/up", (Message("user", "How good?"),))


def test_who_asks_and_where_a_call_goes_change_no_key() -> None:
    assert replace(ASKED, role="loss", rank=3, shared=4).key("here") == ASKED.key("here")
    assert replace(ASKED, sample=1).key("here") != ASKED.key("here")
    assert ASKED.key("there") != ASKED.key("here")
