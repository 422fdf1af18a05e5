"""What a figure shows: the numbers in its specification, and the same ones in its table."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from polyjudge.metrics.estimates import Interval
from polyjudge.reporting.html.categories import bars, intervals, stacked
from polyjudge.reporting.html.chart import Chart, Point, printed, theme
from polyjudge.reporting.html.figures import heat, lines, profiles, scatter

POINTS = [
    Point("clarity", "initial", 0.2, Interval(0.1, 0.3)),
    Point("clarity", "fitted", 0.4),
    Point("warmth", "initial", math.nan),
    Point("warmth", "fitted", 0.5, Interval(0.4, 0.6)),
]
MADE: dict[str, Callable[[], Chart]] = {
    "intervals": lambda: intervals("a", "A.", POINTS, "spearman", marks=[Point("clarity", "ceiling", 0.7)]),
    "bars": lambda: bars("a", "A.", POINTS, "specificity", top=10),
    "stacked": lambda: stacked("a", "A.", [Point("judge", "prompt", 5.0), Point("judge", "answer", 2.0)], "n", of="r"),
    "lines": lambda: lines(
        "a", "A.", [("x", 0, 0.1), ("x", 1, math.nan), ("y", 0, 0.3)], "rho", levels=[("old", 0.2)]
    ),
    "heat": lambda: heat("a", "A.", [("r", "c", -0.2), ("r", "d", 0.1)], ("r", "c", "v"), diverging=True),
    "scatter": lambda: scatter("a", "A.", [("one", "front", 0.1, 0.2), ("two", "other", 0.3, math.nan)], ("m", "w")),
    "profiles": lambda: profiles("a", "A.", [("one", "front", "clarity", 0.1), ("one", "front", "warmth", 0.2)], "v"),
}


def specs(spec: Any) -> list[dict[str, Any]]:
    """A specification and everything below it."""
    if isinstance(spec, list):
        return [one for member in spec for one in specs(member)]
    if isinstance(spec, dict):
        return [spec, *(one for member in spec.values() for one in specs(member))]
    return []


@pytest.mark.parametrize("kind", MADE)
def test_a_specification_is_plain_json_with_data_inside_and_no_address(kind: str) -> None:
    chart = MADE[kind]()
    text = json.dumps(chart.spec, allow_nan=False)
    assert re.findall(r"https?://[^\"]*", text) == ["https://vega.github.io/schema/vega-lite/v6.json"]
    assert not any("url" in one or "href" in one for one in specs(chart.spec))
    assert all(len(row) == len(chart.columns) for row in chart.rows)


@pytest.mark.parametrize("kind", MADE)
def test_every_number_that_is_drawn_stands_in_the_table(kind: str) -> None:
    chart = MADE[kind]()
    layers = [one["data"]["values"] for one in specs(chart.spec) if "data" in one]
    fields = ("value", "low", "high", "x", "y")
    drawn = {record[field] for rows in layers for record in rows for field in fields if record.get(field) is not None}
    told = {cell for row in chart.rows for cell in row if isinstance(cell, float) and not math.isnan(cell)}
    assert drawn == told


def test_intervals_keep_order_and_show_only_known_ends() -> None:
    spec = MADE["intervals"]().spec
    assert [(one["category"], one["series"], one["value"]) for one in spec["data"]["values"]] == [
        ("clarity", "initial", 0.2),
        ("clarity", "fitted", 0.4),
        ("warmth", "initial", None),
        ("warmth", "fitted", 0.5),
    ]
    assert spec["encoding"]["color"]["scale"]["domain"] == ["initial", "fitted", "ceiling"]
    assert spec["layer"][0]["transform"] == [{"filter": "isValid(datum.low)"}]
    assert spec["layer"][-1]["data"]["values"][0]["value"] == 0.7


def test_differences_have_a_line_at_nought_and_one_series_no_legend() -> None:
    spec = intervals("a", "A.", [Point("clarity", "fitted - initial", 0.2)], "difference", differences=True).spec
    assert spec["layer"][0]["encoding"] == {"x": {"datum": 0}}
    assert spec["layer"][1]["encoding"]["color"]["legend"] is None


def test_a_matrix_leaves_out_what_is_undefined_but_keeps_its_place() -> None:
    spec = heat("a", "A.", [("r", "r", math.nan), ("r", "s", 0.1)], ("of", "by", "v")).spec
    assert spec["transform"] == [{"filter": "isValid(datum.value)"}]
    assert spec["encoding"]["x"]["scale"]["domain"] == ["r", "s"]


def test_the_line_for_all_is_thick_ink() -> None:
    spec = lines("a", "A.", [("x", 0, 0.1), ("mean", 0, 0.1)], "rho", whole="mean").spec
    colour = spec["layer"][0]["encoding"]["color"]["scale"]
    assert dict(zip(colour["domain"], colour["range"], strict=True)) == {"x": "var(--c1)", "mean": "var(--ink)"}


def test_a_diverging_matrix_has_its_middle_at_zero_and_writes_light_on_dark() -> None:
    spec = MADE["heat"]().spec
    assert spec["layer"][0]["encoding"]["color"]["scale"]["domain"] == [-0.2, 0, 0.2]
    assert spec["layer"][1]["encoding"]["color"]["condition"]["test"] == "abs(datum.value) > 0.12"


def test_what_has_no_number_is_empty() -> None:
    assert intervals("a", "A.", [Point("clarity", "initial", math.nan)], "rho").empty
    assert heat("a", "A.", [], ("r", "c", "v")).empty
    assert not MADE["lines"]().empty


def test_every_variable_of_a_chart_is_a_colour_of_the_page_in_light_and_dark() -> None:
    style = (files("polyjudge.reporting.html") / "style.css").read_text("utf-8")
    light, dark = (set(re.findall(r"--([\w-]+): #", part)) for part in style.split("@media screen", 1))
    used = set(re.findall(r"var\(--([\w-]+)\)", json.dumps([theme(), *(make().spec for make in MADE.values())])))
    assert used <= light
    assert light == set(re.findall(r"--([\w-]+): #", style.split("}\n}", 1)[0].split("@media", 1)[1])) <= dark
    assert "var(" not in json.dumps(printed([theme(), *(make().spec for make in MADE.values())]))


def test_no_line_is_drawn_through_a_step_that_was_not_measured() -> None:
    chart = lines("a", "A.", [("x", 0, 0.1), ("x", 3, 0.2), ("y", 1, 0.3), ("y", 2, 0.4)], "rho")
    drawn = {(one["series"], one["step"]): one["value"] for one in chart.spec["data"]["values"]}
    assert drawn == {("x", 0): 0.1, ("x", 1): None, ("x", 2): None, ("x", 3): 0.2, ("y", 1): 0.3, ("y", 2): 0.4}
    assert chart.rows == (("x", 0, 0.1), ("x", 3, 0.2), ("y", 1, 0.3), ("y", 2, 0.4))


def test_counts_are_told_as_whole_numbers():
    counts = lines("n", "c", [("a", 0, 7), ("a", 1, 7), ("b", 0, math.nan)], "words")
    shares = lines("n", "c", [("a", 0, 0.5)], "spearman")
    drawn = ([one for one in _layers(chart.spec) if "y" in one.get("encoding", {})] for chart in (counts, shares))
    axes = [layers[0] for layers in drawn]
    assert axes[0]["encoding"]["y"]["axis"]["format"] == "d"
    assert "format" not in axes[1]["encoding"]["y"].get("axis", {})


def _layers(spec):
    return [spec, *(inner for layer in spec.get("layer", []) for inner in _layers(layer))]
