"""Objects that a caller passes where a name would do, and the names under which a run's folder keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any

from polyjudge.codec import digest
from polyjudge.errors import ConfigError
from polyjudge.metrics.metric import Metric
from polyjudge.registry import lookup, name_of, names


@dataclass(frozen=True, slots=True)
class Objects:
    """What was passed as an object; None where a name was given, or nothing.

    Attributes:
        optimizer: ``OptimizerSettings``, or an ``Optimizer``.
        gate: a ``Gate``, a function ``(GateSettings) -> Gate``, or a ``Metric`` whose mean must rise.
        scoring: a ``Scoring``, or its class.
    """

    optimizer: Any = None
    gate: Any = None
    scoring: Any = None


NOTHING = Objects()


def objects_in(explicit: Mapping[str, Any]) -> Objects:
    """The objects among explicit settings."""
    return Objects(
        **{
            field.name: explicit[field.name]
            for field in fields(Objects)
            if explicit.get(field.name) is not None and not isinstance(explicit[field.name], str)
        }
    )


def gate_name(gate: Any) -> str:
    """The name of a gate object: of a registered metric its own, else where it is defined, with its fields' digest.

    Raises:
        ConfigError: it is no gate.
    """
    if isinstance(gate, Metric):
        registered = gate.name in names("metrics") and lookup("metrics", gate.name) is gate
        return gate.name if registered else f"metric:{gate.name}"
    if not callable(gate) and not (hasattr(gate, "select") and hasattr(gate, "confirm")):
        raise ConfigError(f"gate={gate!r} is no gate; pass a name, a Metric, a Gate, or a function that makes one")
    return _path_of("gates", gate)


def scoring_name(scoring: Any) -> str:
    """The name of a scoring object: where it is defined, with its fields' digest.

    Raises:
        ConfigError: it is no scoring method.
    """
    if not hasattr(scoring, "of") or not hasattr(scoring, "question"):
        raise ConfigError(
            f"scoring={scoring!r} is no scoring method; pass a name, or an object with the seam's methods"
        )
    return _path_of("scoring", scoring)


def short_name(kind: str, passed: Any) -> str:
    """What tables call an object: its registered or own name, with the fields that differ from their defaults."""
    own = getattr(passed, "name", "") or getattr(passed, "__name__", "")
    registered = name_of(kind, passed)
    name = registered if not names_an_object(registered) else str(own) if own else type(passed).__name__
    if not is_dataclass(passed) or isinstance(passed, (type, Metric)):
        return name
    changed = [
        f"{field.name}={getattr(passed, field.name)}"
        for field in fields(passed)
        if field.default is not MISSING and getattr(passed, field.name) != field.default
    ]
    return f"{name} {' '.join(changed)}" if changed else name


def names_an_object(name: str) -> bool:
    """Whether a name stands for an object that was passed: ``module:name``, or ``metric:name`` of a metric."""
    return ":" in name


def _path_of(kind: str, passed: Any) -> str:
    if isinstance(passed, type) or (callable(passed) and hasattr(passed, "__qualname__")):
        return f"{passed.__module__}:{passed.__qualname__}"
    path = name_of(kind, passed)
    path = path if names_an_object(path) else f"{type(passed).__module__}:{type(passed).__qualname__}"
    if not is_dataclass(passed):
        return path
    try:
        return f"{path}#{digest(passed)[:8]}"
    except TypeError:
        # A field has no JSON form, as a function has none.
        return path
