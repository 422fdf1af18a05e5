"""A packing plan as text."""

from __future__ import annotations

from collections.abc import Iterator

from polyjudge.domain.layout import written
from polyjudge.formatting.text import many, number, percent, signed, table_text
from polyjudge.results.packing import CallCost, Packing


def packing_lines(plan: Packing) -> Iterator[str]:
    """The whole report."""
    yield plan.verdict
    yield ""
    yield (
        f"The loss is the mean {plan.metric} of separate calls minus that of shared calls. Pairs were judged on "
        f"{many(plan.searched, 'rows')}, partitions tested on {many(plan.confirmed, 'others')} of "
        f"{many(plan.documents, plan.unit)}."
    )
    yield ""
    rows = [
        [
            pair.criterion,
            pair.beside,
            signed(pair.loss),
            number(pair.error),
            signed(pair.expected),
            number(pair.likeness, "constant"),
        ]
        for pair in plan.pairs
    ]
    yield from table_text(rows, ["criterion", "beside", "loss", "error", "shrunken", "likeness"])
    yield ""
    if plan.tested:
        rows = [
            [
                written(one.groups),
                signed(one.expected),
                signed(one.loss),
                signed(one.bound),
                "kept" if one.kept else one.reason,
            ]
            for one in plan.tested
        ]
        level = percent(plan.tested[0].level, digits=1)
        columns = ["tested", "expected loss", "loss", f"{level} bound", f"margin {plan.margin:g}"]
        yield from table_text(rows, columns)
        yield ""
    costs = [plan.separate, plan.packed] if plan.certified else [plan.separate]
    columns = ["an item", "calls", "prompt tokens", "of them cached", "completion tokens"]
    yield from table_text([_cost(cost) for cost in costs], columns)


def _cost(cost: CallCost) -> list[str]:
    figures = [f"{value:.1f}" for value in (cost.prompt, cost.cached, cost.completion)]
    return [cost.layout, f"{cost.calls:.1f}", *figures]
