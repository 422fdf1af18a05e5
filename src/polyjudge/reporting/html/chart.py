"""A chart: a Vega-Lite specification with its words and numbers, and the parts that specifications are made of.

How charts look. Colours are the page's variables, so that light, dark and paper need no second drawing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from polyjudge.metrics.estimates import Interval

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
SOFT, INK = "var(--soft)", "var(--ink)"
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
HUES = 8
DASHES = ([1, 0], [6, 3], [2, 2], [9, 3, 2, 3], [4, 4], [12, 4], [1, 3], [7, 2, 2, 2])
Spec = dict[str, Any]
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure and what is said with it.

    Attributes:
        name: of its file when it is exported; unique in a report.
        caption: what it shows and how to read it.
        spec: Vega-Lite.
        columns: of the numbers behind it, as its table shows them.
        rows: those numbers.
    """

    name: str
    caption: str
    spec: Spec
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def empty(self) -> bool:
        """Whether nothing would be drawn."""
        return not any(isinstance(cell, int | float) and math.isfinite(cell) for row in self.rows for cell in row)


NOT_GIVEN = Interval.unknown()


@dataclass(frozen=True, slots=True)
class Point:
    """A value of one category in one series, and its interval. NaN is not drawn."""

    category: str
    series: str
    value: float
    interval: Interval = NOT_GIVEN


def specification(records: Sequence[Record], body: Spec, *, width: Any = "container", height: int | Spec) -> Spec:
    """A specification with its data inside; "container" takes the width that there is."""
    whole = {"$schema": SCHEMA, "data": {"values": list(records)}, "width": width, "height": height, **body}
    return {key: _drawable(member) for key, member in whole.items()}


def _drawable(value: Any) -> Any:
    """Without the two line ends that JSON allows in a text and Vega's expressions, which quote names, do not."""
    if isinstance(value, Mapping):
        return {key: _drawable(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_drawable(member) for member in value]
    return value.replace("\u2028", " ").replace("\u2029", " ") if isinstance(value, str) else value


def series_of(*points: Sequence[Point]) -> list[str]:
    """The series in the order of their first points."""
    return list(dict.fromkeys(point.series for some in points for point in some))


def height_of(points: Sequence[Point], each: int) -> int:
    """Pixels for all categories; a step a category would be fitted to the width too, with a warning."""
    return each * len({point.category for point in points})


def quantity(value: str, *, zero: bool = False) -> Spec:
    """The field of values, under its name."""
    return {"field": "value", "type": "quantitative", "title": value, "scale": {"zero": zero}}


def band(points: Sequence[Point]) -> Spec:
    """A row a category, in the order of the points."""
    return {
        "field": "category",
        "type": "nominal",
        "sort": list(dict.fromkeys(point.category for point in points)),
        "title": None,
        "scale": {"paddingInner": 0.35, "paddingOuter": 0.15},
    }


def kind(field: str, domain: Sequence[str]) -> Spec:
    """A nominal field with its whole domain, so that layers agree."""
    return {"field": field, "type": "nominal", "title": None, "scale": {"domain": list(domain)}}


def records_of(points: Iterable[Point]) -> list[Record]:
    """Points as the data of a specification."""
    return [
        {
            "category": point.category,
            "series": point.series,
            "value": finite(point.value),
            "low": finite(point.interval.low),
            "high": finite(point.interval.high),
        }
        for point in points
    ]


def cells_of(points: Iterable[Point]) -> tuple[tuple[Any, ...], ...]:
    """Points as the rows of a table."""
    return tuple((p.category, p.series, p.value, p.interval.low, p.interval.high) for p in points)


def finite(value: float) -> float | None:
    """The value, or None where it is not finite: JSON has no NaN, and Vega-Lite does not draw null."""
    return value if math.isfinite(value) else None


FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def theme() -> dict[str, Any]:
    """Vega-Lite's configuration, in the page's variables."""
    ink, soft, line = "var(--ink)", "var(--soft)", "var(--line)"
    words = {"labelColor": ink, "titleColor": soft, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            **words,
            "gridColor": line,
            "domainColor": line,
            "tickColor": line,
            "titleFontWeight": "normal",
            "labelLimit": 270,
        },
        "axisQuantitative": {"labelFlush": False, "labelOverlap": "greedy", "labelSeparation": 4},
        "legend": {**words, "labelLimit": 300, "orient": "bottom", "columns": 3, "symbolLimit": 40},
        "header": {**words, "labelLimit": 200},
        "title": {"color": ink},
        "text": {"color": ink},
        "rule": {"color": soft},
        "range": {"category": [f"var(--c{index})" for index in range(1, HUES + 1)]},
    }


def printed(value: Any) -> Any:
    """A configuration or specification for where there is no page: the light colours in place of the variables."""
    shades = _shades()
    if isinstance(value, dict):
        return {key: printed(member) for key, member in value.items()}
    if isinstance(value, list):
        return [printed(member) for member in value]
    if isinstance(value, str):
        return re.sub(r"var\(--([\w-]+)\)", lambda match: shades[match.group(1)], value)
    return value


def _shades() -> dict[str, str]:
    style = (files("polyjudge.reporting.html") / "style.css").read_text("utf-8")
    first = style[: style.index("}")]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]+);", first))
