"""Scoring ``expected``: the mean of a criterion's values, weighted by how probable each was where one was written.

The judge writes the same JSON as for ``json``, once. At the place of a criterion's value the probabilities of its
labels are renormalised: on an ordinal scale the score is their mean, on a categorical one the most probable label.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Self

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.errors import ReplyError
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.scoring import Question, Scored, expectation, spoken
from polyjudge.llm.request import Abilities, Reply, Sampling, TokenChoice
from polyjudge.templates.score_parser import Statement, read_statements

# More alternatives cost room in every token of a reply, and those behind the twentieth hold next to nothing.
ALTERNATIVES = 20


@dataclass(frozen=True, slots=True)
class ExpectedScoring:
    """Attributes:
    asking: what is asked, as for the scoring method ``json``.
    """

    asking: JsonScoring = field(default_factory=JsonScoring)
    name: str = "expected"
    on_scale: bool = True
    samples: int = 1

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        return cls(JsonScoring.of(prompt, structured))

    @property
    def reminder(self) -> str:
        return self.asking.reminder

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        return criterion.scale.labels

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        endless = [criterion.name for criterion in prompt.criteria if not criterion.scale.labels]
        if endless:
            names = ", ".join(map(repr, endless))
            return f"the scales of {names} have no steps to weigh (--samples K gives a mean of samples instead)"
        if abilities.logprobs < _most_labels(prompt):
            return (
                f"the model's endpoint gives {abilities.logprobs} token probabilities, and a scale has "
                f"{_most_labels(prompt)} labels (--samples K gives a mean of samples instead)"
            )
        return self.asking.refusal(prompt, abilities)

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        asked = self.asking.question(prompt, example, sampling, abilities, item_first=item_first)
        return replace(asked, top_logprobs=wanted_logprobs(prompt, abilities))

    def spoken(self, criterion: Criterion, score: float) -> str:
        return spoken(criterion.scale, score)

    def read(self, reply: Reply, prompt: JudgePrompt) -> Scored:
        if not has_probabilities(reply):
            raise ReplyError("the reply carries no token probabilities")
        return weighed(reply, read_statements(reply.text, prompt.criteria, cut=reply.finish == "length"), prompt)


def has_probabilities(reply: Reply) -> bool:
    """Whether a reply carries probabilities of alternative tokens."""
    return any(token.top for token in reply.tokens)


def wanted_logprobs(prompt: JudgePrompt, abilities: Abilities) -> int:
    """How many alternatives of each token are asked for, so that every label can be among them; 0 = cannot be."""
    most = _most_labels(prompt)
    return min(abilities.logprobs, max(ALTERNATIVES, 2 * most)) if abilities.logprobs >= most else 0


def weighed(reply: Reply, statements: Mapping[str, Statement], prompt: JudgePrompt) -> Scored:
    """The expected scores where a reply states scores of criteria whose scales have labels.

    Args:
        reply: with token probabilities.
        statements: by criterion.
        prompt: over the criteria.

    Raises:
        ReplyError: the probabilities tell the score of no criterion.
    """
    alignment = _Alignment(reply)
    distributions: dict[str, Distribution] = {}
    doubtful: list[str] = []
    for criterion in prompt.criteria:
        statement = statements.get(criterion.name)
        found = None if statement is None else alignment.distribution(statement, criterion.scale.labels)
        if found is not None and found.telling:
            distributions[criterion.name] = found
        elif found is not None and found.doubtful:
            doubtful.append(criterion.name)
    if not distributions and doubtful:
        raise ReplyError(
            f"labels of {', '.join(map(repr, doubtful))} begin with the same token, and the reply's probabilities "
            "do not tell them apart (--samples K gives a mean of samples instead)"
        )
    if not distributions:
        raise ReplyError("the reply's token probabilities say too little about the labels of any criterion")
    return Scored(
        {c.name: expectation(c.scale, distributions[c.name].probabilities) for c in _read(prompt, distributions)},
        {name: found.probabilities for name, found in distributions.items()},
        {name: found.lost for name, found in distributions.items()},
    )


def _read(prompt: JudgePrompt, distributions: Collection[str]) -> list[Criterion]:
    return [criterion for criterion in prompt.criteria if criterion.name in distributions]


def _most_labels(prompt: JudgePrompt) -> int:
    return max(len(criterion.scale.labels) for criterion in prompt.criteria)


# From the place of a value in the text to its tokens


class _Alignment:
    """A reply's tokens beside its text.

    A server may take a fence or a thought off the text, and spell the bytes of a character one by one in its tokens.
    """

    # One character of any script, or pieces of it as servers write them.
    _FOREIGN = re.compile(r"(?:(?:byte: )?\\x[0-9a-fA-F]{2}|[^\x00-\x7f])+")

    def __init__(self, reply: Reply) -> None:
        self._tokens = reply.tokens
        self._ends = [*accumulate(len(token.token) for token in reply.tokens)]
        self._text, self._text_places = self._skeleton(reply.text)
        self._spelled, self._spelled_places = self._skeleton("".join(token.token for token in reply.tokens))

    def distribution(self, statement: Statement, labels: Sequence[str]) -> Distribution | None:
        """The probabilities of labels at a statement's value; None when its tokens cannot be found."""
        at = self._at(
            bisect_right(self._text_places, statement.start) - 1, bisect_right(self._text_places, statement.end - 1)
        )
        if at is None:
            return None
        first = bisect_right(self._ends, at)
        before = len(self._tokens[first].token) - (self._ends[first] - at)
        return distribution(self._tokens[first:], before, labels)

    def _at(self, start: int, end: int) -> int | None:
        """Where the value begins in what the tokens spell."""
        text, spelled = self._text, self._spelled
        offset = spelled.rfind(text)
        if offset != -1:
            return self._spelled_places[offset + start]
        if spelled.endswith(text[start:]):
            return self._spelled_places[len(spelled) - len(text) + start]
        return self._spelled_places[start] if spelled.startswith(text[:end]) else None

    @classmethod
    def _skeleton(cls, text: str) -> tuple[str, list[int]]:
        """A text with each foreign stretch as one mark, and where each character of that stands in the text."""
        parts: list[str] = []
        places: list[int] = []
        at = 0
        for found in cls._FOREIGN.finditer(text):
            parts += text[at : found.start()], "\ufffd"
            places += range(at, found.start() + 1)
            at = found.end()
        return "".join([*parts, text[at:]]), [*places, *range(at, len(text))]


# From token probabilities to probabilities of labels

_QUOTES = "\"'“”‘’`"
_BLANKS = " \t\r\n"
# What may stand between a key and its value, and what closes a value.
_BEFORE = f"{_BLANKS}:([*_{_QUOTES}"
_AFTER = f"{_BLANKS},;)]}}*_{_QUOTES}"
# Servers round what they print.
_ROUNDING = 1e-3
# How far a mean may be off, as a share of the scale, because labels begin alike.
MOST_DOUBT = 0.02
# Each whole label of a scale of half points begins another one, "3" and "3.5", so that an alternative that was not
# written says which of two neighbours it is only up to a quarter of a point.
MOST_DOUBT_OF_FRACTIONS = 0.05


@dataclass(frozen=True, slots=True)
class Distribution:
    """Probabilities of labels at one place.

    A token says which label it begins if it can begin no other. "1" on a scale to 10 may be a 1 or the beginning of a
    10: where that token was written, the token after it tells the two apart; where it was not, its mass is split
    evenly between them, and ``doubt`` bounds the error of that.

    Attributes:
        probabilities: label -> probability, all labels, sum 1.
        lost: share of the whole mass that no label got, 0..1; the probabilities are renormalised over the rest.
        hidden: the part of ``lost`` that may belong to labels: alternatives that were not told, and empty ones.
        doubt: how far the mean may be off because labels begin alike, as a share of the scale, 0..1; of labels that
            are no numbers, the share of the mass that was split.
    """

    probabilities: Mapping[str, float]
    lost: float
    hidden: float
    doubt: float = 0.0

    @property
    def telling(self) -> bool:
        """Whether labels got at least as much mass as may hide from them, and their mean is known well enough."""
        return self.hidden <= 1 - self.lost and not self.doubtful

    @property
    def doubtful(self) -> bool:
        """Whether labels that begin alike leave the mean too uncertain."""
        fractions = all(label.replace(".", "", 1).isdecimal() for label in self.probabilities)
        halves = fractions and any("." in label for label in self.probabilities)
        return self.doubt > (MOST_DOUBT_OF_FRACTIONS if halves else MOST_DOUBT)


def distribution(tokens: Sequence[TokenChoice], before: int, labels: Sequence[str]) -> Distribution | None:
    """The probabilities of labels where one of them was written; None when no label got any mass.

    A label of several tokens has the mass of the first that no other label shares: the product of the probabilities
    along what was written up to there.

    Args:
        tokens: what was written, from the token on that holds the value's first character.
        before: how many characters of that token precede the value.
        labels: two or more, different when compared without case.

    Raises:
        ReplyError: a log-probability above 0, or probabilities that sum to more than 1.
    """
    folded = {label: _core(label) for label in labels}
    masses: dict[str, list[float]] = {label: [] for label in labels}
    shared: list[tuple[tuple[str, ...], float]] = []
    hidden: list[float] = []
    written, mass = "", 1.0
    for place, token in enumerate(tokens):
        pieces = [_piece(_joined(written, text, token, before), p * mass) for text, p in _alternatives(token)]
        hidden.append(max(0.0, mass - math.fsum(piece.mass for piece in pieces)))
        whole = {piece.core for piece in pieces if not _goes_on(piece, folded)}
        meant = [_meant(piece, folded, whole) for piece in pieces]
        if len(meant[0]) > 1 and place + 1 < len(tokens):
            written, mass = pieces[0].text, pieces[0].mass
            pieces, meant = pieces[1:], meant[1:]
        else:
            # Where the reply ends here, it chose the label that is written.
            spelled = tuple(label for label in meant[0] if folded[label] == pieces[0].core)
            meant[0], mass = spelled or meant[0], 0.0
        for piece, candidates in zip(pieces, meant, strict=True):
            if len(candidates) == 1:
                masses[candidates[0]].append(piece.mass)
            elif len(candidates) == len(labels):
                hidden.append(piece.mass)
            elif candidates:
                shared.append((candidates, piece.mass))
        if not mass:
            break
    return _normalised(masses, shared, hidden)


def _normalised(
    masses: Mapping[str, Sequence[float]], shared: Sequence[tuple[tuple[str, ...], float]], hidden: Sequence[float]
) -> Distribution | None:
    split = [(label, mass / len(candidates)) for candidates, mass in shared for label in candidates]
    sums = {label: math.fsum([*parts, *(m for name, m in split if name == label)]) for label, parts in masses.items()}
    total = math.fsum(sums.values())
    if not total > 0:
        return None
    lost = min(1.0, max(0.0, 1 - total))
    return Distribution(
        {label: one / total for label, one in sums.items()},
        lost,
        min(lost, math.fsum(hidden)),
        math.fsum(mass * _spread(candidates, list(masses)) for candidates, mass in shared) / total,
    )


def _spread(candidates: Sequence[str], labels: Sequence[str]) -> float:
    """How far a candidate may lie from the candidates' mean, as a share of the scale; 1 for labels without numbers."""
    try:
        values, ends = [float(label) for label in candidates], [float(label) for label in labels]
    except ValueError:
        return 1.0
    mean = math.fsum(values) / len(values)
    return max(max(values) - mean, mean - min(values)) / (max(ends) - min(ends))


@dataclass(frozen=True, slots=True)
class _Piece:
    """The value's text so far, as it would be with one alternative; the same bare of marks; and its mass."""

    text: str
    core: str
    mass: float

    @property
    def closed(self) -> bool:
        """Whether something follows that a label cannot hold; blanks it can."""
        return self.text.rstrip(_BLANKS) != self.text.rstrip(_AFTER)


def _piece(text: str, mass: float) -> _Piece:
    return _Piece(text, _core(text), mass)


def _alternatives(token: TokenChoice) -> list[tuple[str, float]]:
    """Texts and probabilities, the written token first, whether or not it is among the most probable ones."""
    pairs = [(text, _probability(logprob)) for text, logprob in token.top]
    written = (token.token, _probability(token.logprob))
    same = [pair for pair in pairs if pair[0] == written[0]]
    if same:
        pairs.remove(min(same, key=lambda pair: abs(pair[1] - written[1])))
    total = math.fsum(p for _, p in (written, *pairs))
    if total > 1 + _ROUNDING:
        raise ReplyError(f"the probabilities of a token and its alternatives sum to {total:.3g}")
    return [written, *pairs]


def _probability(logprob: float) -> float:
    if not logprob <= _ROUNDING:
        raise ReplyError(f"the reply gives a log-probability of {logprob:.3g}, which is above 0 or not a number")
    return math.exp(min(0.0, logprob))


def _joined(written: str, text: str, token: TokenChoice, before: int) -> str:
    """The value's text with an alternative, without what precedes the value."""
    if written:
        return written + text
    return text.removeprefix(token.token[:before]).lstrip(_BEFORE)


def _meant(piece: _Piece, folded: Mapping[str, str], whole: Collection[str]) -> tuple[str, ...]:
    """The labels that a piece may be or begin, the one that it spells first; all of them where it says nothing yet.

    Where a longer label is an alternative by itself, in one token, a piece of it does not begin it.
    """
    if not piece.text:
        return tuple(folded)
    if not piece.core:
        return ()
    begun = piece.text.casefold()
    begins = [label for label, text in folded.items() if text.startswith(begun) or text == piece.core]
    exact = tuple(label for label in begins if folded[label] == piece.core)
    if piece.closed or len(begins) == len(exact):
        return exact
    unseen = tuple(label for label in begins if label not in exact and folded[label] not in whole)
    return exact if exact and len(exact) + len(unseen) < len(begins) else exact + unseen


def _goes_on(piece: _Piece, folded: Mapping[str, str]) -> bool:
    """Whether a longer label begins with it."""
    begun = piece.text.casefold()
    return any(text.startswith(begun) and text != piece.core for text in folded.values())


def _core(text: str) -> str:
    return text.lstrip(_BEFORE).rstrip(_AFTER).casefold()
