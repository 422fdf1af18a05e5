"""Figures that compare categories: points with their intervals, bars, and bars of parts; as ``figures``, pure."""

from __future__ import annotations

from collections.abc import Sequence

from polyjudge.reporting.html.chart import (
    INK,
    SHAPES,
    SOFT,
    Chart,
    Point,
    Spec,
    band,
    cells_of,
    height_of,
    kind,
    quantity,
    records_of,
    series_of,
    specification,
)


def intervals(
    name: str,
    caption: str,
    points: Sequence[Point],
    value: str,
    *,
    marks: Sequence[Point] = (),
    of: str = "criterion",
    differences: bool = False,
) -> Chart:
    """Points with intervals by category, a colour and a shape a series.

    Args:
        name: of the chart.
        caption: in words.
        points: in the order of their categories.
        value: what is measured.
        marks: strokes across a category, such as one annotator or a floor.
        of: what the categories are.
        differences: whether a line at 0 parts better from worse.
    """
    shown = series_of(points, marks)
    measured = series_of(points)
    x = {**quantity(value), "axis": {"format": ".2~f", "tickCount": 8}}
    shape = kind("series", shown)
    shape["scale"]["range"] = [
        *(SHAPES[index % len(SHAPES)] for index in range(len(measured))),
        *["stroke"] * len(shown),
    ]
    beside = {"yOffset": {"field": "series", "sort": measured}}
    x["scale"] = {"zero": False, "padding": 8}
    layers: list[Spec] = [
        *_bounds(points, x, beside),
        {
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": {"x": x, **beside, "shape": shape, "tooltip": _tips(of, value)},
        },
    ]
    rows = band(points)
    if marks:
        layers.append(_ticks(marks, rows, of, value))
    colour = kind("series", shown)
    if len(shown) == 1:
        colour["legend"] = shape["legend"] = None
    shared = {"y": rows, "color": colour}
    height = height_of(points, 20 * max(2, len(measured)))
    body: Spec = {"encoding": shared, "layer": layers}
    if differences:
        rule = {"type": "rule", "color": SOFT, "strokeDash": [5, 4], "aria": False}
        nought = {"mark": rule, "encoding": {"x": {"datum": 0}}}
        body = {"layer": [{"data": {"values": [{}]}, **nought}, body]}
    spec = specification(records_of(points), body, height=height)
    return Chart(name, caption, spec, (of, "series", value, "low", "high"), cells_of([*points, *marks]))


def bars(
    name: str, caption: str, points: Sequence[Point], value: str, *, of: str = "criterion", top: float | None = None
) -> Chart:
    """Bars side by side with their intervals, by category, a colour a series."""
    shown = series_of(points)
    x = quantity(value, zero=True) | {"axis": {"format": "~s", "tickCount": 8}}
    if top is not None:
        x["scale"] = {"domain": [0, top]}
    layers = [
        {"mark": {"type": "bar"}, "encoding": {"x": x, "tooltip": _tips(of, value)}},
        *_bounds(points, x, {"color": {"value": INK}}),
    ]
    shared = {"y": band(points), "yOffset": {"field": "series", "sort": shown}, "color": kind("series", shown)}
    if len(shown) == 1:
        shared["color"] = {"value": "var(--c1)"}
    spec = specification(
        records_of(points), {"encoding": shared, "layer": layers}, height=height_of(points, 16 * len(shown) + 12)
    )
    return Chart(name, caption, spec, (of, "series", value, "low", "high"), cells_of(points))


def stacked(name: str, caption: str, points: Sequence[Point], value: str, *, of: str) -> Chart:
    """Bars of parts, by category, a colour a series."""
    shown = series_of(points)
    encoding = {
        "y": band(points),
        "x": quantity(value, zero=True) | {"axis": {"format": "~s", "tickCount": 8}},
        "color": kind("series", shown),
        "order": {"field": "place"},
        "tooltip": _tips(of, value)[:3],
    }
    records = [{**record, "place": shown.index(str(record["series"]))} for record in records_of(points)]
    spec = specification(records, {"mark": {"type": "bar"}, "encoding": encoding}, height=height_of(points, 32))
    rows = tuple((point.category, point.series, point.value) for point in points)
    return Chart(name, caption, spec, (of, "series", value), rows)


def _bounds(points: Sequence[Point], x: Spec, more: Spec) -> list[Spec]:
    """The intervals, where any is known."""
    if not any(point.interval.known for point in points):
        return []
    return [
        {
            "mark": {"type": "rule", "strokeWidth": 1.8},
            "transform": [{"filter": "isValid(datum.low)"}],
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, **more},
        }
    ]


def _ticks(marks: Sequence[Point], band: Spec, of: str, value: str) -> Spec:
    """One annotator and floors: a stroke across a category's whole band."""
    ends = {"y": {**band, "bandPosition": 0}, "y2": {"field": "category", "bandPosition": 1}}
    return {
        "data": {"values": records_of(marks)},
        "transform": [{"filter": "isValid(datum.value)"}],
        "mark": {"type": "rule", "strokeWidth": 3},
        "encoding": {"x": {"field": "value", "type": "quantitative"}, **ends, "tooltip": _tips(of, value)[:3]},
    }


def _tips(of: str, value: str) -> list[Spec]:
    return [
        {"field": "category", "title": of},
        {"field": "series"},
        {"field": "value", "format": ".3f", "title": value},
        *({"field": field, "format": ".3f"} for field in ("low", "high")),
    ]
