"""What a diagnosis is asked for, what it has in hand, and what it will ask, counted before anything is paid."""

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
from polyjudge.workflows.assemble import House, refusal

PICKS = ("validation", "test")
# Words of ours around the texts that the diagnostic model rates, in tokens.
FRAME = 200


def parts_of(only: str | Sequence[str]) -> tuple[str, ...]:
    """The parts as a list names them, or a text with commas, each once."""
    named = only.split(",") if isinstance(only, str) else only
    return tuple(dict.fromkeys(part.strip() for part in named))


@dataclass(frozen=True, slots=True)
class Options:
    """What of a run is to be diagnosed, and how far.

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
class Prepared:
    """A finished run, assembled again.

    Attributes:
        config: its settings.
        house: its parts.
        steps: all of them.
        fitted: its last prompt.
        rows: the held-out rows.
        rated: the same as people rated them.
        name: of its folder.
    """

    config: RunConfig
    house: House
    steps: tuple[Step, ...]
    fitted: JudgePrompt
    rows: tuple[Example, ...]
    rated: RatedRows
    name: str

    @property
    def bench(self) -> Bench:
        """Where prompts are compared on the held-out rows."""
        return Bench(self.house.judge, self.rows, self.rated, self.house.metric, self.config.seed)

    @property
    def trajectory(self) -> tuple[Standing, ...]:
        """The different prompts that stood."""
        return standings(self.house.prompt, self.steps)

    @property
    def alone(self) -> str:
        """Why criteria cannot be judged together; "" when they can."""
        if len(self.house.prompt.names) < 2:
            return "there is one criterion, so that nothing shares a call"
        judge = self.house.judge
        able = judge.asker.abilities(judge.role.model)
        reason = refusal(judge.scoring, layout("joint", self.house.prompt.names), self.house.prompt, able)
        return f"several criteria cannot share a call: {reason}" if reason else ""

    def criticised(self) -> tuple[Criticised, ...]:
        """The steps that have gradients, under ST those of one index together."""
        found, prompt = [], self.house.prompt
        rows = {example.id: example for example in self.house.dataset.examples}
        for index in range(1, self.config.steps + 1):
            own = [step for step in self.steps if step.index == index]
            gradients = tuple(gradient for step in own for gradient in step.gradients)
            if gradients:
                batch = tuple(rows[name] for name in own[0].batch)
                found.append(Criticised(Turn(index, prompt, batch, self.house.judge), gradients))
            for step in own:
                prompt = prompt.revise(step.instructions)
        return tuple(found)


def planned_diagnosis(ready: Prepared, wanted: Options) -> tuple[PlannedRole, ...]:
    """Calls and an estimate of their tokens, by role, at most; the cache holds some of them."""
    calls: dict[str, int] = {}
    for part in wanted.only:
        for role, count in _calls(ready, wanted, part).items():
            calls[role] = calls.get(role, 0) + count
    question = _question(ready)
    prompts = {
        "judge": question,
        "loss": question + 120,
        "gradient": question + CRITIQUE + 250,
        "diagnostic": ready.house.setups[0].batch * GRADIENT + FRAME,
    }
    answers = {
        "judge": tokens_of(answer(ready.house.prompt.criteria)),
        "loss": CRITIQUE,
        "gradient": GRADIENT,
        "diagnostic": 20,
    }
    return tuple(
        PlannedRole(role, ready.config.model_of(role), count, count * prompts[role], count * answers[role])
        for role, count in calls.items()
        if count
    )


def _calls(ready: Prepared, wanted: Options, part: str) -> Mapping[str, int]:
    names, samples = len(ready.house.prompt.names), ready.house.judge.scoring.samples
    groups = len(ready.house.judge.groups(ready.house.prompt))
    batch, criticised = ready.house.setups[0].batch, ready.criticised()
    if part == "dilution":
        stood = len({step.index for step in ready.steps if step.kept}) + 1
        judged = {"judge": stood * len(ready.rows) * groups * samples} if stood > 1 else {}
        if not criticised:
            return judged
        own = planned_dilution(
            names,
            batch,
            len(criticised),
            wanted.audit,
            joint=criticised[0].joint,
            joint_loss=ready.config.mode[0] == "C",
        )
        return {**judged, **own}
    if part == "adherence":
        share = max(1, round(wanted.audit * len(criticised)))
        return {"diagnostic": share * names * max(len(step.candidates) for step in ready.steps) if criticised else 0}
    if part == "interference" and not ready.alone:
        choosing = len(ready.rows if wanted.pick == "test" else ready.house.split.validation)
        picking = planned_cherry_pick(names, groups, len(ready.trajectory), choosing, len(ready.rows), samples)
        return {"judge": planned_interference(ready.house.prompt, ready.fitted, len(ready.rows), samples) + picking}
    return {}


def _question(ready: Prepared) -> int:
    """Estimated tokens of one judge call."""
    asked = [ready.house.judge.question(ready.house.prompt, example).text for example in ready.rows[:20]]
    return round(sum(map(tokens_of, asked)) / max(1, len(asked)))
