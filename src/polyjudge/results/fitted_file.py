"""Calibration, footing and ridge as keys of a YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polyjudge.combining.calibration import MonotoneMap
from polyjudge.combining.ridge import Ridge
from polyjudge.errors import CriteriaError
from polyjudge.formatting.text import clipped, nearest

# Sums of larger numbers would leave the range of floats.
LARGEST = 1e100


def calibration_to(names: Sequence[str], maps: Sequence[MonotoneMap | None]) -> dict[str, Any]:
    """The key ``calibration`` of a file; nothing where no criterion is calibrated."""
    known = {name: each for name, each in zip(names, maps, strict=True) if each is not None}
    return {"calibration": {name: {"x": list(m.x), "y": list(m.y)} for name, m in known.items()}} if known else {}


def calibration_from(found: object, names: Sequence[str], source: str) -> tuple[MonotoneMap | None, ...]:
    """The maps of criteria in their order; None where the file has none.

    Raises:
        CriteriaError: an unknown criterion, or knots that make no monotone map.
    """
    if found is None:
        return (None,) * len(names)
    given = mapping_of(found, "calibration", source)
    for name in given:
        if name not in names:
            raise CriteriaError(f"{source!r}, key 'calibration': no criterion {clipped(name)}{nearest(name, names)}")
    maps: list[MonotoneMap | None] = []
    for name in names:
        if given.get(name) is None:
            maps.append(None)
            continue
        key = f"calibration.{name}"
        knots = mapping_of(given[name], key, source)
        if set(knots) != {"x", "y"}:
            raise CriteriaError(f"{source!r}, key {key!r}: write {{x: [...], y: [...]}}")
        x, y = (numbers_of(knots[axis], f"{key}.{axis}", source) for axis in ("x", "y"))
        try:
            maps.append(MonotoneMap(x, y))
        except ValueError as error:
            raise CriteriaError(f"{source!r}, key {key!r}: {error}") from None
    return tuple(maps)


def ridge_to(names: Sequence[str], ridge: Ridge) -> dict[str, Any]:
    """Means and spreads of the features, and a row of coefficients for each criterion, all in the jury's order."""
    rows = zip(names, ridge.coefficients, ridge.intercepts, strict=True)
    return {
        "means": list(ridge.means),
        "spreads": list(ridge.spreads),
        "rows": {name: {"intercept": at, "coefficients": list(row)} for name, row, at in rows if row},
    }


def ridge_from(found: object, members: tuple[str, ...], names: Sequence[str], source: str) -> Ridge:
    """The ridge of the key ``ridge``, over the members' scores.

    Raises:
        CriteriaError: keys are missing, or a list has not one number for each member and criterion.
    """
    given = mapping_of(found, "ridge", source)
    if set(given) != {"means", "spreads", "rows"}:
        raise CriteriaError(f"{source!r}, key 'ridge': write means, spreads and rows")
    size = len(members) * len(names)
    means, spreads = (numbers_of(given[key], f"ridge.{key}", source, size) for key in ("means", "spreads"))
    rows = mapping_of(given["rows"], "ridge.rows", source)
    if not set(rows) <= set(names) or min(spreads) <= 0:
        raise CriteriaError(f"{source!r}, key 'ridge': rows must name criteria, and spreads must be positive")
    coefficients: list[tuple[float, ...]] = []
    intercepts: list[float] = []
    for name in names:
        key = f"ridge.rows.{name}"
        row = mapping_of(rows[name], key, source) if name in rows else {"intercept": 0.0}
        if name in rows and set(row) != {"intercept", "coefficients"}:
            raise CriteriaError(f"{source!r}, key {key!r}: write intercept and coefficients")
        coefficients.append(numbers_of(row["coefficients"], key, source, size) if name in rows else ())
        intercepts.append(number_of(row["intercept"], key, source))
    return Ridge(members, means, spreads, tuple(coefficients), tuple(intercepts))


def by_criterion(found: object, key: str, names: Sequence[str], default: float, source: str) -> tuple[float, ...]:
    """A number for each criterion, of a mapping that may leave some or all out."""
    given = {} if found is None else mapping_of(found, key, source)
    for name in given:
        if name not in names:
            raise CriteriaError(f"{source!r}, key {key!r}: no criterion {clipped(name)}{nearest(name, names)}")
    return tuple(number_of(given.get(name, default), f"{key}.{name}", source) for name in names)


def mapping_of(found: object, key: str, source: str) -> Mapping[Any, Any]:
    """A mapping of a key."""
    if not isinstance(found, Mapping):
        raise CriteriaError(f"{source!r}, key {key!r}: {clipped(found)} must be a mapping")
    return found


def numbers_of(found: object, key: str, source: str, size: int | None = None) -> tuple[float, ...]:
    """A list of finite numbers of a key, ``size`` of them if it is given."""
    if not isinstance(found, list) or (size is not None and len(found) != size):
        raise CriteriaError(f"{source!r}, key {key!r}: must be a list of {'' if size is None else f'{size} '}numbers")
    return tuple(number_of(one, key, source) for one in found)


def number_of(found: object, key: str, source: str) -> float:
    """A finite number of a key."""
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < LARGEST:
        raise CriteriaError(f"{source!r}, key {key!r}: {clipped(found)} must be a number below {LARGEST:g}")
    return float(found)
