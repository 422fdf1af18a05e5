"""How charts look. Colours are the page's variables, so that light, dark and paper need no second drawing."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from polyjudge.reports.chart import HUES

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def look() -> dict[str, Any]:
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
        "range": {"category": [f"var(--c{place})" for place in range(1, HUES + 1)]},
    }


def printed(value: Any) -> Any:
    """A configuration or specification for where there is no page: the light colours in place of the variables."""
    shades = _shades()
    if isinstance(value, dict):
        return {key: printed(member) for key, member in value.items()}
    if isinstance(value, list):
        return [printed(member) for member in value]
    if isinstance(value, str):
        return re.sub(r"var\(--([\w-]+)\)", lambda found: shades[found.group(1)], value)
    return value


def _shades() -> dict[str, str]:
    style = (files("polyjudge.reports") / "style.css").read_text("utf-8")
    first = style[: style.index("}")]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]+);", first))
