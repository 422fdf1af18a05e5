"""The settings of a run, checked before any call: what was set where, and which setting wins.

Precedence: command line (or keyword) > environment (POLYJUDGE_NAME) > config file > recipe > default.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from polyjudge.domain.decomposition import MODES
from polyjudge.domain.layout import LAYOUTS
from polyjudge.errors import ConfigError
from polyjudge.experiments.recipes import recipe
from polyjudge.llm.request import Sampling, body_extra
from polyjudge.metrics.agreement import names as metric_names
from polyjudge.registry import names
from polyjudge.runs.codec import line

STAGES = ("judge", "loss", "gradient", "optimizer")

# What a run may cost and how it is watched; everything else is part of its identity.
CIRCUMSTANCES = frozenset(
    {"max_calls", "max_tokens", "max_concurrency", "fail_on_error", "no_cache", "threads", "attempt_timeout"}
    | {"requests_per_minute", "tokens_per_minute"}
)


class Parameters(BaseModel):
    """How one role's model is asked.

    Attributes:
        temperature: None leaves the provider's default.
        max_tokens: the longest answer.
        extra: further fields of the request body.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float | None = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=1024, ge=1)
    extra: dict[str, Any] = Field(default_factory=dict)

    def sampling(self) -> Sampling:
        return Sampling(self.temperature, self.max_tokens, body_extra(self.extra))


class RunConfig(BaseModel):
    """The resolved settings of one run; see docs/configuration.md for each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = ""
    optimizer_model: str = ""
    loss_model: str = ""
    gradient_model: str = ""
    base_url: str = ""
    endpoint_name: str = ""
    limit_field: Literal["", "max_tokens", "max_completion_tokens"] = ""
    recipe: str = "sound"
    mode: str = "SSS"
    optimizer: str = "textgrad"
    layout: str = ""
    readout: str = "auto"
    gate: str = ""
    strict_gate: bool = True
    protocol: Literal["sealed", "paper"] = "sealed"
    steps: int = Field(default=12, ge=0)
    batch: int = Field(default=3, ge=1)
    validation: int | None = Field(default=None, ge=2)
    candidates: int = Field(default=1, ge=1)
    demonstrations: int = Field(default=0, ge=0)
    re_asks: int = Field(default=2, ge=0)
    evaluate_every: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)
    split_seed: int = Field(default=0, ge=0)
    split_by: Literal["document", "row"] | None = None
    limit: int | None = Field(default=None, ge=1)
    definitions: bool = True
    structured: bool = True
    loss_shows_item: bool = True
    parameters: dict[str, Parameters] = Field(default_factory=dict)
    max_calls: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=0)
    max_concurrency: int = Field(default=64, ge=1)
    attempt_timeout: float = Field(default=120.0, gt=0)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    threads: int = Field(default=1, ge=1)
    no_cache: bool = False
    fail_on_error: float | None = Field(default=None, ge=0)

    @field_validator("mode")
    @classmethod
    def _known_mode(cls, value: str) -> str:
        if value not in MODES:
            separated = " (it would separate what was combined)" if value in {"CSS", "CSC", "CCS", "SCS"} else ""
            raise ValueError(f"unknown mode {value!r}{separated}; choose one of: {', '.join(MODES)}")
        return value

    @field_validator("layout")
    @classmethod
    def _known_layout(cls, value: str) -> str:
        return _one_of("layout", value, ("", *LAYOUTS))

    @field_validator("readout")
    @classmethod
    def _known_readout(cls, value: str) -> str:
        return _one_of("readout", value, ("auto", *names("readouts")))

    @field_validator("optimizer")
    @classmethod
    def _known_optimizer(cls, value: str) -> str:
        return _one_of("optimizer", value, names("optimizers"))

    @field_validator("gate")
    @classmethod
    def _known_gate(cls, value: str) -> str:
        return _one_of("gate", value, ("", "none", *metric_names()))

    @field_validator("parameters")
    @classmethod
    def _known_roles(cls, value: dict[str, Parameters]) -> dict[str, Parameters]:
        for role in value:
            _one_of("role", role, STAGES)
        return value

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        if value:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("it must be an http:// or https:// address such as http://127.0.0.1:8080/v1")
            if parts.username or parts.password or parts.query:
                raise ValueError("keys do not belong in an address; set them in the environment")
        return value

    def model_of(self, stage: str) -> str:
        """The model of a stage: its own, else the optimizer's, else the judge's."""
        if stage == "judge":
            return self.model
        own = {"loss": self.loss_model, "gradient": self.gradient_model}.get(stage, "")
        return own or self.optimizer_model or self.model

    def sampling_of(self, stage: str) -> Sampling:
        return self.parameters.get(stage, Parameters()).sampling()

    def identity(self) -> dict[str, Any]:
        """The settings that a run folder belongs to."""
        return self.model_dump(mode="json", exclude=set(CIRCUMSTANCES))


@dataclass(frozen=True, slots=True)
class Settings:
    """A resolved configuration and where each setting came from.

    Attributes:
        config: the values.
        origins: name -> "command line", "environment", "config file", "recipe" or "default".
    """

    config: RunConfig
    origins: Mapping[str, str]


def resolve(
    explicit: Mapping[str, Any],
    *,
    config_file: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Merge all sources of settings; ``explicit`` values of None count as not set.

    Raises:
        ConfigError: an unknown name or a value that does not fit; every fault is listed.
    """
    surroundings = os.environ if environment is None else environment
    layers = {
        "command line": {name: value for name, value in explicit.items() if value is not None},
        "environment": _from_environment(surroundings),
        "config file": _from_file(config_file) if config_file else {},
    }
    chosen = next((str(layer["recipe"]) for layer in layers.values() if "recipe" in layer), "sound")
    layers["recipe"] = {**recipe(chosen), "recipe": chosen}
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, layer in reversed(layers.items()):
        for name, value in layer.items():
            merged[name] = _merge_parameters(merged.get(name, {}), value) if name == "parameters" else value
            origins[name] = origin
            if name == "parameters":
                origins |= dict.fromkeys(_paths(value), origin)
    try:
        return Settings(RunConfig.model_validate(merged), origins)
    except ValidationError as error:
        raise ConfigError(_faults(error, origins)) from None


def identity_text(config: RunConfig, **facts: Any) -> str:
    """config.json: the settings and what they were applied to, as canonical JSON."""
    return line({**config.identity(), **facts}) + "\n"


def digest8(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"unknown {name} {value!r}; choose one of: {', '.join(filter(None, allowed))}")
    return value


def _from_environment(surroundings: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for name in RunConfig.model_fields:
        value = surroundings.get(f"POLYJUDGE_{name.upper()}")
        if value:
            found[name] = value
    return found


def _from_file(path: str | Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read the config file {str(path)!r}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the config file {str(path)!r} is not valid TOML: {error}") from error


def _merge_parameters(base: Any, over: Any) -> Any:
    """Parameters merge by role and name, so that setting one temperature keeps the rest of a recipe."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    merged = dict(base)
    for role, values in over.items():
        both = isinstance(values, Mapping) and isinstance(merged.get(role), Mapping)
        merged[role] = {**merged[role], **values} if both else values
    return merged


def _paths(parameters: Any) -> list[str]:
    """``parameters.ROLE.NAME`` of each value that a layer sets."""
    if not isinstance(parameters, Mapping):
        return []
    return [
        f"parameters.{role}.{name}"
        for role, values in parameters.items()
        if isinstance(values, Mapping)
        for name in values
    ]


def _faults(error: ValidationError, origins: Mapping[str, str]) -> str:
    lines = []
    for fault in error.errors():
        name = ".".join(str(part) for part in fault["loc"])
        top = str(fault["loc"][0]) if fault["loc"] else ""
        origin = origins.get(top, "default")
        if fault["type"] == "extra_forbidden":
            lines.append(f"unknown setting {name!r} ({origin}); known: {', '.join(sorted(RunConfig.model_fields))}")
            continue
        message = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{name} ({origin}), value {fault['input']!r}: {message}")
    return "; ".join(lines)
