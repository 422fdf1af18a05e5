"""Fit a judge's prompt: run the loop, record every step, evaluate the test rows, write the judge and the report.

A run folder belongs to its settings, data, initial prompt and endpoints, which config.json holds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from polyjudge import codec
from polyjudge.concurrency import together
from polyjudge.datasets.leaks import LeakReport
from polyjudge.datasets.load import Criteria, Data, load_dataset
from polyjudge.diagnosis.rater import Rater, step_diagnostics
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.records import Step
from polyjudge.errors import ConfigError
from polyjudge.llm.cache.store import AnswerStore
from polyjudge.llm.client import Client
from polyjudge.llm.request import Backend
from polyjudge.reporting.report import report_run
from polyjudge.reporting.summary import summary
from polyjudge.results.archive import archive
from polyjudge.results.choice import Choice
from polyjudge.results.finished import read_row_scores
from polyjudge.results.judge_file import JudgeFile, Member
from polyjudge.results.outcome import Outcome
from polyjudge.results.result import Run, finished_run
from polyjudge.results.run_folder import RunFolder
from polyjudge.results.scores import check_unscored
from polyjudge.results.store import REPORT
from polyjudge.settings.config import STAGES, RunConfig, digest8, identity_text
from polyjudge.settings.given import (
    Budget,
    GateLike,
    LayoutLike,
    ModelLike,
    OptimizerLike,
    ScoringLike,
    Settings,
    explicit,
    suggests,
)
from polyjudge.settings.merged import ResolvedSettings, resolve
from polyjudge.settings.objects import names_an_object
from polyjudge.templates.load import VERSION
from polyjudge.version import __version__
from polyjudge.workflows.assemble import RunSetup, assemble, leaks_of, models_of
from polyjudge.workflows.client import open_client
from polyjudge.workflows.climb import check_coverage, climb, measure_ladder
from polyjudge.workflows.costs import priced
from polyjudge.workflows.diagnosis_parts import rater_of
from polyjudge.workflows.events import Noted, Observer, Planned, unwatched
from polyjudge.workflows.functions import takes_functions
from polyjudge.workflows.gate_setup import blind_spots
from polyjudge.workflows.going_on import Start, start_of
from polyjudge.workflows.ladder import Seat, Standing
from polyjudge.workflows.plan import planned
from polyjudge.workflows.probe import probed
from polyjudge.workflows.sync import run


def identity_of(config: RunConfig, run_setup: RunSetup, client: Client) -> str:
    """The content of config.json: the settings, and the data, prompt and endpoints that they apply to."""
    return identity_text(
        config,
        data=run_setup.dataset.name,
        data_digest=run_setup.dataset.digest,
        prompt_digest="sha256:"
        + codec.digest(replace(run_setup.prompt, demonstrations=run_setup.options[0].demonstrations)),
        layout_used=run_setup.layout,
        scoring_used=run_setup.scoring,
        endpoints={model: client.identity(model) for model in map(config.model_of, STAGES)},
        templates=VERSION,
        version=__version__,
    )


def default_folder(config: RunConfig, dataset: Dataset, identity: str) -> Path:
    """The folder of a run for which ``output`` names none."""
    model = "".join(c if c.isalnum() or c in "-." else "-" for c in config.model.rsplit("/", 1)[-1])
    return Path("runs") / f"{dataset.name}-{model}-{digest8(identity)}"


def initial_judge(judge: JudgeFile, run_setup: RunSetup, baseline: Seat) -> JudgeFile:
    """The judge before the fit."""
    lineage = {key: value for key, value in judge.lineage.items() if key in ("notice", "simulated")}
    return replace(
        judge,
        rubric=replace(judge.rubric, criteria=run_setup.prompt.criteria),
        lineage=lineage,
        layout=str(baseline.judge.layout),
        scoring=judge.scoring if baseline.judge.scoring == run_setup.judge.scoring else baseline.judge.scoring.name,
        demonstrations=baseline.prompt.demonstrations,
        members=(),
        calibration=(),
        ridge=None,
    )


def fitted_judge(
    config: RunConfig,
    run_setup: RunSetup,
    fitted: Standing,
    steps: Sequence[Step],
    outcome: Outcome,
    choice: Choice | None,
    start: Start | None = None,
) -> JudgeFile:
    """The judge after the fit, with its lineage and that of the judge that it started from."""
    rubric: Rubric = replace(run_setup.dataset.rubric, criteria=fitted.chair.prompt.criteria)
    validation = {name: value for step in steps if step.measured for name, value in step.measured.values.items()}
    lineage = {
        "data": run_setup.dataset.digest,
        "data_name": run_setup.dataset.name,
        "split_by": run_setup.split.by,
        "split_seed": config.split_seed,
        "seed": config.seed,
        "preset": config.preset,
        "protocol": config.protocol,
        "mode": config.mode,
        "optimizer": config.optimizer,
        **({"on_scale": run_setup.judge.scoring.on_scale} if names_an_object(config.scoring) else {}),
        **({"layout": codec.plain(choice.lineage())} if choice else {}),
        "models": {role: config.model_of(role) for role in ("judge", *run_setup.writers)},
        "validation": codec.plain(validation),
        "test": codec.plain(_without_account(outcome)),
        "templates": VERSION,
        "version": __version__,
        **(start.lineage() if start is not None else {}),
    } | ({"notice": run_setup.notice, "simulated": list(run_setup.simulated)} if run_setup.simulated else {})
    alone = JudgeFile(
        # The judge file holds its demonstrations in full, beside the rubric.
        rubric=replace(rubric, demonstrations=()),
        model=config.model,
        layout=run_setup.layout,
        # A scoring method that was passed as an object is named by its module path.
        scoring=config.scoring if names_an_object(config.scoring) else run_setup.judge.scoring.name,
        samples=run_setup.judge.scoring.samples,
        sampling=run_setup.judge.role.sampling,
        structured=config.structured,
        demonstrations=fitted.chair.prompt.demonstrations,
        base_url=config.base_url,
        endpoint_name=config.endpoint_name,
        seed=config.seed,
        parse_retries=config.parse_retries,
        lineage=lineage,
    )
    if fitted.fitted is None:
        return alone
    jury, maps = fitted.fitted.jury, fitted.fitted.maps
    members = tuple(
        Member(name, _member(alone, seat, run_setup), weight, footing)
        for (name, seat), weight, footing in zip(fitted.members, jury.weights, jury.footings, strict=False)
    )
    return replace(alone, members=members, calibration=maps if any(maps) else (), ridge=fitted.fitted.ridge)


def _member(alone: JudgeFile, seat: Seat, run_setup: RunSetup) -> JudgeFile:
    """A member of a jury: the judge with another prompt or configuration."""
    same = seat.judge.scoring == run_setup.judge.scoring
    return replace(
        alone,
        rubric=replace(alone.rubric, criteria=seat.prompt.criteria),
        layout=str(seat.judge.layout),
        scoring=alone.scoring if same else seat.judge.scoring.name,
        samples=seat.judge.scoring.samples,
        demonstrations=seat.prompt.demonstrations,
        lineage={},
    )


def _without_account(outcome: Outcome) -> Outcome:
    """The outcome without what a replay may count otherwise."""
    return replace(outcome, rungs=tuple(replace(rung, calls=0, cost=None) for rung in outcome.rungs))


@suggests
@takes_functions
def optimize(
    data: Data,
    *,
    criteria: Criteria | None = None,
    model: ModelLike | None = None,
    optimizer: OptimizerLike | None = None,
    gate: GateLike | None = None,
    scoring: ScoringLike | None = None,
    layout: LayoutLike | None = None,
    budget: Budget | None = None,
    settings: Settings | None = None,
    start: str | Path | JudgeFile | None = None,
    output: str | Path | None = None,
    config: str | Path | None = None,
    backends: Mapping[str, Backend] | None = None,
    store: AnswerStore | None = None,
    observer: Observer = unwatched,
) -> Run:
    """Fit a judge's prompt to human ratings.

    Args:
        data: a registered name, a CSV, JSONL or Parquet file, rows, or a data frame.
        criteria: a criteria file or mapping; registered data bring their own.
        model: the judge, as PROVIDER/MODEL, such as ``anthropic/claude-sonnet-5-5`` or ``local/smollm2-135m``.
        optimizer: "textgrad", "opro", an installed name, settings such as ``TextGrad(mode="SSC")``, or an object with
            ``propose``.
        gate: "per-criterion", "none", the name of a metric whose mean must improve, a ``Metric``, or a gate.
        scoring: "auto", "json", "expected", "reasoned", "decisions", "yes-no", "cloze", an installed name, or an
            object.
        layout: "auto", "joint", "separate", "forked", or groups such as "fluency+coherence,relevance".
        budget: limits of calls, tokens and money.
        settings: every other setting.
        start: a judge.yaml to go on from: its instructions are the initial ones, and its lineage is kept. Criteria,
            model, and the split of the same data are its own where none are given.
        output: the run folder; default ``runs/DATA-MODEL-DIGEST8``.
        config: a TOML file with settings.
        backends: model name -> an opened backend, instead of looking the name up.
        store: keeps the answers, instead of the response cache of this folder; the call closes it at its end.
        observer: called with every event, such as a step or a count of calls.

    Raises:
        InputError: something is wrong before any call.
        Stopped: by the budget or the provider; the same call resumes from the cache.
    """
    explicit_settings = explicit(
        settings, budget, {"model": model, "optimizer": optimizer, "gate": gate, "scoring": scoring, "layout": layout}
    )
    resolved = resolve(explicit_settings, config_file=config)
    if start is None:
        _check_settings(resolved, explicit_settings)
        dataset = load_dataset(data, criteria, limit=resolved.config.limit)
        return run(_optimize(resolved, dataset, output, backends or {}, store, observer))
    begun = start_of(start, criteria)
    dataset = load_dataset(data, begun.rubric, limit=resolved.config.limit)
    named = {name: value for name, value in resolved.config if name in resolved.origins}
    resolved = resolve({**explicit_settings, **begun.settings(named, dataset)}, config_file=config)
    _check_settings(resolved, explicit_settings)
    for note in (*begun.notes, *begun.warnings(resolved.config, dataset)):
        observer(Noted(note))
    return run(_optimize(resolved, dataset, output, backends or {}, store, observer, begun))


def _check_settings(resolved: ResolvedSettings, given: Mapping[str, object]) -> None:
    """Refuse settings that have no effect, and a run without a model."""
    resolved.check_used()
    if given.get("diagnostic_model") and not resolved.config.diagnostics:
        raise ConfigError("--diagnostic-model is not used; add --diagnostics, or pass it to polyjudge diagnose")
    models_of(resolved.config)


async def _optimize(
    settings: ResolvedSettings,
    dataset: Dataset,
    output: str | Path | None,
    backends: Mapping[str, Backend],
    store: AnswerStore | None,
    observer: Observer,
    start: Start | None = None,
) -> Run:
    async with open_client(settings.config, backends, observer, store=store) as client:
        result = await carry_out(settings, dataset, output, client, set(backends), observer, start)
        if result.paid or not (result.path / REPORT).exists():
            report_run(result.path, dataset)
        return result


async def carry_out(
    settings: ResolvedSettings,
    dataset: Dataset,
    output: str | Path | None,
    client: Client,
    trusted: Collection[str],
    observer: Observer,
    start: Start | None = None,
) -> Run:
    """Carry out one run with an open client, which several runs may share.

    Args:
        settings: of the run.
        dataset: its data.
        output: the run folder; None takes the default one.
        client: asks; its accounts are those of this run's part.
        trusted: the models that are not asked whether they take the settings.
        observer: called with every event.
        start: the judge that the dataset's instructions come from.
    """
    config = settings.config
    started = time.monotonic()
    run_setup = assemble(config, dataset, client, settings.objects)
    identity = identity_of(config, run_setup, client)
    with RunFolder(Path(output) if output else default_folder(config, dataset, identity), identity) as folder:
        if config.no_cache and folder.has_steps:
            raise ConfigError(
                f"--no-cache asks every question again, but {str(folder.path)!r} already holds steps; leave the "
                f"option out to resume, or choose another --output"
            )
        if folder.finished:
            return await _shown(folder, run_setup, config, client, observer)
        folder.begin(diagnostics=config.diagnostics)
        folder.write_origin(run_setup.dataset.given, run_setup.notice)
        report = _announce(folder, config, run_setup, client, observer)
        config = await probed(settings, run_setup, client, trusted, observer)
        if config != settings.config:
            run_setup = assemble(config, dataset, client, settings.objects)
        climbed = await climb(folder, config, run_setup, client, observer)
        run_setup, steps, choice = climbed.run_setup, climbed.steps, climbed.choice
        fitted = climbed.ladder.top
        outcome = await measure_ladder(folder, climbed, config)
        judge = fitted_judge(config, run_setup, fitted, steps, outcome, choice, start)
        prompt_archive = archive(steps, run_setup.prompt.criteria, run_setup.setups[0].gate)
        prompt_archive = (
            replace(prompt_archive, note=f"{run_setup.notice}. {prompt_archive.note}")
            if run_setup.notice
            else prompt_archive
        )
        seconds = time.monotonic() - started
        result = Run(
            folder.path, tuple(steps), outcome, judge, client.accounts.snapshot(), seconds, prompt_archive, choice
        )
        folder.write_end(
            result,
            initial_judge(judge, run_setup, climbed.ladder.reached[0].standing.chair),
            summary(result, config, report),
        )
        return result


async def _shown(folder: RunFolder, run_setup: RunSetup, config: RunConfig, client: Client, observer: Observer) -> Run:
    """A run that ended before, as its folder keeps it, whatever the response cache holds by now.

    Ratings of its steps are added when they are asked for and not there.

    Raises:
        TooManyUnscored: more scores are missing than this invocation allows.
    """
    started = time.monotonic()
    observer(Noted(f"{str(folder.path)!r} holds this run, finished; it is shown again"))
    done = finished_run(folder.path)
    for step in done.steps:
        observer(step)
        check_coverage(step, run_setup, config)
    scored = [row.fitted for row in read_row_scores(folder.path)]
    missing = sum(math.isnan(score) for row in scored for score in row.values())
    check_unscored(missing, sum(map(len, scored)), config.fail_on_error, "the test rows")
    if config.diagnostics and not folder.has_diagnostics:
        await _rate_steps(folder, done.steps, rater_of(config, run_setup.prompt, client), observer)
    return replace(done, accounts=client.accounts.snapshot(), seconds=time.monotonic() - started)


async def _rate_steps(folder: RunFolder, steps: Sequence[Step], rater: Rater, observer: Observer) -> None:
    """The diagnostics of a finished run's steps, all of them in one file."""
    standing: dict[str, str] = {}
    work = []
    for step in steps:
        if step.index:
            work.append(step_diagnostics(rater, dict(standing), step))
        standing |= step.instructions
    rated = await together(work)
    for one in rated:
        observer(one)
    folder.write_diagnostics(rated)


def _announce(
    folder: RunFolder, config: RunConfig, run_setup: RunSetup, client: Client, observer: Observer
) -> LeakReport:
    for note in (*run_setup.dataset.notes, *blind_spots(config, run_setup.validation_rows)):
        observer(Noted(note))
    if config.protocol == "paper":
        observer(
            Noted(
                "Preset 'paper' keeps the paper's protocol: batches overlap the validation rows and the test rows are "
                "read after every step, so that its best step is chosen on the test rows and is optimistic."
            )
        )
    report = leaks_of(config, run_setup.split)
    for line in [] if report.clean else report.lines():
        observer(Noted(f"leak, {line}"))
    observer(Planned(str(folder.path), config.steps, priced(planned(config, run_setup), client.tariffs)))
    return report
