"""Edit yield: of the new instructions that were accepted, how many raised the agreement on their own criterion.

Specificity is a means; this is the end. On the rows that chose them the share is optimistic by construction (a gate
lets nothing else through), so that it counts on fresh rows, and there beside one half, what noise would give.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from polyjudge.diagnosis.estimates import mean_of, share_of
from polyjudge.diagnosis.observed import Edit
from polyjudge.diagnosis.records import MEAN, Figure
from polyjudge.domain.decomposition import Group
from polyjudge.domain.records import Measured, Step
from polyjudge.domain.scale import NAN


def edits_of(steps: Sequence[Step], higher_is_better: Mapping[str, bool]) -> tuple[Edit, ...]:
    """Every accepted change of a run, with what the gate measured.

    Args:
        steps: in order; those of each criterion in turn under ST.
        higher_is_better: of the gate's metric, by criterion; empty where it measures nothing.
    """
    found: list[Edit] = []
    before: dict[str, Measured | None] = {}
    for step in steps:
        for name in step.kept:
            rise = _rise(before.get(name), step.measured, name)
            sign = 1 if higher_is_better.get(name, True) else -1
            found.append(Edit(step.index, name, step.measured.metric if step.measured else "", sign * rise))
        before |= dict.fromkeys(step.criteria, step.measured)
    return tuple(found)


def on_fresh_rows(edits: Sequence[Edit], values: Mapping[int, Mapping[str, float]]) -> tuple[Edit, ...]:
    """The same with what they did to rows that chose nothing.

    Args:
        edits: accepted changes.
        values: step -> criterion -> agreement of the prompt that stood after it on the fresh rows, higher being
            better; the initial prompt's under 0, and none of steps that changed nothing.
    """

    def before(edit: Edit) -> float:
        return values[max(step for step in values if step < edit.step)][edit.criterion]

    return tuple(
        replace(edit, fresh=values[edit.step][edit.criterion] - before(edit)) if edit.step in values else edit
        for edit in edits
    )


def yield_figures(edits: Sequence[Edit], names: Group) -> Iterator[Figure]:
    """The share of edits that raised their criterion, and their mean effect, steps being the units of the latter."""
    for of in ("validation", "fresh"):
        for criterion in (*names, MEAN):
            own = [edit for edit in edits if criterion in (MEAN, edit.criterion)]
            known = [(edit.step, value) for edit in own if not math.isnan(value := getattr(edit, of))]
            if known:
                rises = [value for _, value in known]
                yield Figure("edit yield", of, criterion, share_of(sum(value > 0 for value in rises), len(rises)))
                yield Figure("edit effect", of, criterion, mean_of(rises, [step for step, _ in known]))


def _rise(before: Measured | None, after: Measured | None, name: str) -> float:
    if before is None or after is None:
        return NAN
    return after.values[name] - before.values[name]
