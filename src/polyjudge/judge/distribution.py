"""From the token probabilities at one place of a reply to probabilities of a scale's labels.

A token says which label it begins if it can begin no other. "1" on a scale to 10 may be a 1 or the beginning of a 10:
where that token was written, the token after it tells the two apart; where it was not, nothing does, and its mass is
given to neither. Nor is that of an alternative that leads to no label, or of those behind the last that was told. What
no label got is lost mass; the part of it in which labels may still hide is hidden mass.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from polyjudge.llm.request import TokenChoice

_QUOTES = "\"'“”‘’`"
_BLANKS = " \t\r\n"
# What may stand between a key and its value, and what closes a value.
_BEFORE = f"{_BLANKS}:([*_{_QUOTES}"
_AFTER = f"{_BLANKS},;)]}}*_{_QUOTES}"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Probabilities of labels at one place.

    Attributes:
        probabilities: label -> probability, all labels, sum 1.
        lost: share of the whole mass that no label got, 0..1; the probabilities are renormalised over the rest.
        hidden: the part of ``lost`` that may belong to labels: alternatives that were not told, and ambiguous ones.
    """

    probabilities: Mapping[str, float]
    lost: float
    hidden: float

    @property
    def telling(self) -> bool:
        """Whether labels got at least as much mass as may hide from them; otherwise most of it would be a guess."""
        return self.hidden <= 1 - self.lost


def distribution(tokens: Sequence[TokenChoice], before: int, labels: Sequence[str]) -> Distribution | None:
    """The probabilities of labels where one of them was written; None when no label got any mass.

    A label of several tokens has the mass of the first that no other label shares: the product of the probabilities
    along what was written up to there.

    Args:
        tokens: what was written, from the token on that holds the value's first character.
        before: how many characters of that token precede the value.
        labels: two or more, different when compared without case.
    """
    folded = {label: _core(label) for label in labels}
    masses: dict[str, list[float]] = {label: [] for label in labels}
    hidden: list[float] = []
    written, mass = "", 1.0
    for place, token in enumerate(tokens):
        pieces = [_piece(_joined(written, text, token, before), p * mass) for text, p in _alternatives(token)]
        hidden.append(mass - math.fsum(piece.mass for piece in pieces))
        whole = {piece.core for piece in pieces}
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
            elif candidates:
                hidden.append(piece.mass)
        if not mass:
            break
    return _normalised(masses, hidden)


def _normalised(masses: Mapping[str, Sequence[float]], hidden: Sequence[float]) -> Distribution | None:
    sums = {label: math.fsum(parts) for label, parts in masses.items()}
    total = math.fsum(sums.values())
    if not total > 0:
        return None
    lost = min(1.0, max(0.0, 1 - total))
    return Distribution(
        {label: one / total for label, one in sums.items()}, lost, min(lost, max(0.0, math.fsum(hidden)))
    )


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
    told = [(text, _probability(logprob)) for text, logprob in token.top]
    written = (token.token, _probability(token.logprob))
    same = [pair for pair in told if pair[0] == written[0]]
    if same:
        told.remove(min(same, key=lambda pair: abs(pair[1] - written[1])))
    return [written, *told]


def _probability(logprob: float) -> float:
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


def _core(text: str) -> str:
    return text.lstrip(_BEFORE).rstrip(_AFTER).casefold()
