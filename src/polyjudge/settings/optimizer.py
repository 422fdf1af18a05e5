"""The settings that a run's optimizer reads, whether it is named or passed as an object.

A row of the registry is a class (or a function) whose parameters are the optimizer's settings. A parameter that is
named like a setting of a run takes it; the others are its options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from polyjudge.errors import ConfigError
from polyjudge.formatting.text import nearest
from polyjudge.registry import lookup, name_of

# The settings of a run that an optimizer may read, beside its models and their parameters, which its roles name.
SHARED = ("mode", "candidates", "loss_sees_input", "show_rejected")
MODELS = {"loss": "loss_model", "gradient": "gradient_model", "optimizer": "optimizer_model"}
OPTIONS = "optimizer_options"
# An object's field -> the run's setting.
_FIELDS = {"model": "optimizer_model", "loss_model": "loss_model", "gradient_model": "gradient_model"}


@dataclass(frozen=True, slots=True)
class OptimizerChoice:
    """The optimizer that the settings name, before it is built.

    Attributes:
        name: as config.json keeps it.
        parameters: the names of its settings.
        roles: the roles that it asks.
        defaults: settings of a run that it brings.
        make: makes its settings object from keywords.
        named: whether it was named; an object holds its own options.
    """

    name: str
    parameters: tuple[str, ...]
    roles: tuple[str, ...]
    defaults: Mapping[str, Any]
    make: Callable[..., Any]
    named: bool = True

    @property
    def options(self) -> tuple[str, ...]:
        """The settings that only this optimizer has."""
        return tuple(name for name in self.parameters if name not in (*SHARED, *_FIELDS))

    def uses(self, setting: str) -> bool:
        """Whether it reads a setting of a run; ``diagnostics`` need gradients, ``candidates_file`` variants."""
        if setting == "candidates_file":
            return "variants" in self.parameters
        roles = {model: role for role, model in MODELS.items()} | {"diagnostics": "gradient"}
        return roles[setting] in self.roles if setting in roles else setting in self.parameters

    def settings(self, values: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Its settings object.

        Args:
            values: all settings of the run.
            options: its own.

        Raises:
            ConfigError: an option that it does not have.
        """
        if not self.named:
            options = {}
        unknown = [name for name in options if name not in self.options]
        if unknown:
            known = ", ".join(self.options) or "none"
            raise ConfigError(
                f"optimizer {self.name!r} has no option {unknown[0]!r}{nearest(unknown[0], self.options)}; "
                f"it has: {known}"
            )
        shared = {name: values[name] for name in SHARED if name in self.parameters and values[name] is not None}
        return self.make(**shared, **options)


def choose_optimizer(optimizer: Any) -> OptimizerChoice:
    """The choice of an optimizer, by its name or from an object.

    Raises:
        ConfigError: no such name, or an object that is no optimizer.
    """
    if isinstance(optimizer, str):
        row = lookup("optimizers", optimizer)
        parameters = tuple(inspect.signature(row).parameters)
        return OptimizerChoice(optimizer, parameters, *_traits(row), row)
    if isinstance(optimizer, type) or not (hasattr(optimizer, "build") or hasattr(optimizer, "propose")):
        raise ConfigError(
            f"optimizer={optimizer!r} has neither 'build' nor 'propose'; pass a name, or an object such as "
            f"polyjudge.TextGrad(mode='SSS')"
        )

    def completed(**shared: Any) -> Any:
        return replace(optimizer, **shared) if shared and is_dataclass(optimizer) else optimizer  # type: ignore[type-var]

    name = name_of("optimizers", optimizer)
    return OptimizerChoice(name, tuple(_state(optimizer)), *_traits(optimizer), completed, named=False)


def as_settings(optimizer: Any) -> dict[str, Any]:
    """An optimizer object as the settings of a run that it stands for; what it leaves at None is not set."""
    state = {name: value for name, value in _state(optimizer).items() if value is not None}
    options = {name: value for name, value in state.items() if name not in (*SHARED, *_FIELDS)}
    shared = {_FIELDS.get(name, name): value for name, value in state.items() if name not in options and value != ""}
    return {"optimizer": name_of("optimizers", optimizer), **shared, **({OPTIONS: options} if options else {})}


def _traits(row: Any) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    return tuple(getattr(row, "roles", ())), dict(getattr(row, "defaults", {}))


def _state(optimizer: Any) -> dict[str, Any]:
    """The state of an optimizer object: the fields of a dataclass, else its public attributes."""
    if is_dataclass(optimizer):
        return {field.name: getattr(optimizer, field.name) for field in fields(optimizer) if field.init}
    return {name: value for name, value in getattr(optimizer, "__dict__", {}).items() if not name.startswith("_")}
