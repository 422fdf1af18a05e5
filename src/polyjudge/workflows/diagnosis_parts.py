"""The measured parts of a diagnosis, each with its verdict, and the notes beside them.

Who rates a run's texts, and who writes the texts that these are compared with.
"""

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
from polyjudge.workflows.diagnosis_plan import Options, Prepared


def rater_of(config: RunConfig, prompt: JudgePrompt, asker: Asker) -> Rater:
    """The diagnostic model, for all criteria of a run."""
    return Rater(Stage(asker, role_of(config, DIAGNOSTIC), config.parse_retries), prompt.criteria)


def controls_of(config: RunConfig, prompt: JudgePrompt, asker: Asker) -> Controls:
    """Writers of separate and of joint gradients, as the run's own models would have written them.

    A joint gradient hears the losses that the run has. A separate one hears separate losses, because what was said of
    all criteria at once cannot be taken apart.
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


NO_GRADIENTS = "the run wrote no gradients, so that there is nothing to rate"


async def on_gradients(ready: Prepared, wanted: Options, client: Client) -> tuple[Verdict, Dilution | None]:
    """Dilution, and the yield of the edits that the gradients led to."""
    names, steps = ready.house.prompt.names, ready.criticised()
    if not steps:
        return not_defined(DILUTION, NO_GRADIENTS), None
    found = await dilution(
        rater_of(ready.config, ready.house.prompt, client),
        controls_of(ready.config, ready.house.prompt, client),
        steps,
        await _edits(ready),
        wanted.audit,
        ready.config.seed,
    )
    if len(names) == 1:
        return not_defined(DILUTION, "there is one criterion, so that a gradient has nothing to share"), found
    return on_dilution(found, names), found


async def on_company(ready: Prepared, wanted: Options, client: Client) -> tuple[Verdict, Interference | None]:
    """Interference, with the cherry-pick."""
    if ready.alone:
        return not_defined(INTERFERENCE, ready.alone), None
    initial = ready.house.prompt
    on_test, house = wanted.pick == "test", ready.house
    choosing = (ready.rows, ready.bench.rated) if on_test else (house.split.validation, house.validation_rows)
    picked = await cherry_pick(ready.bench, initial, ready.trajectory, *choosing, chosen_on=wanted.pick)
    found = await interference(ready.bench, initial, ready.fitted, picked)
    return on_interference(found, changed=ready.fitted != initial), found


async def on_revisions(ready: Prepared, wanted: Options, client: Client) -> tuple[Verdict, Adherence | None]:
    """Whether the optimizer does what the gradients say."""
    rater = rater_of(ready.config, ready.house.prompt, client)
    steps = [step for step in ready.steps if step.index]
    found = await adherence(rater, ready.house.prompt.instructions, steps, wanted.audit, ready.config.seed)
    if not found.ratings:
        return not_defined(OBEYS, "no step has both a gradient and a new instruction"), found
    return on_obedience(found), found


async def _edits(ready: Prepared) -> tuple[Edit, ...]:
    """Accepted changes with what they did to the held-out rows."""
    house = ready.house
    metrics = house.setups[0].gate.metrics_for(house.prompt.criteria)
    edits = edits_of(ready.steps, {name: metric.higher_is_better for name, metric in metrics.items()})
    changed = {edit.step for edit in edits}
    stood = [one for one in ready.trajectory if not one.step or one.step in changed]
    if not changed:
        return edits
    judged = await together(house.judge.evaluate(one.prompt, ready.rows) for one in stood)
    values = {
        one.step: measure(house.metric, predictions, ready.bench.rated.select(one.prompt.names)).values
        for one, predictions in zip(stood, judged, strict=True)
    }
    return on_held_out_rows(edits, values)


def notes_on(ready: Prepared, wanted: Options, simulated: Sequence[str]) -> Iterator[str]:
    """What a reader must know to read the figures rightly."""
    if simulated:
        yield notice(tuple(simulated), unrelated=not ready.house.dataset.simulated)
    config = ready.config
    writers = (config.model_of("gradient"), config.model_of("optimizer"))
    if wanted.asks_model and config.model_of("diagnostic") in writers:
        yield "The diagnostic model rates texts that it wrote itself; name another with --diagnostic-model."
    unit, clusters = ready.bench.unit
    if "interference" in wanted.only and clusters < FEW_DOCUMENTS:
        yield f"With {many(clusters, unit)} the intervals of agreements are too narrow; take them as a rough guide."
    if config.protocol == "paper":
        yield "Under the paper's protocol the test rows share articles with the rows that were fitted on."
    report = leaks_of(config, ready.house.split)
    if not report.clean and config.protocol != "paper":
        yield from (f"leak, {line}" for line in report.lines())
    if wanted.pick == "test" and "interference" in wanted.only:
        yield "The cherry-pick was chosen on the rows that it reports, as in the paper: it is optimistic."
