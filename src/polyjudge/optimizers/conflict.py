"""Resolve conflicts between changes that passed by themselves and were refused together, by their measured effects.

Each change is offered alone, so that its effect on every criterion is measured on the same rows. A change that harms
another criterion is offered once more with its scope written before it. Then the largest harmless subset is offered as
a whole: effects need not add up, so that it is always measured itself. No model is asked for any of this.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from polyjudge.domain.records import Candidate, ScoredPrompt
from polyjudge.optimizers.base import Turn

# A change harms a criterion if that loses more than this; and subsets of so many changes are all compared.
HARM = 0.02
MOST = 12

Edit = tuple[str, str]


def resolutions(turn: Turn) -> tuple[Candidate, ...]:
    """What to measure in a turn to resolve the last conflict; nothing if there is none, or it is resolved."""
    measured = {tuple(prompt.instructions.items()): prompt for prompt in turn.scored}
    current = turn.prompt.instructions
    base = measured.get(tuple(current.items()))
    edits = _refused_together(turn)
    if base is None or len(edits) < 2:
        return ()
    alone = {edit: measured.get(_revised(current, [edit])) for edit in edits}
    unknown = [edit for edit, prompt in alone.items() if prompt is None]
    if unknown:
        return tuple(Candidate(dict([edit])) for edit in unknown)
    effects = {edit: _effect(prompt, base) for edit, prompt in alone.items() if prompt is not None}
    harmful = [edit for edit in edits if any(gain < -HARM for name, gain in effects[edit].items() if name != edit[0])]
    narrowed = [edit for edit in map(scoped, harmful) if _revised(current, [edit]) not in measured]
    if narrowed:
        return tuple(Candidate(dict([edit])) for edit in narrowed)
    for edit in map(scoped, harmful):
        effects[edit] = _effect(measured[_revised(current, [edit])], base)
    best = max(
        (subset for subset in _subsets([*effects]) if _revised(current, subset) not in measured),
        key=lambda subset: _worst(subset, effects),
        default=None,
    )
    return (Candidate(dict(best)),) if best is not None and _worst(best, effects) > -HARM else ()


def scoped(edit: Edit) -> Edit:
    """The same change with its scope before it."""
    name, text = edit
    begins = f"For {name} and for no other criterion: "
    return (name, text if text.startswith(begins) else begins + text)


def _refused_together(turn: Turn) -> list[Edit]:
    """The changes that were refused together last, one a criterion, without those that stand by now."""
    together = [edit for edit in turn.rejected if edit.together]
    last = max((edit.turn for edit in together), default=0)
    edits = {edit.criterion: edit.text for edit in together if edit.turn == last}
    standing = turn.prompt.instructions
    return [(name, text) for name, text in edits.items() if standing.get(name) != text][:MOST]


def _revised(current: Mapping[str, str], edits: Sequence[Edit]) -> tuple[tuple[str, str], ...]:
    return tuple({**current, **dict(edits)}.items())


def _effect(prompt: ScoredPrompt, base: ScoredPrompt) -> dict[str, float]:
    """Criterion -> how much better it got; what is undefined counts as a harm."""
    sign = 1 if prompt.higher_is_better else -1
    gains = {name: sign * (prompt.values[name] - base.values[name]) for name in base.values}
    return {name: -math.inf if math.isnan(gain) else gain for name, gain in gains.items()}


def _subsets(edits: Sequence[Edit]) -> Iterator[tuple[Edit, ...]]:
    """All subsets of two or more changes with one a criterion at most."""
    for size in range(2, len(edits) + 1):
        for subset in combinations(edits, size):
            if len({name for name, _ in subset}) == size:
                yield subset


def _worst(subset: Sequence[Edit], effects: Mapping[Edit, Mapping[str, float]]) -> float:
    """What the worst criterion is expected to gain."""
    names = next(iter(effects.values()))
    return min(math.fsum(effects[edit][name] for edit in subset) for name in names)
