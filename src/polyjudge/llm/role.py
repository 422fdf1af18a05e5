"""A role's model and how it is asked: judge, loss, gradient, optimizer or diagnostic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polyjudge.llm.request import Message, Request, Sampling


@dataclass(frozen=True, slots=True)
class Role:
    """Who asks, whom, and how.

    Attributes:
        name: judge, loss, gradient, optimizer or diagnostic.
        model: ``provider/model``.
        sampling: temperature, longest answer, further parameters.
        rank: of its calls in the queue; lower ones come first.
        seed: the run's seed; it distinguishes the answers of runs only where answers vary by chance.
    """

    name: str
    model: str
    sampling: Sampling
    seed: int = 0
    rank: int = 0

    def request(
        self,
        messages: Sequence[Message],
        *,
        sampling: Sampling | None = None,
        schema: str = "",
        top_logprobs: int = 0,
        sample: int = 0,
        attempt: int = 0,
        affinity: str = "",
        shared: int = 0,
    ) -> Request:
        """One call of this role."""
        used = sampling or self.sampling
        # Without a temperature the provider's default applies, which is above 0.
        replicate = 0 if used.temperature == 0 else self.seed
        return Request(
            model=self.model,
            messages=tuple(messages),
            role=self.name,
            sampling=used,
            schema=schema,
            top_logprobs=top_logprobs,
            replicate=replicate,
            sample=sample,
            attempt=attempt,
            affinity=affinity,
            rank=self.rank,
            shared=shared,
        )
