"""Forms filled token by token, by a model whose tokens and choices the test makes up."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.errors import CallFailed
from polyjudge.llm.backends.filling import fill
from polyjudge.llm.request import Blank, Reply, TokenChoice, Usage

LABELS = st.lists(st.text("abc01", min_size=1, max_size=4), min_size=1, max_size=5, unique=True)


class Writer:
    """A model that means to write a certain text, in tokens that end at certain places of it."""

    def __init__(self, meant: str, ends: Sequence[int]) -> None:
        self.meant = meant
        self.ends = sorted({*ends, len(meant)})
        self.asked: list[str] = []

    def pieces(self, text: str) -> list[str]:
        """Every character is a token: a choice is never joined with what precedes it."""
        return list(text)

    def ask(self, begun: str, grammar: str) -> Reply:
        assert self.meant.startswith(begun)
        self.asked.append(begun)
        end = next(place for place in self.ends if place > len(begun))
        allowed = [json.loads(f'"{one}"') for one in re.findall(r'"((?:[^"\\]|\\.)*)"', grammar)]
        token = self.meant[len(begun) : end]
        # As a grammar does it: no token goes beyond what it allows.
        while not any(one.startswith(token) for one in allowed):
            token = token[:-1]
        assert token
        return Reply(token, "length", "m", Usage(len(begun), 1, 0), (TokenChoice(token, -0.5, ((token, -0.5),)),))


@given(st.lists(LABELS, min_size=1, max_size=4), st.randoms(), st.sets(st.integers(1, 60)))
def test_the_filled_form_is_what_the_model_means_to_write(
    scales: list[list[str]], random: Random, ends: set[int]
) -> None:
    form = tuple(Blank(f'{", " if at else "{"}"k{at}": ', tuple(labels)) for at, labels in enumerate(scales))
    chosen = [labels[random.randrange(len(labels))] for labels in scales]
    meant = "".join(blank.before + one for blank, one in zip(form, chosen, strict=True)) + "}"
    writer = Writer(meant, [end for end in ends if end < len(meant)])
    reply = fill((*form, Blank("}")), writer.ask, writer.pieces)
    assert reply.text == meant
    assert "".join(token.token for token in reply.tokens) == meant
    assert (reply.finish, reply.usage.completion) == ("stop", len(writer.asked[-1]) + 1 - len(writer.asked[0]))


def test_only_the_tokens_that_tell_the_choices_apart_are_asked() -> None:
    form = (Blank('{"a": "', ("refusal", "answer")), Blank('", "b": ', ("1", "10")), Blank("}"))
    writer = Writer('{"a": "refusal", "b": 1}', [9, *range(15, 40)])
    reply = fill(form, writer.ask, writer.pieces)
    assert writer.asked == ['{"a": "', '{"a": "refusal", "b": ', '{"a": "refusal", "b": 1']
    assert [token.token for token in reply.tokens] == ['{"a": "', "re", 'fusal", "b": ', "1", "}"]


def test_a_blank_that_the_tokeniser_joins_with_the_choice_is_asked_with_it() -> None:
    form = (Blank('{"a": ', ("1", "2")), Blank("}"))
    writer = Writer('{"a": 2}', [7])
    joined = lambda text: re.findall(r" ?[^ ]", text)  # noqa: E731
    reply = fill(form, writer.ask, joined)
    assert writer.asked == ['{"a":']
    assert [token.token for token in reply.tokens] == ['{"a":', " 2", "}"]


@pytest.mark.parametrize("token", ["9", ""])
def test_a_token_that_is_no_part_of_a_choice_is_a_failed_call(token: str) -> None:
    def ask(begun: str, grammar: str) -> Reply:
        return Reply(token, tokens=(TokenChoice(token, -1.0),))

    with pytest.raises(CallFailed, match="none of the form's choices"):
        fill((Blank('{"a": ', ("1", "2")), Blank("}")), ask, list)
