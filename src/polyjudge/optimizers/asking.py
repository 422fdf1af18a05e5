"""Asks a textual stage and parses its reply, with a bounded number of retries for unreadable ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from polyjudge.domain.decomposition import Group
from polyjudge.errors import ReplyError
from polyjudge.llm.request import Asker, Message, Role
from polyjudge.templates.instruction_parser import read_instruction, read_instructions

T = TypeVar("T")

_AGAIN = "Your previous reply could not be used: {reason}. Reply again, in the form that is asked for above."


@dataclass(frozen=True, slots=True)
class Stage:
    """A role that writes text: loss, gradient or optimizer.

    Attributes:
        asker: the client.
        role: its model and sampling.
        parse_retries: how often an unreadable reply is asked for again.
    """

    asker: Asker
    role: Role
    parse_retries: int = 2

    async def ask(self, text: str, read: Callable[[str, bool], T], sample: int = 0) -> T:
        """The reply, parsed by ``read(text, cut)``; an unreadable one is asked for again, with the reason.

        Equal texts with different ``sample`` are different draws, unless the temperature is 0.

        Raises:
            ReplyError: the last reply could not be read either.
        """
        failure = ReplyError("nothing was asked")
        draw = 0 if self.role.sampling.temperature == 0 else sample
        for retry in range(self.parse_retries + 1):
            content = f"{text}\n\n{_AGAIN.format(reason=failure)}" if retry else text
            request = self.role.request((Message("user", content),), sample=draw, retry=retry)
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
