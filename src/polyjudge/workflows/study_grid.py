"""The grid of a study: every combination of data, models, axes and seeds is a cell, and a cell is a run.

The runs of a study, assembled: everything that can be refused is refused here, before any call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from polyjudge import codec
from polyjudge.codec import line
from polyjudge.datasets.load import load_dataset
from polyjudge.domain.dataset import Dataset
from polyjudge.errors import ConfigError, InputError
from polyjudge.llm.client import Client
from polyjudge.results.outcome import simulated
from polyjudge.settings.config import RunConfig, digest8
from polyjudge.settings.merged import ResolvedSettings, resolve
from polyjudge.workflows.assemble import House, assemble, models_of
from polyjudge.workflows.optimize import identity_of
from polyjudge.workflows.plan import test_readings
from polyjudge.workflows.study_file import Study, Value


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
    settings: ResolvedSettings


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
    for name, where in _unused(found).items():
        faults.setdefault(f"{name!r} ({where}): no optimizer of the study uses it; leave it out")
    if faults:
        raise ConfigError("\n".join(faults))
    return _distinct(found)


def _unused(found: Sequence[Cell]) -> dict[str, str]:
    """The settings that no cell's optimizer reads; one of a cell's that another cell reads is for that one."""
    given = [cell.settings.unused for cell in found]
    return {name: where for name, where in given[0].items() if all(name in other for other in given)} if given else {}


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


@dataclass(frozen=True, slots=True)
class Ready:
    """A cell with its objects.

    Attributes:
        cell: the run.
        house: its parts, by the shared client.
        identity: its config.json.
        judged: what its first judging of the initial prompt hangs on; equal ones are asked once.
        rows: what its ratings on the test rows hang on.
        simulated: what of it is, by name.
    """

    cell: Cell
    house: House
    identity: str
    judged: str
    rows: str
    simulated: tuple[str, ...] = ()

    @property
    def config(self) -> RunConfig:
        return self.cell.settings.config

    @property
    def readings(self) -> int:
        """How often the run reads the test rows."""
        config = self.config
        return len(test_readings(config.protocol, config.steps, config.evaluate_every)) or 2

    @property
    def warm(self) -> bool:
        """Whether the judge's answers vary by chance."""
        return self.house.judge.role.sampling.temperature != 0


def load_all(grid: Sequence[Cell]) -> Mapping[str, Dataset]:
    """The data sets of the cells, each read once; by cell.

    Raises:
        ConfigError: those that cannot be used, each told once.
    """
    loaded: dict[tuple[str, str | None, int | None], Dataset | InputError] = {}
    for cell in grid:
        key = (cell.data, cell.criteria, cell.settings.config.limit)
        if key not in loaded:
            try:
                loaded[key] = load_dataset(key[0], key[1], limit=key[2])
            except InputError as error:
                loaded[key] = error
    _raise([found for found in loaded.values() if isinstance(found, InputError)])
    by_cell = {cell.name: loaded[cell.data, cell.criteria, cell.settings.config.limit] for cell in grid}
    return {name: found for name, found in by_cell.items() if isinstance(found, Dataset)}


def assemble_all(grid: Sequence[Cell], datasets: Mapping[str, Dataset], client: Client) -> tuple[Ready, ...]:
    """All cells with their objects.

    Raises:
        ConfigError: settings that do not fit each other, the data or the models, each told once.
    """
    found: list[Ready] = []
    faults: list[InputError] = []
    for cell in grid:
        try:
            found.append(_ready(cell, datasets[cell.name], client))
        except InputError as error:
            faults.append(error)
    _raise(faults)
    return tuple(found)


def _ready(cell: Cell, dataset: Dataset, client: Client) -> Ready:
    config = cell.settings.config
    house = assemble(config, dataset, client, cell.settings.objects)
    role, scoring = house.judge.role, house.judge.scoring
    rows = codec.digest([house.dataset.digest, [example.id for example in house.split.test], house.prompt.names])
    # As Role.request tells answers apart: by the seed only where they vary by chance.
    seed = 0 if role.sampling.temperature == 0 else role.seed
    asked = [rows, role.model, role.sampling, seed, house.prompt, house.judge.layout.groups, config.structured]
    judged = codec.digest([*asked, scoring.name, scoring.samples])
    parts = simulated(models_of(config), client, dataset)
    return Ready(cell, house, identity_of(config, house, client), judged, rows, parts)


def _raise(faults: Sequence[InputError]) -> None:
    told = [*dict.fromkeys(map(str, faults))]
    if not told:
        return
    if len(told) == 1:
        raise next(iter(faults))
    raise ConfigError("\n".join([f"{len(told)} problems", *(f"  - {text}" for text in told)]))
