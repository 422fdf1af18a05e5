"""The interference report: the same criteria together and apart, and which of them may share a call.

It needs scores of the same items by the same judge under two layouts or more. A layout named ``solo`` or ``fork``
scores apart; ``joint``, or one that joins names by +, scores together. A criterion's loss is its agreement apart
minus together. The rules of the recommendation:

- *keep apart*: together it is credibly worse (Holm-corrected over the report).
- *may share*: together it is credibly better, or the 95 % interval of its loss stays below the margin.
- *undecided*: neither; these data do not tell. Undecided criteria are recommended apart, for a loss may hide there.

The criteria that may share are recommended as one call. That was measured with the others in the same call, so a
packing that leaves some of them out is a proposal to be measured, and the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyjudge.audits.agreement import MEAN
from polyjudge.audits.contests import ALPHA, Contest, compared, corrected
from polyjudge.audits.table import Judgement, ScoreTable

APART = ("solo", "fork")
MARGIN = 0.03


@dataclass(frozen=True, slots=True)
class Interference:
    """One judge's criteria together against apart.

    Attributes:
        judge: whose scores.
        together: the layout that shares a call.
        apart: the layout that does not.
        rows: A = together, B = apart, on each criterion and on the mean.
        decisions: criterion -> "keep apart", "may share" or "undecided".
        packing: the recommended calls, each a tuple of criteria.
        margin: the loss that is accepted.
        recommendation: one sentence.
    """

    judge: str
    together: str
    apart: str
    rows: tuple[Contest, ...]
    decisions: Mapping[str, str]
    packing: tuple[tuple[str, ...], ...]
    margin: float
    recommendation: str


def interferences(table: ScoreTable, margin: float = MARGIN, seed: int = 0) -> tuple[Interference, ...]:
    """Every pair of a layout together and one apart of the same judge; empty where no judge has both."""
    found = []
    for judge in dict.fromkeys(one.judge for one in table.judgements):
        own = [one for one in table.judgements if one.judge == judge and one.layout]
        together = [one for one in own if one.layout not in APART]
        found += [_interference(table, a, b, margin, seed) for a in together for b in own if b.layout in APART]
    return tuple(found)


def _interference(table: ScoreTable, together: Judgement, apart: Judgement, margin: float, seed: int) -> Interference:
    rows = corrected(compared(table, together, apart, seed=seed))
    decisions = {row.criterion: _decision(row, margin) for row in rows if row.criterion != MEAN}
    shared = tuple(name for name, decision in decisions.items() if decision == "may share")
    packing = _packing(tuple(decisions), shared)
    return Interference(
        together.judge,
        together.layout,
        apart.layout,
        rows,
        decisions,
        packing,
        margin,
        _recommendation(decisions, packing, margin),
    )


def _decision(row: Contest, margin: float) -> str:
    if row.p_holm < ALPHA:
        return "keep apart" if row.difference < 0 else "may share"
    return "may share" if row.low > -margin else "undecided"


def _packing(names: Sequence[str], shared: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The shared criteria as one call, the others alone, in the order of the criteria."""
    if len(shared) < 2:
        return tuple((name,) for name in names)
    return tuple(tuple(shared) if name == shared[0] else (name,) for name in names if name not in shared[1:])


def _recommendation(decisions: Mapping[str, str], packing: Sequence[Sequence[str]], margin: float) -> str:
    calls = ",".join("+".join(group) for group in packing)
    undecided = [name for name, decision in decisions.items() if decision == "undecided"]
    harmed = [name for name, decision in decisions.items() if decision == "keep apart"]
    if len(packing) == 1:
        return f"Keep one joint call: no criterion loses more than {margin:g} by sharing it."
    told = f"Use {calls}" if any(len(group) > 1 for group in packing) else "Score each criterion in a call of its own"
    reasons = [f"{', '.join(harmed)} is credibly worse together" if len(harmed) == 1 else ""]
    if len(harmed) > 1:
        reasons = [f"{', '.join(harmed)} are credibly worse together"]
    if undecided:
        reasons.append(f"whether {', '.join(undecided)} loses by sharing is undecided at these rows")
    packed = "; this packing itself was not measured, score some items with it before you rely on it"
    measured = packed if 1 < len(packing) < len(decisions) else ""
    return f"{told}: {'; '.join(filter(None, reasons))}{measured}."
