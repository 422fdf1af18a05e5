"""An optimizer that asks one model to reword one criterion a turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from polyjudge.domain.records import Candidate
from polyjudge.errors import ReplyError
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.base import Context, Proposal, Turn, TurnPlan
from polyjudge.optimizers.estimate import planned
from polyjudge.templates.instruction_parser import read_text


@dataclass(frozen=True)
class Rewriter:
    """Attributes:
    style: how the new instruction is to be written.
    candidates: how many a turn brings; None: two.
    """

    style: str = "plain"
    candidates: int | None = None

    roles: ClassVar[tuple[str, ...]] = ("optimizer",)
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({"parameters": {"optimizer": {"temperature": 0.9}}})

    def build(self, context: Context) -> RewriterOptimizer:
        return RewriterOptimizer(context.stage("optimizer"), self.style, self.candidates or 2)


@dataclass(frozen=True)
class RewriterOptimizer:
    writer: Stage
    style: str
    candidates: int

    async def propose(self, turn: Turn) -> Proposal:
        return Proposal(tuple([await self._candidate(turn, sample) for sample in range(self.candidates)]))

    def plan(self, turn: Turn) -> TurnPlan:
        texts = [self._request(turn, name) for name in turn.prompt.names] * self.candidates
        return TurnPlan((planned("optimizer", texts, [20] * len(texts)),), instruction_tokens=20)

    async def _candidate(self, turn: Turn, sample: int) -> Candidate:
        written: dict[str, str] = {}
        failures: list[str] = []
        for name in turn.prompt.names:
            try:
                written[name] = await self.writer.ask(self._request(turn, name), _read, sample)
            except ReplyError as error:
                failures.append(f"{name}: {error}")
        return Candidate(written, "; ".join(failures))

    def _request(self, turn: Turn, name: str) -> str:
        best = max((prompt.mean for prompt in turn.scored), default=0.0)
        current = turn.prompt.instructions[name]
        return f"Turn {turn.index}, best so far {best:.3f}. In a {self.style} style, reword for {name}:\n{current}"


def _read(reply: str, cut: bool) -> str:
    return read_text(reply, cut=cut)
