"""The settings that a user makes, as one record for Python and the command line, before they are resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar

from polyjudge.errors import ConfigError
from polyjudge.formatting.text import nearest

if TYPE_CHECKING:
    from polyjudge.gates.base import Gate, GateSettings
    from polyjudge.judge.scoring import Scoring
    from polyjudge.llm.backends.function import FunctionModel, ModelFunction
    from polyjudge.metrics.metric import Metric
    from polyjudge.optimizers.base import Optimizer, OptimizerSettings

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

OptimizerLike: TypeAlias = "str | OptimizerSettings | Optimizer"
GateLike: TypeAlias = "str | Gate | Metric | Callable[[GateSettings], Gate]"
ScoringLike: TypeAlias = "str | Scoring | type[Scoring]"
ModelLike: TypeAlias = "str | FunctionModel | ModelFunction"
LayoutLike: TypeAlias = "str | Mapping[str, Sequence[Sequence[str]]]"


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one invocation, which stops before the call that would exceed one.

    Attributes:
        calls: model calls; answers from the cache are free.
        tokens: prompt and completion tokens together.
        cost: USD; the price of every model must be known.
    """

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None


def suggests(function: Callable[P, R]) -> Callable[P, R]:
    """Let a call with an unknown keyword say which one was meant: the function's own, or one of ``Settings``.

    Raises:
        TypeError: by the function that it makes, for an unknown keyword.
    """
    known = tuple(signature(function).parameters)
    callee = function.__qualname__.removesuffix(".__init__")

    @wraps(function)
    def checked(*args: P.args, **keywords: P.kwargs) -> R:
        for name in keywords:
            if name not in known:
                raise TypeError(f"{callee}() has no keyword {name!r}{_meant(name, known)}")
        return function(*args, **keywords)

    return checked


def _suggests_fields(record: type[T]) -> type[T]:
    setattr(record, "__init__", suggests(record.__init__))  # noqa: B010 (mypy refuses a plain assignment)
    return record


@_suggests_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a run. None leaves one to the environment, the settings file, the preset, or its default.

    Values are checked when a verb is called, all at once. docs/configuration.md gives each default.

    Attributes:
        model: the judge, as PROVIDER/MODEL.
        optimizer_model: writes losses, gradients and proposals; default: the judge's model.
        loss_model: writes losses; default: ``optimizer_model``.
        gradient_model: writes gradients; default: ``optimizer_model``.
        diagnostic_model: rates gradients and proposals; default: ``optimizer_model``.
        base_url: the address of an OpenAI-compatible endpoint.
        endpoint_name: stands for the address in the response cache.
        limit_field: the request's field for the longest answer, where an endpoint takes only one of the two.
        preset: "default", "cheap", "smoke", "thorough" or "paper".
        mode: decomposition: "ST", "SSS", "SSC", "SCC" or "CCC".
        optimizer: a name, its settings such as ``TextGrad(mode="SSS")``, or an object with ``propose``.
        optimizer_options: settings that only the named optimizer has.
        rungs: what the fit climbs, in order, such as "configure,words,jury,calibrate".
        configure: what the rung "configure" may measure: "scoring,layout,reasoned,demonstrations" or some of them.
        configure_margin: how much less than the best the cheapest configuration may agree.
        members: the most members of a jury; 1: none is formed.
        layout: "auto", "joint", "separate", "forked", or groups such as "fluency+coherence,relevance".
        scoring: "auto", "json", "expected", "reasoned", "decisions", "yes-no", "cloze", an installed name, or an
            object.
        samples: how many answers a score is the mean of, if ``expected`` has no token probabilities.
        order: of the two texts of a preference: "both" orders are asked, or the "given" one; "": as its file says.
        gate: "per-criterion", "none", a metric's name, a metric, or a gate.
        gate_rule: of the gate per-criterion: "empirical-bayes" or "point".
        strict_gate: whether a tie is rejected.
        confirm: whether new instructions stand only if they are credibly better on the training rows.
        early_reject: whether a candidate that does badly on half of the validation rows is not judged on the rest.
        show_rejected: whether the optimizer sees instructions that were tried and not kept.
        protocol: "sealed" reads the test rows once, "paper" after steps.
        steps: turns of the loop.
        batch: training examples a turn.
        validation: most validation rows.
        candidates: candidates a turn; default: the optimizer's own number.
        candidates_file: a YAML file with instructions of your own, for the optimizer "pool".
        demonstrations: rated training examples shown to the judge.
        step_calls: most calls of all steps; a turn that could exceed them proposes nothing.
        parse_retries: how often an unreadable reply is asked for again.
        evaluate_every: under "paper", the test rows are read after every so many steps.
        seed: the seed of the run.
        split_seed: the seed of the split.
        split_by: "document" or "row".
        limit: how many rows to use, the first ones.
        definitions: whether the judge sees the criteria's definitions.
        structured: whether replies are held to a JSON schema where the endpoint can.
        loss_sees_input: whether the loss LLM sees the item.
        diagnostics: whether each step's gradients and proposals are rated during the run.
        parameters: role -> temperature, max_tokens and extra fields of the request.
        max_calls: as ``Budget.calls``.
        max_tokens: as ``Budget.tokens``.
        max_cost: as ``Budget.cost``.
        prices: model -> USD for a million tokens of input, cached, written and output.
        max_concurrency: calls at once.
        attempt_timeout: seconds that one attempt of a call may take once it has a connection.
        requests_per_minute: most requests a minute.
        tokens_per_minute: most tokens a minute.
        threads: threads of an embedded model; None = as many as the machine has idle cores for.
        no_cache: whether known answers are asked for again.
        fail_on_error: most unreadable scores: a share below 1, or a count.
    """

    model: ModelLike | None = None
    optimizer_model: ModelLike | None = None
    loss_model: ModelLike | None = None
    gradient_model: ModelLike | None = None
    diagnostic_model: ModelLike | None = None
    base_url: str | None = None
    endpoint_name: str | None = None
    limit_field: Literal["", "max_tokens", "max_completion_tokens"] | None = None
    preset: str | None = None
    mode: str | None = None
    optimizer: OptimizerLike | None = None
    optimizer_options: Mapping[str, Any] | None = None
    rungs: str | Sequence[str] | None = None
    configure: str | Sequence[str] | None = None
    configure_margin: float | None = None
    members: int | None = None
    layout: LayoutLike | None = None
    scoring: ScoringLike | None = None
    samples: int | None = None
    order: Literal["", "both", "given"] | None = None
    gate: GateLike | None = None
    gate_rule: Literal["empirical-bayes", "point"] | None = None
    strict_gate: bool | None = None
    early_reject: bool | None = None
    confirm: bool | None = None
    show_rejected: bool | None = None
    protocol: Literal["sealed", "paper"] | None = None
    steps: int | None = None
    batch: int | None = None
    validation: int | None = None
    candidates: int | None = None
    candidates_file: str | None = None
    demonstrations: int | None = None
    step_calls: int | None = None
    parse_retries: int | None = None
    evaluate_every: int | None = None
    seed: int | None = None
    split_seed: int | None = None
    split_by: Literal["document", "row"] | None = None
    limit: int | None = None
    definitions: bool | None = None
    structured: bool | None = None
    loss_sees_input: bool | None = None
    diagnostics: bool | None = None
    parameters: Mapping[str, Mapping[str, Any]] | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    prices: Mapping[str, Mapping[str, float]] | None = None
    max_concurrency: int | None = None
    attempt_timeout: float | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    threads: int | None = None
    no_cache: bool | None = None
    fail_on_error: float | None = None

    def values(self) -> dict[str, Any]:
        """The settings that are not None, by name."""
        return {setting.name: value for setting in fields(self) if (value := getattr(self, setting.name)) is not None}


NAMES = tuple(each.name for each in fields(Settings))


def explicit(
    settings: Settings | None, budget: Budget | None = None, verb_keywords: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The explicit settings of a verb's call: its ``settings``, its ``budget``, and its own keywords.

    Args:
        settings: None sets nothing.
        budget: None sets no bound.
        verb_keywords: the verb's keywords; None counts as not set.

    Raises:
        ConfigError: a setting is made in two of these places.
    """
    bounds = {"max_calls": budget.calls, "max_tokens": budget.tokens, "max_cost": budget.cost} if budget else {}
    keywords = {name: value for name, value in {**bounds, **(verb_keywords or {})}.items() if value is not None}
    set_in_settings = settings.values() if settings is not None else {}
    set_twice = sorted(set(keywords) & set(set_in_settings))
    if set_twice:
        raise ConfigError(f"{set_twice[0]!r} is set in settings and beside it; set it in one place")
    return set_in_settings | keywords


def _meant(name: str, known: Sequence[str]) -> str:
    if "settings" in known and name in NAMES:
        return f"; pass settings=Settings({name}=...)"
    suggestion = nearest(name, known) or nearest(name, NAMES if "settings" in known else ())
    name_meant = suggestion.partition("'")[2].partition("'")[0]
    return (
        f" (did you mean settings=Settings({name_meant}=...)?)"
        if name_meant and name_meant not in known
        else suggestion
    )
