"""What all calls to one model share: its endpoint, whether it was given up, and which parameters it takes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable, Mapping

from polyjudge.llm.limits import Circuit, Gate, Limits, Time
from polyjudge.llm.request import Backend, Request


class Trial:
    """Whether a model takes requests of some parameters at all: only then a refusal is the content's fault."""

    __slots__ = ("_decided", "_under_way", "accepted")

    def __init__(self) -> None:
        self.accepted = False
        self._under_way = 0
        self._decided = asyncio.Event()

    def begin(self) -> None:
        self._under_way += 1
        if not self.accepted:
            self._decided.clear()

    def end(self, *, accepted: bool = False) -> None:
        self._under_way -= 1
        self.accepted = self.accepted or accepted
        if self.accepted or not self._under_way:
            self._decided.set()

    async def verdict(self) -> bool:
        """Whether one was accepted, as soon as that is known of those under way."""
        if not self.accepted and self._under_way:
            await self._decided.wait()
        return self.accepted


class Desk:
    """What the calls to one model share.

    Attributes:
        identity: the endpoint's.
        answers: calls that the endpoint has answered for this model.
        told_until: when the wait that the user was told of is over.
    """

    __slots__ = ("_trials", "answers", "backend", "circuit", "gate", "identity", "model", "told_until")

    def __init__(self, model: str, backend: Backend, gate: Gate, time: Time) -> None:
        self.model = model
        self.backend = backend
        self.identity = backend.identity
        self.gate = gate
        self.circuit = Circuit(time)
        self.answers = 0
        self.told_until = -math.inf
        self._trials: dict[Hashable, Trial] = {}

    def trial(self, request: Request) -> Trial:
        """The trial of the parameters of a request."""
        parameters = (request.sampling, request.schema, request.top_logprobs)
        trial = self._trials.get(parameters)
        if trial is None:
            trial = self._trials[parameters] = Trial()
        return trial


def open_desks(backends: Mapping[str, Backend], limits: Limits, time: Time) -> dict[str, Desk]:
    """A desk for each model; those at the same endpoint share its gate."""
    gates: dict[str, Gate] = {}
    desks: dict[str, Desk] = {}
    for model, backend in backends.items():
        gate = gates.get(backend.identity)
        if gate is None:
            gate = gates[backend.identity] = Gate(limits, backend.concurrency, time)
        desks[model] = Desk(model, backend, gate, time)
    return desks
