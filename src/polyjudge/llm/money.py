"""What calls cost: money in whole picodollars, so that sums are exact and a budget holds to the last digit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from polyjudge.llm.request import Usage

PICO = 10**12
# A price in USD for a million tokens, times this, is one in picodollars for a token.
_A_TOKEN = 10**6


@dataclass(frozen=True, slots=True)
class Price:
    """USD for a million tokens of one model.

    Attributes:
        input: of the prompt.
        output: of the answer.
        cached: of the prompt's part that came from the provider's prefix cache; None = as ``input``.
        written: of the prompt's part that was written into that cache; None = as ``input``.
        above: (prompt tokens, price): from more tokens than these on another price holds for the whole call.
        source: where it comes from.
    """

    input: float
    output: float
    cached: float | None = None
    written: float | None = None
    above: tuple[tuple[int, Price], ...] = ()
    source: str = "settings"

    def at(self, prompt: int) -> Price:
        """The price of a call with so many prompt tokens."""
        return next((price for start, price in reversed(self.above) if prompt > start), self)

    def most(self, prompt: int, completion: int) -> int:
        """The most picodollars that at most so many tokens can take, whatever is cached."""
        steps = (self, *(price for start, price in self.above if prompt > start))
        return max(prompt * step.dearest_input + completion * _rate(step.output) for step in steps)

    def of(self, usage: Usage, prompt: int, completion: int) -> int:
        """What an attempt took, in picodollars.

        Args:
            usage: as reported; where it says nothing, the prompt counts at its dearest rate.
            prompt: prompt tokens charged.
            completion: tokens of the answer charged.
        """
        price = self.at(prompt)
        answer = completion * _rate(price.output)
        if usage.prompt is None:
            return prompt * price.dearest_input + answer
        cached = min(max(0, usage.cached or 0), prompt)
        written = min(max(0, usage.written or 0), prompt - cached)
        plain = prompt - cached - written
        return plain * _rate(price.input) + cached * _rate(price._cached) + written * _rate(price._written) + answer

    @property
    def dearest_input(self) -> int:
        return _rate(max(self.input, self._cached, self._written))

    @property
    def _cached(self) -> float:
        return self.input if self.cached is None else self.cached

    @property
    def _written(self) -> float:
        return self.input if self.written is None else self.written


@dataclass(frozen=True, slots=True)
class NoPrice:
    """Why calls to a model have no price.

    Attributes:
        reason: in words.
        free: whether nobody bills them, so that a money budget lets them pass.
    """

    reason: str
    free: bool = False


Tariff = Price | NoPrice


def usd(picodollars: int) -> float:
    return picodollars / PICO


def _rate(price: float) -> int:
    """Picodollars a token, rounded up; prices are decimal fractions, so float noise is cut first."""
    return math.ceil(round(price * _A_TOKEN, 3))
