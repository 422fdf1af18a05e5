"""Which setting wins, and where it was set: the sources of settings merged into one checked configuration.

Precedence: command line (or keyword) > environment (POLYJUDGE_NAME) > config file > recipe > default.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from polyjudge.errors import ConfigError
from polyjudge.experiments.settings.config import ModelPrice, Parameters, RunConfig
from polyjudge.experiments.settings.faults import told
from polyjudge.experiments.settings.recipes import recipe
from polyjudge.experiments.settings.sources import from_environment, from_file, merge, place

# Origins that are not the user's.
_OURS = ("recipe", "default")
_SOUND = ("sound", "default")


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
    held: Mapping[str, Any] | None = None,
    origin: str = "command line",
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Merge all sources of settings; ``explicit`` values of None count as not set.

    Args:
        explicit: the strongest settings.
        config_file: a TOML file with settings.
        held: what that file says, where it was read already.
        origin: where the explicit settings were set, for messages.
        environment: None takes the process's.

    Raises:
        ConfigError: an unknown name or a value that does not fit; every fault is listed.
    """
    layers = {
        origin: {name: value for name, value in explicit.items() if value is not None},
        "environment": from_environment(os.environ if environment is None else environment, RunConfig.model_fields),
        "config file": dict(held) if held is not None else from_file(config_file) if config_file else {},
    }
    chosen, source = next(((layer["recipe"], source) for source, layer in layers.items() if "recipe" in layer), _SOUND)
    try:
        layers["recipe"] = {**recipe(str(chosen)), "recipe": chosen}
    except ConfigError as error:
        raise ConfigError(f"'recipe' ({place(source, 'recipe', config_file)}): {error}") from None
    merged, origins = merge(layers)
    if merged.get("mode") == "ST" and origins.get("layout") == "recipe":
        # ST has a layout of its own, which only the user can be at odds with.
        del merged["layout"], origins["layout"]

    def where(path: str) -> str:
        top = path.partition(".")[0]
        return place(origins.get(path, origins.get(top, "default")), top, config_file)

    try:
        config = RunConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(told(error, where=where, known=_names_beside)) from None
    if config.evaluate_every and config.protocol == "sealed" and origins["evaluate_every"] not in _OURS:
        raise ConfigError(
            f"'evaluate_every' ({where('evaluate_every')}): recipe {config.recipe!r} reads the test rows once, at the "
            f"end; leave it out, or use --recipe paper"
        )
    return Settings(config, origins)


def _names_beside(path: Sequence[str]) -> Iterable[str]:
    if len(path) == 1:
        return RunConfig.model_fields
    return ModelPrice.model_fields if path[0] == "prices" else Parameters.model_fields
