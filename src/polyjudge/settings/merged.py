"""Which setting wins, and where it was set: the sources of settings merged into one checked configuration.

Precedence: command line (or keyword) > environment (POLYJUDGE_NAME) > config file > optimizer > preset > default.

What a validation found, in words that name the setting, where it was set, and what to write instead.

Where settings come from: the environment and a TOML file, merged by precedence, each with its origin.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from polyjudge.errors import ConfigError
from polyjudge.formatting.text import clipped, nearest
from polyjudge.llm.secrets import redact
from polyjudge.settings.config import ModelPrice, Parameters, RunConfig
from polyjudge.settings.objects import NOTHING, Objects, gate_name, objects_in, scoring_name
from polyjudge.settings.optimizer import MODELS, SHARED, Chosen, as_settings, chosen
from polyjudge.settings.presets import preset

_MUST = {
    "greater_than_equal": "{ge:g} or more",
    "greater_than": "more than {gt:g}",
    "less_than_equal": "{le:g} or less",
    "literal_error": "{expected}",
    "finite_number": "a finite number",
    "string_type": "a text",
    "dict_type": "a table of names and values",
    "model_type": "a table of names and values",
}
_LARGEST = 2**20
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def told(
    error: ValidationError, *, where: Callable[[str], str], known: Callable[[Sequence[str]], Iterable[str]]
) -> str:
    """All faults of a validation in one line.

    Args:
        error: what was found.
        where: where the setting of a dotted name was set.
        known: the names that exist beside one that does not, by its path.
    """
    return "; ".join(_fault(fault, where, known) for fault in error.errors())


def _fault(fault: Any, where: Callable[[str], str], known: Callable[[Sequence[str]], Iterable[str]]) -> str:
    path = [str(part) for part in fault["loc"]]
    name = ".".join(path)
    place = f"{name!r} ({where(name)})"
    if fault["type"] == "extra_forbidden":
        names = sorted(known(path))
        return f"unknown setting {place}{nearest(path[-1], names) or '; known are ' + ', '.join(names)}"
    if fault["type"] == "missing":
        return f"{place}: is missing; write it"
    if fault["type"] == "value_error":
        return f"{place}: {fault['ctx']['error']}"
    return f"{place}: {redact(clipped(fault['input']))} must be {_must(fault)}"


def _must(fault: Any) -> str:
    if fault["type"] in _MUST:
        return _MUST[fault["type"]].format(**fault.get("ctx", {}))
    return _KINDS.get(fault["type"].partition("_")[0]) or str(fault["msg"])


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
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise ConfigError(f"the config file {str(path)!r} is larger than {_LARGEST // 2**20} MiB")
        return tomllib.loads(text.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the config file {str(path)!r}: {error.strerror}; check the path") from error
    except UnicodeDecodeError:
        raise ConfigError(f"the config file {str(path)!r} is not UTF-8; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the config file {str(path)!r} is not valid TOML: {error}; correct it there") from None
    except (ValueError, RecursionError):
        raise ConfigError(
            f"the config file {str(path)!r} is not valid TOML: a number is too long or it nests too deep; correct it "
            f"there"
        ) from None


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
    """Parameters merge by role and name, so that setting one temperature keeps the rest of a preset."""
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


# Origins that are not the user's.
OURS = ("optimizer", "preset", "default")
_DEFAULT = ("default", "default")


@dataclass(frozen=True, slots=True)
class ResolvedSettings:
    """A resolved configuration and where each setting came from.

    Attributes:
        config: the values.
        origins: name -> "command line", "environment", "config file", "optimizer", "preset" or "default".
        objects: what was passed as an object instead of a name.
        unused: settings of the user that the optimizer does not read -> where they were set; the values hold none.
    """

    config: RunConfig
    origins: Mapping[str, str]
    objects: Objects = NOTHING
    unused: Mapping[str, str] = field(default_factory=dict)

    def check_used(self) -> None:
        """Refuse what nobody would read.

        Raises:
            ConfigError: settings of the user that the optimizer does not read.
        """
        if self.unused:
            named = ", ".join(f"{name!r} ({where})" for name, where in self.unused.items())
            raise ConfigError(
                f"{named}: optimizer {self.config.optimizer!r} does not use "
                f"{'it; leave it' if len(self.unused) == 1 else 'them; leave them'} out"
            )


def resolve(
    explicit: Mapping[str, Any],
    *,
    config_file: str | Path | None = None,
    held: Mapping[str, Any] | None = None,
    origin: str = "command line",
    environment: Mapping[str, str] | None = None,
) -> ResolvedSettings:
    """Merge all sources of settings; ``explicit`` values of None count as not set.

    Args:
        explicit: the strongest settings; ``optimizer``, ``gate`` and ``scoring`` are names or objects.
        config_file: a TOML file with settings.
        held: what that file says, where it was read already.
        origin: where the explicit settings were set, for messages.
        environment: None takes the process's.

    Raises:
        ConfigError: an unknown name or a value that does not fit; every fault is listed.
    """
    given = objects_in(explicit)
    layers = {
        origin: _explicit(explicit, given),
        "environment": from_environment(os.environ if environment is None else environment, RunConfig.model_fields),
        "config file": dict(held) if held is not None else from_file(config_file) if config_file else {},
    }
    named, source = next(
        ((layer["preset"], source) for source, layer in layers.items() if "preset" in layer), _DEFAULT
    )
    used = _optimizer(layers, given.optimizer, config_file)
    layers["optimizer"] = dict(used.defaults)
    try:
        layers["preset"] = {**preset(str(named)), "preset": named}
    except ConfigError as error:
        raise ConfigError(f"'preset' ({place(source, 'preset', config_file)}): {error}") from None
    merged, origins = merge(layers)
    if merged.get("mode") == "ST" and origins.get("layout") == "preset":
        # ST has a layout of its own, which only the user can be at odds with.
        del merged["layout"], origins["layout"]

    def where(path: str) -> str:
        top = path.partition(".")[0]
        return place(origins.get(path, origins.get(top, "default")), top, config_file)

    unused = {name: where(name) for name in _drop_unused(merged, origins, used)}
    try:
        config = RunConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(told(error, where=where, known=_names_beside)) from None
    if config.evaluate_every and config.protocol == "sealed" and origins["evaluate_every"] not in OURS:
        raise ConfigError(
            f"'evaluate_every' ({where('evaluate_every')}): preset {config.preset!r} reads the test rows once, at the "
            f"end; leave it out, or use --preset paper"
        )
    return ResolvedSettings(config, origins, given, unused)


def _explicit(explicit: Mapping[str, Any], given: Objects) -> dict[str, Any]:
    """The explicit settings, with names for what was passed as an object and the settings inside a passed optimizer.

    Raises:
        ConfigError: the optimizer is no optimizer, or says what is also said beside it.
    """
    beside = {name: value for name, value in explicit.items() if value is not None}
    if given.gate is not None:
        beside["gate"] = gate_name(given.gate)
    if given.scoring is not None:
        beside["scoring"] = scoring_name(given.scoring)
    if given.optimizer is None:
        return beside
    del beside["optimizer"]
    chosen(given.optimizer)
    inside = as_settings(given.optimizer)
    twice = sorted(set(beside) & set(inside))
    if twice:
        raise ConfigError(
            f"{twice[0]!r} is set by the optimizer {given.optimizer!r} and beside it; set it in one place"
        )
    return beside | inside


def _optimizer(layers: Mapping[str, Mapping[str, Any]], given: Any, config_file: str | Path | None) -> Chosen:
    """The optimizer that the strongest source names.

    Raises:
        ConfigError: nobody knows it; the message says where it was set.
    """
    if given is not None:
        return chosen(given)
    name, source = next(
        ((layer["optimizer"], source) for source, layer in layers.items() if "optimizer" in layer),
        (RunConfig.model_fields["optimizer"].default, "default"),
    )
    try:
        return chosen(str(name))
    except ConfigError as error:
        raise ConfigError(f"'optimizer' ({place(source, 'optimizer', config_file)}): {error}") from None


def _drop_unused(merged: dict[str, Any], origins: Mapping[str, str], used: Chosen) -> list[str]:
    """Take out what the optimizer does not read; those settings among it that the user made."""
    idle = [name for name in (*SHARED, *MODELS.values(), "diagnostics") if name in merged and not used.uses(name)]
    # Under ST every criterion is fitted in a run of its own, whatever fits it; a switch that is off needs no reader.
    idle = [name for name in idle if str(merged[name]).lower() != {"mode": "st", "diagnostics": "false"}.get(name)]
    given = merged.get("parameters")
    parameters = given if isinstance(given, dict) else {}
    roles = [role for role in MODELS if role not in used.roles and role in parameters]
    if roles:
        merged["parameters"] = {role: values for role, values in parameters.items() if role not in roles}
    for name in idle:
        del merged[name]
    paths = [path for path in origins if any(path.startswith(f"parameters.{role}.") for role in roles)]
    return [name for name in (*idle, *paths) if origins[name] not in OURS]


def _names_beside(path: Sequence[str]) -> Iterable[str]:
    if len(path) == 1:
        return RunConfig.model_fields
    return ModelPrice.model_fields if path[0] == "prices" else Parameters.model_fields
