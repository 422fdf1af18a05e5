"""How the run went: agreement along the steps, and every instruction with what caused it and what the gate said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from polyjudge.domain.records import Candidate, Gradient, Step
from polyjudge.formatting.markup import Child, Html, changes, clipped, counted, join, table, tag
from polyjudge.formatting.text import interval, many, number, percent, signed
from polyjudge.reporting.html.chart import Chart
from polyjudge.reporting.html.figures import lines
from polyjudge.reporting.html.page import Section, folded, paragraphs
from polyjudge.reporting.report_data import ReportData

# So many characters of models' texts of a kind in all; what does not fit is cut, evenly, and stands in steps.jsonl.
ROOM = 400_000
LONGEST, SHORTEST = 8000, 100


@dataclass(frozen=True, slots=True)
class Lengths:
    """How much is shown of a text."""

    criticism: int
    instruction: int

    @classmethod
    def of(cls, run: ReportData) -> Lengths:
        criticisms = sum(len(step.gradients) + len(step.critiques) for step in run.steps)
        instructions = sum(len(candidate.instructions) for step in run.steps for candidate in step.candidates) + len(
            run.names
        )
        return cls(_each(criticisms), _each(2 * instructions))


def _each(count: int) -> int:
    return max(SHORTEST, min(LONGEST, ROOM // max(1, count)))


def trajectory_section(run: ReportData) -> Section:
    """Trajectories on the validation rows, and on the test rows where the protocol reads them."""
    gate = run.config["gate"] or run.metric_label
    turns = [step for step in run.steps if step.index]
    counts = {status: sum(step.status == status for step in turns) for status in ("accepted", "rejected", "failed")}
    each = "a run for each criterion, " if len({step.criteria for step in run.steps}) > 1 else ""
    text = (
        f"Mode {run.config['mode']}, {each}gate {gate}: {many(len(turns), 'steps')}, "
        f"{', '.join(f'{count} {status}' for status, count in counts.items() if count) or 'nothing tried'}."
    )
    unmeasured = all(step.measured is None for step in run.steps)
    return Section(
        "trajectory",
        "Along the steps",
        (
            paragraphs([text]),
            paragraphs(["With gate none, nothing is measured on the validation rows."], "soft")
            if unmeasured
            else None,
            _validation(run) if run.rewritten else None,
            _tried(run),
            _tests(run),
            _lengths(run) if run.rewritten else None,
        ),
        "Trajectory",
    )


def instructions_section(run: ReportData) -> Section:
    """What became of each instruction, and the steps with their gradients and the gate's figures."""
    lengths = Lengths.of(run)
    return Section(
        "instructions",
        "Instructions, step by step",
        (
            *(_whole(run, lengths) if run.rewritten else [paragraphs(["No instruction changed."])]),
            tag("h3", "Step by step"),
            paragraphs(["Each step with the new instructions, the gate's figures, and the gradients behind them."])
            if run.last
            else None,
            *_steps(run, lengths),
        ),
        "Instructions",
    )


def _whole(run: ReportData, lengths: Lengths) -> Iterator[Html]:
    """The way from the initial to the fitted prompt, criterion by criterion."""
    yield tag("h3", "From the initial to the fitted prompt")
    yield paragraphs(["Added words are marked green, removed words red."], "soft")
    for criterion in run.initial:
        new = run.judge.prompt.instructions[criterion.name]
        length = counted(criterion.instruction, new) if new != criterion.instruction else "unchanged"
        yield tag("h4", criterion.name, tag("span", length, class_="tag neutral"))
        yield tag("div", _changes(criterion.instruction, new, lengths), class_="text-block")


def _validation(run: ReportData) -> Chart | None:
    points = [
        (name, step.index, step.measured.values.get(name, math.nan))
        for step in run.steps
        if step.measured is not None
        for name in step.criteria
    ]
    if not points or not run.last:
        return None
    points += [("mean", index, value) for index, value in _means(points, run.names)]
    metric = _measured_by(run.steps)
    caption = f"Agreement ({metric}) of the standing prompt on the validation rows, on which the gate decides."
    return lines("validation", caption, _ordered(points, run.names), metric, whole="mean")


def _tried(run: ReportData) -> Chart | None:
    """The standing prompt's mean, and what was proposed beside it."""
    if len({step.criteria for step in run.steps}) > 1 or not run.last:
        return None
    points = [("standing prompt", step.index, step.measured.mean) for step in run.steps if step.measured]
    proposed = [
        (
            f"candidate {index + 1}" if len(step.candidates) > 1 else "proposed, as a whole",
            step.index,
            candidate.measured.mean,
        )
        for step in run.steps
        for index, candidate in enumerate(step.candidates)
        if candidate.measured is not None and not math.isnan(candidate.measured.mean)
    ]
    if not points or not proposed:
        return None
    points += sorted(proposed)
    caption = "Mean over the criteria on the validation rows, of the standing prompt and of each step's proposals."
    return lines("tried", caption, points, _measured_by(run.steps), whole="standing prompt")


def _tests(run: ReportData) -> Chart | None:
    points = [
        (name, reading.step, measured.values.get(name, math.nan))
        for reading in run.readings
        for measured in reading.measured
        if measured.metric == run.outcome.metric
        for name in reading.criteria
    ]
    if len({index for _, index, _ in points}) < 3:
        return None
    points += [("mean", index, value) for index, value in _means(points, run.names)]
    caption = (
        f"Agreement ({run.metric_label}) on the test rows after each step, as the paper's protocol reads them; a "
        f"best step picked here is optimistic."
    )
    return lines("test", caption, _ordered(points, run.names), run.metric_label, whole="mean")


def _lengths(run: ReportData) -> Chart | None:
    if not run.last:
        return None
    points = [
        (name, step.index, float(len(text.split()))) for step in run.steps for name, text in step.instructions.items()
    ]
    return lines("lengths", "Length of the standing instructions, in words.", _ordered(points, run.names), "words")


def _means(points: Sequence[tuple[str, int, float]], names: Sequence[str]) -> Iterator[tuple[int, float]]:
    """Means over all criteria of each step that has them all."""
    for index, group in groupby(sorted(points, key=lambda point: point[1]), key=lambda point: point[1]):
        values = {name: value for name, _, value in group}
        if len(values) == len(names) > 1:
            yield index, math.fsum(values.values()) / len(values)


def _ordered(points: Iterable[tuple[str, int, float]], names: Sequence[str]) -> list[tuple[str, int, float]]:
    order = {name: index for index, name in enumerate((*names, "mean"))}
    return sorted(points, key=lambda point: (order[point[0]], point[1]))


def _measured_by(steps: Iterable[Step]) -> str:
    names = dict.fromkeys(step.measured.metric for step in steps if step.measured)
    return " and ".join(dict.fromkeys(part for name in names for part in name.split(" and ")))


def _steps(run: ReportData, lengths: Lengths) -> Iterator[Html]:
    standing = {criterion.name: criterion.instruction for criterion in run.initial}
    several = len({step.criteria for step in run.steps}) > 1
    for step in run.steps:
        if step.index:
            yield _step(step, dict(standing), several, lengths)
        standing |= step.instructions


def _step(step: Step, before: Mapping[str, str], several: bool, lengths: Lengths) -> Html:
    of = f" · {', '.join(step.criteria)}" if several else ""
    kept = f" ({', '.join(step.kept)})" if step.kept and len(step.kept) < len(step.criteria) else ""
    summary = join(
        [
            f"Step {step.index}{of}",
            tag("span", step.status + kept, class_=f"tag {step.status}"),
            tag("span", step.reason, class_="why"),
        ]
    )
    parts = [_candidate(step, index, candidate, before, lengths) for index, candidate in enumerate(step.candidates)]
    merged = [_merged(step.merged)] if step.merged else []
    return folded(summary, *parts, *merged, _causes(step, lengths), class_="step", shown=step.status == "accepted")


def _candidate(step: Step, index: int, candidate: Candidate, before: Mapping[str, str], lengths: Lengths) -> Html:
    shown = candidate.demonstrations
    alone = "New instructions" if shown is None else "New demonstrations"
    title = f"Candidate {index + 1}" if len(step.candidates) > 1 else alone
    parts: list[Child] = [tag("h4", title)]
    if candidate.failure:
        parts.append(tag("p", candidate.failure, class_="failed"))
    if candidate.reason:
        parts.append(tag("p", f"The gate: {candidate.reason}", class_="soft"))
    if shown is not None:
        parts.append(tag("p", f"Shows {', '.join(example.id for example in shown)} as rated examples.", class_="soft"))
    parts.append(_effects(step, candidate))
    for name in filter(candidate.instructions.__contains__, step.criteria):
        text = candidate.instructions[name]
        tags = [tag("span", counted(before[name], text), class_="tag neutral")]
        if name in candidate.passed or (step.chosen == index and name in step.kept):
            stands = name in step.kept
            tags.append(tag("span", "taken" if stands else "passed", class_=f"tag {'kept' if stands else 'doubt'}"))
        parts += [tag("h4", name, tags), tag("div", _changes(before[name], text, lengths), class_="text-block")]
    return join(parts)


def _effects(step: Step, candidate: Candidate) -> Html | None:
    """The gate's figures."""
    if candidate.effects:
        columns = ("criterion", "metric", "difference", "interval", "rows", "passed")
        rows = [
            [
                effect.criterion,
                effect.metric,
                signed(effect.difference),
                f"{interval(effect.low, effect.high)} ({percent(effect.level)})",
                f"{effect.rows:,}",
                "yes" if effect.criterion in candidate.passed else "no",
            ]
            for effect in candidate.effects
        ]
        return table(columns, rows, "New against standing instructions on the validation rows.")
    if candidate.measured is None:
        return None
    rows = [
        [name, number(value), percent(candidate.measured.coverage.get(name, math.nan))]
        for name, value in candidate.measured.values.items()
    ]
    if len(rows) > 1:
        rows.append(["mean", number(candidate.measured.mean), ""])
    return table(("criterion", candidate.measured.metric, "scored"), rows, "The candidate on the validation rows.")


def _merged(candidate: Candidate) -> Html:
    measured = (
        f"mean {candidate.measured.metric} {number(candidate.measured.mean)} on the validation rows. "
        if candidate.measured
        else ""
    )
    return join(
        [tag("h4", "What passed, put together"), tag("p", f"{measured}{candidate.reason}".strip(), class_="soft")]
    )


def _causes(step: Step, lengths: Lengths) -> Html | None:
    """The gradients of a step, each once, and the critiques that they heard."""
    if not step.gradients:
        return None
    shown = [_gradient(gradient, lengths) for gradient in step.gradients]
    heard = [
        join(
            [
                tag("h4", _speaks(critique.group, critique.example)),
                tag("div", clipped(critique.text, lengths.criticism), class_="text-block"),
            ]
        )
        for critique in step.critiques
    ]
    return join(
        [
            folded(f"Gradients that caused this ({len(shown)})", *shown),
            folded(f"Critiques that they heard ({len(heard)})", *heard) if heard else None,
        ]
    )


def _changes(old: str, new: str, lengths: Lengths) -> Html:
    return changes(clipped(old, lengths.instruction), clipped(new, lengths.instruction))


def _gradient(gradient: Gradient, lengths: Lengths) -> Html:
    return join(
        [
            tag("h4", _speaks(gradient.group, gradient.example)),
            tag("div", clipped(gradient.text, lengths.criticism), class_="text-block"),
        ]
    )


def _speaks(group: Sequence[str], example: str) -> str:
    return f"For {', '.join(group)}, from row {example}"
