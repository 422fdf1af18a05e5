"""Diagnose a finished run: reload it, ask what is needed, measure, and say what went wrong, in words and figures."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from polyjudge import codec
from polyjudge.datasets.load import Data
from polyjudge.diagnosis.records import PARTS, Diagnosis, Verdict
from polyjudge.diagnosis.texts import all_texts
from polyjudge.domain.example import Example
from polyjudge.errors import ConfigError, DataError
from polyjudge.judge.measure import rated_rows
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.cache.store import AnswerStore
from polyjudge.llm.client import Client
from polyjudge.llm.request import SIMULATED, Backend
from polyjudge.optimizers.base import Idle
from polyjudge.reporting.diagnosis import page
from polyjudge.reporting.report import report_run
from polyjudge.results.finished import FinishedRun, read_finished
from polyjudge.results.money import PlannedRole
from polyjudge.results.outcome import simulated
from polyjudge.results.result import Run
from polyjudge.results.store import write_diagnosis
from polyjudge.settings.config import RunConfig
from polyjudge.settings.given import Budget, GateLike, ScoringLike, Settings, explicit, suggests
from polyjudge.settings.merged import ResolvedSettings, resolve
from polyjudge.settings.objects import Objects, gate_name, is_place, objects_in, scoring_name
from polyjudge.workflows.assemble import assemble, models_of
from polyjudge.workflows.client import FileAddress, open_client
from polyjudge.workflows.costs import priced
from polyjudge.workflows.diagnosis_parts import notes_on, on_company, on_gradients, on_revisions
from polyjudge.workflows.diagnosis_plan import Options, Prepared, parts_of, planned_diagnosis
from polyjudge.workflows.events import Noted, Observer, unwatched
from polyjudge.workflows.probe import probed
from polyjudge.workflows.sync import run

# The settings that a diagnosis takes; all others are the run's.
SETTINGS = frozenset(
    {"diagnostic_model", "max_calls", "max_tokens", "max_cost", "prices", "max_concurrency", "attempt_timeout"}
    | {"requests_per_minute", "tokens_per_minute", "threads", "base_url"}
)


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """A diagnosis that was made.

    Attributes:
        path: the run's folder, which now holds diagnosis.json and diagnosis.md, and a report that shows them.
        diagnosis: what was found.
        accounts: what was asked of whom.
        seconds: of this invocation.
    """

    path: Path
    diagnosis: Diagnosis
    accounts: tuple[RoleAccount, ...]
    seconds: float

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The answers in words, one a question."""
        return self.diagnosis.verdicts


@suggests
def diagnose(
    run_folder: str | Path | Run,
    *,
    data: Data | None = None,
    only: str | Sequence[str] = PARTS,
    limit: int | None = None,
    audit: float = 1.0,
    pick: str = "validation",
    gate: GateLike | None = None,
    scoring: ScoringLike | None = None,
    budget: Budget | None = None,
    settings: Settings | None = None,
    config: str | Path | None = None,
    trust_address: bool = False,
    backends: Mapping[str, Backend] | None = None,
    store: AnswerStore | None = None,
    observer: Observer = unwatched,
) -> Diagnosed:
    """Say what went wrong in a finished run, and how sure that is.

    Args:
        run_folder: the folder of a run, or the run.
        data: the run's data, if they are not where they were.
        only: which parts: some of dilution, adherence, interference, text; a list, or a text with commas.
        limit: at most so many held-out rows.
        audit: share of the steps that the diagnostic model rates; the model-free estimate stands in for the rest.
        pick: the rows that choose the instructions of the cherry-pick.
        gate: the run's gate, where ``optimize`` was given it as an object.
        scoring: the run's scoring method, where ``optimize`` was given it as an object.
        budget: the most that this call may ask or pay.
        settings: those of ``SETTINGS``, such as ``diagnostic_model``; the others are the run's own.
        config: a TOML file with settings.
        trust_address: whether the texts, but no key, may be sent to an address that only the run's folder names.
        backends: model name -> an opened backend.
        store: as for ``optimize``.
        observer: told of calls and notes.

    Raises:
        InputError: the folder, the data or an option cannot be used.
        Stopped: budget or provider; the same call goes on from the cache.
    """
    wanted = Options(parts_of(only), limit, audit, pick)
    found, objects = _read(run_folder, gate, scoring)
    taken, given_address = _settings(found, explicit(settings, budget), config, wanted)
    # What a run in memory was asked with, its caller gave.
    own = given_address or isinstance(run_folder, Run) or not taken.base_url
    address = None if own else FileAddress(taken.base_url, str(found.path), trust_address)
    return run(_diagnose(found, objects, taken, address, wanted, data, backends or {}, store, observer))


@suggests
def plan_diagnosis(
    run_folder: str | Path | Run,
    *,
    data: Data | None = None,
    only: str | Sequence[str] = PARTS,
    limit: int | None = None,
    audit: float = 1.0,
    pick: str = "validation",
    gate: GateLike | None = None,
    scoring: ScoringLike | None = None,
    budget: Budget | None = None,
    settings: Settings | None = None,
    config: str | Path | None = None,
    backends: Mapping[str, Backend] | None = None,
) -> tuple[PlannedRole, ...]:
    """What ``diagnose`` would ask, at most; nothing is asked. What the cache holds already is not taken off.

    Raises:
        InputError: as ``diagnose``.
    """
    wanted = Options(parts_of(only), limit, audit, pick)
    found, objects = _read(run_folder, gate, scoring)
    taken, _ = _settings(found, explicit(settings, budget), config, wanted)
    return run(_plan(found, objects, taken, wanted, data, backends or {}))


def _read(
    run_folder: str | Path | Run, gate: GateLike | None, scoring: ScoringLike | None
) -> tuple[FinishedRun, Objects]:
    """A run with its objects; an optimizer that proposes nothing stands in for its own.

    Raises:
        ConfigError: the run was given its gate or scoring method as an object, and it is not passed again.
    """
    found = read_finished(run_folder.path if isinstance(run_folder, Run) else run_folder)
    objects = objects_in({"gate": gate, "scoring": scoring})
    _check_same("gate", found.config.gate, gate_name(gate) if objects.gate is not None else gate)
    _check_same("scoring", found.config.scoring, scoring_name(scoring) if objects.scoring is not None else scoring)
    roles = ("loss", "gradient") if any(step.gradients for step in found.steps) else ()
    return found, replace(objects, optimizer=Idle(roles))


def _check_same(keyword: str, name: str, passed: Any) -> None:
    if passed is not None and passed != name:
        raise ConfigError(f"{keyword} {passed!r} is not the run's, which is {name!r}; pass the run's, or leave it out")
    if passed is None and is_place(name):
        raise ConfigError(
            f"the run was given its {keyword} as an object ({name}); pass the same object again, in Python: "
            f"diagnose(..., {keyword}=...)"
        )


def _settings(
    found: FinishedRun, options: Mapping[str, Any], config: str | Path | None, wanted: Options
) -> tuple[RunConfig, bool]:
    """The run's settings, with what a diagnosis may set by itself, and whether the user gave an address."""
    given = {name: value for name, value in options.items() if value is not None}
    strange = sorted(set(given) - SETTINGS)
    if strange:
        raise ConfigError(f"a diagnosis takes no setting {strange!r}; it takes {', '.join(sorted(SETTINGS))}")
    own = resolve(given, config_file=config)
    ours = {name: getattr(own.config, name) for name in SETTINGS if own.origins.get(name) not in (None, "default")}
    diagnostic = {role: one for role, one in own.config.parameters.items() if role == "diagnostic"}
    parameters = {**found.config.parameters, **diagnostic}
    changed = ours | {"parameters": parameters, "diagnostics": wanted.asks_model}
    return found.config.model_copy(update=changed), "base_url" in ours


async def _plan(
    found: FinishedRun,
    objects: Objects,
    config: RunConfig,
    wanted: Options,
    data: Data | None,
    backends: Mapping[str, Backend],
) -> tuple[PlannedRole, ...]:
    async with open_client(config, backends, unwatched, planning=True) as client:
        ready = _prepared(found, objects, config, wanted, data, client)
        return priced(planned_diagnosis(ready, wanted), client.tariffs)


async def _diagnose(
    found: FinishedRun,
    objects: Objects,
    config: RunConfig,
    address: FileAddress | None,
    wanted: Options,
    data: Data | None,
    backends: Mapping[str, Backend],
    store: AnswerStore | None,
    observer: Observer,
) -> Diagnosed:
    started = time.monotonic()
    planning = not wanted.asks
    async with open_client(config, backends, observer, store=store, planning=planning, address=address) as client:
        ready = _prepared(found, objects, config, wanted, data, client)
        if wanted.asks:
            ready = await _taken(found, objects, ready, client, set(backends), observer)
        diagnosis = await _made(ready, wanted, client)
        accounts = client.accounts.snapshot()
        write_diagnosis(found.path, codec.pretty(diagnosis) + "\n", page(diagnosis))
        report_run(found.path, ready.house.dataset)
    return Diagnosed(found.path, diagnosis, accounts, time.monotonic() - started)


async def _taken(
    found: FinishedRun,
    objects: Objects,
    ready: Prepared,
    client: Client,
    given: Collection[str],
    observer: Observer,
) -> Prepared:
    """The run with what its models take, and a note where others answer than did."""
    config = ready.config
    for model, identity in found.facts.get("endpoints", {}).items():
        if model in models_of(config) and client.identity(model) != identity:
            now = client.identity(model)
            observer(Noted(f"{model} answered from {identity!r} in the run and from {now!r} now; all is asked anew"))
    taken = await probed(ResolvedSettings(config, {}, objects), ready.house, client, given, observer)
    if taken == config:
        return ready
    return replace(ready, config=taken, house=assemble(taken, ready.house.dataset, client, objects))


def _prepared(
    found: FinishedRun, objects: Objects, config: RunConfig, wanted: Options, data: Data | None, client: Client
) -> Prepared:
    """The run as it was assembled.

    Raises:
        DataError: data or criteria are no longer what they were.
    """
    house = assemble(config, found.dataset(data), client, objects)
    if "sha256:" + codec.digest(house.prompt) != found.facts.get("prompt_digest"):
        raise DataError(
            f"the initial prompt of {str(found.path)!r} is not the one that its config.json speaks of; "
            f"run optimize again"
        )
    rows = held_out_rows(house.split.test, wanted.limit, config.seed)
    return Prepared(
        config, house, found.steps, found.prompt, rows, rated_rows(house.prompt.criteria, rows), found.path.name
    )


def held_out_rows(test: Sequence[Example], limit: int | None, seed: int) -> tuple[Example, ...]:
    """At most so many test rows, by chance and by whole documents as far as these fit, in their order."""
    if limit is None or limit >= len(test):
        return tuple(test)
    units: dict[str, list[int]] = {}
    for place, example in enumerate(test):
        units.setdefault(example.document or example.id, []).append(place)
    order = Random(f"{seed}/diagnosis/rows").sample(list(units), len(units))
    places = [place for unit in order for place in units[unit]][:limit]
    return tuple(test[place] for place in sorted(places))


async def _made(ready: Prepared, wanted: Options, client: Client) -> Diagnosis:
    config, house = ready.config, ready.house
    found: dict[str, Any] = {}
    verdicts = []
    for part, measured in (("dilution", on_gradients), ("interference", on_company), ("adherence", on_revisions)):
        if part in wanted.only:
            verdict, found[part] = await measured(ready, wanted, client)
            verdicts.append(verdict)
    if "text" in wanted.only:
        found["texts"] = all_texts(ready.steps, house.prompt.names)
    stages = config.stages
    parts = simulated([config.model_of(stage) for stage in stages], client, house.dataset)
    return Diagnosis(
        run=ready.name,
        mode=config.mode,
        gate=config.gate or house.metric,
        models={stage: config.model_of(stage) for stage in stages},
        criteria=house.prompt.names,
        simulated=bool(parts),
        verdicts=tuple(replace(one, because=f"{SIMULATED}: {one.because}") if parts else one for one in verdicts),
        notes=tuple(notes_on(ready, wanted, parts)),
        **found,
    )
