"""Figures as Vega-Lite specifications: pure functions from numbers to data, which a page or an exporter draws.

Colours, fonts and the background are the page's; a specification says what is shown and how it is called. Figures that
compare categories are in ``categories``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from polyjudge.reporting.html.chart import DASHES, HUES, INK, SOFT, Chart, Spec, finite, kind, quantity, specification


def lines(
    name: str,
    caption: str,
    points: Sequence[tuple[str, int, float]],
    value: str,
    *,
    whole: str = "",
    domain: tuple[float, float] | None = None,
    levels: Sequence[tuple[str, float]] = (),
) -> Chart:
    """A line a series along the steps.

    Args:
        name: of the chart.
        caption: in words.
        points: (series, step, value). A step without a point, or with NaN, leaves a gap in the line.
        value: what is measured.
        whole: the series that stands for all others, drawn thick and in ink.
        domain: of the axis; None fits it to the values.
        levels: (name, value) of dashed lines across, such as published figures.
    """
    shown = list(dict.fromkeys(point[0] for point in points))
    records = [{"series": s, "step": step, "value": finite(v)} for s, step, v in [*points, *_gaps(points)]]
    y = quantity(value)
    if domain is not None:
        y["scale"] = {"domain": list(domain)}
    elif all(float(point[2]).is_integer() for point in points if math.isfinite(point[2])):
        # Counts that never change would else be told in millionths.
        y["axis"] = {**y.get("axis", {}), "format": "d", "tickMinStep": 1}
    others = [name for name in shown if name != whole]
    colour, dash = kind("series", shown), kind("series", shown)
    hues = {name: f"var(--c{index % HUES + 1})" for index, name in enumerate(others)}
    dashes = {name: DASHES[index % len(DASHES)] for index, name in enumerate(others)}
    colour["scale"]["range"] = [hues.get(name, INK) for name in shown]
    dash["scale"]["range"] = [dashes.get(name, [1, 0]) for name in shown]
    if len(shown) == 1:
        colour["legend"] = dash["legend"] = None
    thick = {"condition": {"test": {"field": "series", "equal": whole}, "value": 3}, "value": 1.8}
    line: Spec = {
        "mark": {
            "type": "line",
            "point": {"size": 42, "filled": True},
            "invalid": "break-paths-show-path-domains",
        },
        "encoding": {
            "x": _steps(),
            "y": y,
            "color": colour,
            "strokeDash": dash,
            "strokeWidth": thick if whole else {"value": 2},
            "tooltip": [
                {"field": "series"},
                {"field": "step"},
                {"field": "value", "format": ".3f", "title": value},
            ],
        },
    }
    spec = specification(records, {"layer": [line, *(_level(y, label, at) for label, at in levels)]}, height=250)
    return Chart(name, caption, spec, ("series", "step", value), (*points, *((t, "all", at) for t, at in levels)))


def heat(
    name: str,
    caption: str,
    cells: Sequence[tuple[str, str, float]],
    titles: tuple[str, str, str],
    *,
    diverging: bool = False,
    digits: int = 2,
) -> Chart:
    """A matrix of (row, column, value), each value written into its cell; ``titles`` of rows, columns, values.

    ``diverging``: blue above 0, red below, as strong as the farthest value.
    """
    rows = list(dict.fromkeys(cell[0] for cell in cells))
    columns = list(dict.fromkeys(cell[1] for cell in cells))
    reach = max((abs(cell[2]) for cell in cells if math.isfinite(cell[2])), default=0.0) or 1.0
    form = (f"+.{digits}f" if diverging else f".{digits}f") if digits else "d"
    scale: Spec = {"range": ["#b2182b", "#f7f7f7", "#2166ac"], "domain": [-reach, 0, reach]} if diverging else {}
    scale = scale or {"range": ["#f3f6fb", "#1d4fae"], "domain": [0, reach]}
    strong = f"abs(datum.value) > {(0.6 if diverging else 0.5) * reach:.6g}"
    tips = [{"field": field, "title": title} for field, title in zip(("row", "column"), titles, strict=False)]
    colour = {"field": "value", "type": "quantitative", "legend": None, "scale": {**scale, "interpolate": "rgb"}}
    body: Spec = {
        "transform": [{"filter": "isValid(datum.value)"}],
        "encoding": {
            "x": {
                "field": "column",
                "type": "nominal",
                "scale": {"domain": columns},
                "title": titles[1],
                "axis": {
                    "orient": "top",
                    "labelAngle": 0,
                    "labelLimit": 76,
                    "labelOverlap": False,
                    "domain": False,
                    "ticks": False,
                },
            },
            "y": {
                "field": "row",
                "type": "nominal",
                "scale": {"domain": rows},
                "title": titles[0],
                "axis": {"domain": False, "ticks": False},
            },
            "tooltip": [*tips, {"field": "value", "format": form, "title": titles[2]}],
        },
        "layer": [
            {
                "mark": {"type": "rect"},
                "encoding": {"color": colour},
            },
            {
                "mark": {"type": "text", "fontSize": 12},
                "encoding": {
                    "text": {"field": "value", "format": form},
                    "color": {"condition": {"test": strong, "value": "#ffffff"}, "value": "#16202c"},
                },
            },
        ],
    }
    records = [{"row": r, "column": c, "value": finite(v)} for r, c, v in cells]
    wide = 80 if len(columns) <= 6 else 56
    spec = specification(records, body, width={"step": wide}, height={"step": 36})
    return Chart(name, caption, spec, titles, tuple(cells))


def scatter(
    name: str,
    caption: str,
    points: Sequence[tuple[str, str, float, float]],
    titles: tuple[str, str],
) -> Chart:
    """Points of (label, kind, x, y), each kind a colour and a shape; ``titles`` of the axes."""
    shown = list(dict.fromkeys(point[1] for point in points))
    tips = [{"field": field, "format": ".3f", "title": title} for field, title in zip("xy", titles, strict=True)]
    encoding = {
        "x": {
            "field": "x",
            "type": "quantitative",
            "title": titles[0],
            "scale": {"zero": False, "padding": 12},
            "axis": {"tickCount": 8},
        },
        "y": {
            "field": "y",
            "type": "quantitative",
            "title": titles[1],
            "scale": {"zero": False, "padding": 12},
            "axis": {"tickCount": 8},
        },
        "color": kind("kind", shown),
        "shape": kind("kind", shown),
        "tooltip": [{"field": "label", "title": "prompt"}, *tips],
    }
    mark = {"type": "point", "filled": True, "size": 90, "opacity": 0.9}
    records = [{"label": a, "kind": k, "x": finite(x), "y": finite(y)} for a, k, x, y in points]
    spec = specification(records, {"mark": mark, "encoding": encoding}, height=280)
    return Chart(name, caption, spec, ("prompt", "kind", *titles), tuple(points))


def profiles(name: str, caption: str, points: Sequence[tuple[str, str, str, float]], value: str) -> Chart:
    """Points of (label, kind, category, value): a line a label across the categories, a colour a kind."""
    shown = list(dict.fromkeys(point[1] for point in points))
    names = list(dict.fromkeys(point[2] for point in points))
    encoding = {
        "x": {
            "field": "category",
            "type": "nominal",
            "sort": names,
            "title": None,
            "axis": {"labelAngle": 0 if len(names) < 5 else -35},
        },
        "y": quantity(value),
        "detail": {"field": "label"},
        "color": kind("kind", shown),
        "strokeDash": kind("kind", shown),
        "tooltip": [{"field": "label", "title": "prompt"}, {"field": "category"}, {"field": "value", "format": ".3f"}],
    }
    mark = {"type": "line", "point": {"size": 42, "filled": True}, "strokeWidth": 2, "opacity": 0.85}
    records = [{"label": a, "kind": k, "category": c, "value": finite(v)} for a, k, c, v in points]
    spec = specification(records, {"mark": mark, "encoding": encoding}, height=260)
    return Chart(name, caption, spec, ("prompt", "kind", "criterion", value), tuple(points))


def _gaps(points: Sequence[tuple[str, int, float]]) -> Iterator[tuple[str, int, float]]:
    """A point without a value for every step that a series skips: no line is drawn through what was not measured."""
    for series in dict.fromkeys(point[0] for point in points):
        steps = {step for name, step, _ in points if name == series}
        yield from ((series, step, math.nan) for step in range(min(steps), max(steps)) if step not in steps)


def _steps() -> Spec:
    return {"field": "step", "type": "quantitative", "title": "step", "axis": {"tickMinStep": 1, "format": "d"}}


def _level(y: Spec, label: str, at: float) -> Spec:
    return {
        "data": {"values": [{"value": at, "told": label}]},
        "mark": {"type": "rule", "strokeDash": [5, 4], "color": SOFT},
        "encoding": {"y": y, "tooltip": [{"field": "told"}, {"field": "value", "format": ".3f"}]},
    }
