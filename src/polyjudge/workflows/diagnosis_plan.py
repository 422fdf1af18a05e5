"""The options of a diagnosis, the reloaded run, and the planned calls, counted before anything is paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyjudge.diagnosis.arms import Bench
from polyjudge.diagnosis.cherry_pick import Standing, planned_cherry_pick, standings
from polyjudge.diagnosis.dilution import Criticised, planned_dilution
from polyjudge.diagnosis.interference import planned_interference
from polyjudge.diagnosis.records import PARTS
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Step
from polyjudge.errors import ConfigError
from polyjudge.metrics.rated import RatedRows
from polyjudge.optimizers.base import Turn
from polyjudge.optimizers.estimate import answer, tokens_of
from polyjudge.optimizers.textgrad import CRITIQUE, GRADIENT
from polyjudge.results.money import PlannedRole
from polyjudge.settings.config import RunConfig
from polyjudge.workflows.assemble import RunSetup, refusal

PICKS = ("validation", "test")
# Tokens of the prompt around the texts that the diagnostic model rates.
FRAME = 200


def parts_of(only: str | Sequence[str]) -> tuple[str, ...]:
    """The parts named by a list or by a text with commas, each once."""
    named = only.split(",") if isinstance(only, str) else only
    return tuple(dict.fromkeys(part.strip() for part in named))


@dataclass(frozen=True, slots=True)
class DiagnosisOptions:
    """Which parts of a run are diagnosed, and how thoroughly.

    Attributes:
        only: parts of ``PARTS``.
        limit: at most so many held-out rows, whole documents by chance; None = all test rows.
        audit: share of the steps that the diagnostic model rates, 0..1.
        pick: the rows that choose the instructions of the cherry-pick: "validation", or "test" as in the paper.

    Raises:
        ConfigError: an unknown part or pick, or a number out of range.
    """

    only: tuple[str, ...] = PARTS
    limit: int | None = None
    audit: float = 1.0
    pick: str = "validation"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.only) - set(PARTS))
        if unknown or not self.only:
            raise ConfigError(f"unknown parts {unknown!r} of a diagnosis; --only takes some of: {', '.join(PARTS)}")
        if self.limit is not None and self.limit < 2:
            raise ConfigError(f"--limit {self.limit}: at least two held-out rows are needed")
        if not 0 < self.audit <= 1:
            raise ConfigError(f"--audit {self.audit:g}: a share of the steps above 0 and up to 1 is needed")
        if self.pick not in PICKS:
            raise ConfigError(f"unknown rows {self.pick!r} to pick by; choose one of: {', '.join(PICKS)}")

    @property
    def asks(self) -> bool:
        """Whether any model is asked."""
        return set(self.only) != {"text"}

    @property
    def asks_model(self) -> bool:
        """Whether the diagnostic model is asked."""
        return bool({"dilution", "adherence"} & set(self.only))


@dataclass(frozen=True, slots=True)
class ReloadedRun:
    """A finished run that is assembled again.

    Attributes:
        config: its settings.
        run_setup: its objects.
        steps: all steps of the run.
        fitted: its last prompt.
        rows: the held-out rows.
        rated: the same as people rated them.
        name: of its folder.
    """

    config: RunConfig
    run_setup: RunSetup
    steps: tuple[Step, ...]
    fitted: JudgePrompt
    rows: tuple[Example, ...]
    rated: RatedRows
    name: str

    @property
    def bench(self) -> Bench:
        """The bench that compares prompts on the held-out rows."""
        return Bench(self.run_setup.judge, self.rows, self.rated, self.run_setup.metric, self.config.seed)

    @property
    def trajectory(self) -> tuple[Standing, ...]:
        """The different prompts that stood during the run."""
        return standings(self.run_setup.prompt, self.steps)

    @property
    def alone(self) -> str:
        """Why criteria cannot be judged together; "" when they can."""
        if len(self.run_setup.prompt.names) < 2:
            return "there is one criterion, so no call is shared"
        template = self.run_setup.prompt.template
        if template is not None and not template.generic:
            return "the prompt shows every instruction in every call, so that no criterion can be judged by itself"
        judge = self.run_setup.judge
        abilities = judge.asker.abilities(judge.role.model)
        reason = refusal(judge.scoring, layout("joint", self.run_setup.prompt.names), self.run_setup.prompt, abilities)
        return f"several criteria cannot share a call: {reason}" if reason else ""

    def criticised(self) -> tuple[Criticised, ...]:
        """The steps that have gradients; under ST those of one index are taken together."""
        criticised, prompt = [], self.run_setup.prompt
        rows = {example.id: example for example in self.run_setup.dataset.examples}
        for index in range(1, self.config.steps + 1):
            same_index = [step for step in self.steps if step.index == index]
            gradients = tuple(gradient for step in same_index for gradient in step.gradients)
            if gradients:
                batch = tuple(rows[name] for name in same_index[0].batch)
                criticised.append(Criticised(Turn(index, prompt, batch, self.run_setup.judge), gradients))
            for step in same_index:
                prompt = prompt.after(step)
        return tuple(criticised)


def planned_diagnosis(reloaded: ReloadedRun, options: DiagnosisOptions) -> tuple[PlannedRole, ...]:
    """The most calls of each role and an estimate of their tokens; the cache may hold some of the answers."""
    calls: dict[str, int] = {}
    for part in options.only:
        for role, count in _calls(reloaded, options, part).items():
            calls[role] = calls.get(role, 0) + count
    question = _question(reloaded)
    prompts = {
        "judge": question,
        "loss": question + 120,
        "gradient": question + CRITIQUE + 250,
        "diagnostic": reloaded.run_setup.setups[0].batch * GRADIENT + FRAME,
    }
    answers = {
        "judge": tokens_of(answer(reloaded.run_setup.prompt.criteria, reloaded.run_setup.judge.scoring)),
        "loss": CRITIQUE,
        "gradient": GRADIENT,
        "diagnostic": 20,
    }
    return tuple(
        PlannedRole(role, reloaded.config.model_of(role), count, count * prompts[role], count * answers[role])
        for role, count in calls.items()
        if count
    )


def _calls(reloaded: ReloadedRun, options: DiagnosisOptions, part: str) -> Mapping[str, int]:
    names, samples = len(reloaded.run_setup.prompt.names), reloaded.run_setup.judge.scoring.samples
    groups = len(reloaded.run_setup.judge.groups(reloaded.run_setup.prompt))
    batch, criticised = reloaded.run_setup.setups[0].batch, reloaded.criticised()
    if part == "dilution":
        standings = len({step.index for step in reloaded.steps if step.kept}) + 1
        judged = {"judge": standings * len(reloaded.rows) * groups * samples} if standings > 1 else {}
        if not criticised:
            return judged
        ratings = planned_dilution(
            names,
            batch,
            len(criticised),
            options.audit,
            joint=criticised[0].joint,
            joint_loss=reloaded.config.mode[0] == "C",
        )
        return {**judged, **ratings}
    if part == "adherence":
        share = max(1, round(options.audit * len(criticised)))
        return {
            "diagnostic": share * names * max(len(step.candidates) for step in reloaded.steps) if criticised else 0
        }
    if part == "interference" and not reloaded.alone:
        choosing = len(reloaded.rows if options.pick == "test" else reloaded.run_setup.split.validation)
        picking = planned_cherry_pick(names, groups, len(reloaded.trajectory), choosing, len(reloaded.rows), samples)
        return {
            "judge": planned_interference(reloaded.run_setup.prompt, reloaded.fitted, len(reloaded.rows), samples)
            + picking
        }
    return {}


def _question(reloaded: ReloadedRun) -> int:
    """Estimated tokens of one judge call."""
    asked = [
        reloaded.run_setup.judge.question(reloaded.run_setup.prompt, example).text for example in reloaded.rows[:20]
    ]
    return round(sum(map(tokens_of, asked)) / max(1, len(asked)))
