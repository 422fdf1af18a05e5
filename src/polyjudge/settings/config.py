"""The settings of a run, which are checked before any call, and those that a run folder is identified by."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from polyjudge.codec import line
from polyjudge.domain.decomposition import MODES
from polyjudge.domain.layout import AUTO, GROUPS, LAYOUTS, are_groups, read_groups, unknown, written
from polyjudge.errors import ModelError
from polyjudge.formatting.text import nearest
from polyjudge.llm.backends.endpoint import read_address
from polyjudge.llm.prices import Price
from polyjudge.llm.request import Sampling, body_extra
from polyjudge.metrics.agreement import names as metric_names
from polyjudge.registry import names
from polyjudge.settings.objects import names_an_object

PER_CRITERION = "per-criterion"
STAGES = ("judge", "loss", "gradient", "optimizer")
# What a fit may climb after the baseline, and what the rung "configure" may measure.
RUNGS = ("configure", "words", "jury", "calibrate")
DIMENSIONS = ("scoring", "layout", "reasoned", "demonstrations")
# Demonstrations that are measured where no number is set.
MEASURED_DEMONSTRATIONS = 4
# Who watches a run, and changes nothing in it.
DIAGNOSTIC = "diagnostic"
# The longest answer, in tokens, of a role that is no judge and has no limit set.
LONGEST = 1024
# Files of others set these too; each multiplies what is paid.
MOST_PARSE_RETRIES, MOST_SAMPLES, MOST_MEMBERS = 20, 1_000, 100

# The limits and the monitoring of a run; all other settings are part of its identity.
CIRCUMSTANCES = frozenset(
    {
        "max_calls",
        "max_tokens",
        "max_cost",
        "prices",
        "max_concurrency",
        "fail_on_error",
        "no_cache",
        "threads",
        "attempt_timeout",
    }
    | {"requests_per_minute", "tokens_per_minute", "diagnostics", "diagnostic_model"}
    # The folder keeps the endpoint's identity beside the settings.
    | {"base_url"}
)

# Settings that came later: at their default they are left out, so that the folders of older runs keep their identity.
LATER = frozenset({"candidates_file", "step_calls", "order"})


class _Checked(BaseModel):
    """A record that refuses unknown names, infinite numbers, and truth values in place of numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError(f"{str(value).lower()} is neither a number nor a text")
        return value


class Parameters(_Checked):
    """How one role's model is asked.

    Attributes:
        temperature: None leaves the provider's default.
        max_tokens: the longest answer; None: as long as the criteria need of the judge, else ``LONGEST``.
        extra: further fields of the request body.
    """

    temperature: float | None = Field(default=0.0, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    extra: dict[str, Any] = Field(default_factory=dict)

    @field_validator("extra")
    @classmethod
    def _is_json(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _json(value)

    def sampling(self, longest: int) -> Sampling:
        """The sampling; ``longest`` is the limit where none is set."""
        return Sampling(self.temperature, self.max_tokens or longest, body_extra(self.extra))


class ModelPrice(_Checked):
    """The user's own price of one model, in USD for a million tokens; ``cached`` and ``written`` default to ``input``.

    Attributes:
        input: of the prompt.
        cached: of the prompt's part that comes from the provider's prefix cache.
        written: of the prompt's part that is written into it.
        output: of the answer.
    """

    input: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    written: float | None = Field(default=None, ge=0)
    output: float = Field(ge=0)

    def price(self) -> Price:
        return Price(self.input, self.output, self.cached, self.written)


class RunConfig(_Checked):
    """The resolved settings of one run; see docs/configuration.md for each."""

    model: str = ""
    optimizer_model: str = ""
    loss_model: str = ""
    gradient_model: str = ""
    diagnostic_model: str = ""
    base_url: str = ""
    endpoint_name: str = ""
    limit_field: Literal["", "max_tokens", "max_completion_tokens"] = ""
    preset: str = "default"
    mode: str = "SSS"
    optimizer: str = Field(default="textgrad", min_length=1)
    optimizer_options: dict[str, Any] = Field(default_factory=dict)
    rungs: str = "configure,words,jury"
    configure: str = "scoring,layout"
    configure_margin: float = Field(default=0.01, ge=0)
    members: int = Field(default=1, ge=1, le=MOST_MEMBERS)
    layout: str = AUTO
    scoring: str = "auto"
    samples: int = Field(default=1, ge=1, le=MOST_SAMPLES)
    order: Literal["", "both", "given"] = ""
    gate: str = ""
    gate_rule: Literal["empirical-bayes", "point"] = "empirical-bayes"
    strict_gate: bool = True
    early_reject: bool = True
    confirm: bool = True
    show_rejected: bool = True
    protocol: Literal["sealed", "paper"] = "sealed"
    steps: int = Field(default=12, ge=0, le=10_000)
    batch: int = Field(default=3, ge=1)
    validation: int | None = Field(default=None, ge=2)
    candidates: int | None = Field(default=None, ge=1, le=1_000)
    candidates_file: str = ""
    step_calls: int | None = Field(default=None, ge=0)
    demonstrations: int = Field(default=0, ge=0)
    parse_retries: int = Field(default=2, ge=0, le=MOST_PARSE_RETRIES)
    evaluate_every: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)
    split_seed: int = Field(default=0, ge=0)
    split_by: Literal["document", "row"] | None = None
    limit: int | None = Field(default=None, ge=1)
    definitions: bool = True
    structured: bool = True
    loss_sees_input: bool = True
    diagnostics: bool = False
    parameters: dict[str, Parameters] = Field(default_factory=dict)
    max_calls: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=0)
    max_cost: float | None = Field(default=None, ge=0)
    prices: dict[str, ModelPrice] = Field(default_factory=dict)
    max_concurrency: int = Field(default=64, ge=1)
    attempt_timeout: float = Field(default=120.0, gt=0)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    threads: int | None = Field(default=None, ge=1)
    no_cache: bool = False
    fail_on_error: float | None = Field(default=None, ge=0)

    @field_validator("mode")
    @classmethod
    def _known_mode(cls, value: str) -> str:
        if value not in MODES:
            separated = " (it would separate what was combined)" if value in {"CSS", "CSC", "CCS", "SCS"} else ""
            raise ValueError(f"unknown mode {value!r}{separated}; choose one of: {', '.join(MODES)}")
        return value

    @field_validator("rungs", "configure", mode="before")
    @classmethod
    def _list_as_text(cls, value: Any) -> Any:
        return ",".join(map(str, value)) if isinstance(value, list | tuple) else value

    @field_validator("rungs")
    @classmethod
    def _known_rungs(cls, value: str) -> str:
        value = _some_of("rung", value, RUNGS)
        last = [rung for rung in value.split(",") if rung in ("jury", "calibrate")]
        if last and value.split(",")[-len(last) :] != sorted(last, reverse=True):
            raise ValueError(f"{value!r}: jury follows configure and words, and calibrate is the last rung")
        return value

    @field_validator("configure")
    @classmethod
    def _known_dimensions(cls, value: str) -> str:
        return _some_of("dimension", value, DIMENSIONS)

    @field_validator("layout", mode="before")
    @classmethod
    def _packing_as_text(cls, value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {GROUPS} and are_groups(value[GROUPS]):
            return written(value[GROUPS])
        if not isinstance(value, str):
            raise ValueError(f"{unknown(value, AUTO)}, or as {{{GROUPS} = [['one', 'two'], ['three']]}}")
        return value

    @field_validator("layout")
    @classmethod
    def _known_layout(cls, value: str) -> str:
        if value not in ("", AUTO, *LAYOUTS) and not read_groups(value):
            raise ValueError(unknown(value, AUTO))
        return value or AUTO

    @field_validator("scoring")
    @classmethod
    def _known_scoring(cls, value: str) -> str:
        return value if names_an_object(value) else _one_of("scoring", value, ("auto", *names("scoring")))

    @field_validator("gate")
    @classmethod
    def _known_gate(cls, value: str) -> str:
        return value if names_an_object(value) else _one_of("gate", value, ("", *names("gates"), *metric_names()))

    @field_validator("fail_on_error")
    @classmethod
    def _share_or_count(cls, value: float | None) -> float | None:
        if value is not None and 1 < value != round(value):
            raise ValueError(f"{value:g} is neither a share below 1 nor a whole count")
        return value

    @field_validator("parameters")
    @classmethod
    def _known_roles(cls, value: dict[str, Parameters]) -> dict[str, Parameters]:
        for role in value:
            _one_of("role", role, (*STAGES, DIAGNOSTIC))
        return value

    @field_validator("optimizer_options")
    @classmethod
    def _options_are_json(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _json(value)

    @field_validator("base_url", mode="before")
    @classmethod
    def _one_address(cls, value: Any) -> Any:
        # A comma may stand in the path of one address.
        if isinstance(value, list | tuple) or (
            isinstance(value, str) and re.search(r"[,\s]\s*https?://", value.strip())
        ):
            raise ValueError(
                "one address is asked for, not several; put a proxy (LiteLLM, nginx, vLLM's router) in front of the "
                "servers and give its address"
            )
        return value

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        if value:
            try:
                read_address(value)
            except ModelError as error:
                raise ValueError(str(error)) from None
        return value

    def model_of(self, stage: str) -> str:
        """The model of a stage: its own, or else the optimizer's, or else the judge's."""
        if stage == "judge":
            return self.model
        named = {"loss": self.loss_model, "gradient": self.gradient_model, DIAGNOSTIC: self.diagnostic_model}
        stage_model = named.get(stage, "")
        return stage_model or self.optimizer_model or self.model

    def sampling_of(self, stage: str) -> Sampling:
        return self.parameters.get(stage, Parameters()).sampling(0 if stage == "judge" else LONGEST)

    def climbs(self, rung: str) -> bool:
        """Whether the fit climbs a rung."""
        return rung in self.rungs.split(",")

    def configures(self, dimension: str) -> bool:
        """Whether the rung "configure" is climbed and may measure a dimension."""
        return self.climbs("configure") and dimension in self.configure.split(",")

    @property
    def stages(self) -> tuple[str, ...]:
        """The roles that are asked in this invocation."""
        return (*STAGES, DIAGNOSTIC) if self.diagnostics else STAGES

    def identity(self) -> dict[str, Any]:
        """The settings that a run folder is identified by."""
        settings = self.model_dump(mode="json", exclude={*CIRCUMSTANCES, *self._unused()})
        return settings | {
            "parameters": {
                role: parameters for role, parameters in settings["parameters"].items() if role != DIAGNOSTIC
            }
        }

    def _unused(self) -> Iterator[str]:
        """Settings that came later than some runs and change nothing here, so that those runs keep their identity."""
        yield from (name for name in LATER if getattr(self, name) == RunConfig.model_fields[name].default)
        if self.gate != PER_CRITERION or self.gate_rule == "point":
            yield "gate_rule"
        if self.gate in ("", "none", *metric_names()) or not self.early_reject:
            yield "early_reject"
        if not self.confirm:
            yield "confirm"
        if self.rungs == "words":
            yield "rungs"
        if not self.climbs("jury"):
            yield "members"
        if not self.climbs("configure"):
            yield from ("configure", "configure_margin")


def identity_text(config: RunConfig, **facts: Any) -> str:
    """config.json: the settings and what they were applied to, as canonical JSON."""
    return line({**config.identity(), **facts}) + "\n"


def digest8(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _json(value: dict[str, Any]) -> dict[str, Any]:
    """The value, if it can be written as JSON.

    Raises:
        ValueError: it cannot.
    """
    try:
        unchanged: bool = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError, RecursionError):
        unchanged = False
    if not unchanged:
        raise ValueError("holds what a JSON body cannot carry, such as a date or nan; write it as a text")
    return value


def _some_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """The items of a list separated by commas, each known and once, as canonical text.

    Raises:
        ValueError: one is unknown or stands twice.
    """
    items = [item.strip() for item in value.split(",") if item.strip()]
    for item in items:
        _one_of(name, item, allowed)
        if items.count(item) > 1:
            raise ValueError(f"{name} {item!r} stands twice")
    return ",".join(items)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        choices = [choice for choice in allowed if choice]
        raise ValueError(f"unknown {name} {value!r}{nearest(value, choices)}; choose one of: {', '.join(choices)}")
    return value
