"""Ask a textual stage and read its reply, again when it cannot be read, a bounded number of times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from polyjudge.errors import ReplyError
from polyjudge.llm.request import Asker, Message
from polyjudge.llm.role import Role

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stage:
    """A role that writes text: loss, gradient or optimizer.

    Attributes:
        asker: the client.
        role: its model and sampling.
        re_asks: how often an unreadable reply is asked for again.
    """

    asker: Asker
    role: Role
    re_asks: int = 2

    async def ask(self, text: str, read: Callable[[str, bool], T], sample: int = 0) -> T:
        """The reply as ``read(text, cut)`` understands it.

        Equal texts asked with different ``sample`` are different draws, unless the temperature is 0.

        Raises:
            ReplyError: the last reply could not be read either.
        """
        failure = ReplyError("nothing was asked")
        draw = 0 if self.role.sampling.temperature == 0 else sample
        for attempt in range(self.re_asks + 1):
            request = self.role.request((Message("user", text),), sample=draw, attempt=attempt)
            try:
                reply = await self.asker.ask(request)
                return read(reply.text, reply.finish == "length")
            except ReplyError as error:
                failure = error
        raise failure
