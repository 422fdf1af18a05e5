"""Climb the rungs of a fit in their order, and measure the judge of each once on the test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from polyjudge import codec
from polyjudge.concurrency import together
from polyjudge.diagnosis.rater import Rater, step_diagnostics
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction, Reading, Step
from polyjudge.engine import optimize as steps_of
from polyjudge.errors import TooManyUnscored
from polyjudge.formatting.text import many
from polyjudge.llm.client import Client
from polyjudge.results.choice import Choice
from polyjudge.results.finished import row_scores
from polyjudge.results.outcome import Outcome, compare, marked, untried
from polyjudge.results.run_folder import RunFolder
from polyjudge.results.rungs import BASELINE, Climbed, Rung, rungs_of
from polyjudge.results.scores import check_unscored
from polyjudge.settings.config import RunConfig
from polyjudge.workflows.assemble import RunSetup
from polyjudge.workflows.combine_rungs import add_calibration, add_jury
from polyjudge.workflows.configure import choose
from polyjudge.workflows.confirm import confirmed
from polyjudge.workflows.costs import priced
from polyjudge.workflows.diagnosis_parts import rater_of
from polyjudge.workflows.events import Configured, Observer
from polyjudge.workflows.gate_setup import blind_spots
from polyjudge.workflows.ladder import Answers, Ladder, Seat, Standing, seats_of
from polyjudge.workflows.plan import planned, test_readings
from polyjudge.workflows.probe import quoted
from polyjudge.workflows.test_evaluation import OrderedWriter, TestEvaluator, reading_from


@dataclass(slots=True)
class Ascent:
    """A run on its ladder.

    Attributes:
        run_setup: with the configuration that stands.
        ladder: the rungs so far.
        evaluator: of the test rows, under the configuration of the steps.
        steps: of the rung "words"; without it only the initial prompt, measured.
        choice: of the rung "configure"; None where nothing was measured.
    """

    run_setup: RunSetup
    ladder: Ladder
    evaluator: TestEvaluator
    steps: list[Step]
    choice: Choice | None = None


async def climb(
    folder: RunFolder, config: RunConfig, run_setup: RunSetup, client: Client, observer: Observer
) -> Ascent:
    """Climb the rungs that the settings name, in their order."""
    baseline = run_setup.under(run_setup.options[0])
    ascent = Ascent(baseline, Ladder(client.accounts), TestEvaluator(baseline), [])
    ascent.ladder.reach(BASELINE, Standing(Seat(baseline.judge, baseline.prompt)))
    rungs = config.rungs.split(",")
    for rung in rungs if config.climbs("words") else [*rungs[:1], "", *rungs[1:]]:
        if rung == "configure" and len(run_setup.options) > 1:
            await _configure(config, run_setup, ascent, client, observer)
        elif rung in ("words", ""):
            await _write(folder, config, ascent, client, observer, rung)
        elif rung == "jury" and config.members > 1:
            options, steps = run_setup.options, ascent.steps
            top = ascent.ladder.top
            jury = await add_jury(ascent.run_setup, options, top, steps, ascent.choice, config.members)
            ascent.ladder.reach(rung, *jury)
        elif rung == "calibrate":
            ascent.ladder.reach(rung, *await add_calibration(ascent.run_setup, ascent.ladder.top, config.seed))
    return ascent


async def _configure(
    config: RunConfig, run_setup: RunSetup, ascent: Ascent, client: Client, observer: Observer
) -> None:
    """The rung "configure": the judge asks in the cheapest way that agrees well."""
    prompt, price = ascent.ladder.prompt, client.tariffs.get(config.model)
    option, choice = await choose(run_setup, prompt, price, margin=config.configure_margin, seed=config.seed)
    ascent.run_setup, ascent.choice = run_setup.settled(option), choice
    seat = Seat(ascent.run_setup.judge, replace(prompt, demonstrations=option.demonstrations))
    ascent.ladder.reach("configure", Standing(seat), choice.reason)
    observer(Configured(choice, priced(planned(config, ascent.run_setup), client.tariffs)))


async def _write(
    folder: RunFolder, config: RunConfig, ascent: Ascent, client: Client, observer: Observer, rung: str
) -> None:
    """The rung "words": new instructions. Without a rung the initial prompt is measured, and nothing is proposed."""
    run_setup = ascent.run_setup
    if not rung:
        config = config.model_copy(update={"steps": 0})
        run_setup = replace(run_setup, setups=tuple(replace(setup, steps=0) for setup in run_setup.setups))
    rater = rater_of(config, run_setup.prompt, client) if config.diagnostics else None
    ascent.evaluator = TestEvaluator(run_setup)
    ascent.steps = await _steps(folder, config, run_setup, observer, ascent.evaluator, rater)
    if rung:
        before = ascent.ladder.prompt
        prompt, note = _fitted(before, ascent.steps), _of_steps(ascent.steps)
        if config.confirm and prompt != before and run_setup.setups[0].gate.measures:
            stands, told = await confirmed(run_setup, before, prompt)
            prompt, note = prompt if stands else before, f"{note}; {told}"
        ascent.ladder.reach(rung, Standing(Seat(run_setup.judge, prompt)), note)


def _of_steps(steps: Sequence[Step]) -> str:
    """What became of the steps, in one sentence."""
    turns = [step for step in steps if step.index]
    accepted = sum(step.status == "accepted" for step in turns)
    failed = sum(step.status == "failed" for step in turns)
    return f"{accepted} of {many(len(turns), 'steps')} accepted" + (f", {failed} failed" if failed else "")


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
    check_coverage(step, run_setup, config)


def check_coverage(step: Step, run_setup: RunSetup, config: RunConfig) -> None:
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


async def measure_ladder(folder: RunFolder, ascent: Ascent, config: RunConfig) -> Outcome:
    """Evaluate the judge of each rung on the test rows, and record readings and predictions."""
    run_setup, ladder, steps = ascent.run_setup, ascent.ladder, ascent.steps
    seats = seats_of(reached.standing for reached in ladder.reached)
    found = await together(_predictions(ascent, seat) for seat in seats)
    answers = Answers(tuple(zip(seats, found, strict=True)))
    names = run_setup.test_rows.names
    before, after = (ladder.reached[at].standing.predictions(names, answers) for at in (0, -1))
    missing = sum(len(prediction.unscored) for prediction in after)
    check_unscored(missing, len(after) * len(run_setup.prompt.names), config.fail_on_error, "the test rows")
    if not test_readings(config.protocol, config.steps, config.evaluate_every):
        test_lines = folder.tests
        for step, prompt in ((0, run_setup.prompt), (config.steps, _fitted(run_setup.prompt, steps))):
            seat = Seat(run_setup.judge, prompt)
            same = [one for one, other in zip(found, seats, strict=True) if seat.like(other)]
            predictions = same[0] if same else await ascent.evaluator.predictions(prompt)
            test_lines.append(codec.line(reading_from(run_setup, step, prompt, predictions)))
        test_lines.finish()
    folder.write_predictions(row_scores(run_setup.test_rows, run_setup.split.test, before, after, run_setup.notice))
    changed = any(reached.changed for reached in ladder.reached)
    part = "prompt" if all(reached.name == "words" for reached in ladder.reached if reached.changed) else "judge"
    outcome = compare(run_setup.metric, run_setup.test_rows, before, after, changed=changed, fitted_part=part)
    blind = [f"{spot[0].upper()}{spot[1:]}." for spot in blind_spots(config, run_setup.validation_rows)]
    rungs = _rungs(ascent, answers)
    # Where there is no table of rungs, a note says what became of the steps.
    told = [] if rungs else [f"Words: {one.note}." for one in ladder.reached if ";" in one.note]
    outcome = replace(outcome, notes=(*outcome.notes, *told, *blind), rungs=rungs)
    outcome = untried(outcome, steps, changed=changed)
    return marked(outcome, run_setup.simulated, unrelated=not run_setup.dataset.simulated)


async def _predictions(ascent: Ascent, seat: Seat) -> tuple[Prediction, ...]:
    """How a judge scores the test rows."""
    if seat.judge == ascent.run_setup.judge:
        return await ascent.evaluator.predictions(seat.prompt)
    return await seat.judge.evaluate(seat.prompt, ascent.run_setup.split.test)


def _rungs(ascent: Ascent, answers: Answers) -> tuple[Rung, ...]:
    """The ladder; none where there was nothing but words to fit."""
    reached, people = ascent.ladder.reached, ascent.run_setup.test_rows
    if len(reached) < 3 and all(one.name in (BASELINE, "words") for one in reached):
        return ()
    return rungs_of(
        ascent.run_setup.metric,
        people,
        [
            Climbed(
                one.name,
                one.standing.text,
                one.standing.scores(people.names, answers),
                one.standing.calls_a_row,
                one.calls,
                one.cost,
                one.changed,
                one.note,
            )
            for one in reached
        ],
    )
