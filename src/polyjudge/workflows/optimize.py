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
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Reading, Step
from polyjudge.engine import optimize as steps_of
from polyjudge.errors import ConfigError, TooManyUnscored
from polyjudge.llm.cache.store import AnswerStore
from polyjudge.llm.client import Client
from polyjudge.llm.request import Backend
from polyjudge.reporting.report import report_run
from polyjudge.reporting.summary import summary
from polyjudge.results.archive import archive
from polyjudge.results.finished import read_row_scores, row_scores
from polyjudge.results.judge_file import JudgeFile
from polyjudge.results.outcome import Choice, Outcome, compare, marked, untried
from polyjudge.results.result import Run, finished_run
from polyjudge.results.run_folder import RunFolder
from polyjudge.results.scores import check_unscored
from polyjudge.results.store import REPORT
from polyjudge.settings.config import STAGES, RunConfig, digest8, identity_text
from polyjudge.settings.given import (
    Budget,
    GateLike,
    LayoutLike,
    OptimizerLike,
    ScoringLike,
    Settings,
    explicit,
    suggests,
)
from polyjudge.settings.merged import ResolvedSettings, resolve
from polyjudge.settings.objects import is_dotted_path
from polyjudge.templates.load import VERSION
from polyjudge.version import __version__
from polyjudge.workflows.assemble import RunSetup, assemble, leaks_of, models_of
from polyjudge.workflows.client import open_client
from polyjudge.workflows.costs import priced
from polyjudge.workflows.diagnosis_parts import rater_of
from polyjudge.workflows.events import LayoutChosen, Noted, Observer, Planned, unwatched
from polyjudge.workflows.gate_setup import blind_spots
from polyjudge.workflows.going_on import Start, start_of
from polyjudge.workflows.layout_selection import choose
from polyjudge.workflows.plan import plan_of, test_readings
from polyjudge.workflows.probe import probed, quoted
from polyjudge.workflows.sync import run
from polyjudge.workflows.test_evaluation import OrderedWriter, TestEvaluator, reading_from


def identity_of(config: RunConfig, run_setup: RunSetup, client: Client) -> str:
    """The content of config.json: the settings, and the data, prompt and endpoints that they apply to."""
    return identity_text(
        config,
        data=run_setup.dataset.name,
        data_digest=run_setup.dataset.digest,
        prompt_digest="sha256:" + codec.digest(run_setup.prompt),
        layout_used=run_setup.layout,
        scoring_used=run_setup.judge.scoring.name,
        endpoints={model: client.identity(model) for model in map(config.model_of, STAGES)},
        templates=VERSION,
        version=__version__,
    )


def default_folder(config: RunConfig, dataset: Dataset, identity: str) -> Path:
    """The folder of a run for which ``output`` names none."""
    model = "".join(c if c.isalnum() or c in "-." else "-" for c in config.model.rsplit("/", 1)[-1])
    return Path("runs") / f"{dataset.name}-{model}-{digest8(identity)}"


def initial_judge(judge: JudgeFile, run_setup: RunSetup) -> JudgeFile:
    """The judge before the fit."""
    lineage = {key: value for key, value in judge.lineage.items() if key in ("notice", "simulated")}
    return replace(judge, rubric=replace(judge.rubric, criteria=run_setup.prompt.criteria), lineage=lineage)


def fitted_judge(
    config: RunConfig,
    run_setup: RunSetup,
    fitted: JudgePrompt,
    steps: Sequence[Step],
    outcome: Outcome,
    choice: Choice | None,
    start: Start | None = None,
) -> JudgeFile:
    """The judge after the fit, with its lineage and that of the judge that it started from."""
    rubric: Rubric = replace(run_setup.dataset.rubric, criteria=fitted.criteria)
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
        **({"on_scale": run_setup.judge.scoring.on_scale} if is_dotted_path(config.scoring) else {}),
        **({"layout": codec.plain(choice.lineage())} if choice else {}),
        "models": {role: config.model_of(role) for role in ("judge", *run_setup.writers)},
        "validation": codec.plain(validation),
        "test": codec.plain(outcome),
        "templates": VERSION,
        "version": __version__,
        **(start.lineage() if start is not None else {}),
    } | ({"notice": run_setup.notice, "simulated": list(run_setup.simulated)} if run_setup.simulated else {})
    return JudgeFile(
        rubric=rubric,
        model=config.model,
        layout=run_setup.layout,
        # A scoring method that was passed as an object is named by its module path.
        scoring=config.scoring if is_dotted_path(config.scoring) else run_setup.judge.scoring.name,
        samples=run_setup.judge.scoring.samples,
        sampling=run_setup.judge.role.sampling,
        structured=config.structured,
        demonstrations=fitted.demonstrations,
        base_url=config.base_url,
        endpoint_name=config.endpoint_name,
        seed=config.seed,
        parse_retries=config.parse_retries,
        lineage=lineage,
    )


@suggests
def optimize(
    data: Data,
    *,
    criteria: Criteria | None = None,
    model: str | None = None,
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
        scoring: "auto", "json", "expected", "reasoned", "yes-no", "cloze", an installed name, or an object.
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
        run_setup, choice = await _settled(run_setup, config, client, observer)
        diagnostics = rater_of(config, run_setup.prompt, client) if config.diagnostics else None
        test_evaluator = TestEvaluator(run_setup)
        steps = await _steps(folder, config, run_setup, observer, test_evaluator, diagnostics)
        fitted = _fitted(run_setup.prompt, steps)
        outcome = await _test(folder, run_setup, test_evaluator, fitted, steps, config)
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
        folder.write_end(result, initial_judge(judge, run_setup), summary(result, config, report))
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
        _check_coverage(step, run_setup, config)
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


async def _settled(
    run_setup: RunSetup, config: RunConfig, client: Client, observer: Observer
) -> tuple[RunSetup, Choice | None]:
    """The setup with its final layout, and how it was chosen if there was a choice."""
    if len(run_setup.layouts) == 1:
        return run_setup, None
    choice = await choose(run_setup, client.tariffs.get(config.model))
    settled = run_setup.under(layout(choice.layout, run_setup.prompt.names))
    roles = plan_of(config, settled.setups, settled.split, run_setup.layouts)
    observer(LayoutChosen(choice, priced(roles, client.tariffs)))
    return settled, choice


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
    roles = plan_of(config, run_setup.setups, run_setup.split, run_setup.layouts)
    observer(Planned(str(folder.path), config.steps, priced(roles, client.tariffs)))
    return report


async def _steps(
    folder: RunFolder,
    config: RunConfig,
    run_setup: RunSetup,
    observer: Observer,
    test_evaluator: TestEvaluator,
    rater: Rater | None,
) -> list[Step]:
    """Run all setups in lockstep. Test readings and diagnostics overlap with later steps and are written in order."""
    evaluated_steps = test_readings(config.protocol, config.steps, config.evaluate_every)
    step_writer = folder.steps
    test_writer = OrderedWriter[Reading](folder.tests)
    diagnostics_writer = OrderedWriter(folder.diagnostics, observer) if rater is not None else None
    steps: list[Step] = []
    instructions: dict[str, str] = {}
    loops = [steps_of(setup) for setup in run_setup.setups]
    try:
        for index in range(config.steps + 1):
            for step in await together(anext(loop) for loop in loops):
                step = replace(step, notice=run_setup.notice)
                step_writer.append(codec.line(step))
                steps.append(step)
                observer(step)
                await _check_step(step, run_setup, config)
                if index in evaluated_steps:
                    test_writer.begin(test_evaluator.of(step))
                if rater is not None and diagnostics_writer is not None and index:
                    diagnostics_writer.begin(step_diagnostics(rater, dict(instructions), step))
                instructions |= step.instructions
        await test_writer.finish()
        if diagnostics_writer is not None:
            await diagnostics_writer.finish()
    finally:
        await test_writer.stop()
        if diagnostics_writer is not None:
            await diagnostics_writer.stop()
        for loop in loops:
            await loop.aclose()
    step_writer.finish()
    return steps


async def _check_step(step: Step, run_setup: RunSetup, config: RunConfig) -> None:
    """Stop a run whose prompt leaves too many validation scores unreadable, or all scores of a criterion at step 0.

    Raises:
        TooManyUnscored: the message quotes a reply.
    """
    if step.measured is None:
        return
    unread = [name for name, share in step.measured.coverage.items() if share == 0]
    if unread and not step.index:
        prediction = await run_setup.judge.predict(run_setup.prompt, run_setup.split.validation[0])
        text = prediction.calls[0].reply
        raise TooManyUnscored(
            f"no validation row has a readable score for {', '.join(unread)}, so nothing can be fitted; a reply "
            f"{quoted(text)}; try another --scoring, --layout or model"
        )
    _check_coverage(step, run_setup, config)


def _check_coverage(step: Step, run_setup: RunSetup, config: RunConfig) -> None:
    """Stop at a prompt that leaves more unscored on the validation rows than the user allows.

    Raises:
        TooManyUnscored: it does.
    """
    if step.measured is None:
        return
    rows = run_setup.split.validation
    shares = [1 - share for share in step.measured.coverage.values()]
    missing, total = round(sum(shares) * len(rows)), len(shares) * len(rows)
    check_unscored(missing, total, config.fail_on_error, "the validation rows")


def _fitted(prompt: JudgePrompt, steps: Sequence[Step]) -> JudgePrompt:
    """The prompt with each criterion's last instruction, and the last demonstrations."""
    for step in steps:
        prompt = prompt.after(step)
    return prompt


async def _test(
    folder: RunFolder,
    run_setup: RunSetup,
    test_evaluator: TestEvaluator,
    fitted: JudgePrompt,
    steps: Sequence[Step],
    config: RunConfig,
) -> Outcome:
    """Evaluate the initial and the fitted prompt on the test rows, and record readings and predictions."""
    before, after = await together(test_evaluator.predictions(prompt) for prompt in (run_setup.prompt, fitted))
    missing = sum(len(prediction.unscored) for prediction in after)
    total = len(after) * len(fitted.names)
    check_unscored(missing, total, config.fail_on_error, "the test rows")
    if not test_readings(config.protocol, config.steps, config.evaluate_every):
        test_lines = folder.tests
        for step, prompt, predictions in ((0, run_setup.prompt, before), (config.steps, fitted, after)):
            test_lines.append(codec.line(reading_from(run_setup, step, prompt, predictions)))
        test_lines.finish()
    rows = row_scores(run_setup.test_rows, run_setup.split.test, before, after, run_setup.notice)
    folder.write_predictions(rows)
    changed = fitted != run_setup.prompt
    outcome = compare(run_setup.metric, run_setup.test_rows, before, after, changed=changed)
    blind = [f"{spot[0].upper()}{spot[1:]}." for spot in blind_spots(config, run_setup.validation_rows)]
    outcome = replace(outcome, notes=(*outcome.notes, *blind))
    return marked(untried(outcome, steps), run_setup.simulated, unrelated=not run_setup.dataset.simulated)
