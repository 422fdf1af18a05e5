"""The interference report compares criteria scored together and apart, and recommends which may share a call.

It needs scores of the same items by the same judge under at least two layouts. The layouts ``separate`` and ``forked``
score criteria apart; ``joint``, or a layout that joins names by +, scores them together. A criterion's loss is its
agreement apart minus its agreement together. The rules of the recommendation:

- *keep apart*: together it is credibly worse (Holm-corrected over the report).
- *may share*: together it is credibly better, or the interval of its loss stays below the margin.
- *undecided*: neither. Undecided criteria are recommended apart, because they may have a loss.

The criteria of a call that may share are recommended as one call. They were measured with all criteria of that call,
so that a grouping without some of these has yet to be measured, and the report says so.
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
    """One judge's criteria, scored together and apart.

    Attributes:
        judge: whose scores.
        together: the layout that shares a call.
        apart: the layout that does not.
        rows: A = together, B = apart, on each criterion that shares a call, and on the mean where all do.
        decisions: criterion -> "keep apart", "may share" or "undecided"; empty where none was scored both ways.
        packing: the recommended calls, each a tuple of criteria; empty without decisions.
        margin: the accepted loss.
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
    """Every pair of a layout together and one apart of the same judge; empty if no judge has both."""
    reports = []
    for judge in dict.fromkeys(judgement.judge for judgement in table.judgements):
        of_judge = [judgement for judgement in table.judgements if judgement.judge == judge]
        together = [judgement for judgement in of_judge if _sharing(judgement.layout, table.names)]
        reports += [_interference(table, a, b, margin) for a in together for b in of_judge if b.layout in APART]
    return tuple(reports)


def _sharing(layout: str, names: Sequence[str]) -> Partition:
    """The calls of a layout that criteria share. ``joint`` is one even with a single criterion, which was then scored
    with others that the file leaves out."""
    if layout == "joint":
        return (tuple(names),)
    return tuple(group for group in layouts.read_groups(layout) if len(group) > 1)


def _interference(table: ScoreTable, together: Judgement, apart: Judgement, margin: float) -> Interference:
    calls = _sharing(together.layout, table.names)
    sharing = {name for call in calls for name in call}
    reported = {*sharing, MEAN} if sharing >= set(table.names) else sharing
    rows = corrected([row for row in compared(table, together, apart) if row.criterion in reported])
    decisions = {row.criterion: _decision(row, margin) for row in rows if row.criterion != MEAN}
    groups = _recommended_groups(table.names, calls, decisions)
    sentence = _recommendation(groups, calls, decisions, margin)
    return Interference(together.judge, together.layout, apart.layout, rows, decisions, groups, margin, sentence)


def _decision(row: Contest, margin: float) -> str:
    if row.estimate.interval.below_zero:
        return "keep apart"
    return "may share" if row.low > -margin else "undecided"


def _recommended_groups(names: Sequence[str], calls: Partition, decisions: Mapping[str, str]) -> Partition:
    """Criteria that may share stay in the call they were measured in, the others are alone."""
    if not decisions:
        return ()
    shared = [tuple(name for name in call if decisions.get(name) == "may share") for call in calls]
    call_of = {name: call for call in shared for name in call}
    return tuple(dict.fromkeys(call_of.get(name, (name,)) for name in names))


def _recommendation(groups: Partition, calls: Partition, decisions: Mapping[str, str], margin: float) -> str:
    """One sentence, with a reason for every recommended call."""
    if not groups:
        return "Nothing to recommend: no criterion was scored both together and apart."
    shared = [call for call in groups if len(call) > 1]
    if len(groups) == len(shared) == 1:
        return f"Keep one joint call: no criterion loses more than {margin:g} by sharing it."
    by: dict[str, list[str]] = {"keep apart": [], "undecided": [], "may share": []}
    for name, decision in decisions.items():
        by[decision].append(name)
    lone = [name for name in by["may share"] if (name,) in groups]
    unknown = [name for (name, *others) in groups if not others and name not in decisions]
    reasons = [
        f"{' and '.join(map(', '.join, shared))} lose no more than {margin:g}" if shared else "",
        f"{', '.join(by['keep apart'])} {_be(by['keep apart'])} credibly worse together" if by["keep apart"] else "",
        f"whether {', '.join(by['undecided'])} loses by sharing is undecided at these rows" if by["undecided"] else "",
        f"nothing else may share a call with {', '.join(lone)}" if lone else "",
        f"{', '.join(unknown)} {_be(unknown)} not compared" if unknown else "",
    ]
    unmeasured = "; this grouping itself was not measured, score some items with it before you rely on it"
    advice = f"Use {layouts.written(groups)}" if shared else "Score each criterion in a call of its own"
    return f"{advice}: {'; '.join(filter(None, reasons))}{unmeasured if shared and set(shared) != set(calls) else ''}."


def _be(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
