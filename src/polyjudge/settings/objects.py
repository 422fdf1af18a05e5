"""Objects that a caller passes where a name would do, and the names under which a run's folder keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
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
            one.name: explicit[one.name]
            for one in fields(Objects)
            if explicit.get(one.name) is not None and not isinstance(explicit[one.name], str)
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
    return _place("gates", gate)


def scoring_name(scoring: Any) -> str:
    """The name of a scoring object: where it is defined, with its fields' digest.

    Raises:
        ConfigError: it is no scoring method.
    """
    if not hasattr(scoring, "of") or not hasattr(scoring, "question"):
        raise ConfigError(
            f"scoring={scoring!r} is no scoring method; pass a name, or an object with the seam's methods"
        )
    return _place("scoring", scoring)


def is_place(name: str) -> bool:
    """Whether a name stands for an object that was passed."""
    return ":" in name


def _place(kind: str, given: Any) -> str:
    if isinstance(given, type) or (callable(given) and hasattr(given, "__qualname__")):
        return f"{given.__module__}:{given.__qualname__}"
    place = name_of(kind, given)
    place = place if is_place(place) else f"{type(given).__module__}:{type(given).__qualname__}"
    if not is_dataclass(given):
        return place
    try:
        return f"{place}#{digest(given)[:8]}"
    except TypeError:
        # A field without a JSON form, such as a function; the place alone must do.
        return place
