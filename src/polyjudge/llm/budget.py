"""What one invocation may spend: an upper bound is reserved before each attempt and settled after it.

Answers from the cache cost nothing, so a resumed run starts with its whole budget again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from polyjudge.errors import BudgetSpent
from polyjudge.llm.prices import NoPrice, Price, Tariff, usd
from polyjudge.llm.request import Request, Usage

# What a chat template adds: role markers around each message, a default system line and the begun reply.
TOKENS_PER_MESSAGE = 16
TOKENS_PER_REQUEST = 64


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that one attempt can take.

    Attributes:
        prompt: a byte-level tokenizer never makes more tokens than there are UTF-8 bytes.
        completion: the longest answer that the request allows.
        price: None where there is none; such an attempt draws on no money.
    """

    prompt: int
    completion: int
    price: Price | None = None

    @property
    def tokens(self) -> int:
        return self.prompt + self.completion

    @property
    def cost(self) -> int:
        """In picodollars, with nothing cached."""
        return self.price.most(self.prompt, self.completion) if self.price is not None else 0

    @classmethod
    def of(cls, request: Request, tariff: Tariff | None = None) -> Bound:
        """The bound of a request: the UTF-8 bytes of all that is sent, and the chat template."""
        texts = [message.content for message in request.messages]
        texts += [request.schema, request.questions, *(value for _, value in request.sampling.extra)]
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        template = TOKENS_PER_MESSAGE * len(request.messages) + TOKENS_PER_REQUEST
        price = None if isinstance(tariff, NoPrice) else tariff
        return cls(prompt=size + template, completion=request.sampling.max_tokens, price=price)


@dataclass(frozen=True, slots=True)
class Charge:
    """The tokens and money that one attempt is charged.

    Attributes:
        prompt: as the provider reported it; 0 when it did not.
        completion: as the provider reported it; 0 when it did not.
        estimated: the reserved tokens of what the provider did not report.
        cost: picodollars of all of them; 0 also where there is no price.
    """

    prompt: int = 0
    completion: int = 0
    estimated: int = 0
    cost: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt + self.completion + self.estimated


class Reservation:
    """The budget reserved for one attempt; it is settled or withdrawn once, and later calls change nothing."""

    __slots__ = ("bound", "open")

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.open = True


class Budget:
    """Calls, tokens and money of one invocation; every role draws on it, in the order of asking.

    No limit is ever exceeded as long as an attempt takes at most its bound; if a provider reports more, that is
    charged. A call that does not fit waits while reservations are outstanding, because settling them gives something
    back; only then is the budget spent. So what was sent before is answered and stored by the time the run stops.

    Args:
        max_calls: the most attempts sent, retries among them; None = no limit.
        max_tokens: the most prompt and completion tokens together; None = no limit.
        max_cost: the most picodollars; None = no limit.

    Attributes:
        calls: attempts sent so far, those under way among them.
        tokens: tokens charged so far, without those of attempts under way.
        cost: picodollars charged so far, without those of attempts under way.
    """

    def __init__(
        self, max_calls: int | None = None, max_tokens: int | None = None, max_cost: int | None = None
    ) -> None:
        self.max_calls = max_calls
        self.max_tokens = max_tokens
        self.max_cost = max_cost
        self.calls = 0
        self.tokens = 0
        self.cost = 0
        self._held = 0
        self._held_cost = 0
        self._outstanding = 0
        self._waiting: deque[tuple[asyncio.Future[Reservation], Bound]] = deque()

    async def reserve(self, bound: Bound) -> Reservation:
        """Reserve one call, its tokens and its money; wait for outstanding reservations if it does not fit yet.

        Raises:
            BudgetSpent: it does not fit, and no outstanding reservation is left that could give something back.
        """
        if not self._waiting:
            if self._fits(bound):
                return self._take(bound)
            if not self._outstanding:
                raise self._spent(bound)
        turn: asyncio.Future[Reservation] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, bound))
        try:
            return await turn
        except asyncio.CancelledError:
            # The turn may have come at the same moment as the cancellation.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.withdraw(turn.result())
            else:
                turn.cancel()
                self._serve()
            raise

    def settle(self, reservation: Reservation, usage: Usage, *, charged: bool = True) -> Charge:
        """Charge a sent attempt: what the provider reported, else what was reserved; nothing unless ``charged``.

        The call itself counts in any case.
        """
        if not reservation.open:
            return Charge()
        charge = _charge(reservation.bound, usage) if charged else Charge()
        self._close(reservation)
        self.tokens += charge.tokens
        self.cost += charge.cost
        self._serve()
        return charge

    def withdraw(self, reservation: Reservation) -> None:
        """Give back a reservation, the call included, whose attempt was never sent."""
        if reservation.open:
            self._close(reservation)
            self.calls -= 1
            self._serve()

    def _close(self, reservation: Reservation) -> None:
        reservation.open = False
        self._held -= reservation.bound.tokens
        self._held_cost -= reservation.bound.cost
        self._outstanding -= 1

    def _fits(self, bound: Bound) -> bool:
        if self.max_calls is not None and self.calls + 1 > self.max_calls:
            return False
        if self.max_tokens is not None and self.tokens + self._held + bound.tokens > self.max_tokens:
            return False
        # Models that cost nothing are asked also when the money is spent.
        return self.max_cost is None or not bound.cost or self.cost + self._held_cost + bound.cost <= self.max_cost

    def _take(self, bound: Bound) -> Reservation:
        self.calls += 1
        self._held += bound.tokens
        self._held_cost += bound.cost
        self._outstanding += 1
        return Reservation(bound)

    def _serve(self) -> None:
        """Serve the first waiting calls, with a reservation or with the error that the budget is spent."""
        while self._waiting:
            turn, bound = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
            elif self._fits(bound):
                self._waiting.popleft()
                turn.set_result(self._take(bound))
            elif not self._outstanding:
                self._waiting.popleft()
                turn.set_exception(self._spent(bound))
            else:
                return

    def _spent(self, bound: Bound) -> BudgetSpent:
        if self.max_calls is not None and self.calls >= self.max_calls:
            usage, option = f"{self.calls} of {self.max_calls} calls are used", "--max-calls"
        elif self.max_tokens is not None and self.tokens + bound.tokens > self.max_tokens:
            usage = f"{self.tokens} of {self.max_tokens} tokens are used and the next call may take {bound.tokens}"
            option = "--max-tokens"
        else:
            spent, most, next_ = (usd(amount) for amount in (self.cost, self.max_cost or 0, bound.cost))
            usage = f"{spent:.6g} of {most:.6g} USD are spent and the next call may take {next_:.6g}"
            option = "--max-cost"
        return BudgetSpent(
            f"the budget is spent: {usage}; every answer so far is kept; raise {option} and run the same command "
            "again to go on"
        )


def _charge(bound: Bound, usage: Usage) -> Charge:
    """The charge as the provider reported it, else as reserved."""
    prompt = bound.prompt if usage.prompt is None else max(0, usage.prompt)
    completion = bound.completion if usage.completion is None else max(0, usage.completion)
    reported = (0 if usage.prompt is None else prompt, 0 if usage.completion is None else completion)
    cost = bound.price.of(usage, prompt, completion) if bound.price is not None else 0
    return Charge(*reported, estimated=prompt + completion - sum(reported), cost=cost)
