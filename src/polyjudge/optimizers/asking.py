"""Asks a textual stage and parses its reply, with a bounded number of retries for unreadable ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from polyjudge.domain.decomposition import Group
from polyjudge.errors import ReplyError
from polyjudge.llm.request import Asker, Message, Role
from polyjudge.templates.instruction_parser import (
    instruction_form,
    instruction_schema,
    read_held,
    read_instruction,
    read_instructions,
)

T = TypeVar("T")

_AGAIN = "Your previous reply could not be used: {reason}. Reply again, in the form that is asked for above."
# Where an engine bounds texts: the longest new instruction, and the characters that a token is taken to hold. A small
# model that repeats itself then closes its text before its token limit.
_LONGEST, _SHORTEST = 2000, 40
_CHARACTERS = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """A role that writes text: loss, gradient or optimizer.

    Attributes:
        asker: the client.
        role: its model and sampling.
        parse_retries: how often an unreadable reply is asked for again.
        structured: whether new instructions may be held to a JSON schema.
    """

    asker: Asker
    role: Role
    parse_retries: int = 2
    structured: bool = True

    @property
    def held(self) -> bool:
        """Whether new instructions come in JSON that a schema holds, as far as is known of the endpoint."""
        able = self.asker.abilities(self.role.model)
        return self.structured and able.schema and not able.assumed

    async def write(self, text: str, group: Group, sample: int = 0) -> dict[str, str]:
        """The new instructions of a group, which ``text`` asks for in JSON if ``held``, else between markers.

        Raises:
            ReplyError: the last reply could not be read either.
        """
        if not self.held:
            return await self.ask(text, reader(group), sample)
        longest = self._longest(group) if self.asker.abilities(self.role.model).bounds else 0
        return await self.ask(
            text, lambda reply, cut: read_held(reply, group, cut=cut), sample, instruction_schema(group, longest)
        )

    def _longest(self, group: Group) -> int:
        """The most characters of an instruction, so that the whole reply fits into its token limit."""
        frame = len(json.dumps(instruction_form(group)))
        return max(_SHORTEST, min(_LONGEST, (_CHARACTERS * self.role.sampling.max_tokens - frame) // len(group)))

    async def ask(self, text: str, read: Callable[[str, bool], T], sample: int = 0, schema: str = "") -> T:
        """The reply, parsed by ``read(text, cut)``; an unreadable one is asked for again, with the reason.

        Equal texts with different ``sample`` are different draws, unless the temperature is 0. ``schema``: the JSON
        schema that the reply is held to; "" = none.

        Raises:
            ReplyError: the last reply could not be read either.
        """
        failure = ReplyError("nothing was asked")
        draw = 0 if self.role.sampling.temperature == 0 else sample
        for retry in range(self.parse_retries + 1):
            content = f"{text}\n\n{_AGAIN.format(reason=failure)}" if retry else text
            request = self.role.request((Message("user", content),), schema=schema, sample=draw, retry=retry)
            try:
                reply = await self.asker.ask(request)
                return read(reply.text, reply.finish == "length")
            except ReplyError as error:
                failure = error
        raise failure


def reader(group: Group) -> Callable[[str, bool], dict[str, str]]:
    """The parser of a group's new instructions between their markers: a text for one criterion, JSON for several."""

    def read(reply: str, cut: bool) -> dict[str, str]:
        if len(group) == 1:
            return {group[0]: read_instruction(reply, cut=cut)}
        return read_instructions(reply, group, cut=cut)

    return read
