"""Where settings come from: the environment and a TOML file, merged by precedence, each with its origin."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polyjudge.errors import ConfigError


def from_environment(surroundings: Mapping[str, str], names: Iterable[str]) -> dict[str, Any]:
    """The settings that ``POLYJUDGE_NAME`` variables hold; an empty one is not set."""
    found = {}
    for name in names:
        value = surroundings.get(f"POLYJUDGE_{name.upper()}")
        if value:
            found[name] = value
    return found


def from_file(path: str | Path) -> dict[str, Any]:
    """The settings of a TOML file.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read the config file {str(path)!r}: {error.strerror}; check the path") from error
    except UnicodeDecodeError:
        raise ConfigError(f"the config file {str(path)!r} is not UTF-8; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the config file {str(path)!r} is not valid TOML: {error}; correct it there") from None


def merge(layers: dict[str, dict[str, Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values and their origins; ``layers`` by precedence, the strongest first."""
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, layer in reversed(layers.items()):
        for name, value in layer.items():
            merged[name] = _merge_parameters(merged.get(name, {}), value) if name == "parameters" else value
            origins[name] = origin
            if name == "parameters":
                origins |= dict.fromkeys(_paths(value), origin)
    return merged, origins


def place(origin: str, name: str, config_file: str | Path | None) -> str:
    """Where a user finds what they set."""
    places = {"environment": f"POLYJUDGE_{name.upper()}", "config file": f"config file {str(config_file)!r}"}
    return places.get(origin, origin)


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
