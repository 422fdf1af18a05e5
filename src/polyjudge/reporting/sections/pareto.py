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
from polyjudge.reporting.report_data import ReportData
from polyjudge.results.archive import Archive, Archived

FRONT, OTHER, INITIAL = "on the front", "beaten by another", "initial prompt"
OUT = "too many rows unscored"
# More lines than these hide each other; the front and the initial prompt are always shown.
LINES = 24


def pareto_section(run: ReportData) -> Section | None:
    """The Pareto front of the measured prompts and its hypervolume; None where there is none to speak of."""
    archive = run.archive
    if archive is None or not archive.prompts or len(run.names) < 2:
        return None
    return Section(
        "front",
        "Trade-offs between criteria",
        (
            paragraphs([_told(archive)]),
            tuple(chart for chart in (_scatter(archive, run.names), _profiles(archive, run.names)) if chart),
            _picks(archive, run.names),
            _volume(archive, run.names),
            paragraphs(
                [
                    f"Hypervolume {number(archive.hypervolume)}, of the initial prompt alone "
                    f"{number(archive.hypervolume_initial)}. Re-tests of an unchanged prompt raise it too; by how "
                    f"much is unknown for a single run, and polyjudge study measures it."
                ]
            ),
            paragraphs([archive.note], "soft"),
        ),
        "Trade-offs",
    )


def _told(archive: Archive) -> str:
    measured, several = len(archive.prompts), len(archive.front) != 1
    text = (
        f"{many(measured, 'different prompts')} {'was' if measured == 1 else 'were'} measured on the validation rows; "
        f"{len(archive.front)} of them {'are' if several else 'is'} beaten by no other on all criteria at once."
    )
    out = sum(not prompt.eligible for prompt in archive.prompts)
    return f"{text} Left out, because they lose more rows than a change may: {out}." if out else text


def _label(index: int, prompt: Archived) -> str:
    return INITIAL if prompt.origin == "initial" else f"{index + 1}: step {prompt.step}, {prompt.origin}"


def _kind(archive: Archive, index: int) -> str:
    prompt = archive.prompts[index]
    if prompt.origin == "initial":
        return INITIAL
    if not prompt.eligible:
        return OUT
    return FRONT if index in archive.front else OTHER


def _order(archive: Archive) -> list[int]:
    """The initial prompt, the front, the others."""
    return sorted(range(len(archive.prompts)), key=lambda at: (INITIAL, FRONT, OTHER, OUT).index(_kind(archive, at)))


def _scatter(archive: Archive, names: Sequence[str]) -> Chart | None:
    """Mean against the worst criterion: the two ends between which a user chooses."""
    if len(set(archive.metrics.values())) > 1:
        return None
    worst = min if all(archive.higher_is_better.values()) else max
    points = []
    for index in _order(archive):
        prompt = archive.prompts[index]
        values = [prompt.values[name] for name in names]
        if not any(map(math.isnan, values)):
            mean = math.fsum(values) / len(values)
            points.append((_label(index, prompt), _kind(archive, index), mean, worst(values)))
    metric = next(iter(archive.metrics.values()))
    caption = f"Each measured prompt by its mean {metric} and by its worst criterion's, on the validation rows."
    return scatter("front", caption, points, (f"mean {metric}", f"{metric} of the worst criterion"))


def _profiles(archive: Archive, names: Sequence[str]) -> Chart:
    shown = [at for index, at in enumerate(_order(archive)) if index < LINES or _kind(archive, at) in (INITIAL, FRONT)]
    points = [
        (_label(at, archive.prompts[at]), _kind(archive, at), name, archive.prompts[at].values[name])
        for at in shown
        for name in names
    ]
    left = f" ({len(archive.prompts) - len(shown)} others left out)" if len(shown) < len(archive.prompts) else ""
    metric = " and ".join(dict.fromkeys(archive.metrics.values()))
    return profiles("profiles", f"The same prompts, criterion by criterion, a line each{left}.", points, metric)


def _picks(archive: Archive, names: Sequence[str]) -> Html | None:
    text = {
        "weighted": "highest mean",
        "worst criterion": "best worst criterion",
        "knee": "knee of the front",
        "feasible": "highest mean, no criterion below the initial",
    }
    rows = []
    for name, index in archive.picks.items():
        if index is None:
            rows.append([text.get(name, name), "none", *("" for _ in names)])
        else:
            prompt = archive.prompts[index]
            rows.append(
                [text.get(name, name), _label(index, prompt), *(number(prompt.values[each]) for each in names)]
            )
    caption = "Which one to take, by what is wanted; archive.json holds the instructions."
    return table(("choice", "prompt", *names), rows, caption, texts=(1,)) if rows else None


def _volume(archive: Archive, names: Sequence[str]) -> Chart | None:
    signs = np.array([1.0 if archive.higher_is_better[name] else -1.0 for name in names])
    corner = np.array([archive.reference[name] for name in names]) * signs
    rows = [[prompt.values[n] if prompt.eligible else math.nan for n in names] for prompt in archive.prompts]
    points = np.array(rows) * signs
    steps = [prompt.step for prompt in archive.prompts]
    if max(steps) < 2:
        return None
    course = [("so far", step, _covered(points, steps, step, corner)) for step in range(max(steps) + 1)]
    levels = [(INITIAL, archive.hypervolume_initial)]
    caption = "Hypervolume of all prompts measured up to each step; the dashed line is the initial prompt alone."
    return lines("hypervolume", caption, course, "hypervolume", levels=levels)


def _covered(points: Matrix, steps: Sequence[int], step: int, corner: Matrix) -> float:
    return pareto.hypervolume(
        points[[index for index, measured_at in enumerate(steps) if measured_at <= step]], corner
    )
