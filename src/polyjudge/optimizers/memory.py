"""The memory of rejected instructions, shown to the optimizer so that it does not propose them again.

Their agreements are aggregates over the validation rows; no row is ever shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polyjudge.domain.records import Candidate, Rejected, Step
from polyjudge.domain.scale import NAN

# Instructions per criterion, so that prompts stay short in long runs.
REMEMBERED = 5


def remember(memory: Sequence[Rejected], before: Step, step: Step) -> tuple[Rejected, ...]:
    """The memory after a step, newest last: the last rejected instructions of each criterion, without duplicates and
    without the current one.

    Args:
        memory: before the step.
        before: the step before it.
        step: the step.
    """
    newest = {(edit.criterion, edit.text): edit for edit in memory}
    for edit in _rejected(before, step):
        newest.pop((edit.criterion, edit.text), None)
        newest[edit.criterion, edit.text] = edit
    current = set(step.instructions.items())
    edits = [edit for key, edit in newest.items() if key not in current]
    last = {name: [edit for edit in edits if edit.criterion == name][-REMEMBERED:] for name in step.criteria}
    return tuple(edit for edit in edits if edit in last.get(edit.criterion, ()))


def _rejected(before: Step, step: Step) -> Iterator[Rejected]:
    for candidate in (*step.candidates, *([step.merged] if step.merged else [])):
        for name, text in candidate.instructions.items():
            if name not in candidate.passed and text != before.instructions[name]:
                yield _edit(before, step, candidate, name)


def _edit(before: Step, step: Step, candidate: Candidate, name: str) -> Rejected:
    old, new = before.measured, candidate.measured
    metrics = [effect.metric for effect in candidate.effects if effect.criterion == name]
    return Rejected(
        turn=step.index,
        criterion=name,
        text=candidate.instructions[name],
        metric=metrics[0] if metrics else new.metric if new else "",
        before=old.values[name] if old else NAN,
        after=new.values[name] if new else NAN,
        together=candidate is step.merged,
    )
