"""Merge the sources of settings into one checked configuration that knows the origin of each setting.

Precedence: command line (or keyword) > environment (POLYJUDGE_NAME) > config file > optimizer > preset > default.
A fault names the setting, where it was set, and what to write instead.
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
from polyjudge.optimizers.pool import read_variants
from polyjudge.settings.config import ModelPrice, Parameters, RunConfig
from polyjudge.settings.objects import NOTHING, Objects, gate_name, objects_in, scoring_name
from polyjudge.settings.optimizer import MODELS, OPTIONS, SHARED, OptimizerChoice, as_settings, choose_optimizer
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


def describe_faults(
    error: ValidationError, *, where: Callable[[str], str], known: Callable[[Sequence[str]], Iterable[str]]
) -> str:
    """Describe all faults of a validation in one line.

    Args:
        error: of the validation.
        where: says where the setting of a dotted name was set.
        known: gives the names that exist beside an unknown one, by its path.
    """
    return "; ".join(_fault(fault, where, known) for fault in error.errors())


def _fault(fault: Any, where: Callable[[str], str], known: Callable[[Sequence[str]], Iterable[str]]) -> str:
    path = [str(part) for part in fault["loc"]]
    name = ".".join(path)
    setting = f"{name!r} ({where(name)})"
    if fault["type"] == "extra_forbidden":
        names = sorted(known(path))
        return f"unknown setting {setting}{nearest(path[-1], names) or '; known are ' + ', '.join(names)}"
    if fault["type"] == "missing":
        return f"{setting}: is missing; write it"
    if fault["type"] == "value_error":
        return f"{setting}: {fault['ctx']['error']}"
    return f"{setting}: {redact(clipped(fault['input']))} must be {_must(fault)}"


def _must(fault: Any) -> str:
    if fault["type"] in _MUST:
        return _MUST[fault["type"]].format(**fault.get("ctx", {}))
    return _KINDS.get(fault["type"].partition("_")[0]) or str(fault["msg"])


def from_environment(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, Any]:
    """The settings in ``POLYJUDGE_NAME`` variables; an empty variable sets nothing."""
    settings = {}
    for name in names:
        value = environment.get(f"POLYJUDGE_{name.upper()}")
        if value:
            settings[name] = value
    return settings


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
    """The values and their origins; ``layers`` are in order of precedence, the strongest first."""
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, layer in reversed(layers.items()):
        for name, value in layer.items():
            merged[name] = _merge_parameters(merged.get(name, {}), value) if name == "parameters" else value
            origins[name] = origin
            if name == "parameters":
                origins |= dict.fromkeys(_paths(value), origin)
    return merged, origins


def origin_text(origin: str, name: str, config_file: str | Path | None) -> str:
    """An origin as a user knows it, such as the variable or the file."""
    places = {"environment": f"POLYJUDGE_{name.upper()}", "config file": f"config file {str(config_file)!r}"}
    return places.get(origin, origin)


def _merge_parameters(base: Any, stronger: Any) -> Any:
    """Parameters merge by role and name, so that setting one temperature keeps the rest of a preset."""
    if not isinstance(base, Mapping) or not isinstance(stronger, Mapping):
        return stronger
    merged = dict(base)
    for role, values in stronger.items():
        mergeable = isinstance(values, Mapping) and isinstance(merged.get(role), Mapping)
        merged[role] = {**merged[role], **values} if mergeable else values
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


# The origins of settings that the user did not make.
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
        """Refuse settings that have no effect.

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
        held: the settings of that file, if it has been read already.
        origin: where the explicit settings were set, for messages.
        environment: None takes the process's.

    Raises:
        ConfigError: an unknown name or a value that does not fit; every fault is listed.
    """
    objects = objects_in(explicit)
    layers = {
        origin: _explicit(explicit, objects),
        "environment": from_environment(os.environ if environment is None else environment, RunConfig.model_fields),
        "config file": dict(held) if held is not None else from_file(config_file) if config_file else {},
    }
    preset_name, source = next(
        ((layer["preset"], source) for source, layer in layers.items() if "preset" in layer), _DEFAULT
    )
    optimizer_choice = _optimizer(layers, objects.optimizer, config_file)
    layers["optimizer"] = dict(optimizer_choice.defaults)
    try:
        layers["preset"] = {**preset(str(preset_name)), "preset": preset_name}
    except ConfigError as error:
        raise ConfigError(f"'preset' ({origin_text(source, 'preset', config_file)}): {error}") from None
    merged, origins = merge(layers)
    if merged.get("mode") == "ST" and origins.get("layout") == "preset":
        # Mode ST has its own layout, which wins over a preset's.
        del merged["layout"], origins["layout"]

    def where(path: str) -> str:
        top = path.partition(".")[0]
        return origin_text(origins.get(path, origins.get(top, "default")), top, config_file)

    _read_candidates_file(merged, optimizer_choice, where("candidates_file"))
    unused = {name: where(name) for name in _drop_unused(merged, origins, optimizer_choice)}
    try:
        config = RunConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(describe_faults(error, where=where, known=_names_beside)) from None
    if config.step_calls is not None and config.protocol == "paper":
        raise ConfigError(
            f"'step_calls' ({where('step_calls')}): preset {config.preset!r} reads the test rows during the steps; "
            f"leave it out, or use another --preset"
        )
    if config.evaluate_every and config.protocol == "sealed" and origins["evaluate_every"] not in OURS:
        raise ConfigError(
            f"'evaluate_every' ({where('evaluate_every')}): preset {config.preset!r} reads the test rows once, at the "
            f"end; leave it out, or use --preset paper"
        )
    return ResolvedSettings(config, origins, objects, unused)


def _explicit(explicit: Mapping[str, Any], objects: Objects) -> dict[str, Any]:
    """The explicit settings, with names in place of objects and with the settings inside a passed optimizer.

    Raises:
        ConfigError: the optimizer is not one, or it sets a setting that is also set beside it.
    """
    settings = {name: value for name, value in explicit.items() if value is not None}
    if objects.gate is not None:
        settings["gate"] = gate_name(objects.gate)
    if objects.scoring is not None:
        settings["scoring"] = scoring_name(objects.scoring)
    if objects.optimizer is None:
        return settings
    del settings["optimizer"]
    choose_optimizer(objects.optimizer)
    optimizer_settings = as_settings(objects.optimizer)
    set_twice = sorted(set(settings) & set(optimizer_settings))
    if set_twice:
        raise ConfigError(
            f"{set_twice[0]!r} is set by the optimizer {objects.optimizer!r} and beside it; set it in one place"
        )
    return settings | optimizer_settings


def _optimizer(
    layers: Mapping[str, Mapping[str, Any]], passed: Any, config_file: str | Path | None
) -> OptimizerChoice:
    """The optimizer of the strongest source that names one.

    Raises:
        ConfigError: the name is unknown; the message says where it was set.
    """
    if passed is not None:
        return choose_optimizer(passed)
    name, source = next(
        ((layer["optimizer"], source) for source, layer in layers.items() if "optimizer" in layer),
        (RunConfig.model_fields["optimizer"].default, "default"),
    )
    try:
        return choose_optimizer(str(name))
    except ConfigError as error:
        raise ConfigError(f"'optimizer' ({origin_text(source, 'optimizer', config_file)}): {error}") from None


def _read_candidates_file(merged: dict[str, Any], optimizer_choice: OptimizerChoice, where: str) -> None:
    """Add the variants in ``candidates_file`` to the optimizer's options, so that a run folder is identified by what
    was tried and not only by the name of a file.

    Raises:
        ConfigError: the file cannot be used, or the variants are set beside it.
    """
    path, options = merged.get("candidates_file"), merged.get(OPTIONS) or {}
    if not path or not optimizer_choice.uses("candidates_file"):
        return
    if not optimizer_choice.named or "variants" in options:
        raise ConfigError(
            f"'candidates_file' ({where}): the optimizer has its variants already; set them in one place"
        )
    merged[OPTIONS] = {**options, "variants": read_variants(str(path))}


def _drop_unused(merged: dict[str, Any], origins: Mapping[str, str], optimizer_choice: OptimizerChoice) -> list[str]:
    """Remove the settings that the optimizer does not read, and return those that the user made."""
    unused = [
        name
        for name in (*SHARED, *MODELS.values(), "diagnostics", "candidates_file")
        if name in merged and not optimizer_choice.uses(name)
    ]
    # Mode ST works with every optimizer, and a switch that is off needs no reader.
    unused = [name for name in unused if str(merged[name]).lower() != {"mode": "st", "diagnostics": "false"}.get(name)]
    role_parameters = merged.get("parameters")
    parameters = role_parameters if isinstance(role_parameters, dict) else {}
    roles = [role for role in MODELS if role not in optimizer_choice.roles and role in parameters]
    if roles:
        merged["parameters"] = {role: values for role, values in parameters.items() if role not in roles}
    for name in unused:
        del merged[name]
    paths = [path for path in origins if any(path.startswith(f"parameters.{role}.") for role in roles)]
    return [name for name in (*unused, *paths) if origins[name] not in OURS]


def _names_beside(path: Sequence[str]) -> Iterable[str]:
    if len(path) == 1:
        return RunConfig.model_fields
    return ModelPrice.model_fields if path[0] == "prices" else Parameters.model_fields
