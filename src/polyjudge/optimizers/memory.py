"""What was tried and not kept: remembered for the optimizer, so that it does not propose it again.

The figures come from the validation rows, as an aggregate a text; no row is ever shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polyjudge.domain.records import Candidate, Rejected, Step
from polyjudge.domain.scale import NAN

# Of each criterion, so that prompts stay short in long runs.
REMEMBERED = 5


def remember(memory: Sequence[Rejected], before: Step, step: Step) -> tuple[Rejected, ...]:
    """The memory after a step, newest last: of each criterion the last texts, each once, without the one that stands.

    Args:
        memory: before the step.
        before: the step before it.
        step: the step.
    """
    newest = {(one.criterion, one.text): one for one in memory}
    for one in _rejected(before, step):
        newest.pop((one.criterion, one.text), None)
        newest[one.criterion, one.text] = one
    standing = set(step.instructions.items())
    kept = [one for key, one in newest.items() if key not in standing]
    last = [[one for one in kept if one.criterion == name][-REMEMBERED:] for name in step.criteria]
    wanted = {(one.criterion, one.text) for each in last for one in each}
    return tuple(one for one in kept if (one.criterion, one.text) in wanted)


def _rejected(before: Step, step: Step) -> Iterator[Rejected]:
    for candidate in (*step.candidates, *([step.merged] if step.merged else [])):
        for name, text in candidate.instructions.items():
            if name not in candidate.passed and text != before.instructions[name]:
                yield _edit(before, step, candidate, name)


def _edit(before: Step, step: Step, candidate: Candidate, name: str) -> Rejected:
    old, new = before.measured, candidate.measured
    own = [effect.metric for effect in candidate.effects if effect.criterion == name]
    return Rejected(
        turn=step.index,
        criterion=name,
        text=candidate.instructions[name],
        metric=own[0] if own else new.metric if new else "",
        before=old.values[name] if old else NAN,
        after=new.values[name] if new else NAN,
        together=candidate is step.merged,
    )
