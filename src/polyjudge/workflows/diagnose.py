"""Diagnose a finished run: reload it, ask the models, and report what went wrong, in words and figures."""

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
from polyjudge.domain.prompt import JudgePrompt
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
from polyjudge.results.store import locked, write_diagnosis
from polyjudge.settings.config import RunConfig
from polyjudge.settings.given import Budget, GateLike, ScoringLike, Settings, explicit, suggests
from polyjudge.settings.merged import ResolvedSettings, resolve
from polyjudge.settings.objects import Objects, gate_name, names_an_object, objects_in, scoring_name
from polyjudge.workflows.assemble import assemble, models_of
from polyjudge.workflows.client import FileAddress, open_client
from polyjudge.workflows.costs import priced
from polyjudge.workflows.diagnosis_parts import notes_on, on_company, on_gradients, on_revisions
from polyjudge.workflows.diagnosis_plan import DiagnosisOptions, ReloadedRun, parts_of, planned_diagnosis
from polyjudge.workflows.events import Noted, Observer, unwatched
from polyjudge.workflows.functions import takes_functions
from polyjudge.workflows.probe import probed
from polyjudge.workflows.sync import run

# The settings that a diagnosis takes; the others are the run's own.
SETTINGS = frozenset(
    {"diagnostic_model", "max_calls", "max_tokens", "max_cost", "prices", "max_concurrency", "attempt_timeout"}
    | {"requests_per_minute", "tokens_per_minute", "threads", "base_url"}
)


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """A finished diagnosis.

    Attributes:
        path: the run's folder, which now holds diagnosis.json and diagnosis.md, and a report that shows them.
        diagnosis: what was found.
        accounts: the calls of each role and model in this invocation.
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
@takes_functions
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
    """Diagnose what went wrong in a finished run, and how certain that is.

    Args:
        run_folder: the folder of a run, or the run.
        data: the run's data, if they are not where they were.
        only: which parts: some of dilution, adherence, interference, text; a list, or a text with commas.
        limit: at most so many held-out rows.
        audit: share of the steps that the diagnostic model rates; the model-free estimate stands in for the rest.
        pick: the rows that choose the instructions of the cherry-pick.
        gate: the run's gate, where ``optimize`` was given it as an object.
        scoring: the run's scoring method, where ``optimize`` was given it as an object.
        budget: limits of calls, tokens and money.
        settings: those of ``SETTINGS``, such as ``diagnostic_model``; the others are the run's own.
        config: a TOML file with settings.
        trust_address: whether the texts, but no key, may be sent to an address that only the run's folder names.
        backends: model name -> an opened backend.
        store: as for ``optimize``.
        observer: called with every event.

    Raises:
        InputError: the folder, the data or an option cannot be used.
        Stopped: by the budget or the provider; the same call resumes from the cache.
    """
    options = DiagnosisOptions(parts_of(only), limit, audit, pick)
    finished, objects = _read(run_folder, gate, scoring)
    run_config, given_address = _settings(finished, explicit(settings, budget), config, options)
    # What a run in memory was asked with, its caller gave.
    own = given_address or isinstance(run_folder, Run) or not run_config.base_url
    address = None if own else FileAddress(str(finished.path), trust_address)
    with locked(finished.path):
        return run(_diagnose(finished, objects, run_config, address, options, data, backends or {}, store, observer))


@suggests
@takes_functions
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
    """The most calls that ``diagnose`` would make; no model is asked. Answers in the cache are not subtracted.

    Raises:
        InputError: as ``diagnose``.
    """
    options = DiagnosisOptions(parts_of(only), limit, audit, pick)
    finished, objects = _read(run_folder, gate, scoring)
    run_config, _ = _settings(finished, explicit(settings, budget), config, options)
    return run(_plan(finished, objects, run_config, options, data, backends or {}))


def _read(
    run_folder: str | Path | Run, gate: GateLike | None, scoring: ScoringLike | None
) -> tuple[FinishedRun, Objects]:
    """A run with its objects; an optimizer that proposes nothing stands in for its own.

    Raises:
        ConfigError: the run was given its gate or scoring method as an object, and it is not passed again.
    """
    finished = read_finished(run_folder.path if isinstance(run_folder, Run) else run_folder)
    objects = objects_in({"gate": gate, "scoring": scoring})
    _check_same("gate", finished.config.gate, gate_name(gate) if objects.gate is not None else gate)
    _check_same("scoring", finished.config.scoring, scoring_name(scoring) if objects.scoring is not None else scoring)
    roles = ("loss", "gradient") if any(step.gradients for step in finished.steps) else ()
    return finished, replace(objects, optimizer=Idle(roles))


def _check_same(keyword: str, name: str, passed: Any) -> None:
    if passed is not None and passed != name:
        raise ConfigError(f"{keyword} {passed!r} is not the run's, which is {name!r}; pass the run's, or leave it out")
    if passed is None and names_an_object(name):
        raise ConfigError(
            f"the run was given its {keyword} as an object ({name}); pass the same object again, in Python: "
            f"diagnose(..., {keyword}=...)"
        )


def _settings(
    finished: FinishedRun, explicit_settings: Mapping[str, Any], config: str | Path | None, options: DiagnosisOptions
) -> tuple[RunConfig, bool]:
    """The run's settings, with what a diagnosis may set by itself, and whether the user gave an address."""
    settings = {name: value for name, value in explicit_settings.items() if value is not None}
    strange = sorted(set(settings) - SETTINGS)
    if strange:
        raise ConfigError(f"a diagnosis takes no setting {strange!r}; it takes {', '.join(sorted(SETTINGS))}")
    resolved = resolve(settings, config_file=config)
    overrides = {
        name: getattr(resolved.config, name)
        for name in SETTINGS
        if resolved.origins.get(name) not in (None, "default")
    }
    diagnostic = {role: parameters for role, parameters in resolved.config.parameters.items() if role == "diagnostic"}
    parameters = {**finished.config.parameters, **diagnostic}
    changed = overrides | {"parameters": parameters, "diagnostics": options.asks_model}
    return finished.config.model_copy(update=changed), "base_url" in overrides


async def _plan(
    finished: FinishedRun,
    objects: Objects,
    config: RunConfig,
    options: DiagnosisOptions,
    data: Data | None,
    backends: Mapping[str, Backend],
) -> tuple[PlannedRole, ...]:
    async with open_client(config, backends, unwatched, planning=True) as client:
        reloaded = _reloaded(finished, objects, config, options, data, client)
        return priced(planned_diagnosis(reloaded, options), client.tariffs)


async def _diagnose(
    finished: FinishedRun,
    objects: Objects,
    config: RunConfig,
    address: FileAddress | None,
    options: DiagnosisOptions,
    data: Data | None,
    backends: Mapping[str, Backend],
    store: AnswerStore | None,
    observer: Observer,
) -> Diagnosed:
    started = time.monotonic()
    planning = not options.asks
    async with open_client(config, backends, observer, store=store, planning=planning, address=address) as client:
        reloaded = _reloaded(finished, objects, config, options, data, client)
        if options.asks:
            reloaded = await _accepted(finished, objects, reloaded, client, set(backends), observer)
        diagnosis = await _diagnosis(reloaded, options, client)
        accounts = client.accounts.snapshot()
        write_diagnosis(finished.path, codec.pretty(diagnosis) + "\n", page(diagnosis))
        report_run(finished.path, reloaded.run_setup.dataset)
    return Diagnosed(finished.path, diagnosis, accounts, time.monotonic() - started)


async def _accepted(
    finished: FinishedRun,
    objects: Objects,
    reloaded: ReloadedRun,
    client: Client,
    trusted: Collection[str],
    observer: Observer,
) -> ReloadedRun:
    """The run with the settings that its models accept; a note names each endpoint that has changed since the run."""
    config = reloaded.config
    for model, identity in finished.facts.get("endpoints", {}).items():
        if model in models_of(config) and client.identity(model) != identity:
            now = client.identity(model)
            observer(Noted(f"{model} answered from {identity!r} in the run and from {now!r} now; all is asked again"))
    accepted_config = await probed(
        ResolvedSettings(config, {}, objects), reloaded.run_setup, client, trusted, observer
    )
    if accepted_config == config:
        return reloaded
    return replace(
        reloaded,
        config=accepted_config,
        run_setup=assemble(accepted_config, reloaded.run_setup.dataset, client, objects),
    )


def _reloaded(
    finished: FinishedRun,
    objects: Objects,
    config: RunConfig,
    options: DiagnosisOptions,
    data: Data | None,
    client: Client,
) -> ReloadedRun:
    """Assemble the run again.

    Raises:
        DataError: the data or the criteria have changed since the run.
    """
    run_setup = assemble(config, finished.dataset(data), client, objects)
    if finished.facts.get("prompt_digest") not in _digests(run_setup.prompt):
        raise DataError(
            f"the initial prompt of {str(finished.path)!r} differs from the one in its config.json; run optimize again"
        )
    rows = held_out_rows(run_setup.split.test, options.limit, config.seed)
    return ReloadedRun(
        config,
        run_setup,
        finished.steps,
        finished.prompt,
        rows,
        rated_rows(run_setup.prompt.criteria, rows),
        finished.path.name,
    )


def _digests(prompt: JudgePrompt) -> tuple[str, ...]:
    """The digests that a prompt may have had: data made in Python may name no columns of ratings.

    A judge file leaves these out, and is then read as if each criterion had the column of its name.
    """
    unnamed = (replace(c, ratings=() if c.ratings == (c.name,) else c.ratings) for c in prompt.criteria)
    variants = (prompt, replace(prompt, criteria=tuple(unnamed)))
    return tuple(f"sha256:{codec.digest(variant)}" for variant in variants)


def held_out_rows(test: Sequence[Example], limit: int | None, seed: int) -> tuple[Example, ...]:
    """At most ``limit`` test rows in their order, drawn at random by whole documents as far as these fit."""
    if limit is None or limit >= len(test):
        return tuple(test)
    units: dict[str, list[int]] = {}
    for place, example in enumerate(test):
        units.setdefault(example.document or example.id, []).append(place)
    order = Random(f"{seed}/diagnosis/rows").sample(list(units), len(units))
    places = [place for unit in order for place in units[unit]][:limit]
    return tuple(test[place] for place in sorted(places))


async def _diagnosis(reloaded: ReloadedRun, options: DiagnosisOptions, client: Client) -> Diagnosis:
    config, run_setup = reloaded.config, reloaded.run_setup
    parts: dict[str, Any] = {}
    verdicts = []
    for part, measured in (("dilution", on_gradients), ("interference", on_company), ("adherence", on_revisions)):
        if part in options.only:
            verdict, parts[part] = await measured(reloaded, options, client)
            verdicts.append(verdict)
    if "text" in options.only:
        parts["texts"] = all_texts(reloaded.steps, run_setup.prompt.names)
    stages = config.stages
    simulated_parts = simulated([config.model_of(stage) for stage in stages], client, run_setup.dataset)
    return Diagnosis(
        run=reloaded.name,
        mode=config.mode,
        gate=config.gate or run_setup.metric,
        models={stage: config.model_of(stage) for stage in stages},
        criteria=run_setup.prompt.names,
        simulated=bool(simulated_parts),
        verdicts=tuple(
            replace(one, because=f"{SIMULATED}: {one.because}") if simulated_parts else one for one in verdicts
        ),
        notes=tuple(notes_on(reloaded, options, simulated_parts)),
        **parts,
    )
