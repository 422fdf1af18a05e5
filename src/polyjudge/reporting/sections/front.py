"""What a mean hides: the prompts that nothing beats, and how much room they cover together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from polyjudge.formatting.markup import Html, table
from polyjudge.formatting.text import many, number
from polyjudge.metrics import pareto
from polyjudge.metrics.levels import Matrix
from polyjudge.reporting.html.chart import Chart
from polyjudge.reporting.html.figures import lines, profiles, scatter
from polyjudge.reporting.html.page import Section, paragraphs
from polyjudge.reporting.report_data import Material
from polyjudge.results.archive import Archive, Archived

FRONT, OTHER, INITIAL = "on the front", "beaten by another", "initial prompt"
OUT = "too many rows unscored"
# More lines than these hide each other; the front and the initial prompt are always shown.
LINES = 24


def front_section(run: Material) -> Section | None:
    """The Pareto front of the measured prompts and its hypervolume; None where there is none to speak of."""
    found = run.archive
    if found is None or not found.prompts or len(run.names) < 2:
        return None
    return Section(
        "front",
        "Trade-offs between criteria",
        (
            paragraphs([_told(found)]),
            tuple(chart for chart in (_scatter(found, run.names), _profiles(found, run.names)) if chart),
            _picks(found, run.names),
            _volume(found, run.names),
            paragraphs(
                [
                    f"Hypervolume {number(found.hypervolume)}, of the initial prompt alone "
                    f"{number(found.hypervolume_initial)}. It rises by mere re-tests of an unchanged prompt too; how "
                    f"much, its null, is not known for a single run: polyjudge study measures it."
                ]
            ),
            paragraphs([found.note], "soft"),
        ),
        "Trade-offs",
    )


def _told(found: Archive) -> str:
    measured, several = len(found.prompts), len(found.front) != 1
    told = (
        f"{many(measured, 'different prompts')} {'was' if measured == 1 else 'were'} measured on the validation rows; "
        f"{len(found.front)} of them {'are' if several else 'is'} beaten by no other on all criteria at once."
    )
    out = sum(not one.eligible for one in found.prompts)
    return f"{told} Left out, because they lose more rows than a change may: {out}." if out else told


def _label(place: int, one: Archived) -> str:
    return INITIAL if one.origin == "initial" else f"{place + 1}: step {one.step}, {one.origin}"


def _kind(found: Archive, place: int) -> str:
    one = found.prompts[place]
    if one.origin == "initial":
        return INITIAL
    if not one.eligible:
        return OUT
    return FRONT if place in found.front else OTHER


def _order(found: Archive) -> list[int]:
    """The initial prompt, the front, the others."""
    return sorted(range(len(found.prompts)), key=lambda at: (INITIAL, FRONT, OTHER, OUT).index(_kind(found, at)))


def _scatter(found: Archive, names: Sequence[str]) -> Chart | None:
    """Mean against the worst criterion: the two ends between which a user chooses."""
    if len(set(found.metrics.values())) > 1:
        return None
    worst = min if all(found.higher_is_better.values()) else max
    points = []
    for place in _order(found):
        one = found.prompts[place]
        values = [one.values[name] for name in names]
        if not any(map(math.isnan, values)):
            mean = math.fsum(values) / len(values)
            points.append((_label(place, one), _kind(found, place), mean, worst(values)))
    metric = next(iter(found.metrics.values()))
    caption = f"Each measured prompt by its mean {metric} and by its worst criterion's, on the validation rows."
    return scatter("front", caption, points, (f"mean {metric}", f"{metric} of the worst criterion"))


def _profiles(found: Archive, names: Sequence[str]) -> Chart:
    shown = [at for place, at in enumerate(_order(found)) if place < LINES or _kind(found, at) in (INITIAL, FRONT)]
    points = [
        (_label(at, found.prompts[at]), _kind(found, at), name, found.prompts[at].values[name])
        for at in shown
        for name in names
    ]
    left = f" ({len(found.prompts) - len(shown)} others left out)" if len(shown) < len(found.prompts) else ""
    metric = " and ".join(dict.fromkeys(found.metrics.values()))
    return profiles("profiles", f"The same prompts, criterion by criterion, a line each{left}.", points, metric)


def _picks(found: Archive, names: Sequence[str]) -> Html | None:
    told = {
        "weighted": "highest mean",
        "worst criterion": "best worst criterion",
        "knee": "knee of the front",
        "feasible": "highest mean, no criterion below the initial",
    }
    rows = []
    for name, place in found.picks.items():
        if place is None:
            rows.append([told.get(name, name), "none", *("" for _ in names)])
        else:
            one = found.prompts[place]
            rows.append([told.get(name, name), _label(place, one), *(number(one.values[each]) for each in names)])
    caption = "Which one to take, by what is wanted; archive.json holds the instructions."
    return table(("choice", "prompt", *names), rows, caption, texts=(1,)) if rows else None


def _volume(found: Archive, names: Sequence[str]) -> Chart | None:
    signs = np.array([1.0 if found.higher_is_better[name] else -1.0 for name in names])
    corner = np.array([found.reference[name] for name in names]) * signs
    points = np.array([[one.values[n] if one.eligible else math.nan for n in names] for one in found.prompts]) * signs
    steps = [one.step for one in found.prompts]
    if max(steps) < 2:
        return None
    course = [("so far", step, _covered(points, steps, step, corner)) for step in range(max(steps) + 1)]
    levels = [(INITIAL, found.hypervolume_initial)]
    caption = "Hypervolume of all prompts measured up to each step; the dashed line is the initial prompt alone."
    return lines("hypervolume", caption, course, "hypervolume", levels=levels)


def _covered(points: Matrix, steps: Sequence[int], step: int, corner: Matrix) -> float:
    return pareto.hypervolume(points[[place for place, own in enumerate(steps) if own <= step]], corner)
