"""One optimisation from files to files: run the loop, keep every step, read the test rows, write the judge.

What a run is known by and what it leaves: identity, folder, where its data came from, its judges, its result.
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
from polyjudge.reporting.report import FILE as REPORT
from polyjudge.reporting.report import report_run
from polyjudge.reporting.summary import summary
from polyjudge.results.archive import archive
from polyjudge.results.finished import FILE as PREDICTIONS
from polyjudge.results.finished import ORIGIN, read_row_scores, row_scores
from polyjudge.results.judge_file import JudgeFile, dump_judge
from polyjudge.results.outcome import Choice, Outcome, compare, marked, untried
from polyjudge.results.result import Run, finished_run
from polyjudge.results.scores import check_unscored
from polyjudge.results.store import DIAGNOSTICS, RESULT, STEPS, TESTS, RunFolder
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
from polyjudge.settings.objects import is_place
from polyjudge.templates.load import VERSION
from polyjudge.version import __version__
from polyjudge.workflows.assemble import House, assemble, leaks_of, models_of
from polyjudge.workflows.client import open_client
from polyjudge.workflows.costs import priced
from polyjudge.workflows.diagnosis_parts import rater_of
from polyjudge.workflows.events import Chosen, Noted, Observer, Planned, unwatched
from polyjudge.workflows.gate_setup import blind_spots
from polyjudge.workflows.layout_selection import choose
from polyjudge.workflows.plan import plan_of, test_readings
from polyjudge.workflows.probe import probed, quoted
from polyjudge.workflows.sync import run
from polyjudge.workflows.test_evaluation import InOrder, Readings, reading_of


def identity_of(config: RunConfig, house: House, client: Client) -> str:
    """What the folder belongs to: settings, data, prompt and endpoints."""
    return identity_text(
        config,
        data=house.dataset.name,
        data_digest=house.dataset.digest,
        prompt_digest="sha256:" + codec.digest(house.prompt),
        layout_used=house.layout,
        scoring_used=house.judge.scoring.name,
        endpoints={model: client.identity(model) for model in map(config.model_of, STAGES)},
        templates=VERSION,
        version=__version__,
    )


def default_folder(config: RunConfig, dataset: Dataset, identity: str) -> Path:
    """Where a run goes that nobody gave a folder."""
    model = "".join(c if c.isalnum() or c in "-." else "-" for c in config.model.rsplit("/", 1)[-1])
    return Path("runs") / f"{dataset.name}-{model}-{digest8(identity)}"


def origin_text(house: House) -> str:
    """Where the data came from, and what whoever reads it must know."""
    notice = {"notice": house.notice} if house.notice else {}
    return codec.pretty({"data": house.dataset.given} | notice) + "\n"


def initial_judge(judge: JudgeFile, house: House) -> JudgeFile:
    """The judge before the fit, to compare with or to keep."""
    lineage = {key: value for key, value in judge.lineage.items() if key in ("notice", "simulated")}
    return replace(judge, rubric=replace(judge.rubric, criteria=house.prompt.criteria), lineage=lineage)


def fitted_judge(
    config: RunConfig,
    house: House,
    fitted: JudgePrompt,
    steps: Sequence[Step],
    outcome: Outcome,
    choice: Choice | None,
) -> JudgeFile:
    """The judge after the fit, with its lineage."""
    rubric: Rubric = replace(house.dataset.rubric, criteria=fitted.criteria)
    validation = {name: value for step in steps if step.measured for name, value in step.measured.values.items()}
    lineage = {
        "data": house.dataset.digest,
        "data_name": house.dataset.name,
        "split_by": house.split.by,
        "split_seed": config.split_seed,
        "seed": config.seed,
        "preset": config.preset,
        "protocol": config.protocol,
        "mode": config.mode,
        "optimizer": config.optimizer,
        **({"on_scale": house.judge.scoring.on_scale} if is_place(config.scoring) else {}),
        **({"layout": codec.plain(choice.lineage())} if choice else {}),
        "models": {role: config.model_of(role) for role in ("judge", *house.writers)},
        "validation": codec.plain(validation),
        "test": codec.plain(outcome),
        "templates": VERSION,
        "version": __version__,
    } | ({"notice": house.notice, "simulated": list(house.simulated)} if house.simulated else {})
    return JudgeFile(
        rubric=rubric,
        model=config.model,
        layout=house.layout,
        # One that was passed as an object is known by where it is defined.
        scoring=config.scoring if is_place(config.scoring) else house.judge.scoring.name,
        samples=house.judge.scoring.samples,
        sampling=house.judge.role.sampling,
        structured=config.structured,
        demonstrations=fitted.demonstrations,
        base_url=config.base_url,
        endpoint_name=config.endpoint_name,
        seed=config.seed,
        parse_retries=config.parse_retries,
        lineage=lineage,
    )


def result_text(done: Run) -> str:
    """result.json: what was achieved, and what it took."""
    content = {"outcome": done.outcome, "layout": done.choice} if done.choice else {"outcome": done.outcome}
    content |= {"accounts": done.accounts, "seconds": round(done.seconds, 3)}
    return codec.pretty(content) + "\n"


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
        gate: "per-criterion", "none", the name of a metric whose mean must rise, such a metric, or a gate.
        scoring: "auto", "json", "expected", "yes-no", "cloze", an installed name, or an object.
        layout: "auto", "joint", "separate", "forked", or groups such as "fluency+coherence,relevance".
        budget: the most that this call may ask or pay.
        settings: every other setting.
        output: the run folder; default ``runs/DATA-MODEL-DIGEST8``.
        config: a TOML file with settings.
        backends: model name -> an opened backend, instead of looking the name up.
        store: keeps the answers, instead of the response cache of this folder; the call closes it at its end.
        observer: told of steps and calls as they happen.

    Raises:
        InputError: something is wrong before any call.
        Stopped: budget or provider; the same call goes on from the cache.
    """
    given = explicit(
        settings, budget, {"model": model, "optimizer": optimizer, "gate": gate, "scoring": scoring, "layout": layout}
    )
    resolved = resolve(given, config_file=config)
    resolved.check_used()
    if given.get("diagnostic_model") and not resolved.config.diagnostics:
        raise ConfigError("--diagnostic-model is not used; add --diagnostics, or pass it to polyjudge diagnose")
    models_of(resolved.config)
    dataset = load_dataset(data, criteria, limit=resolved.config.limit)
    return run(_optimize(resolved, dataset, output, backends or {}, store, observer))


async def _optimize(
    settings: ResolvedSettings,
    dataset: Dataset,
    output: str | Path | None,
    backends: Mapping[str, Backend],
    store: AnswerStore | None,
    observer: Observer,
) -> Run:
    async with open_client(settings.config, backends, observer, store=store) as client:
        done = await carry_out(settings, dataset, output, client, set(backends), observer)
        if done.paid or not (done.path / REPORT).exists():
            report_run(done.path, dataset)
        return done


async def carry_out(
    settings: ResolvedSettings,
    dataset: Dataset,
    output: str | Path | None,
    client: Client,
    given: Collection[str],
    observer: Observer,
) -> Run:
    """One run by an open client, which several runs may share.

    Args:
        settings: of the run.
        dataset: its data.
        output: the run folder; None takes the default one.
        client: asks; its accounts are those of this run's part.
        given: the models that take what they are sent.
        observer: told of steps and notes.
    """
    config = settings.config
    started = time.monotonic()
    house = assemble(config, dataset, client, settings.objects)
    identity = identity_of(config, house, client)
    with RunFolder(Path(output) if output else default_folder(config, dataset, identity), identity) as folder:
        if config.no_cache and (folder.path / STEPS).exists():
            raise ConfigError(
                f"--no-cache asks everything anew, and {str(folder.path)!r} holds steps already; leave it out to "
                f"go on, or choose another --output"
            )
        if folder.finished:
            return await _shown(folder, house, config, client, observer)
        folder.begin(diagnostics=config.diagnostics)
        folder.write(ORIGIN, origin_text(house))
        report = _announce(folder, config, house, client, observer)
        config = await probed(settings, house, client, given, observer)
        if config != settings.config:
            house = assemble(config, dataset, client, settings.objects)
        house, choice = await _settled(house, config, client, observer)
        diagnostics = rater_of(config, house.prompt, client) if config.diagnostics else None
        readings = Readings(house)
        steps = await _steps(folder, config, house, observer, readings, diagnostics)
        fitted = _fitted(house.prompt, steps)
        outcome = await _test(folder, house, readings, fitted, steps, config)
        judge = fitted_judge(config, house, fitted, steps, outcome, choice)
        folder.write("judge.yaml", dump_judge(judge))
        folder.write("judge.initial.yaml", dump_judge(initial_judge(judge, house)))
        kept = archive(steps, house.prompt.criteria, house.setups[0].gate)
        kept = replace(kept, note=f"{house.notice}. {kept.note}") if house.notice else kept
        folder.write("archive.json", codec.pretty(kept) + "\n")
        seconds = time.monotonic() - started
        done = Run(folder.path, tuple(steps), outcome, judge, client.accounts.snapshot(), seconds, kept, choice)
        folder.write("summary.md", summary(done, config, report))
        # The last file: from now on the folder is final.
        folder.write(RESULT, result_text(done))
        return done


async def _shown(folder: RunFolder, house: House, config: RunConfig, client: Client, observer: Observer) -> Run:
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
        _check_coverage(step, house, config)
    scored = [row.fitted for row in read_row_scores(folder.path)]
    missing = sum(math.isnan(score) for row in scored for score in row.values())
    check_unscored(missing, sum(map(len, scored)), config.fail_on_error, "the test rows")
    if config.diagnostics and not (folder.path / DIAGNOSTICS).exists():
        await _rate_steps(folder, done.steps, rater_of(config, house.prompt, client), observer)
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
    folder.write(DIAGNOSTICS, "".join(f"{codec.line(one)}\n" for one in rated))


async def _settled(house: House, config: RunConfig, client: Client, observer: Observer) -> tuple[House, Choice | None]:
    """The house with one layout, and how it was chosen where there was a choice."""
    if len(house.layouts) == 1:
        return house, None
    choice = await choose(house, client.tariffs.get(config.model))
    settled = house.under(layout(choice.layout, house.prompt.names))
    roles = plan_of(config, settled.setups, settled.split, house.layouts)
    observer(Chosen(choice, priced(roles, client.tariffs)))
    return settled, choice


def _announce(folder: RunFolder, config: RunConfig, house: House, client: Client, observer: Observer) -> LeakReport:
    for note in (*house.dataset.notes, *blind_spots(config, house.validation_rows)):
        observer(Noted(note))
    if config.protocol == "paper":
        observer(
            Noted(
                "Preset 'paper' keeps the paper's protocol: batches overlap the validation rows and the test rows are "
                "read after every step, so that its best step is chosen on the test rows and is optimistic."
            )
        )
    report = leaks_of(config, house.split)
    for line in [] if report.clean else report.lines():
        observer(Noted(f"leak, {line}"))
    roles = plan_of(config, house.setups, house.split, house.layouts)
    observer(Planned(str(folder.path), config.steps, priced(roles, client.tariffs)))
    return report


async def _steps(
    folder: RunFolder,
    config: RunConfig,
    house: House,
    observer: Observer,
    readings: Readings,
    rater: Rater | None,
) -> list[Step]:
    """Run all setups in lockstep; test readings and diagnostics overlap later steps and are written in order."""
    read = test_readings(config.protocol, config.steps, config.evaluate_every)
    written = folder.lines(STEPS)
    tests = InOrder[Reading](folder.lines(TESTS))
    diagnostics = InOrder(folder.lines(DIAGNOSTICS), observer) if rater is not None else None
    steps: list[Step] = []
    standing: dict[str, str] = {}
    loops = [steps_of(setup) for setup in house.setups]
    try:
        for index in range(config.steps + 1):
            for step in await together(anext(loop) for loop in loops):
                step = replace(step, notice=house.notice)
                written.append(codec.line(step))
                steps.append(step)
                observer(step)
                await _check_step(step, house, config)
                if index in read:
                    tests.begin(readings.of(step))
                if rater is not None and diagnostics is not None and index:
                    diagnostics.begin(step_diagnostics(rater, dict(standing), step))
                standing |= step.instructions
        await tests.finish()
        if diagnostics is not None:
            await diagnostics.finish()
    finally:
        await tests.stop()
        if diagnostics is not None:
            await diagnostics.stop()
        for loop in loops:
            await loop.aclose()
    written.finish()
    return steps


async def _check_step(step: Step, house: House, config: RunConfig) -> None:
    """Stop at a prompt that leaves too much unscored on the validation rows, and at once where nothing can be read.

    Raises:
        TooManyUnscored: the message quotes a reply.
    """
    if step.measured is None:
        return
    mute = [name for name, share in step.measured.coverage.items() if share == 0]
    if mute and not step.index:
        seen = await house.judge.predict(house.prompt, house.split.validation[0])
        text = seen.calls[0].reply
        raise TooManyUnscored(
            f"no validation row has a readable score for {', '.join(mute)}, so that nothing can be fitted; a reply "
            f"{quoted(text)}; try another --scoring, --layout or model"
        )
    _check_coverage(step, house, config)


def _check_coverage(step: Step, house: House, config: RunConfig) -> None:
    """Stop at a prompt that leaves more unscored on the validation rows than the user allows.

    Raises:
        TooManyUnscored: it does.
    """
    if step.measured is None:
        return
    rows = house.split.validation
    shares = [1 - share for share in step.measured.coverage.values()]
    missing, total = round(sum(shares) * len(rows)), len(shares) * len(rows)
    check_unscored(missing, total, config.fail_on_error, "the validation rows")


def _fitted(prompt: JudgePrompt, steps: Sequence[Step]) -> JudgePrompt:
    """The prompt with each criterion's last instruction."""
    texts = {name: text for step in steps for name, text in step.instructions.items()}
    return prompt.revise(texts)


async def _test(
    folder: RunFolder,
    house: House,
    readings: Readings,
    fitted: JudgePrompt,
    steps: Sequence[Step],
    config: RunConfig,
) -> Outcome:
    """The one reading of the sealed test rows, which ``tests.jsonl`` keeps: the initial and the fitted prompt."""
    initial, final = await together(readings.predictions(prompt) for prompt in (house.prompt, fitted))
    missing = sum(len(prediction.unscored) for prediction in final)
    total = len(final) * len(fitted.names)
    check_unscored(missing, total, config.fail_on_error, "the test rows")
    if not test_readings(config.protocol, config.steps, config.evaluate_every):
        tests = folder.lines(TESTS)
        for step, prompt, read in ((0, house.prompt, initial), (config.steps, fitted, final)):
            tests.append(codec.line(reading_of(house, step, prompt, read)))
        tests.finish()
    rows = row_scores(house.test_rows, house.split.test, initial, final, house.notice)
    folder.write(PREDICTIONS, "".join(f"{codec.line(row)}\n" for row in rows))
    changed = fitted != house.prompt
    found = compare(house.metric, house.test_rows, initial, final, changed=changed)
    blind = [f"{spot[0].upper()}{spot[1:]}." for spot in blind_spots(config, house.validation_rows)]
    found = replace(found, notes=(*found.notes, *blind))
    return marked(untried(found, steps), house.simulated, unrelated=not house.dataset.simulated)
