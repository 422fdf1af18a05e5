"""Replies with token probabilities, as a model that tokenises in one way or another would give them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from polyjudge.llm.request import Reply, TokenChoice

Masses = Mapping[str, float]


def chosen(token: str, probabilities: Masses) -> TokenChoice:
    """A written token among alternatives, the most probable first."""
    top = sorted(((text, math.log(p)) for text, p in probabilities.items()), key=lambda pair: -pair[1])
    return TokenChoice(token, math.log(probabilities.get(token, 1e-9)), tuple(top))


def spelled(tokens: Sequence[str | TokenChoice], *, text: str | None = None, finish: str = "stop") -> Reply:
    """A reply of these tokens; one that is given as a text has no alternative."""
    written = tuple(chosen(token, {token: 1.0}) if isinstance(token, str) else token for token in tokens)
    joined = "".join(token.token for token in written)
    return Reply(joined if text is None else text, finish, tokens=written)


def rated(
    text: str, places: Mapping[int, Masses], pieces: str = r'\d|\s*"|[^\d\s"]+|\s+', *, finish: str = "stop"
) -> Reply:
    """A reply cut into tokens by ``pieces``; ``places``: position in the text -> the masses of the token there."""
    tokens: list[str | TokenChoice] = []
    for match in re.finditer(pieces, text):
        masses = next((places[at] for at in range(*match.span()) if at in places), None)
        tokens.append(match.group() if masses is None else chosen(match.group(), masses))
    return spelled(tokens, finish=finish)
