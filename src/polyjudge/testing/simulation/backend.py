"""The backend of ``simulated/WORLD``: every role of a run answered from a world's parameters, in real text.

Equal requests get equal answers, in any order and any process; caches only save time.
"""

from __future__ import annotations

import json

from polyjudge.errors import ModelError
from polyjudge.formatting.text import CHARACTERS_A_TOKEN
from polyjudge.llm.backends import OpenOptions
from polyjudge.llm.request import Abilities, Reply, Request, TokenChoice, Usage
from polyjudge.templates.instruction_parser import MANY, ONE, marked
from polyjudge.testing.simulation.diagnosing import Reader
from polyjudge.testing.simulation.judging import SimulatedJudge
from polyjudge.testing.simulation.reading import take_apart
from polyjudge.testing.simulation.rules import Rules
from polyjudge.testing.simulation.world import Stream, World, read_world
from polyjudge.testing.simulation.writing import Writer

ABILITIES = Abilities(logprobs=20, prefix_cache=True, own_timeout=True, simulated=True, decisions=True)
# Counts changes of ours that change answers.
_FORM = 2


def open_simulated(name: str, options: OpenOptions) -> Simulated:
    """The backend of ``simulated/default``, ``simulated/null``, ``simulated/joint-helps`` or ``simulated/FILE.toml``.

    Raises:
        ConfigError: no such world, or one with a parameter that cannot be used.
    """
    return Simulated(read_world(name, options.folder), planning=options.planning)


class Simulated:
    """A world that answers.

    Args:
        world: its parameters.
        planning: nothing is to be asked.
    """

    def __init__(self, world: World, *, planning: bool = False) -> None:
        rules = Rules(world)
        self._world = world
        self._planning = planning
        self._identity = f"SIMULATED world {world.name}:{world.digest} form={_FORM}"
        self._judge = SimulatedJudge(world, rules)
        self._writer = Writer(world, rules)
        self._reader = Reader(world, rules)

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def abilities(self) -> Abilities:
        return ABILITIES

    @property
    def concurrency(self) -> int | None:
        return None

    async def complete(self, request: Request) -> Reply:
        """One answer.

        Raises:
            CallFailed: the prompt is none that this package writes.
        """
        if self._planning:
            raise ModelError(f"{request.model!r} was opened for planning only and is not asked")
        text = "\n\n".join(message.content for message in request.messages)
        if request.role == "judge":
            answer = self._judge.answer(request, text)
            return self._reply(request, text, answer.text, answer.tokens)
        prompt = take_apart(text)
        stream = Stream(self._world.seed, "text", request.key(self._identity))
        if request.role == "loss":
            return self._reply(request, text, self._writer.loss(prompt, stream))
        if request.role == "gradient":
            return self._reply(request, text, self._writer.gradient(prompt, stream))
        if request.role == "optimizer":
            reflected = self._writer.reflection(text, stream)
            if reflected:
                return self._reply(request, text, reflected)
            texts = self._writer.optimizer(prompt, stream)
            many = len(texts) > 1
            content = json.dumps(texts, ensure_ascii=False) if many else next(iter(texts.values()))
            return self._reply(request, text, marked(content, MANY if many else ONE))
        return self._reply(request, text, self._reader.answer(prompt, stream))

    async def close(self) -> None:
        return None

    def _reply(self, request: Request, asked: str, text: str, tokens: tuple[TokenChoice, ...] = ()) -> Reply:
        usage = Usage(len(asked) // CHARACTERS_A_TOKEN + 1, len(text) // CHARACTERS_A_TOKEN + 1)
        return Reply(text, "stop", f"SIMULATED {self._world.name}", usage, tokens)
