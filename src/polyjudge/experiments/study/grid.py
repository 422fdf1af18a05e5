"""The grid of a study: every combination of data, models, axes and seeds is a cell, and a cell is a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from polyjudge.errors import ConfigError
from polyjudge.experiments.settings.config import digest8
from polyjudge.experiments.settings.merged import Settings, resolve
from polyjudge.experiments.study.file import Study, Value
from polyjudge.runs.codec import line


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a study.

    Attributes:
        name: its folder below ``runs``.
        data: what is judged.
        criteria: the criteria file; None where the data bring their own.
        block: (data, model) as the tables call them.
        values: axis -> the value's name.
        seed: of the run.
        settings: resolved.
    """

    name: str
    data: str
    criteria: str | None
    block: tuple[str, str]
    values: Mapping[str, str]
    seed: int
    settings: Settings


def cells(study: Study) -> tuple[Cell, ...]:
    """All cells, those of one data set and model together, the seeds of a configuration in turn.

    Raises:
        ConfigError: settings that do not go together, each told once.
    """
    found: list[Cell] = []
    faults: dict[str, None] = {}
    for data, model, values, seed in _grid(study):
        own = {"seed": seed} | dict(study.overrides) | {k: v for value in values for k, v in value.options.items()}
        options = own | dict(model.options) | {k: v for k, v in data.options.items() if k not in ("data", "criteria")}
        try:
            settings = resolve(options, held=study.options, config_file=study.source, origin="the study")
        except ConfigError as error:
            faults.setdefault(str(error))
            continue
        named = dict(zip(study.axes, (value.name for value in values), strict=True))
        criteria = data.options.get("criteria")
        found.append(
            Cell(
                _name(data, model, named, seed),
                str(data.options["data"]),
                None if criteria is None else str(criteria),
                (data.name, model.name),
                named,
                seed,
                settings,
            )
        )
    if faults:
        raise ConfigError("\n".join(faults))
    return _distinct(found)


def _grid(study: Study) -> Iterator[tuple[Value, Value, tuple[Value, ...], int]]:
    for data, model in product(study.data, study.models):
        for values in product(*study.axes.values()):
            for seed in study.seeds:
                yield data, model, values, seed


def _name(data: Value, model: Value, values: Mapping[str, str], seed: int) -> str:
    """``summeval-qwen3-8b-SSS-mae-seed0``; a value that is no word is told with its axis."""
    last = [name.rsplit("/", 1)[-1] for name in (data.name, model.name)]
    told = [value if value.isalpha() else f"{axis}-{value}" for axis, value in values.items()]
    return "-".join(_plain(part) for part in [*last, *told, f"seed{seed}"])


def _plain(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in text).strip("-.") or "x"


def _distinct(found: list[Cell]) -> tuple[Cell, ...]:
    """Cells of the same name, from names that differ in signs only, are told apart by a digest."""
    names = [cell.name for cell in found]
    return tuple(_renamed(cell) if names.count(cell.name) > 1 else cell for cell in found)


def _renamed(cell: Cell) -> Cell:
    told: Any = [cell.block, cell.values]
    return Cell(
        f"{cell.name}-{digest8(line(told))}",
        cell.data,
        cell.criteria,
        cell.block,
        cell.values,
        cell.seed,
        cell.settings,
    )
