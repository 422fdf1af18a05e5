"""The simulated judge: it sees an item's latent qualities through its instructions, and answers as it was asked.

A criterion's fidelity grows and shrinks by the rules in its instruction. In a call that several criteria share, the
shorter instruction gets less attention, each neighbour costs a little, all perceptions lean to their mean (halo), and
the common impression weighs less (contrast). What a perception lacks in fidelity is error: of the item, of the
prompt's wording, and of the call.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from polyjudge.errors import CallFailed
from polyjudge.llm.request import Request, TokenChoice
from polyjudge.testing.simulation.deciding import decided, decisions_in_words
from polyjudge.testing.simulation.reading import (
    answer_format,
    asked_question,
    instruction_of,
    item_and_rest,
    own_item_and_rest,
    reasons_wanted,
    take_apart,
)
from polyjudge.testing.simulation.rules import Item, Latents, Rules, edges
from polyjudge.testing.simulation.world import Stream, World, normal, seeded

_ROOT = math.sqrt(2)
_LEAST = 1e-9
# A reason that stands for one: the perception does not hang on it.
_REASONED = '{"reason": "[SIMULATED] The text was weighed against the instruction.", "score": '
# Items and frames that are remembered; beyond, all are forgotten.
_MOST = 50_000


@dataclass(frozen=True, slots=True)
class _Criterion:
    """A criterion in a call: how its perception is made up, and how it is answered.

    Attributes:
        name: the criterion.
        seed: stands for the wording that it is judged under.
        weights: of quality, common impression, the item's own error and the wording's error.
        allowed: JSON texts of its labels, or the ends of a continuous scale.
        bounds: where the labels' levels end.
    """

    name: str
    seed: bytes
    weights: tuple[float, float, float, float]
    allowed: tuple[str, ...] | tuple[float, float]
    bounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Frame:
    """A prompt without its item, and what stands for it."""

    seed: bytes
    criteria: tuple[_Criterion, ...]
    yes_or_no: bool
    reasoned: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply's text and, if wanted, its tokens."""

    text: str
    tokens: tuple[TokenChoice, ...] = ()


class SimulatedJudge:
    """The role judge."""

    def __init__(self, world: World, rules: Rules) -> None:
        self._world = world
        self._rules = rules
        self._latents = Latents(world)
        self._items: dict[tuple[str, ...], Item] = {}
        self._frames: dict[str, _Frame] = {}

    def answer(self, request: Request, text: str) -> Answer:
        """The ratings that a prompt asks for.

        Raises:
            CallFailed: the prompt shows no item, or asks for nothing that this judge knows how to answer.
        """
        text += decisions_in_words(request.questions)
        own = any(message.judged for message in request.messages)
        texts, outside = own_item_and_rest(request.messages) if own else item_and_rest(text)
        frame = self._frames.get(outside)
        if frame is None:
            frame = self._read(outside, own=own)
            if len(self._frames) >= _MOST:
                self._frames.clear()
            self._frames[outside] = frame
        if not texts or not frame.criteria:
            raise CallFailed(
                "a simulated judge answers prompts that show an item and state an output format ({{ format }} in your "
                "own prompt), or one criterion; "
                f"it found {len(texts)} items and {len(frame.criteria)} criteria",
                retryable=False,
                scope="request",
            )
        item = self._item(texts)
        perceived = self._perceived(item, texts, frame.criteria)
        draws = Stream(frame.seed, item.seed, *_coordinates(request))
        if request.questions:
            shares = [self._shares(value, one.bounds) for one, value in zip(frame.criteria, perceived, strict=True)]
            return Answer(decided(request.questions, shares))
        if frame.yes_or_no:
            return self._yes_or_no(perceived[0], draws, request)
        unreadable = self._world.judge.unreadable
        if unreadable and draws.happens(unreadable):
            return Answer("I would need to see more of it before I could say anything.")
        return self._ratings(frame, perceived, draws, request)

    def _item(self, texts: tuple[str, ...]) -> Item:
        item = self._items.get(texts)
        if item is None:
            if len(self._items) >= _MOST:
                self._items.clear()
            item = self._items[texts] = self._latents.item(texts)
        return item

    def _perceived(self, item: Item, texts: tuple[str, ...], criteria: Sequence[_Criterion]) -> list[float]:
        values = []
        for criterion in criteria:
            quality, error = self._latents.of(item, texts, criterion.name)
            a, b, c, d = criterion.weights
            values.append(a * quality + b * item.impression + c * error + d * normal(item.seed + criterion.seed))
        halo = self._world.interference.halo
        if halo and len(values) > 1:
            mean = halo * math.fsum(values) / len(values)
            values = [(1 - halo) * value + mean for value in values]
        return [value + self._world.judge.leniency for value in values]

    def _ratings(self, frame: _Frame, perceived: Sequence[float], draws: Stream, request: Request) -> Answer:
        text = ""
        tokens: list[TokenChoice] = []
        opening, closing = (_REASONED, "}") if frame.reasoned else ("", "")
        for criterion, value in zip(frame.criteria, perceived, strict=True):
            before = f"{', ' if text else '{'}{json.dumps(criterion.name, ensure_ascii=False)}: {opening}"
            if criterion.bounds:
                shares = self._shares(value, criterion.bounds)
                written = str(criterion.allowed[_chosen(shares, request.sampling.temperature, draws)])
            else:
                shares = []
                written = f"{self._number(value, criterion.allowed, request.sampling.temperature, draws):.4g}"
            text += before + written + closing
            if request.top_logprobs:
                tokens += _tokens(before, written, criterion.allowed, shares, request.top_logprobs)
                tokens += [TokenChoice(closing, 0.0, ((closing, 0.0),))] if closing else []
        if request.top_logprobs:
            tokens.append(TokenChoice("}", 0.0, (("}", 0.0),)))
        return Answer(text + "}", tuple(tokens))

    def _yes_or_no(self, value: float, draws: Stream, request: Request) -> Answer:
        shares = self._shares(value, (0.0,))
        words = ("no", "yes")
        chosen = words[_chosen(shares, request.sampling.temperature, draws)]
        if not request.top_logprobs:
            return Answer(chosen)
        return Answer(chosen, (_choice(chosen, words, shares, request.top_logprobs),))

    def _shares(self, value: float, bounds: Sequence[float]) -> list[float]:
        """The probability of each level when a call's noise is added to a perception (levels,)."""
        scale = self._world.judge.call * _ROOT
        below = [0.0, *(0.5 * (1 + math.erf((bound - value) / scale)) for bound in bounds), 1.0]
        return [max(_LEAST, high - low) for low, high in pairwise(below)]

    def _number(
        self, value: float, ends: tuple[str, ...] | tuple[float, float], temperature: float | None, draws: Stream
    ) -> float:
        low, high = float(ends[0]), float(ends[1])
        noise = self._world.judge.call * math.sqrt(1.0 if temperature is None else temperature)
        return low + (high - low) * 0.5 * (1 + math.erf((value + noise * draws.normal()) / _ROOT))

    def _read(self, outside: str, *, own: bool) -> _Frame:
        """A frame's criteria with all that instructions and company make of them.

        The user's own prompt has no lines of criteria: rules are looked for in all of it.
        """
        frame = take_apart(outside).frame
        allowed = answer_format(frame)
        question = "" if allowed else asked_question(frame)
        if question:
            allowed = {question: ("no", "yes")}
        texts = {name: outside if own else instruction_of(frame, name) for name in allowed}
        attention = self._attention(texts)
        company = seeded(*(part for name in texts for part in (name, texts[name])))
        criteria = []
        for name, values in allowed.items():
            labels = all(isinstance(value, str) for value in values)
            criteria.append(
                _Criterion(
                    name,
                    seeded(company, name),
                    self._weights(name, texts[name], attention[name], len(texts)),
                    values,
                    edges(len(values)) if labels else (),
                )
            )
        return _Frame(
            seeded(self._world.seed, "call", outside), tuple(criteria), bool(question), reasons_wanted(frame)
        )

    def _attention(self, texts: dict[str, str]) -> dict[str, float]:
        """Each criterion's share of the attention, times their number, at most 1."""
        powers = {name: max(1, len(text.split())) ** self._world.interference.gamma for name, text in texts.items()}
        total = math.fsum(powers.values())
        return {name: min(1.0, len(powers) * power / total) for name, power in powers.items()}

    def _weights(self, name: str, text: str, attention: float, beside: int) -> tuple[float, float, float, float]:
        judge, mechanism = self._world.judge, self._world.interference
        fidelity = judge.fidelity + math.fsum(rule.weight for rule in self._rules.within(name, text))
        fidelity = min(0.95, max(0.0, fidelity)) * attention * (1 - mechanism.crowding) ** (beside - 1)
        error = math.sqrt(1 - fidelity**2)
        impression = 1 - mechanism.contrast if beside > 1 else 1.0
        return (
            fidelity,
            error * math.sqrt(judge.item * judge.impression) * impression,
            error * math.sqrt(judge.item * (1 - judge.impression)),
            error * math.sqrt(1 - judge.item),
        )


def _coordinates(request: Request) -> tuple[str | int, ...]:
    """What distinguishes calls with the same messages; the length allowed and the logprobs wanted change no answer."""
    return (str(request.sampling.temperature), request.seed, request.sample, request.retry)


def _chosen(shares: Sequence[float], temperature: float | None, draws: Stream) -> int:
    """The level that is written: the most probable one at temperature 0, else one drawn."""
    if temperature == 0:
        return max(range(len(shares)), key=shares.__getitem__)
    power = 1.0 if temperature is None else 1 / max(temperature, 1e-3)
    best = max(shares)
    weights = [(share / best) ** power for share in shares]
    left = draws.uniform() * math.fsum(weights)
    for index, weight in enumerate(weights):
        left -= weight
        if left <= 0:
            return index
    return len(weights) - 1


def _tokens(
    before: str,
    written: str,
    allowed: tuple[str, ...] | tuple[float, float],
    shares: Sequence[float],
    most: int,
) -> list[TokenChoice]:
    """What precedes a value, certain, and the value with its alternatives; quotes stand outside of a label."""
    if not shares:
        return [TokenChoice(before + written, 0.0, ((before + written, 0.0),))]
    labels = [str(label) for label in allowed]
    quote = '"' if written.startswith('"') else ""
    bare = [label[1:-1] if quote else label for label in labels]
    opening = before + quote
    made = [
        TokenChoice(opening, 0.0, ((opening, 0.0),)),
        _choice(written[1:-1] if quote else written, bare, shares, most),
    ]
    return [*made, TokenChoice(quote, 0.0, ((quote, 0.0),))] if quote else made


def _choice(written: str, labels: Sequence[str], shares: Sequence[float], most: int) -> TokenChoice:
    total = math.fsum(shares)
    logprobs = [(label, math.log(share / total)) for label, share in zip(labels, shares, strict=True)]
    logprobs.sort(key=lambda pair: -pair[1])
    return TokenChoice(written, dict(logprobs)[written], tuple(logprobs[:most]))
