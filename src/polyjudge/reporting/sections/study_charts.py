"""A study's figures, made from its tables: what a figure shows and what a table says are the same numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from polyjudge.metrics.estimates import Interval
from polyjudge.reporting.html.categories import bars, intervals
from polyjudge.reporting.html.chart import NOT_GIVEN, Chart, Point
from polyjudge.reporting.html.figures import lines
from polyjudge.reporting.tables.render import Table, Value

Row = Mapping[str, Value]
MEAN = "mean"
SCALE = 10
# More small charts than these make a page long and say no more.
SMALL = 24
VALUES = {"best": "best step, chosen on the test rows", "published_initial": "published, initial",
          "published_best": "published, best"}  # fmt: skip


def records(table: Table) -> list[Row]:
    """Rows by their columns' keys."""
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def blocks_of(table: Table) -> dict[str, list[Row]]:
    """Rows by data set and judge, named so; "" where there is only one."""
    by_block: dict[str, list[Row]] = {}
    for row in records(table):
        by_block.setdefault(f"{row['data']}, {row['model']}", []).append(row)
    return {name if len(by_block) > 1 else "": rows for name, rows in by_block.items()}


def label(row: Row, axes: Sequence[str]) -> str:
    """A configuration as the axes name it."""
    return " ".join(str(row[axis]) for axis in axes) or "all"


def gains(honest: Table, axes: Sequence[str]) -> Iterator[Chart]:
    """Fitted against initial, chosen without the test rows."""
    for index, (name, rows) in enumerate(blocks_of(honest).items(), 1):
        points = [_estimated(label(row, axes), "fitted - initial", row["difference"], row["interval"]) for row in rows]
        caption = f"Change of agreement by the fitted prompt, chosen without the test rows, 95 % intervals{_of(name)}."
        yield intervals(
            f"gains-{index}", caption, points, "difference of agreement", of="configuration", differences=True
        )


def best(main: Table, axes: Sequence[str]) -> Iterator[Chart]:
    """The paper's table as a figure, with its own figures where they compare."""
    for index, (name, rows) in enumerate(blocks_of(main).items(), 1):
        keys = ["initial", *(key for key in VALUES if key in rows[0])]
        points = [
            Point(label(row, axes), VALUES.get(key, "initial"), _number(row[key])) for row in rows for key in keys
        ]
        caption = f"Initial prompt and best step by mean agreement; the best step is OPTIMISTIC{_of(name)}."
        yield intervals(f"best-{index}", caption, points, "agreement", of="configuration")


def volumes(main: Table, axes: Sequence[str]) -> Iterator[Chart]:
    """Hypervolumes beside their null."""
    text = {
        "hypervolume": "all steps",
        "hypervolume_null": "null: re-tests of the initial prompt",
        "published_hypervolume": "published",
    }
    for index, (name, rows) in enumerate(blocks_of(main).items(), 1):
        points = [
            Point(label(row, axes), series, _number(row[key]))
            for row in rows
            for key, series in text.items()
            if key in row and not math.isnan(_number(row[key]))
        ]
        caption = f"Hypervolume over the steps; only what exceeds the null is more than re-testing gives{_of(name)}."
        yield bars(f"hypervolume-{index}", caption, points, "hypervolume", of="configuration")


def trajectories(table: Table, axes: Sequence[str]) -> Iterator[Chart]:
    """Mean agreement along the steps, a line a mode where that is an axis."""
    yield from _trajectories(table, axes, lambda criterion: criterion == MEAN, "trajectory")


def by_criterion(table: Table, axes: Sequence[str]) -> tuple[Chart, ...]:
    """The same, criterion by criterion; none where they would be too many."""
    drawn = tuple(_trajectories(table, axes, lambda criterion: criterion != MEAN, "trajectory-of"))
    return drawn if len(drawn) <= SMALL else ()


def _trajectories(table: Table, axes: Sequence[str], wanted: object, stem: str) -> Iterator[Chart]:
    within = [axis for axis in axes if axis == "mode"] or list(axes)
    beside = [axis for axis in axes if axis not in within]
    groups: dict[tuple[str, str, str], list[tuple[str, int, float]]] = {}
    for name, rows in blocks_of(table).items():
        for row in rows:
            criterion = str(row["criterion"])
            if callable(wanted) and wanted(criterion):
                key = (name, _told(row, beside), criterion)
                point = (label(row, within), int(_number(row["step"])), _number(row["agreement"]))
                groups.setdefault(key, []).append(point)
    for index, ((name, others, criterion), points) in enumerate(groups.items(), 1):
        if len({step for _, step, _ in points}) > 1:
            what = "Mean agreement" if criterion == MEAN else f"{criterion}: agreement"
            caption = f"{what} on the test rows after each step{f', {others}' if others else ''}{_of(name)}."
            yield lines(f"{stem}-{index}", caption, points, "agreement")


def diagnostic(table: Table, axes: Sequence[str], what: str) -> Iterator[Chart]:
    """A diagnostic by mode, or by configuration, beside the published figures."""
    text = {"specificity": "Specificity of the gradients", "adherence": "Adherence of the new instructions"}
    for index, (name, rows) in enumerate(blocks_of(table).items(), 1):
        means = [row for row in rows if row["criterion"] == MEAN]
        points = []
        for row in means:
            points.append(Point(label(row, axes), "here", _number(row[what])))
            if row.get("published") is not None:
                points.append(Point(label(row, axes), "published", _number(row["published"])))
        caption = f"{text[what]}, 1 to 10, mean over criteria, steps and runs{_of(name)}."
        yield bars(f"{what}-{index}", caption, points, what, of="configuration", top=SCALE)


def combined(cherrypick: Table) -> Iterator[Chart]:
    """Instructions fitted one by one, apart and put together; a chart for each set of runs that they are from."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for name, rows in blocks_of(cherrypick).items():
        for row in rows:
            if row["criterion"] == MEAN:
                points = groups.setdefault((name, str(row["runs"])), [])
                points.append(Point(str(row["prompt"]), "here", _number(row["agreement"])))
                if row.get("published") is not None:
                    points.append(Point(str(row["prompt"]), "published", _number(row["published"])))
    for index, ((name, runs), points) in enumerate(groups.items(), 1):
        caption = f"Mean agreement of instructions from the runs {runs}, apart and in one prompt{_of(name)}."
        yield intervals(f"combined-{index}", caption, points, "agreement", of="prompt")


def lengths(table: Table, axes: Sequence[str]) -> Iterator[Chart]:
    """How long instructions are at the end."""
    for index, (name, rows) in enumerate(blocks_of(table).items(), 1):
        last = max(_number(row["step"]) for row in rows)
        points = [
            Point(label(row, axes), str(row["criterion"]), _number(row["words"]))
            for row in rows
            if _number(row["step"]) == last
        ]
        yield bars(
            f"lengths-{index}", f"Words of the instructions after the last step{_of(name)}.", points, "words",
            of="configuration",
        )  # fmt: skip


def _told(row: Row, axes: Sequence[str]) -> str:
    return ", ".join(f"{axis} {row[axis]}" for axis in axes)


def _of(name: str) -> str:
    return f" ({name})" if name else ""


def _estimated(category: str, series: str, value: Value, ends: Value) -> Point:
    return Point(category, series, _number(value), ends if isinstance(ends, Interval) else NOT_GIVEN)


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
