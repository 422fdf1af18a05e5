"""study.toml: what is compared, as data. Every fault in it is told at once, by its key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.errors import ConfigError
from polyjudge.formatting.text import clipped, nearest
from polyjudge.settings.config import CIRCUMSTANCES
from polyjudge.settings.merged import from_file, merge, resolve

SECTIONS = ("study", "axes", "options")
KEYS = ("data", "models", "preset", "seeds", "retests")
# What the file says elsewhere, and what belongs to the whole invocation.
_NO_AXIS = {"model": "[study] models", "data": "[study] data", "seed": "[study] seeds", "preset": "[study] preset"}
# A study's runs, more of which are a slip.
_MOST_CELLS, _MOST_RETESTS, _LONGEST_SEED = 10_000, 1_000, 18
_OF_ALL = CIRCUMSTANCES - {"fail_on_error"}


@dataclass(frozen=True, slots=True)
class Value:
    """One value on an axis: its name, and the run options that it sets."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Study:
    """A study as it is to be run, overrides applied.

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
    return tuple(sorted(Path(one.name).stem for one in _shipped().iterdir() if one.name.endswith(".toml")))


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
    chosen = {key: value for key, value in (overrides or {}).items() if value is not None}
    head, axes, options = _sections(content, problems)
    for key, given in (("data", chosen.pop("data", None)), ("models", chosen.pop("model", None))):
        head |= {key: several(given)} if given is not None else {}
    head |= {key: chosen.pop(key) for key in ("seeds", "preset", "retests") if key in chosen}
    narrowed = {axis: several(chosen.pop(axis)) for axis in [*axes] if axis in chosen}
    for axis, only in narrowed.items():
        axes[axis] = [_own(axes[axis], one) for one in only]
    options |= {"preset": head["preset"]} if "preset" in head else {}
    address = "" if isinstance(study, Mapping) else str(options.get("base_url", ""))
    if "config" in chosen:
        # The study says what is compared; a settings file fills in the rest, such as prices.
        options = merge({"[options]": options, "config file": from_file(chosen.pop("config"))})[0]
    found = Study(
        name=name,
        source=source,
        data=_values("data", head.get("data", []), problems, "data", "[study] "),
        models=_values("models", head.get("models", []), problems, "model", "[study] "),
        seeds=_seeds(head.get("seeds", [0]), problems),
        axes={axis: _values(axis, given, problems, axis, "[axes] ") for axis, given in axes.items()},
        options=options,
        overrides=chosen,
        retests=_retests(head.get("retests"), problems),
        address=address,
    )
    runs = math.prod(map(len, (found.data, found.models, found.seeds, *found.axes.values())))
    if runs > _MOST_CELLS:
        problems.add(f"it asks for {clipped(runs)} runs, more than {_MOST_CELLS:,}; leave some values out")
    else:
        _check_options(found, problems)
    problems.check()
    return found


def several(given: Any) -> list[Any]:
    """One value, a list of them, or a text that names some with commas between."""
    if isinstance(given, str):
        return [part.strip() for part in given.split(",") if part.strip()]
    return [*given] if isinstance(given, Sequence) else [given]


def _shipped() -> Any:
    return files("polyjudge.workflows") / "studies"


def _content(study: str | Path | Mapping[str, Any]) -> tuple[Mapping[str, Any], str, str]:
    if isinstance(study, Mapping):
        return study, "study", "the given study"
    path = Path(study)
    if isinstance(study, str) and study in shipped() and not path.exists():
        with_it = _shipped() / f"{study}.toml"
        return from_file(Path(str(with_it))), study, f"the shipped study {study!r}"
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
    found = []
    for section in SECTIONS:
        held = content.get(section, {})
        if not isinstance(held, Mapping):
            problems.add(f"[{section}]: {clipped(held)} must be a table")
            held = {}
        found.append(dict(held))
    for key in found[0]:
        if key not in KEYS:
            instead = nearest(key, KEYS) or f"; known are {', '.join(KEYS)}, run options go under [options]"
            problems.add(f"[study] unknown key {key!r}{instead}")
    return found[0], found[1], found[2]


def _own(values: Any, one: Any) -> Any:
    """The file's own value of a name, so that naming a table's ``name`` keeps what the table sets."""
    named = [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []
    return next((value for value in named if value.get("name") == one), one)


def _values(key: str, given: Any, problems: ErrorCollector, option: str, place: str) -> tuple[Value, ...]:
    if not isinstance(given, list) or not given:
        remedy = {"models": "name one, or pass --model", "data": "name one, or pass --data"}.get(key, "leave it out")
        problems.add(f"{place}{key}: {clipped(given)} must be a list of at least one value; {remedy}")
        return ()
    found = [_value(f"{place}{key}", one, option, problems) for one in given]
    names = [value.name for value in found]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        problems.add(f"{place}{key}: {name!r} stands there twice; leave one out, or give it another 'name'")
    return tuple(found)


def _value(place: str, one: Any, option: str, problems: ErrorCollector) -> Value:
    if not isinstance(one, Mapping):
        return Value(str(one).lower() if isinstance(one, bool) else str(one), {option: one})
    held = dict(one)
    name = held.pop("name", held.get(option))
    if option in ("data", "model") and option not in held:
        problems.add(f"{place}: {clipped(one)} names no {option!r}")
    if not isinstance(name, str) or not name:
        problems.add(f"{place}: {clipped(one)} needs a 'name', by which the tables call it")
    return Value(str(name), held)


def _seeds(given: Any, problems: ErrorCollector) -> tuple[int, ...]:
    """A list of seeds; a number alone is so many, from 0 on."""
    if isinstance(given, str):
        parts = several(given)
        if not all(part.isdecimal() and len(part) <= _LONGEST_SEED for part in parts):
            problems.add(f"seeds: {given!r} must be numbers such as 0,1,2, or how many")
            return ()
        given = [int(part) for part in parts] if "," in given else int(parts[0]) if parts else []
    if isinstance(given, int) and not isinstance(given, bool) and 0 < given <= _MOST_CELLS:
        return tuple(range(given))
    whole = isinstance(given, Sequence) and all(type(one) is int and one >= 0 for one in given)
    if not whole or not given or len(set(given)) < len(given):
        problems.add(
            f"[study] seeds: {clipped(given)} must be a list of different whole numbers from 0 on, or how "
            f"many, at most {_MOST_CELLS:,}"
        )
        return ()
    return tuple(given)


def _retests(given: Any, problems: ErrorCollector) -> int | None:
    if given is None or (type(given) is int and 0 <= given <= _MOST_RETESTS):
        return given
    problems.add(f"[study] retests: {clipped(given)} must be a whole number from 0 to {_MOST_RETESTS:,}")
    return None


def _check_options(study: Study, problems: ErrorCollector) -> None:
    """Every value of every axis by itself, so that each fault is told once and by its place."""
    for axis in study.axes:
        if axis in _NO_AXIS:
            problems.add(f"[axes] {axis}: write its values under {_NO_AXIS[axis]}")
        elif axis in _OF_ALL:
            problems.add(f"[axes] {axis}: it holds for the whole study; write it under [options]")
    sound = not _refused(study.options, {}, "[options]", problems)
    base = study.options if sound else {}
    _refused(study.overrides, base, "command line", problems)
    for place, values in _by_place(study).items():
        for value in values:
            own = {name: given for name, given in value.options.items() if name not in ("data", "criteria")}
            wide = sorted(_OF_ALL.intersection(own))
            if wide and "axes" not in place:
                problems.add(f"{place}: {', '.join(wide)} holds for the whole study; write it under [options]")
            _refused({name: own[name] for name in own if name not in wide}, base, place, problems)


def _by_place(study: Study) -> dict[str, tuple[Value, ...]]:
    axes = {f"[axes] {axis}": values for axis, values in study.axes.items() if axis not in {*_NO_AXIS, *_OF_ALL}}
    return {"[study] data": study.data, "[study] models": study.models, **axes}


def _refused(options: Mapping[str, Any], base: Mapping[str, Any], place: str, problems: ErrorCollector) -> bool:
    """Whether some settings cannot be used; the faults are collected."""
    try:
        resolve(options, held=base, config_file="[options]", origin=place)
    except ConfigError as error:
        problems.add(str(error))
        return True
    return False
