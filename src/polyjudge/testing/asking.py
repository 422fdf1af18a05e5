"""An asker without a model, a cache or a budget: its replies are a function of the request."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from polyjudge.llm.request import Abilities, Reply, Request
from polyjudge.templates.instruction_parser import KEY, MANY, marked

Answer = str | Reply


@dataclass(frozen=True, slots=True)
class ScriptedAsker:
    """An asker for tests.

    Attributes:
        function: gives a text or a whole ``Reply``, now or when awaited, or raises what a client would raise.
        able: the abilities that it reports.
        asked: every request, in the order they were made.
    """

    function: Callable[[Request], Answer | Awaitable[Answer]]
    able: Abilities = field(default_factory=Abilities)
    asked: list[Request] = field(default_factory=list)

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request)
        answer = self.function(request)
        if inspect.isawaitable(answer):
            answer = await answer
        return answer if isinstance(answer, Reply) else Reply(answer, "stop")

    def abilities(self, model: str) -> Abilities:
        return self.able

    def of_role(self, role: str) -> list[Request]:
        """The requests that one role made."""
        return [request for request in self.asked if request.role == role]


def said(request: Request) -> str:
    """The text of all messages of a request."""
    return "\n\n".join(message.content for message in request.messages)


def instructions_for(request: Request, write: Callable[[str], str]) -> str:
    """New instructions in the form that an optimizer's request asks for.

    Args:
        request: asks for one instruction, or for several by criterion.
        write: criterion -> its new instruction; the name is "" where one is asked for.
    """
    if request.schema:
        names = list(json.loads(request.schema)["properties"])
        texts = {name: write("" if names == [KEY] else name) for name in names}
        return json.dumps(texts, ensure_ascii=False)
    _, several, template = said(request).rpartition(f"\n<{MANY}>\n")
    if not several:
        return marked(write(""))
    names = json.loads(template.partition("\n")[0])
    return marked(json.dumps({name: write(name) for name in names}, ensure_ascii=False), MANY)
