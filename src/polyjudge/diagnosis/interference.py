"""Do instructions lose when they share a prompt? The 2x2 on held-out rows, its length controls, and pairs of criteria.

                    apart           together
    initial     what joint judging as such does: together - apart
    fitted      the same of the fitted instructions; the difference of the two is what fitting adds to it

All figures are paired by row. Under a judge at temperature 0 equal prompts give equal scores; above it a prompt's
answers are drawn once, and their noise is part of every interval, because it differs from row to row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from polyjudge.concurrency import together
from polyjudge.diagnosis.arms import APART, TOGETHER, Bench, cut, padded
from polyjudge.diagnosis.records import MEAN, VERDICT_LEVEL, CherryPick, Figure, Interference, Pair
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction

INITIAL, FITTED, PADDED, CUT = "initial", "fitted", "padded", "cut"
Arms = Mapping[tuple[str, str], tuple[Prediction, ...]]


def prompts_of(initial: JudgePrompt, fitted: JudgePrompt) -> dict[str, JudgePrompt]:
    """The sets of instructions that are judged; the length controls only where lengths differ."""
    controls = {PADDED: padded(fitted), CUT: cut(fitted)}
    return {INITIAL: initial, FITTED: fitted} | {name: prompt for name, prompt in controls.items() if prompt != fitted}


async def interference(
    bench: Bench, initial: JudgePrompt, fitted: JudgePrompt, cherry_pick: CherryPick | None = None
) -> Interference:
    """Everything that sharing a call does to two or more criteria."""
    prompts = prompts_of(initial, fitted)
    wanted = [(name, company) for name in prompts for company in (APART, TOGETHER)]
    judged = await together(bench.judged(prompts[name], company) for name, company in wanted)
    arms = dict(zip(wanted, judged, strict=True))
    cells = [
        cell
        for (name, company), predictions in arms.items()
        for cell in bench.cells(prompts[name], predictions, name, company)
    ]
    plain = {key: predictions for key, predictions in arms.items() if key[0] in (INITIAL, FITTED)}
    unit, clusters = bench.unit
    return Interference(
        metric=bench.metric,
        rows=len(bench.rows),
        unit=unit,
        clusters=clusters,
        cells=tuple(cells),
        figures=tuple(_figures(bench, fitted, arms)),
        evidence=tuple(figure for figure in _figures(bench, fitted, plain, VERDICT_LEVEL) if figure.criterion == MEAN),
        pairs=tuple(await _pairs(bench, fitted, arms[FITTED, APART])),
        cherry_pick=cherry_pick,
    )


def planned_interference(initial: JudgePrompt, fitted: JudgePrompt, rows: int, samples: int) -> int:
    """Calls of the judge, at most: what the run asked in one of the layouts is in the cache."""
    names = len(initial.names)
    different = len({tuple(prompt.instructions.items()) for prompt in prompts_of(initial, fitted).values()})
    pairs = names * (names - 1) // 2 if names > 2 else 0
    return rows * samples * (different * (names + 1) + pairs)


def _figures(bench: Bench, prompt: JudgePrompt, arms: Arms, level: float = 0.95) -> Iterator[Figure]:
    names = list(dict.fromkeys(name for name, _ in arms))
    for name in names:
        terms = [(1.0, arms[name, TOGETHER]), (-1.0, arms[name, APART])]
        yield from bench.contrast(prompt, terms, "together - apart", name, level)
    for name, base in ((FITTED, INITIAL), (PADDED, FITTED), (CUT, FITTED)):
        if name in names:
            terms = [(1.0, arms[name, TOGETHER]), (-1.0, arms[name, APART])]
            terms += [(-1.0, arms[base, TOGETHER]), (1.0, arms[base, APART])]
            yield from bench.contrast(prompt, terms, "change of together - apart", f"{name} - {base}", level)


async def _pairs(bench: Bench, fitted: JudgePrompt, apart: Sequence[Prediction]) -> list[Pair]:
    """Criterion c in company of d alone, against c apart."""
    couples = list(combinations(fitted.names, 2))
    judged = await together(bench.judged(fitted.only(couple), TOGETHER) for couple in couples)
    pairs = []
    for couple, beside in zip(couples, judged, strict=True):
        terms = [(1.0, beside), (-1.0, apart)]
        figures = list(bench.contrast(fitted.only(couple), terms, "together - apart", "pair"))
        for (name, company), figure in zip((couple, couple[::-1]), figures[:2], strict=True):
            pairs.append(Pair(name, company, figure.estimate))
    return pairs
