"""The interference report: the same criteria together and apart, and which of them may share a call.

It needs scores of the same items by the same judge under two layouts or more. The layouts ``separate`` and
``forked`` score apart. ``joint``, or a layout that joins names by +, scores those together. A criterion's loss is its
agreement apart minus its agreement together. The rules of the recommendation:

- *keep apart*: together it is credibly worse (Holm-corrected over the report).
- *may share*: together it is credibly better, or the interval of its loss stays below the margin.
- *undecided*: neither; these data do not tell. Undecided criteria are recommended apart, for a loss may hide there.

The criteria of a call that may share are recommended as one call. That was measured with the others in it, so that a
packing which leaves some of them out is a proposal to be measured, and the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyjudge.audits.agreement import MEAN
from polyjudge.audits.contests import Contest, compared, corrected
from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.domain import layout as layouts
from polyjudge.domain.decomposition import Partition

APART = ("separate", "forked")
MARGIN = 0.03


@dataclass(frozen=True, slots=True)
class Interference:
    """One judge's criteria together against apart.

    Attributes:
        judge: whose scores.
        together: the layout that shares a call.
        apart: the layout that does not.
        rows: A = together, B = apart, on each criterion that shares a call, and on the mean where all do.
        decisions: criterion -> "keep apart", "may share" or "undecided"; empty where none was scored both ways.
        packing: the recommended calls, each a tuple of criteria; empty without decisions.
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


def interferences(table: ScoreTable, margin: float = MARGIN) -> tuple[Interference, ...]:
    """Every pair of a layout together and one apart of the same judge; empty where no judge has both."""
    found = []
    for judge in dict.fromkeys(one.judge for one in table.judgements):
        own = [one for one in table.judgements if one.judge == judge]
        together = [one for one in own if _sharing(one.layout, table.names)]
        found += [_interference(table, a, b, margin) for a in together for b in own if b.layout in APART]
    return tuple(found)


def _sharing(layout: str, names: Sequence[str]) -> Partition:
    """The calls of a layout in which criteria meet. ``joint`` is one, and of a single criterion too: that was scored
    with others which the file leaves out."""
    if layout == "joint":
        return (tuple(names),)
    return tuple(group for group in layouts.read_groups(layout) if len(group) > 1)


def _interference(table: ScoreTable, together: Judgement, apart: Judgement, margin: float) -> Interference:
    calls = _sharing(together.layout, table.names)
    sharing = {name for call in calls for name in call}
    told_of = {*sharing, MEAN} if sharing >= set(table.names) else sharing
    rows = corrected([row for row in compared(table, together, apart) if row.criterion in told_of])
    decisions = {row.criterion: _decision(row, margin) for row in rows if row.criterion != MEAN}
    advised = _packing(table.names, calls, decisions)
    told = _recommendation(advised, calls, decisions, margin)
    return Interference(together.judge, together.layout, apart.layout, rows, decisions, advised, margin, told)


def _decision(row: Contest, margin: float) -> str:
    if row.estimate.interval.below_zero:
        return "keep apart"
    return "may share" if row.low > -margin else "undecided"


def _packing(names: Sequence[str], calls: Partition, decisions: Mapping[str, str]) -> Partition:
    """What may share stays with those it was measured with, the others alone, in the order of the criteria."""
    if not decisions:
        return ()
    kept = [tuple(name for name in call if decisions.get(name) == "may share") for call in calls]
    call_of = {name: call for call in kept for name in call}
    return tuple(dict.fromkeys(call_of.get(name, (name,)) for name in names))


def _recommendation(advised: Partition, calls: Partition, decisions: Mapping[str, str], margin: float) -> str:
    """One sentence, with a reason for every call of the advice."""
    if not advised:
        return "Nothing to recommend: no criterion was scored both together and apart."
    shared = [call for call in advised if len(call) > 1]
    if len(advised) == len(shared) == 1:
        return f"Keep one joint call: no criterion loses more than {margin:g} by sharing it."
    by = {d: [name for name, own in decisions.items() if own == d] for d in ("keep apart", "undecided", "may share")}
    lone = [name for name in by["may share"] if (name,) in advised]
    unknown = [name for (name, *others) in advised if not others and name not in decisions]
    reasons = [
        f"{' and '.join(map(', '.join, shared))} lose no more than {margin:g}" if shared else "",
        f"{', '.join(by['keep apart'])} {_be(by['keep apart'])} credibly worse together" if by["keep apart"] else "",
        f"whether {', '.join(by['undecided'])} loses by sharing is undecided at these rows" if by["undecided"] else "",
        f"nothing else may share a call with {', '.join(lone)}" if lone else "",
        f"{', '.join(unknown)} {_be(unknown)} not compared" if unknown else "",
    ]
    packed = "; this packing itself was not measured, score some items with it before you rely on it"
    told = f"Use {layouts.written(advised)}" if shared else "Score each criterion in a call of its own"
    return f"{told}: {'; '.join(filter(None, reasons))}{packed if shared and set(shared) != set(calls) else ''}."


def _be(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
