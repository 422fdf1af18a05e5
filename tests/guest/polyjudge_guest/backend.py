"""A backend that answers by itself: a judge whose scores hang on the text, and a writer of instructions."""

from __future__ import annotations

import hashlib
import json
import re

from polyjudge.llm.backends import OpenOptions
from polyjudge.llm.request import Abilities, Reply, Request, Usage
from polyjudge.templates.instruction_parser import ONE, marked


class Guest:
    identity = "guest"
    abilities = Abilities(schema=True)
    concurrency = None

    async def complete(self, request: Request) -> Reply:
        text = request.messages[0].content
        seed = hashlib.sha256((text + str(request.sample)).encode()).hexdigest()
        if request.role != "judge":
            answer = f"Look at it in the way {seed[:6]}."
            answer = marked(answer) if f"<{ONE}>" in text else answer
        elif "NAME = VALUE" in text:
            names = re.findall(r"^(\w+) \(\d", text, re.MULTILINE)
            answer = "\n".join(f"{name} = {_score(text, name)}" for name in names)
        else:
            names = list(json.loads(request.schema)["properties"])
            answer = json.dumps({name: _score(text, name) for name in names})
        return Reply(answer, "stop", "guest", Usage(len(text) // 4, len(answer) // 4))

    async def close(self) -> None:
        return None


def open_guest(name: str, options: OpenOptions) -> Guest:
    return Guest()


def _score(text: str, name: str) -> int:
    return 1 + int(hashlib.sha256(f"{text} {name}".encode()).hexdigest(), 16) % 5
