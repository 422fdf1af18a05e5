"""A form filled by a model: the fixed text is given, and the model is asked for its blanks alone, one after another.

The answer is the one that the model would have written with the same fixed text, and its tokens carry the same
probabilities. Of a blank only the tokens are asked that tell its choices apart; the rest of the choice is fixed text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from polyjudge.errors import CallFailed
from polyjudge.llm.request import Blank, Reply, TokenChoice, Usage

# One token after a begun reply, among those that a grammar allows.
Ask = Callable[[str, str], Reply]
# The texts of a text's tokens.
Pieces = Callable[[str], Sequence[str]]


def fill(form: Sequence[Blank], ask: Ask, pieces: Pieces) -> Reply:
    """The reply with every blank filled.

    Args:
        form: as in a request.
        ask: a token after a begun reply.
        pieces: the texts of a text's tokens.

    Raises:
        CallFailed: a call failed, or its token is no part of any choice.
    """
    filled, rest = _Filled(), ""
    for blank, after in pairwise(form):
        fixed = rest + blank.before.removeprefix(filled.ahead)
        start = _start(fixed, blank.choices, pieces)
        filled.fix(fixed[:start])
        rest = _choose(filled, [fixed[start:] + choice for choice in blank.choices], after.before[:1], ask)
    filled.fix(rest + form[-1].before.removeprefix(filled.ahead))
    return Reply(filled.text, "stop", filled.steps[-1].model, _usage(filled.steps), tuple(filled.tokens))


@dataclass(slots=True)
class _Filled:
    """What stands so far.

    Attributes:
        tokens: they spell the text.
        ahead: what the model wrote of the fixed text after a choice, to end it.
    """

    text: str = ""
    ahead: str = ""
    tokens: list[TokenChoice] = field(default_factory=list)
    steps: list[Reply] = field(default_factory=list)

    def fix(self, text: str) -> None:
        """Fixed text, which the model did not choose."""
        if text:
            self.text += text
            self.tokens.append(TokenChoice(text, 0.0))

    def write(self, step: Reply) -> str:
        """A token of the model's choice."""
        if not step.tokens or not step.tokens[0].token:
            raise _astray("nothing")
        self.steps.append(step)
        self.text += step.tokens[0].token
        self.tokens.append(step.tokens[0])
        return step.tokens[0].token


def _choose(filled: _Filled, choices: Sequence[str], after: str, ask: Ask) -> str:
    """Ask until one choice is left; returns the rest of it."""
    written, filled.ahead = "", ""
    while True:
        ends = [choice[len(written) :] or after for choice in choices]
        grammar = "root ::= " + " | ".join(json.dumps(end, ensure_ascii=False) for end in ends)
        written += filled.write(ask(filled.text, grammar))
        if any(written == choice + after for choice in choices):
            filled.ahead = after
            return ""
        choices = [choice for choice in choices if choice.startswith(written)]
        if not choices:
            raise _astray(repr(written))
        if len(choices) == 1:
            return choices[0][len(written) :]


def _start(fixed: str, choices: Sequence[str], pieces: Pieces) -> int:
    """Where a token begins in every choice's tokens, at the end of the fixed text or before it.

    Some tokenisers join a choice with the blank before it. Such a blank is asked with the choice.
    """
    starts = set(range(len(fixed) + 1))
    for choice in choices:
        text = fixed + choice
        spelled = list(pieces(text))
        if not "".join(spelled).endswith(text):
            continue
        # A tokeniser may put a blank before the text.
        at = len(text) - sum(map(len, spelled))
        found = set()
        for piece in spelled:
            found.add(at)
            at += len(piece)
        starts &= found | {0}
    return max(starts)


def _usage(steps: Sequence[Reply]) -> Usage:
    """The first call's prompt, and as completion what the filled form adds to it."""
    first, last = steps[0].usage, steps[-1].usage
    written = (last.prompt or 0) + (last.completion or 0) - (first.prompt or 0)
    return Usage(first.prompt, written, first.cached)


def _astray(what: str) -> CallFailed:
    return CallFailed(f"the model wrote {what}, which is none of the form's choices", retryable=False, scope="request")
