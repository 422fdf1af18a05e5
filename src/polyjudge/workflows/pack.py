"""Plan which criteria may share a judge call, so that an item costs less and the loss keeps a margin.

The pairs of criteria are judged on one half of the training and validation rows, which proposes partitions; a
partition is taken only if its loss keeps the margin on the other half. Test rows stay sealed for a later run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from random import Random

import numpy as np

from polyjudge.datasets.load import Criteria, Data, load_dataset
from polyjudge.domain.dataset import Dataset
from polyjudge.domain.example import Example
from polyjudge.domain.layout import GROUPED, Layout, grouped, layout, written
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.errors import ConfigError
from polyjudge.formatting.text import CHARACTERS_A_TOKEN, number
from polyjudge.gates.base import COVERAGE_SLACK
from polyjudge.judge.measure import rated_rows, scores
from polyjudge.judge.predict import Judge
from polyjudge.llm.cache.store import AnswerStore
from polyjudge.llm.client import Client
from polyjudge.llm.request import SIMULATED, Backend
from polyjudge.metrics import packing
from polyjudge.metrics.agreement import metric_of
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.packing import Groups, PairLoss, Tested
from polyjudge.metrics.rated import RatedRows, coverage
from polyjudge.optimizers.estimate import answer, tokens_of
from polyjudge.results.money import PlannedRole
from polyjudge.results.packing import CallCost, Packing
from polyjudge.results.scores import check_unscored
from polyjudge.settings.config import RunConfig
from polyjudge.settings.given import Budget, ModelLike, ScoringLike, Settings, explicit, suggests
from polyjudge.settings.merged import ResolvedSettings, resolve
from polyjudge.workflows.assemble import RunSetup, assemble, models_of, refusal
from polyjudge.workflows.client import open_client
from polyjudge.workflows.configure import UsageCounter
from polyjudge.workflows.costs import priced
from polyjudge.workflows.events import Noted, Observer, unwatched
from polyjudge.workflows.functions import takes_functions
from polyjudge.workflows.sync import run

MARGIN = 0.03
FEWEST_ROWS = 40
# Prompts are counted on so many rows.
_SHOWN = 20
# 80 % power to confirm a margin takes about so many standard errors.
_ERRORS = 2.5


@suggests
@takes_functions
def pack(
    data: Data,
    *,
    criteria: Criteria | None = None,
    margin: float = MARGIN,
    model: ModelLike | None = None,
    scoring: ScoringLike | None = None,
    budget: Budget | None = None,
    settings: Settings | None = None,
    config: str | Path | None = None,
    backends: Mapping[str, Backend] | None = None,
    store: AnswerStore | None = None,
    observer: Observer = unwatched,
) -> Packing:
    """Plan which criteria share a judge call, with a certificate that the loss of agreement keeps a margin.

    Args:
        data: as for ``optimize``; only its training and validation rows are judged.
        criteria: as for ``optimize``.
        margin: the largest loss of the mean agreement against separate calls, above 0.
        model: the judge.
        scoring: as for ``optimize``.
        budget: limits of calls, tokens and money.
        settings: every other setting.
        config: a TOML file with settings.
        backends: model name -> an opened backend.
        store: keeps the answers, instead of the response cache of this folder.
        observer: called with every event.

    Raises:
        InputError: something is wrong before any call.
        Stopped: by the budget or the provider; the same call goes on from the cache.
    """
    resolved = _resolved(margin, explicit(settings, budget, {"model": model, "scoring": scoring}), config)
    dataset = load_dataset(data, criteria, limit=resolved.config.limit)
    return run(_pack(resolved, dataset, margin, backends or {}, store, observer))


def planned_packing(
    data: Data,
    *,
    criteria: Criteria | None = None,
    settings: Settings | None = None,
    config: str | Path | None = None,
    backends: Mapping[str, Backend] | None = None,
) -> tuple[PlannedRole, ...]:
    """The most calls of ``pack``; no model is asked.

    Args:
        data: as for ``pack``.
        criteria: as for ``pack``.
        settings: as for ``pack``.
        config: a TOML file with settings.
        backends: model name -> an opened backend.

    Raises:
        InputError: what ``pack`` would refuse too.
    """
    resolved = _resolved(MARGIN, explicit(settings), config)
    dataset = load_dataset(data, criteria, limit=resolved.config.limit)

    async def counted() -> tuple[PlannedRole, ...]:
        async with open_client(resolved.config, backends or {}, unwatched, planning=True) as client:
            return priced(_planned(_bench(resolved, dataset, client), resolved.config), client.tariffs)

    return run(counted())


def _resolved(margin: float, given: Mapping[str, object], config: str | Path | None) -> ResolvedSettings:
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 < margin < math.inf:
        raise ConfigError(f"--margin {margin}: write a difference of agreement above 0, such as 0.03")
    if given.get("layout"):
        raise ConfigError("pack chooses the layout; leave out --layout")
    resolved = resolve({"rungs": "words", **given, "layout": "forked", "steps": 0}, config_file=config)
    models_of(resolved.config)
    return resolved


@dataclass(frozen=True, slots=True)
class _Bench:
    """What is judged: ``halves`` are the searched and the confirming rows."""

    run_setup: RunSetup
    halves: tuple[tuple[Example, ...], tuple[Example, ...]]
    rated: tuple[RatedRows, RatedRows]

    @property
    def prompt(self) -> JudgePrompt:
        return self.run_setup.prompt

    @property
    def judge(self) -> Judge:
        return self.run_setup.judge

    @property
    def apart(self) -> Groups:
        return tuple((name,) for name in self.prompt.names)

    def tokens(self, groups: Groups) -> float:
        """Estimated tokens of an item; every call is taken as paid in whole."""
        rows = self.halves[0][:_SHOWN]
        judge = replace(self.judge, layout=_layout(groups))
        total = 0.0
        for group in groups:
            part = self.prompt.only(group)
            asked = sum(len(judge.question(part, row).text) for row in rows) / len(rows) / CHARACTERS_A_TOKEN
            total += asked + tokens_of(answer(part.criteria))
        return total * self.judge.scoring.samples


def _bench(resolved: ResolvedSettings, dataset: Dataset, client: Client) -> _Bench:
    """The objects of a plan.

    Raises:
        ConfigError: one criterion, too few rows, or a scoring method that cannot ask for two criteria.
    """
    run_setup = assemble(resolved.config, dataset, client, resolved.objects)
    names = run_setup.prompt.names
    if len(names) < 2:
        raise ConfigError(f"there is one criterion, {names[0]!r}, and nothing to pack")
    rows = (*run_setup.split.train, *run_setup.split.validation)
    if len(rows) < FEWEST_ROWS:
        raise ConfigError(
            f"{len(rows)} training and validation rows are too few to plan and to confirm; {FEWEST_ROWS} are needed"
        )
    abilities = client.abilities(resolved.config.model)
    reason = refusal(run_setup.judge.scoring, layout("joint", names), run_setup.prompt, abilities)
    if reason:
        raise ConfigError(f"criteria cannot share a call: {reason}; choose another --scoring")
    rated = rated_rows(run_setup.prompt.criteria, rows)
    first = _first_half(rated, len(rows), resolved.config.seed)
    search, confirm = (
        tuple(row for row, inside in zip(rows, mask, strict=True) if inside) for mask in (first, ~first)
    )
    return _Bench(run_setup, (search, confirm), (rated.take(first), rated.take(~first)))


def _first_half(rated: RatedRows, count: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows of a random half of the documents (n,), documents kept whole."""
    units = rated.documents or tuple(range(count))
    order = sorted(dict.fromkeys(units), key=str)
    Random(f"{seed}/pack").shuffle(order)
    chosen: set[object] = set()
    taken = 0
    for unit in order:
        if taken < count / 2:
            chosen.add(unit)
            taken += units.count(unit)
    return np.array([unit in chosen for unit in units])


def _planned(bench: _Bench, config: RunConfig) -> tuple[PlannedRole, ...]:
    names, (search, confirm) = bench.prompt.names, bench.halves
    pairs = [(pair,) for pair in combinations(names, 2)]
    most = (names[:2], *((name,) for name in names[2:]))
    arms = [(bench.apart, len(search) + len(confirm)), *((pair, len(search)) for pair in pairs)]
    arms.append((most, packing.TRIES * len(confirm)))
    calls = sum(len(groups) * rows for groups, rows in arms) * bench.judge.scoring.samples
    tokens = round(sum(bench.tokens(groups) * rows for groups, rows in arms))
    return (PlannedRole("judge", config.model, calls, tokens, 0),)


async def _pack(
    resolved: ResolvedSettings,
    dataset: Dataset,
    margin: float,
    backends: Mapping[str, Backend],
    store: AnswerStore | None,
    observer: Observer,
) -> Packing:
    config = resolved.config
    async with open_client(config, backends, observer, store=store) as client:
        bench = _bench(resolved, dataset, client)
        roles = priced(_planned(bench, config), client.tariffs)
        observer(Noted(f"pack {dataset.name}: at most {sum(role.calls for role in roles):,} calls planned"))
        pairs = await _pairs(bench, config.seed)
        expected = {(pair.criterion, pair.beside): pair.expected for pair in pairs}
        options = packing.candidates(bench.prompt.names, expected, packing.HOPE * margin)
        cost = {groups: bench.tokens(groups) for groups in options}
        separate = await _judged(bench, bench.apart)
        tested: list[Tested] = []
        packed, kept = separate[1], separate[0]
        while len(tested) < packing.TRIES and not (tested and tested[-1].kept):
            groups = packing.choice(options, expected, cost, tested[-1].groups if tested else None)
            if groups is None:
                break
            shared = await _judged(bench, groups)
            found = _certified(bench, groups, (separate[0], shared[0]), margin, expected, config.seed)
            tested.append(found)
            packed, kept = (shared[1], shared[0]) if found.kept else (packed, kept)
    check_unscored(int(np.isnan(kept).sum()), kept.size, config.fail_on_error, "the confirming rows")
    rated = bench.rated[1]
    certified = bool(tested) and tested[-1].kept
    errors = [(one.bound - one.loss) / _bound_errors(one.level) for one in tested if not math.isnan(one.bound)]
    plan = Packing(
        data=dataset.name,
        model=config.model,
        metric=bench.run_setup.metric,
        margin=margin,
        searched=len(bench.halves[0]),
        confirmed=len(bench.halves[1]),
        documents=rated.n_units,
        unit=rated.unit,
        pairs=tuple(pairs),
        tested=tuple(tested),
        layout=str(_layout(tested[-1].groups)) if certified else "forked",
        certified=certified,
        separate=separate[1],
        packed=packed,
        detectable=_ERRORS * max(errors) if errors else math.nan,
        verdict="",
        simulated=bench.run_setup.simulated,
    )
    return replace(plan, verdict=f"{SIMULATED}: {_verdict(plan)}" if plan.simulated else _verdict(plan))


async def _pairs(bench: _Bench, seed: int) -> list[PairLoss]:
    """What each criterion loses beside each other one, on the searched rows."""
    names, (search, _), (rated, _) = bench.prompt.names, bench.halves, bench.rated
    alone = scores(names, await _evaluated(bench, bench.apart, search))
    beside: dict[tuple[int, int], Matrix] = {}
    for first, second in combinations(range(len(names)), 2):
        pair = (names[first], names[second])
        beside[first, second] = scores(pair, await _evaluated(bench, (pair,), search))
    metric = metric_of(bench.run_setup.metric)
    found = packing.pair_losses(metric, alone, beside, rated, seed)
    expected = packing.shrunken([loss for *_, loss, _ in found], [error for *_, error in found])
    likeness = [
        packing.likeness(alone[:, own], beside[min(own, other), max(own, other)][:, int(own > other)])
        for own, other, *_ in found
    ]
    return [
        PairLoss(names[own], names[other], loss, error, drawn, like)
        for (own, other, loss, error), drawn, like in zip(found, expected, likeness, strict=True)
    ]


async def _judged(bench: _Bench, groups: Groups) -> tuple[Matrix, CallCost]:
    """Scores of the confirming rows (n, K), and what an item costs."""
    rows = bench.halves[1]
    usage = UsageCounter(bench.judge.asker)
    predictions = await _evaluated(bench, groups, rows, usage)
    cost = CallCost(
        layout=str(_layout(groups)),
        calls=usage.calls / len(rows),
        prompt=usage.prompt / len(rows),
        cached=usage.cached / len(rows),
        completion=usage.completion / len(rows),
        estimated=usage.estimated,
    )
    return scores(bench.prompt.names, predictions), cost


async def _evaluated(
    bench: _Bench, groups: Groups, rows: Sequence[Example], usage: UsageCounter | None = None
) -> tuple[Prediction, ...]:
    names = tuple(name for name in bench.prompt.names if any(name in group for group in groups))
    judge = replace(bench.judge, layout=_layout(groups), asker=usage or bench.judge.asker)
    return await judge.evaluate(bench.prompt.only(names), rows)


def _layout(groups: Groups) -> Layout:
    """The item comes first in all calls, so that layouts differ only in what shares a call."""
    names = [name for group in groups for name in group]
    return Layout(GROUPED, groups) if len(groups) == 1 and len(names) == 2 else grouped(groups, names)


def _certified(
    bench: _Bench,
    groups: Groups,
    scored: tuple[Matrix, Matrix],
    margin: float,
    expected: Mapping[tuple[str, str], float],
    seed: int,
) -> Tested:
    rated, names = bench.rated[1], bench.prompt.names
    found = packing.certify(
        metric_of(bench.run_setup.metric),
        groups,
        scored,
        rated,
        margin=margin,
        expected=packing.expected_loss(groups, expected),
        seed=seed,
    )
    before, after = (coverage(one, rated) for one in scored)
    unscored = [name for name, old, new in zip(names, before, after, strict=True) if new < old - COVERAGE_SLACK]
    if unscored:
        return replace(found, kept=False, reason=f"it leaves more rows unscored on {', '.join(unscored)}")
    return found


def _bound_errors(level: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(level)


def _verdict(plan: Packing) -> str:
    if plan.certified:
        last, saved = plan.tested[-1], 1 - plan.packed.calls / plan.separate.calls
        return (
            f"Use --layout {plan.layout}: {saved:.0%} fewer calls than separate ones, and a loss of at most "
            f"{number(last.bound)} {plan.metric} on rows that chose nothing (margin {plan.margin:g})."
        )
    if not plan.tested:
        return f"Use --layout forked: no two criteria are expected to share a call within the margin {plan.margin:g}."
    power = (
        f"; with these rows a margin below {number(plan.detectable)} can hardly be confirmed"
        if plan.detectable > plan.margin
        else ""
    )
    tried = written(plan.tested[-1].groups) if len(plan.tested) == 1 else f"{len(plan.tested)} partitions"
    return f"Use --layout forked: {tried} could not be shown to keep the margin {plan.margin:g}{power}."
