"""The measured parts of a diagnosis, each with its verdict, and the notes beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polyjudge.concurrency import together
from polyjudge.diagnosis.adherence import adherence
from polyjudge.diagnosis.cherry_pick import cherry_pick
from polyjudge.diagnosis.dilution import Controls, dilution, edits_of, on_held_out_rows
from polyjudge.diagnosis.interference import interference
from polyjudge.diagnosis.rater import Rater
from polyjudge.diagnosis.records import Adherence, Dilution, Edit, Interference, Verdict
from polyjudge.diagnosis.verdicts import (
    DILUTION,
    INTERFERENCE,
    OBEYS,
    not_defined,
    on_dilution,
    on_interference,
    on_obedience,
)
from polyjudge.domain.decomposition import decomposition
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.formatting.text import many
from polyjudge.judge.measure import measure
from polyjudge.llm.client import Client
from polyjudge.llm.request import Asker
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.textgrad import TextGradOptimizer
from polyjudge.reporting.summary import FEW_DOCUMENTS
from polyjudge.results.outcome import notice
from polyjudge.settings.config import DIAGNOSTIC, RunConfig
from polyjudge.workflows.assemble import leaks_of, role_of
from polyjudge.workflows.diagnosis_plan import DiagnosisOptions, ReloadedRun


def rater_of(config: RunConfig, prompt: JudgePrompt, asker: Asker) -> Rater:
    """The diagnostic model, for all criteria of a run."""
    return Rater(Stage(asker, role_of(config, DIAGNOSTIC), config.parse_retries), prompt.criteria)


def controls_of(config: RunConfig, prompt: JudgePrompt, asker: Asker) -> Controls:
    """Write separate and joint gradients with the run's own models, for comparison.

    A joint gradient sees the run's losses. A separate gradient sees separate losses, because a loss of all criteria
    cannot be split.
    """
    return Controls(_critic("SSS", config, prompt, asker), _critic(joint_mode(config.mode), config, prompt, asker))


def joint_mode(mode: str) -> str:
    """The mode with joint gradients and the losses of another."""
    return "CCC" if mode[0] == "C" else "SCC"


def _critic(mode: str, config: RunConfig, prompt: JudgePrompt, asker: Asker) -> TextGradOptimizer:
    loss, gradient, optimizer = (
        Stage(asker, role_of(config, stage), config.parse_retries) for stage in ("loss", "gradient", "optimizer")
    )
    parts = decomposition(mode, prompt.names)
    return TextGradOptimizer(parts, loss, gradient, optimizer, loss_sees_input=config.loss_sees_input)


NO_GRADIENTS = "the run wrote no gradients, so there is nothing to rate"


async def on_gradients(
    reloaded: ReloadedRun, options: DiagnosisOptions, client: Client
) -> tuple[Verdict, Dilution | None]:
    """Dilution, and the yield of the edits that the gradients led to."""
    names, steps = reloaded.run_setup.prompt.names, reloaded.criticised()
    if not steps:
        return not_defined(DILUTION, NO_GRADIENTS), None
    measured = await dilution(
        rater_of(reloaded.config, reloaded.run_setup.prompt, client),
        controls_of(reloaded.config, reloaded.run_setup.prompt, client),
        steps,
        await _edits(reloaded),
        options.audit,
        reloaded.config.seed,
    )
    if len(names) == 1:
        return not_defined(DILUTION, "there is one criterion, so no gradient is shared"), measured
    return on_dilution(measured, names), measured


async def on_company(
    reloaded: ReloadedRun, options: DiagnosisOptions, client: Client
) -> tuple[Verdict, Interference | None]:
    """Interference, with the cherry-pick."""
    if reloaded.alone:
        return not_defined(INTERFERENCE, reloaded.alone), None
    initial = reloaded.run_setup.prompt
    on_test, run_setup = options.pick == "test", reloaded.run_setup
    choosing = (
        (reloaded.rows, reloaded.bench.rated) if on_test else (run_setup.split.validation, run_setup.validation_rows)
    )
    picked = await cherry_pick(reloaded.bench, initial, reloaded.trajectory, *choosing, chosen_on=options.pick)
    measured = await interference(reloaded.bench, initial, reloaded.fitted, picked)
    return on_interference(measured, changed=reloaded.fitted != initial), measured


async def on_revisions(
    reloaded: ReloadedRun, options: DiagnosisOptions, client: Client
) -> tuple[Verdict, Adherence | None]:
    """Whether the optimizer does what the gradients say."""
    rater = rater_of(reloaded.config, reloaded.run_setup.prompt, client)
    steps = [step for step in reloaded.steps if step.index]
    measured = await adherence(
        rater, reloaded.run_setup.prompt.instructions, steps, options.audit, reloaded.config.seed
    )
    if not measured.ratings:
        return not_defined(OBEYS, "no step has both a gradient and a new instruction"), measured
    return on_obedience(measured), measured


async def _edits(reloaded: ReloadedRun) -> tuple[Edit, ...]:
    """The accepted changes, with their effect on the held-out rows."""
    run_setup = reloaded.run_setup
    metrics = run_setup.setups[0].gate.metrics_for(run_setup.prompt.criteria)
    edits = edits_of(reloaded.steps, {name: metric.higher_is_better for name, metric in metrics.items()})
    changed = {edit.step for edit in edits}
    standings = [standing for standing in reloaded.trajectory if not standing.step or standing.step in changed]
    if not changed:
        return edits
    judged = await together(run_setup.judge.evaluate(standing.prompt, reloaded.rows) for standing in standings)
    values = {
        standing.step: measure(
            run_setup.metric, predictions, reloaded.bench.rated.select(standing.prompt.names)
        ).values
        for standing, predictions in zip(standings, judged, strict=True)
    }
    return on_held_out_rows(edits, values)


def notes_on(reloaded: ReloadedRun, options: DiagnosisOptions, simulated: Sequence[str]) -> Iterator[str]:
    """The notes that a reader of the figures needs."""
    if simulated:
        yield notice(tuple(simulated), unrelated=not reloaded.run_setup.dataset.simulated)
    config = reloaded.config
    writers = (config.model_of("gradient"), config.model_of("optimizer"))
    if options.asks_model and config.model_of("diagnostic") in writers:
        yield "The diagnostic model rates texts that it wrote itself; name another with --diagnostic-model."
    unit, clusters = reloaded.bench.unit
    if "interference" in options.only and clusters < FEW_DOCUMENTS:
        yield f"With {many(clusters, unit)} the intervals of agreements are too narrow; take them as a rough guide."
    if config.protocol == "paper":
        yield "Under the paper's protocol the test rows share articles with the rows that were fitted on."
    report = leaks_of(config, reloaded.run_setup.split)
    if not report.clean and config.protocol != "paper":
        yield from (f"leak, {line}" for line in report.lines())
    if options.pick == "test" and "interference" in options.only:
        yield "The cherry-pick was chosen on the rows that it reports, as in the paper: it is optimistic."
