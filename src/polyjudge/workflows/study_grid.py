"""The grid of a study: every combination of data, models, axes and seeds is a cell, and each cell is a run.

All runs are assembled here, so that every fault in their settings is reported before any call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from polyjudge import codec
from polyjudge.codec import line
from polyjudge.datasets.load import Criteria, Data, load_dataset
from polyjudge.domain.dataset import Dataset
from polyjudge.errors import ConfigError, InputError
from polyjudge.llm.client import Client
from polyjudge.results.outcome import simulated
from polyjudge.settings.config import RunConfig, digest8
from polyjudge.settings.merged import ResolvedSettings, resolve
from polyjudge.workflows.assemble import RunSetup, assemble, models_of
from polyjudge.workflows.optimize import identity_of
from polyjudge.workflows.plan import test_readings
from polyjudge.workflows.study_file import Study, Value


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a study.

    Attributes:
        name: its folder below ``runs``.
        data: what is judged: a name, a file, or an object.
        criteria: their criteria; None where the data bring their own.
        block: (data, model) as the tables call them.
        values: axis -> the value's name.
        seed: of the run.
        settings: resolved.
    """

    name: str
    data: Data
    criteria: Criteria | None
    block: tuple[str, str]
    values: Mapping[str, str]
    seed: int
    settings: ResolvedSettings


def cells(study: Study) -> tuple[Cell, ...]:
    """All cells, those of one data set and model together, the seeds of a configuration in turn.

    Raises:
        ConfigError: settings that do not fit each other; each fault is reported once.
    """
    cells: list[Cell] = []
    faults: dict[str, None] = {}
    for data, model, values, seed in _grid(study):
        explicit = (
            {"seed": seed} | dict(study.overrides) | {k: v for value in values for k, v in value.options.items()}
        )
        options = (
            explicit | dict(model.options) | {k: v for k, v in data.options.items() if k not in ("data", "criteria")}
        )
        try:
            settings = resolve(options, held=study.options, config_file=study.source, origin="the study")
        except ConfigError as error:
            faults.setdefault(str(error))
            continue
        value_names = dict(zip(study.axes, (value.name for value in values), strict=True))
        cells.append(
            Cell(
                _name(data, model, value_names, seed),
                data.options["data"],
                data.options.get("criteria"),
                (data.name, model.name),
                value_names,
                seed,
                settings,
            )
        )
    for name, where in _unused(cells).items():
        faults.setdefault(f"{name!r} ({where}): no optimizer of the study uses it; leave it out")
    if faults:
        raise ConfigError("\n".join(faults))
    return _distinct(cells)


def _unused(cells: Sequence[Cell]) -> dict[str, str]:
    """The settings that no cell's optimizer reads."""
    unused = [cell.settings.unused for cell in cells]
    return (
        {name: origin for name, origin in unused[0].items() if all(name in other for other in unused)}
        if unused
        else {}
    )


def _grid(study: Study) -> Iterator[tuple[Value, Value, tuple[Value, ...], int]]:
    for data, model in product(study.data, study.models):
        for values in product(*study.axes.values()):
            for seed in study.seeds:
                yield data, model, values, seed


def _name(data: Value, model: Value, values: Mapping[str, str], seed: int) -> str:
    """``summeval-qwen3-8b-SSS-mae-seed0``; a value that is not a word has its axis before it."""
    short_names = [name.rsplit("/", 1)[-1] for name in (data.name, model.name)]
    words = [value if value.isalpha() else f"{axis}-{value}" for axis, value in values.items()]
    return "-".join(_plain(part) for part in [*short_names, *words, f"seed{seed}"])


def _plain(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in text).strip("-.") or "x"


def _distinct(cells: list[Cell]) -> tuple[Cell, ...]:
    """Add a digest to cells of the same name, which come from values that differ only in punctuation."""
    names = [cell.name for cell in cells]
    return tuple(_renamed(cell) if names.count(cell.name) > 1 else cell for cell in cells)


def _renamed(cell: Cell) -> Cell:
    identity: Any = [cell.block, cell.values]
    return Cell(
        f"{cell.name}-{digest8(line(identity))}",
        cell.data,
        cell.criteria,
        cell.block,
        cell.values,
        cell.seed,
        cell.settings,
    )


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A cell with the objects of its run.

    Attributes:
        cell: the run.
        run_setup: its objects, which share the client of the study.
        identity: its config.json.
        judged: a digest of what determines the judge's answers to the initial prompt; equal ones are asked for once.
        rows: a digest of the test rows and the criteria, which determine the ratings.
        simulated: the names of the parts that a simulated world provides.
    """

    cell: Cell
    run_setup: RunSetup
    identity: str
    judged: str
    rows: str
    simulated: tuple[str, ...] = ()

    @property
    def config(self) -> RunConfig:
        return self.cell.settings.config

    @property
    def readings(self) -> int:
        """How often the run evaluates the test rows."""
        config = self.config
        return len(test_readings(config.protocol, config.steps, config.evaluate_every)) or 2

    @property
    def warm(self) -> bool:
        """Whether the judge's answers vary by chance."""
        return self.run_setup.judge.role.sampling.temperature != 0


def load_all(grid: Sequence[Cell]) -> Mapping[str, Dataset]:
    """The data sets of the cells, each read once; by cell.

    Raises:
        ConfigError: data that cannot be used; each fault is reported once.
    """
    loaded: dict[tuple[str | int, ...], Dataset | InputError] = {}
    for cell in grid:
        if _source(cell) not in loaded:
            try:
                loaded[_source(cell)] = load_dataset(cell.data, cell.criteria, limit=cell.settings.config.limit)
            except InputError as error:
                loaded[_source(cell)] = error
    _raise([dataset for dataset in loaded.values() if isinstance(dataset, InputError)])
    by_cell = {cell.name: loaded[_source(cell)] for cell in grid}
    return {name: dataset for name, dataset in by_cell.items() if isinstance(dataset, Dataset)}


def _source(cell: Cell) -> tuple[str | int, ...]:
    """Tells apart what must be read: names by themselves, objects by their identity."""
    parts = (cell.data, cell.criteria)
    return (*(part if isinstance(part, str) else id(part) for part in parts), cell.settings.config.limit or 0)


def assemble_all(grid: Sequence[Cell], datasets: Mapping[str, Dataset], client: Client) -> tuple[PreparedRun, ...]:
    """Assemble the runs of all cells.

    Raises:
        ConfigError: settings that do not fit each other, the data or the models; each fault is reported once.
    """
    prepared_runs: list[PreparedRun] = []
    faults: list[InputError] = []
    for cell in grid:
        try:
            prepared_runs.append(_prepared_run(cell, datasets[cell.name], client))
        except InputError as error:
            faults.append(error)
    _raise(faults)
    return tuple(prepared_runs)


def _prepared_run(cell: Cell, dataset: Dataset, client: Client) -> PreparedRun:
    config = cell.settings.config
    run_setup = assemble(config, dataset, client, cell.settings.objects)
    role, scoring = run_setup.judge.role, run_setup.judge.scoring
    rows = codec.digest(
        [run_setup.dataset.digest, [example.id for example in run_setup.split.test], run_setup.prompt.names]
    )
    # As in Role.request, the seed matters only if answers vary by chance.
    seed = 0 if role.sampling.temperature == 0 else role.seed
    question = [
        rows,
        role.model,
        role.sampling,
        seed,
        run_setup.prompt,
        run_setup.judge.layout.groups,
        config.structured,
    ]
    judged = codec.digest([*question, scoring.name, scoring.samples])
    simulated_parts = simulated(models_of(config), client, dataset)
    return PreparedRun(cell, run_setup, identity_of(config, run_setup, client), judged, rows, simulated_parts)


def _raise(faults: Sequence[InputError]) -> None:
    messages = [*dict.fromkeys(map(str, faults))]
    if not messages:
        return
    if len(messages) == 1:
        raise next(iter(faults))
    raise ConfigError("\n".join([f"{len(messages)} problems", *(f"  - {text}" for text in messages)]))
