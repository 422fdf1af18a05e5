"""jury.yaml: which judges' scores make one, with weights and calibration, as one readable file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polyjudge.combining.fitted import FittedJury
from polyjudge.combining.jury import Footing, Jury
from polyjudge.datasets.criteria import rubric_from, scale_to
from polyjudge.datasets.yamlfile import dump_yaml, read_yaml
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical
from polyjudge.errors import CriteriaError
from polyjudge.formatting.text import clipped, nearest
from polyjudge.results.fitted_file import (
    by_criterion,
    calibration_from,
    calibration_to,
    mapping_of,
    number_of,
    ridge_from,
    ridge_to,
)

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
        content["ridge"] = ridge_to(names, file.fitted.ridge)
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
    ridge = None if content.get("ridge") is None else ridge_from(content["ridge"], jury.members, names, source)
    lineage = content.get("lineage") or {}
    if not isinstance(lineage, Mapping):
        raise CriteriaError(f"{source!r}, key 'lineage': {clipped(lineage)} must be a mapping")
    return JuryFile(rubric.criteria, FittedJury(jury, maps, ridge), lineage)


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
        one = mapping_of(entry, key, source)
        if not {"member"} <= set(one) <= {"member", "weight", "shift", "scale"} or not isinstance(one["member"], str):
            raise CriteriaError(
                f"{source!r}, key {key!r}: write member, weight, shift and scale, found {clipped(entry)}"
            )
        members.append(one["member"])
        weights.append(number_of(one.get("weight", 1.0), f"{key}.weight", source))
        shift = by_criterion(one.get("shift"), f"{key}.shift", names, 0.0, source)
        footings.append(Footing(shift, by_criterion(one.get("scale"), f"{key}.scale", names, 1.0, source)))
    try:
        return Jury(tuple(members), tuple(weights), tuple(footings), nominal)
    except ValueError as error:
        raise CriteriaError(f"{source!r}, key 'jury': {error}") from None
