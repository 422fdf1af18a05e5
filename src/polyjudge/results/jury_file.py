"""jury.yaml: which judges' scores make one, with weights and calibration, as one readable file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polyjudge.combining.calibration import MonotoneMap
from polyjudge.combining.fitted import FittedJury
from polyjudge.combining.jury import Footing, Jury
from polyjudge.combining.ridge import Ridge
from polyjudge.datasets.criteria import rubric_from, scale_to
from polyjudge.datasets.yamlfile import dump_yaml, read_yaml
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical
from polyjudge.errors import CriteriaError
from polyjudge.formatting.text import clipped, nearest

SCHEMA = 1
_KEYS = ("polyjudge", "criteria", "jury", "calibration", "ridge", "lineage")


@dataclass(frozen=True, slots=True)
class JuryFile:
    """A jury of recorded scores at rest.

    Attributes:
        criteria: with their scales and the raters' columns.
        fitted: the members, named as in the file of scores, with footing, calibration and ridge.
        lineage: where it comes from: files, seed, rows, agreement, version.
    """

    criteria: tuple[Criterion, ...]
    fitted: FittedJury
    lineage: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.criteria)


def dump_jury(file: JuryFile) -> str:
    """The file's text."""
    jury, names = file.fitted.jury, file.names
    content: dict[str, Any] = {"polyjudge": SCHEMA}
    content["criteria"] = [_criterion(criterion) for criterion in file.criteria]
    content["jury"] = [
        {
            "member": member,
            "weight": weight,
            "shift": dict(zip(names, f.shift, strict=True)),
            "scale": dict(zip(names, f.scale, strict=True)),
        }
        for member, weight, f in zip(jury.members, jury.weights, jury.footings, strict=True)
    ]
    content |= calibration_to(names, file.fitted.maps)
    if file.fitted.ridge is not None:
        content["ridge"] = _ridge_to(names, file.fitted.ridge)
    content["lineage"] = dict(file.lineage)
    return dump_yaml(content)


def read_jury(path: str | Path) -> JuryFile:
    """A jury from its file.

    Raises:
        CriteriaError: the file is missing, not YAML, or not a jury; the message names the key and the remedy.
    """
    source = str(path)
    content = read_yaml(Path(path))
    if "jury" not in content or content.get("polyjudge") != SCHEMA:
        raise CriteriaError(
            f"{source!r} is not a jury file (keys 'polyjudge: {SCHEMA}' and 'jury'); polyjudge combine writes one "
            f"with --output"
        )
    for key in content:
        if key not in _KEYS:
            raise CriteriaError(f"{source!r}: unknown key {clipped(key)}{nearest(key, _KEYS)}; remove it")
    rubric = rubric_from({"task": "Audit.", "inputs": {"(item)": "Item"}, "criteria": content.get("criteria")}, source)
    names = rubric.names
    nominal = tuple(isinstance(criterion.scale, Categorical) for criterion in rubric.criteria)
    jury = _jury(content["jury"], names, nominal, source)
    maps = calibration_from(content.get("calibration"), names, source)
    ridge = None if content.get("ridge") is None else _ridge(content["ridge"], jury.members, names, source)
    lineage = content.get("lineage") or {}
    if not isinstance(lineage, Mapping):
        raise CriteriaError(f"{source!r}, key 'lineage': {clipped(lineage)} must be a mapping")
    return JuryFile(rubric.criteria, FittedJury(jury, maps, ridge), lineage)


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
    given = _mapping(found, "calibration", source)
    for name in given:
        if name not in names:
            raise CriteriaError(f"{source!r}, key 'calibration': no criterion {clipped(name)}{nearest(name, names)}")
    maps: list[MonotoneMap | None] = []
    for name in names:
        if given.get(name) is None:
            maps.append(None)
            continue
        key = f"calibration.{name}"
        knots = _mapping(given[name], key, source)
        if set(knots) != {"x", "y"}:
            raise CriteriaError(f"{source!r}, key {key!r}: write {{x: [...], y: [...]}}")
        x, y = (_numbers(knots[axis], f"{key}.{axis}", source) for axis in ("x", "y"))
        try:
            maps.append(MonotoneMap(x, y))
        except ValueError as error:
            raise CriteriaError(f"{source!r}, key {key!r}: {error}") from None
    return tuple(maps)


def _criterion(criterion: Criterion) -> dict[str, Any]:
    ratings = {"ratings": list(criterion.ratings)} if criterion.ratings else {}
    return {"name": criterion.name, "scale": scale_to(criterion.scale), **ratings}


def _jury(found: object, names: Sequence[str], nominal: tuple[bool, ...], source: str) -> Jury:
    if not isinstance(found, list) or not found:
        raise CriteriaError(f"{source!r}, key 'jury': write a list of members")
    members: list[str] = []
    weights: list[float] = []
    footings: list[Footing] = []
    for number, entry in enumerate(found):
        key = f"jury[{number}]"
        one = _mapping(entry, key, source)
        if not {"member"} <= set(one) <= {"member", "weight", "shift", "scale"} or not isinstance(one["member"], str):
            raise CriteriaError(
                f"{source!r}, key {key!r}: write member, weight, shift and scale, found {clipped(entry)}"
            )
        members.append(one["member"])
        weights.append(_number(one.get("weight", 1.0), f"{key}.weight", source))
        shift = _by_criterion(one.get("shift"), f"{key}.shift", names, 0.0, source)
        footings.append(Footing(shift, _by_criterion(one.get("scale"), f"{key}.scale", names, 1.0, source)))
    try:
        return Jury(tuple(members), tuple(weights), tuple(footings), nominal)
    except ValueError as error:
        raise CriteriaError(f"{source!r}, key 'jury': {error}") from None


def _ridge_to(names: Sequence[str], ridge: Ridge) -> dict[str, Any]:
    """Means and spreads of the features, and a row of coefficients for each criterion, all in the jury's order."""
    rows = zip(names, ridge.coefficients, ridge.intercepts, strict=True)
    return {
        "means": list(ridge.means),
        "spreads": list(ridge.spreads),
        "rows": {name: {"intercept": at, "coefficients": list(row)} for name, row, at in rows if row},
    }


def _ridge(found: object, members: tuple[str, ...], names: Sequence[str], source: str) -> Ridge:
    given = _mapping(found, "ridge", source)
    if set(given) != {"means", "spreads", "rows"}:
        raise CriteriaError(f"{source!r}, key 'ridge': write means, spreads and rows")
    size = len(members) * len(names)
    means, spreads = (_numbers(given[key], f"ridge.{key}", source, size) for key in ("means", "spreads"))
    rows = _mapping(given["rows"], "ridge.rows", source)
    if not set(rows) <= set(names) or min(spreads) <= 0:
        raise CriteriaError(f"{source!r}, key 'ridge': rows must name criteria, and spreads must be positive")
    coefficients: list[tuple[float, ...]] = []
    intercepts: list[float] = []
    for name in names:
        key = f"ridge.rows.{name}"
        row = _mapping(rows[name], key, source) if name in rows else {"intercept": 0.0}
        if name in rows and set(row) != {"intercept", "coefficients"}:
            raise CriteriaError(f"{source!r}, key {key!r}: write intercept and coefficients")
        coefficients.append(_numbers(row["coefficients"], key, source, size) if name in rows else ())
        intercepts.append(_number(row["intercept"], key, source))
    return Ridge(members, means, spreads, tuple(coefficients), tuple(intercepts))


def _by_criterion(found: object, key: str, names: Sequence[str], default: float, source: str) -> tuple[float, ...]:
    given = {} if found is None else _mapping(found, key, source)
    for name in given:
        if name not in names:
            raise CriteriaError(f"{source!r}, key {key!r}: no criterion {clipped(name)}{nearest(name, names)}")
    return tuple(_number(given.get(name, default), f"{key}.{name}", source) for name in names)


def _mapping(found: object, key: str, source: str) -> Mapping[Any, Any]:
    if not isinstance(found, Mapping):
        raise CriteriaError(f"{source!r}, key {key!r}: {clipped(found)} must be a mapping")
    return found


def _numbers(found: object, key: str, source: str, size: int | None = None) -> tuple[float, ...]:
    if not isinstance(found, list) or (size is not None and len(found) != size):
        raise CriteriaError(f"{source!r}, key {key!r}: must be a list of {'' if size is None else f'{size} '}numbers")
    return tuple(_number(one, key, source) for one in found)


def _number(found: object, key: str, source: str) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < float("inf"):
        raise CriteriaError(f"{source!r}, key {key!r}: {clipped(found)} must be a finite number")
    return float(found)
