"""Read study.toml. All faults are reported at once, each with its key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import NoneType
from typing import Any

from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.domain.dataset import Dataset
from polyjudge.errors import ConfigError
from polyjudge.formatting.text import clipped, nearest
from polyjudge.settings.config import CIRCUMSTANCES
from polyjudge.settings.merged import from_file, merge, resolve
from polyjudge.settings.objects import short_name

SECTIONS = ("study", "axes", "options")
KEYS = ("data", "models", "preset", "seeds", "retests")
# Options that have a place elsewhere in the file, and options that hold for the whole invocation.
_NO_AXIS = {"model": "[study] models", "data": "[study] data", "seed": "[study] seeds", "preset": "[study] preset"}
# A study's runs, more of which are a slip.
_MOST_CELLS, _MOST_RETESTS, _LONGEST_SEED = 10_000, 1_000, 18
# Settings that may be objects -> their kind in the registry.
_KINDS = {"optimizer": "optimizers", "gate": "gates", "scoring": "scoring"}
_OF_ALL = CIRCUMSTANCES - {"fail_on_error"}


@dataclass(frozen=True, slots=True)
class Value:
    """One value on an axis: its name, and the run options that it sets."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Study:
    """A study with its overrides applied.

    Attributes:
        name: the file's stem.
        source: the file, for messages.
        data: each sets ``data`` and perhaps ``criteria`` and other options.
        models: each sets ``model`` and perhaps others.
        seeds: of the runs of every configuration.
        axes: option -> its values; the grid is their product.
        options: of all runs, as the file says.
        overrides: of all runs, as the command line says.
        address: of the models, as a file says under [options]; "" where it says none, or the study is no file.
        retests: how often the initial prompt is judged again on the test rows, the null of the hypervolume; None: as
            often as a run reads them.
    """

    name: str
    source: str
    data: tuple[Value, ...]
    models: tuple[Value, ...]
    seeds: tuple[int, ...]
    axes: Mapping[str, tuple[Value, ...]]
    options: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    retests: int | None = None
    address: str = ""


def shipped() -> tuple[str, ...]:
    """The names of the studies that come with the package."""
    return tuple(sorted(Path(file.name).stem for file in _shipped().iterdir() if file.name.endswith(".toml")))


def read_study(study: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Study:
    """A study from its file, a shipped name, or the file's content as a mapping.

    Args:
        study: where it stands.
        overrides: ``data``, ``model`` and ``seeds`` replace the file's lists, an option that is an axis replaces its
            values; any other option is set for all runs. A list or a text with commas names several. ``config`` is a
            settings file, over which the study's own options win.

    Raises:
        ConfigError: everything that is wrong with it, each by its key.
    """
    content, name, source = _content(study)
    problems = ErrorCollector(source, ConfigError)
    changes = {key: value for key, value in (overrides or {}).items() if value is not None}
    head, axes, options = _sections(content, problems)
    for key, replacement in (("data", changes.pop("data", None)), ("models", changes.pop("model", None))):
        head |= {key: several(replacement)} if replacement is not None else {}
    head |= {key: changes.pop(key) for key in ("seeds", "preset", "retests") if key in changes}
    replaced_axes = {axis: several(changes.pop(axis)) for axis in [*axes] if axis in changes}
    for axis, values in replaced_axes.items():
        axes[axis] = [_table_of(axes[axis], value) for value in values]
    options |= {"preset": head["preset"]} if "preset" in head else {}
    address = "" if isinstance(study, Mapping) else str(options.get("base_url", ""))
    if "config" in changes:
        # The study's options win over a settings file, which adds others such as prices.
        options = merge({"[options]": options, "config file": from_file(changes.pop("config"))})[0]
    if isinstance(study, Mapping):
        # A file holds names; a caller in Python may pass objects, which hold as his settings do.
        passed = {key: options.pop(key) for key in _KINDS if not isinstance(options.get(key), (str, NoneType))}
        changes = passed | changes
    result = Study(
        name=name,
        source=source,
        data=_values("data", head.get("data", []), problems, "data", "[study] "),
        models=_values("models", head.get("models", []), problems, "model", "[study] "),
        seeds=_seeds(head.get("seeds", [0]), problems),
        axes={axis: _values(axis, replacement, problems, axis, "[axes] ") for axis, replacement in axes.items()},
        options=options,
        overrides=changes,
        retests=_retests(head.get("retests"), problems),
        address=address,
    )
    runs = math.prod(map(len, (result.data, result.models, result.seeds, *result.axes.values())))
    if runs > _MOST_CELLS:
        problems.add(f"it asks for {clipped(runs)} runs, more than {_MOST_CELLS:,}; leave some values out")
    else:
        _check_options(result, problems)
    problems.check()
    return result


def several(value: Any) -> list[Any]:
    """One value, a list of them, or a text that names some with commas between."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [*value] if isinstance(value, Sequence) else [value]


def _shipped() -> Any:
    return files("polyjudge.workflows") / "studies"


def _content(study: str | Path | Mapping[str, Any]) -> tuple[Mapping[str, Any], str, str]:
    if isinstance(study, Mapping):
        return study, "study", "the given study"
    path = Path(study)
    if isinstance(study, str) and study in shipped() and not path.exists():
        resource = _shipped() / f"{study}.toml"
        return from_file(Path(str(resource))), study, f"the shipped study {study!r}"
    if not path.suffix and not path.exists():
        raise ConfigError(
            f"unknown study {str(study)!r}{nearest(study, shipped())}; give a TOML file, or one of the names "
            f"{', '.join(shipped())}"
        )
    return from_file(path), path.stem, f"the study {str(study)!r}"


def _sections(
    content: Mapping[str, Any], problems: ErrorCollector
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    for section in content:
        if section not in SECTIONS:
            problems.add(
                f"unknown section [{section}]{nearest(section, SECTIONS)}; there are [study], [axes], [options]"
            )
    sections = []
    for section in SECTIONS:
        content_of_section = content.get(section, {})
        if not isinstance(content_of_section, Mapping):
            problems.add(f"[{section}]: {clipped(content_of_section)} must be a table")
            content_of_section = {}
        sections.append(dict(content_of_section))
    for key in sections[0]:
        if key not in KEYS:
            hint = nearest(key, KEYS) or f"; known are {', '.join(KEYS)}, run options go under [options]"
            problems.add(f"[study] unknown key {key!r}{hint}")
    return sections[0], sections[1], sections[2]


def _table_of(values: Any, name: Any) -> Any:
    """The table of the file that has this name, else the name itself, so that a named table keeps its settings."""
    tables = [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []
    return next((value for value in tables if value.get("name") == name), name)


def _values(key: str, listed: Any, problems: ErrorCollector, option: str, key_prefix: str) -> tuple[Value, ...]:
    if not isinstance(listed, list) or not listed:
        remedy = {"models": "name one, or pass --model", "data": "name one, or pass --data"}.get(key, "leave it out")
        problems.add(f"{key_prefix}{key}: {clipped(listed)} must be a list of at least one value; {remedy}")
        return ()
    result = [_value(f"{key_prefix}{key}", item, option, problems) for item in listed]
    names = [value.name for value in result]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        problems.add(f"{key_prefix}{key}: {name!r} stands there twice; leave one out, or give it another 'name'")
    return tuple(result)


def _value(key_path: str, item: Any, option: str, problems: ErrorCollector) -> Value:
    if not isinstance(item, Mapping):
        return Value(_name(option, item), {option: item})
    options = dict(item)
    name = options.pop("name", None) or (_name(option, options[option]) if option in options else None)
    if option in ("data", "model") and option not in options:
        problems.add(f"{key_path}: {clipped(item)} names no {option!r}")
    if not isinstance(name, str) or not name:
        problems.add(f"{key_path}: {clipped(item)} needs a 'name', by which the tables call it")
    return Value(str(name), options)


def _name(option: str, item: Any) -> str:
    """What tables call a value: a name as it stands, an object by its own."""
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, Dataset):
        return item.name
    if option == "data" and callable(item):
        return str(getattr(item, "__name__", type(item).__name__))
    return short_name(_KINDS[option], item) if option in _KINDS and not isinstance(item, str) else str(item)


def _seeds(seeds: Any, problems: ErrorCollector) -> tuple[int, ...]:
    """The seeds of a list; a single number N means 0 to N - 1."""
    if isinstance(seeds, str):
        parts = several(seeds)
        if not all(part.isdecimal() and len(part) <= _LONGEST_SEED for part in parts):
            problems.add(f"seeds: {seeds!r} must be numbers such as 0,1,2, or a count")
            return ()
        seeds = [int(part) for part in parts] if "," in seeds else int(parts[0]) if parts else []
    if isinstance(seeds, int) and not isinstance(seeds, bool) and 0 < seeds <= _MOST_CELLS:
        return tuple(range(seeds))
    whole = isinstance(seeds, Sequence) and all(type(seed) is int and seed >= 0 for seed in seeds)
    if not whole or not seeds or len(set(seeds)) < len(seeds):
        problems.add(
            f"[study] seeds: {clipped(seeds)} must be a list of different whole numbers from 0 on, or how "
            f"many, at most {_MOST_CELLS:,}"
        )
        return ()
    return tuple(seeds)


def _retests(count: Any, problems: ErrorCollector) -> int | None:
    if count is None or (type(count) is int and 0 <= count <= _MOST_RETESTS):
        return count
    problems.add(f"[study] retests: {clipped(count)} must be a whole number from 0 to {_MOST_RETESTS:,}")
    return None


def _check_options(study: Study, problems: ErrorCollector) -> None:
    """Check each value of each axis by itself, so that each fault is reported once, with its key."""
    for axis in study.axes:
        if axis in _NO_AXIS:
            problems.add(f"[axes] {axis}: write its values under {_NO_AXIS[axis]}")
        elif axis in _OF_ALL:
            problems.add(f"[axes] {axis}: it holds for the whole study; write it under [options]")
    usable = not _refused(study.options, {}, "[options]", problems)
    base = study.options if usable else {}
    _refused(study.overrides, base, "command line", problems)
    for key_path, values in _by_key(study).items():
        for value in values:
            options = {name: setting for name, setting in value.options.items() if name not in ("data", "criteria")}
            study_wide = sorted(_OF_ALL.intersection(options))
            if study_wide and "axes" not in key_path:
                problems.add(
                    f"{key_path}: {', '.join(study_wide)} holds for the whole study; write it under [options]"
                )
            _refused({name: options[name] for name in options if name not in study_wide}, base, key_path, problems)


def _by_key(study: Study) -> dict[str, tuple[Value, ...]]:
    axes = {f"[axes] {axis}": values for axis, values in study.axes.items() if axis not in {*_NO_AXIS, *_OF_ALL}}
    return {"[study] data": study.data, "[study] models": study.models, **axes}


def _refused(options: Mapping[str, Any], base: Mapping[str, Any], origin: str, problems: ErrorCollector) -> bool:
    """Whether settings cannot be used; their faults are collected."""
    try:
        resolve(options, held=base, config_file="[options]", origin=origin)
    except ConfigError as error:
        problems.add(str(error))
        return True
    return False
