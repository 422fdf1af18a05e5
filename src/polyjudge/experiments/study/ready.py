"""The runs of a study, assembled: everything that can be refused is refused here, before any call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyjudge.datasets.load import load
from polyjudge.domain.dataset import Dataset
from polyjudge.errors import ConfigError, InputError
from polyjudge.experiments.assemble import House, assemble, models_of
from polyjudge.experiments.optimize.keeping import identity_of
from polyjudge.experiments.plan import test_readings
from polyjudge.experiments.settings.config import RunConfig
from polyjudge.experiments.simulated import simulated
from polyjudge.experiments.study.grid import Cell
from polyjudge.llm.client import Client
from polyjudge.runs import codec


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
                loaded[key] = load(key[0], key[1], limit=key[2])
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
    house = assemble(config, dataset, client)
    role, scoring = house.judge.role, house.judge.scoring
    rows = codec.digest([house.dataset.digest, [example.id for example in house.split.test], house.prompt.names])
    # As Role.request tells answers apart: by the seed only where they vary by chance.
    replicate = 0 if role.sampling.temperature == 0 else role.seed
    asked = [rows, role.model, role.sampling, replicate, house.prompt, house.judge.layout.groups, config.structured]
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
