"""The keys ``kind: preference``, ``pair`` and ``order`` of a criteria file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.domain.criterion import Criterion, default_instruction
from polyjudge.domain.scale import Categorical
from polyjudge.formatting.text import clipped

KEYS = ("kind", "pair", "order")
PREFERENCE = "preference"
ORDERS = ("both", "given")
# Which text is better; the scale of a preference that names none.
LABELS = {"labels": ["A", "B", "tie"]}


def with_scales(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """A criteria file whose preferences have a scale where they name none."""
    criteria = content.get("criteria")
    if content.get("kind") != PREFERENCE or not isinstance(criteria, (list, tuple)):
        return content
    filled = [{"scale": LABELS, **one} if isinstance(one, Mapping) else one for one in criteria]
    return {**content, "criteria": filled}


def read_pair(
    content: Mapping[str, Any],
    inputs: Sequence[tuple[str, str]],
    criteria: Sequence[Criterion],
    errors: ErrorCollector,
) -> tuple[tuple[str, str] | None, str]:
    """The two columns that are compared, and in which orders; None for other files."""
    kind, pair, order = (content.get(key) for key in KEYS)
    if kind is None:
        for key in KEYS[1:]:
            if content.get(key) is not None:
                errors.add(f"{key}: belongs to kind: {PREFERENCE}; write that too, or leave the key out")
        return None, ORDERS[0]
    if kind != PREFERENCE:
        errors.add(f"kind: {clipped(kind)} is unknown; write kind: {PREFERENCE}, or leave the key out")
        return None, ORDERS[0]
    if order not in (None, *ORDERS):
        errors.add(f"order: {clipped(order)}; write {' or '.join(ORDERS)}")
    columns = [column for column, _ in inputs]
    named = columns if pair is None else pair
    is_pair = isinstance(named, (list, tuple)) and len(named) == 2 and len(set(map(str, named))) == 2
    if not is_pair or not set(map(str, named)) <= set(columns):
        errors.add(
            f"pair: {'is missing' if pair is None else clipped(pair)}; name the two inputs that are compared, such as "
            f"pair: [{', '.join(columns[-2:])}]"
        )
        return None, ORDERS[0]
    for criterion in criteria:
        if not isinstance(criterion.scale, Categorical) or len(criterion.scale.names) > 3:
            errors.add(
                f"criteria: {criterion.name!r} is a preference, whose scale is {{labels: [A, B]}} or "
                f"{{labels: [A, B, tie]}}: the first text is better, the second is, neither is"
            )
    return (str(named[0]), str(named[1])), str(order or ORDERS[0])


def with_instructions(
    criteria: Sequence[Criterion], inputs: Sequence[tuple[str, str]], pair: tuple[str, str] | None
) -> tuple[Criterion, ...]:
    """Criteria of preferences that say which label means which text, where the file gave no instruction."""
    if pair is None:
        return tuple(criteria)
    labels = dict(inputs)

    def told(criterion: Criterion) -> Criterion:
        names = criterion.scale.labels
        if criterion.instruction != default_instruction(criterion.scale) or len(names) < 2:
            return criterion
        first, second = (
            f"{json_text(name)} if {labels[column]} is better" for name, column in zip(names, pair, strict=False)
        )
        rest = f", {json_text(names[2])} if neither is" if len(names) > 2 else ""
        return replace(criterion, instruction=f"Answer {first}, {second}{rest}.")

    return tuple(map(told, criteria))


def json_text(name: str) -> str:
    return f'"{name}"'
