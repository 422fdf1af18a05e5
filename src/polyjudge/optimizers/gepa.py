"""GEPA, reflective evolution of prompts with a Pareto pool, as the package ``gepa`` implements it.

A turn is one whole search of that package on the rated training rows of its batch: it proposes, accepts and keeps
prompts by its own rules, with its own reflection prompt. It asks our judge and our writer through the run's client, so
that budget and response cache hold for it, and a resumed run repeats it from the cache. The best prompts of its pool
are the turn's candidates; our gate decides on the validation rows, which the search never sees.

The method is that of Agrawal et al. 2025, "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning"
(arXiv 2507.19457). The package runs in a thread of its own, because it is not asynchronous.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib.util import find_spec
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from polyjudge.concurrency import together
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.records import Candidate, Prediction
from polyjudge.domain.scale import Categorical
from polyjudge.errors import ConfigError, MissingExtra, ReplyError
from polyjudge.judge.render import described
from polyjudge.optimizers import wording
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.base import Context, Proposal, Turn, TurnPlan
from polyjudge.optimizers.estimate import bounded, imagined, planned
from polyjudge.templates.instruction_parser import checked_instruction
from polyjudge.templates.load import fenced

if TYPE_CHECKING:
    from gepa.core.adapter import EvaluationBatch
    from gepa.core.result import GEPAResult

T = TypeVar("T")

# Typical length of an instruction that it writes, in tokens.
INSTRUCTION = 250
_PLACES = re.compile(r"(<curr_param>|<side_info>)")


@dataclass(frozen=True, slots=True, kw_only=True)
class GEPA:
    """Searches with the package ``gepa`` (extra ``polyjudge[gepa]``), on 24 training rows a turn (``batch``).

    Attributes:
        model: reflects and writes, PROVIDER/MODEL; "": the run's optimizer model, else the judge.
        candidates: how many prompts of a search's pool the gate sees, best first; None: the run's, else 2.
        rollouts: most judged rows of a search; each row costs the layout's calls.
        minibatch: rows that a new prompt is tried on before it is judged on the whole batch.
        merge: whether the package merges prompts of its pool as well.

    Raises:
        ConfigError: ``rollouts`` or ``minibatch`` is no whole number above 0, or ``merge`` is neither true nor false.
    """

    model: str = ""
    candidates: int | None = None
    rollouts: int = 150
    minibatch: int = 3
    merge: bool = False

    roles: ClassVar[tuple[str, ...]] = ("optimizer",)
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({"batch": 24, "steps": 3})

    def __post_init__(self) -> None:
        for name in ("rollouts", "minibatch"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"{name}={value!r}: a whole number from 1 on is needed")
        if not isinstance(self.merge, bool):
            raise ConfigError(f"merge={self.merge!r}: true or false is needed")

    def build(self, context: Context) -> GEPAOptimizer:
        """The optimizer over the context's criteria.

        Raises:
            MissingExtra: the package is not installed.
        """
        if find_spec("gepa") is None:
            raise MissingExtra("gepa", "gepa", "optimizer 'gepa'")
        return GEPAOptimizer(
            context.stage("optimizer"), self.candidates or 2, self.rollouts, self.minibatch, self.merge, context.seed
        )


@dataclass(frozen=True, slots=True)
class GEPAOptimizer:
    """The optimizer of a run.

    Attributes:
        writer: reflects and writes.
        candidates: prompts of a search's pool that the gate sees.
        rollouts: most judged rows of a search.
        minibatch: rows that a new prompt is tried on first.
        merge: whether prompts of the pool are merged as well.
        seed: of the run.
    """

    writer: Stage
    candidates: int
    rollouts: int
    minibatch: int
    merge: bool
    seed: int

    async def propose(self, turn: Turn) -> Proposal:
        rows = _rated(turn)
        search = _Search(self, turn, asyncio.get_running_loop())
        limit = self._limit(turn, len(rows))
        try:
            result = await asyncio.to_thread(search.run, rows, limit)
        finally:
            search.stop()
        return Proposal(self._best(turn, result, search))

    def plan(self, turn: Turn) -> TurnPlan:
        """At most: a search ends earlier where a mini-batch has no error or a prompt is not taken into the pool.

        Raises:
            ConfigError: too few rollouts for the batch, or scores that are no values of the scale.
        """
        rows = _rated(turn)
        self._limit(turn, len(rows))
        adapter = _Search(self, turn, None)
        prediction = [imagined(turn.judge, turn.prompt, row) for row in rows[: self.minibatch]]
        records = adapter.records(
            turn.prompt.instructions, list(zip(rows, prediction, strict=False)), turn.prompt.names
        )
        texts = [_reflection(turn.prompt.instructions[name], records[name]) for name in turn.prompt.names]
        reflections = max(1, (self.rollouts - len(rows)) // (2 * min(self.minibatch, len(rows))))
        asked = [texts[at % len(texts)] for at in range(reflections)]
        length = bounded(INSTRUCTION, self.writer)
        calls = planned("optimizer", asked, [length] * reflections)
        return TurnPlan((calls,), judged=self.rollouts, instruction_tokens=length)

    def _limit(self, turn: Turn, rows: int) -> int:
        """After so many judged rows no iteration begins, because the next could exceed ``rollouts``."""
        if not turn.judge.scoring.on_scale:
            raise ConfigError(
                f"optimizer 'gepa' compares scores with ratings row by row, and scores by {turn.judge.scoring.name!r} "
                f"are no values of the scale; choose another --scoring"
            )
        limit = self.rollouts - rows - 2 * self.minibatch
        if limit <= rows:
            raise ConfigError(
                f"optimizer 'gepa': rollouts={self.rollouts} are too few for a batch of {rows} rows, of which each "
                f"prompt of the pool needs one a row; set rollouts to {2 * rows + 2 * self.minibatch + 1} or more, or "
                f"a smaller --batch"
            )
        return limit

    def _best(self, turn: Turn, result: GEPAResult[Any, Any], search: _Search) -> tuple[Candidate, ...]:
        """The prompts of the pool that are better on the batch than the current one, best first."""
        scores = result.val_aggregate_scores
        better = [at for at in range(1, len(scores)) if scores[at] > scores[0]]
        best = sorted(better, key=lambda at: -scores[at])[: self.candidates]
        reason = "; ".join(
            ["the search found no further prompt that is better on the batch", *dict.fromkeys(search.unreadable)]
        )
        missing = [Candidate({}, reason)] * (self.candidates - len(best))
        return (*(Candidate(dict(result.candidates[at])) for at in best), *missing)


@dataclass(slots=True)
class _Search:
    """One search, as the package's adapter and as its reflecting model.

    Attributes:
        of: its settings.
        turn: what it starts from.
        loop: where the client lives; None where nothing is asked.
        failure: what ended it; raised again by every later call.
        unreadable: why replies could not be read.
        reflections: how often the writer was asked.
        pending: the call under way.
    """

    of: GEPAOptimizer
    turn: Turn
    loop: asyncio.AbstractEventLoop | None
    failure: BaseException | None = None
    unreadable: list[str] = field(default_factory=list)
    reflections: int = 0
    pending: Future[Any] | None = None
    # The package looks for a proposer of the adapter's own; without one it reflects.
    propose_new_texts: None = None

    def run(self, rows: list[Example], limit: int) -> GEPAResult[Any, Any]:
        """Search, in a thread of its own; an error of a call comes out as itself."""
        from gepa.api import optimize

        try:
            return optimize(
                dict(self.turn.prompt.instructions),
                trainset=rows,
                valset=rows,
                adapter=cast("Any", self),
                reflection_strategy=self,
                reflection_minibatch_size=min(self.of.minibatch, len(rows)),
                use_merge=self.of.merge,
                max_metric_calls=limit,
                stop_callbacks=lambda state: self.failure is not None,
                logger=_Silent(),
                cache_evaluation=True,
                seed=Random(f"{self.of.seed}/{self.turn.index}/gepa").getrandbits(32),
            )
        finally:
            # The package skips a proposal whose reflection fails, whatever the reason was.
            if self.failure is not None:
                raise self.failure

    def stop(self) -> None:
        """Let the thread end at its next call, or in the call under way."""
        if self.failure is None:
            self.failure = asyncio.CancelledError()
        if self.pending is not None:
            self.pending.cancel()

    def evaluate(
        self, batch: list[Example], candidate: dict[str, str], capture_traces: bool = False
    ) -> EvaluationBatch[Any, Any]:
        """Judge rows with a prompt; the score of a row is the mean nearness over its rated criteria, 0..1."""
        from gepa.core.adapter import EvaluationBatch

        prompt = self.turn.prompt.revise(candidate)
        predictions = self._call(_judged(self.turn, prompt, batch))
        scores = [_nearness(prompt.criteria, row, said) for row, said in zip(batch, predictions, strict=True)]
        return EvaluationBatch(
            outputs=predictions, scores=scores, trajectories=list(zip(batch, predictions, strict=True))
        )

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: EvaluationBatch[Any, Any], components_to_update: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        return self.records(candidate, eval_batch.trajectories or [], components_to_update)

    def records(
        self, candidate: Mapping[str, str], judged: Sequence[tuple[Example, Prediction]], names: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """What the reflecting model is shown of each criterion: inputs, the judge's score, and people's rating."""
        prompt = self.turn.prompt
        criteria = {criterion.name: criterion for criterion in prompt.criteria}
        return {
            name: [
                {
                    "Criterion": described(criteria[name]),
                    "Inputs": {label: fenced(row.inputs[column]) for column, label in prompt.inputs},
                    "Feedback": wording.result(criteria[name], row, said, self.turn.judge.scoring),
                }
                for row, said in judged
                if not math.isnan(row.human(criteria[name]))
            ]
            for name in names
        }

    def reflect(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> tuple[Any, _Search]:
        """New texts of some criteria, each from one reply to the package's own prompt; none where it is unreadable."""
        from gepa.proposer.reflective_mutation.reflection_lm import ReflectionProposal

        texts = {}
        for name in components_to_update:
            records = reflective_dataset.get(name)
            if records:
                text = _reflection(candidate[name], records)
                # Equal questions of a search are different draws.
                self.reflections += 1
                try:
                    texts[name] = self._call(self.of.writer.ask(text, _extracted, self.reflections))
                except ReplyError as error:
                    self.unreadable.append(f"{name}: {error}")
        return ReflectionProposal(new_texts=texts), self

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine on the client's loop."""
        if self.failure is not None or self.loop is None:
            work.close()
            raise self.failure or RuntimeError("a search that is only planned asks nothing")
        self.pending = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            result: T = self.pending.result()
        except ReplyError:
            raise
        except BaseException as error:
            self.failure = self.failure or error
            raise
        return result


class _Silent:
    """The package's log, which nobody reads."""

    def log(self, message: str) -> None:
        return None


async def _judged(turn: Turn, prompt: Any, rows: Sequence[Example]) -> list[Prediction]:
    return await together(turn.judge.predict(prompt, row) for row in rows)


def _rated(turn: Turn) -> list[Example]:
    """The rows of the batch that people rated on any criterion."""
    return [row for row in turn.batch if any(not math.isnan(row.human(one)) for one in turn.prompt.criteria)]


def _nearness(criteria: Sequence[Criterion], row: Example, prediction: Prediction) -> float:
    """The mean over the rated criteria: 1 where a score equals the rating, 0 a whole scale apart or without one."""
    nearnesses = []
    for criterion in criteria:
        score, human, scale = prediction.score(criterion.name), row.human(criterion), criterion.scale
        if math.isnan(human):
            continue
        if math.isnan(score):
            nearnesses.append(0.0)
        elif isinstance(scale, Categorical):
            nearnesses.append(float(score == human))
        else:
            nearnesses.append(1 - abs(score - human) / (scale.high - scale.low))
    return math.fsum(nearnesses) / len(nearnesses)


def _reflection(instruction: str, records: Sequence[Mapping[str, Any]]) -> str:
    """The package's own prompt; its places are filled in one pass, so that filled-in text is never a template."""
    from gepa.strategies.instruction_proposal import InstructionProposalSignature as Signature

    shown = Signature.prompt_renderer(
        {"current_instruction_doc": "", "dataset_with_feedback": records, "prompt_template": "<curr_param><side_info>"}
    )
    parts = _PLACES.split(Signature.default_prompt_template)
    values = {"<curr_param>": instruction, "<side_info>": str(shown)}
    return "".join(values.get(part, part) for part in parts)


def _extracted(reply: str, cut: bool) -> str:
    """The instruction in a reply, as the package finds it.

    Raises:
        ReplyError: the reply was cut off, or holds no text that could be an instruction.
    """
    from gepa.strategies.instruction_proposal import InstructionProposalSignature as Signature

    if cut:
        raise ReplyError("the reply was cut off at its token limit")
    return checked_instruction(Signature.output_extractor(reply.strip())["new_instruction"])
