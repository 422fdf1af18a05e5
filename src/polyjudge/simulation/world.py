"""A world as data: every parameter of every mechanism, read from a TOML file that is written down before it is used.

A world's file may begin with ``base = "NAME"`` and then holds only what differs. ``docs/simulation.md`` says what each
parameter means, and which value switches its mechanism off.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from polyjudge.errors import ConfigError

NAMES = ("default", "null", "joint-helps")


def _number(low: float, high: float = math.inf) -> Any:
    return field(metadata={"low": low, "high": high})


@dataclass(frozen=True, slots=True)
class Data:
    """The items of the world's own data set.

    Attributes:
        criteria: their names.
        documents: how many.
        summaries: items a document.
        train: how many documents the data's own split trains on.
        raters: how many rate each item.
        disagreement: standard deviation of one rater's error; qualities have 1.
    """

    criteria: tuple[str, ...]
    documents: int = _number(2, 100_000)
    summaries: int = _number(1, 1000)
    train: int = _number(1, 100_000)
    raters: int = _number(1, 100)
    disagreement: float = _number(0, 10)


@dataclass(frozen=True, slots=True)
class Truth:
    """Latent qualities, each standard normal.

    Attributes:
        correlation: between the qualities of one item.
        document: share of their variance that items of one document have in common.
    """

    correlation: float = _number(0, 1)
    document: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class Perception:
    """How well a judge sees a quality.

    Attributes:
        fidelity: correlation of perception and quality under an instruction without rules.
        leniency: added to every perception.
        item: share of the error's variance that belongs to the item, whatever the prompt.
        impression: share of the item's error that is common to all its criteria.
        call: standard deviation of what a call adds at temperature 1; also the spread of the told probabilities.
        unreadable: probability of a reply without scores.
    """

    fidelity: float = _number(0, 1)
    leniency: float = _number(-5, 5)
    item: float = _number(0, 1)
    impression: float = _number(0, 1)
    call: float = _number(0.01, 10)
    unreadable: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules that instructions may hold; ``gain`` and ``harm`` 0 switch them off.

    Attributes:
        count: rules a criterion.
        good: probability that a rule helps.
        gain: a helpful rule adds up to this to the fidelity.
        harm: a harmful one takes up to this.
        words: shortest and longest text of a rule.
    """

    words: tuple[int, int]
    count: int = _number(1, 200)
    good: float = _number(0, 1)
    gain: float = _number(0, 1)
    harm: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class Interference:
    """What sharing a judge call does; each is off at 0.

    Attributes:
        gamma: attention goes with the instruction's length to this power.
        crowding: share of the fidelity lost for each criterion beside it.
        halo: weight of the mean over all criteria of a call in each perception.
        contrast: share of the common impression that judging side by side removes.
    """

    gamma: float = _number(0, 10)
    crowding: float = _number(0, 1)
    halo: float = _number(0, 1)
    contrast: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class Dilution:
    """What sharing a gradient call does; off when ``shared`` and ``delta`` are 0.

    Attributes:
        slots: sentences a gradient call writes.
        shared: 1 = the criteria of a call share them, 0 = each has so many.
        delta: the probability of a specific sentence falls with the number of criteria to this power.
        specific: that probability for one criterion alone.
    """

    slots: int = _number(1, 100)
    shared: float = _number(0, 1)
    delta: float = _number(0, 10)
    specific: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class Writers:
    """What loss, gradient and optimizer make of what they hear.

    Attributes:
        insight: probability that the loss names a rule for a criterion; it falls with their number as ``delta`` says.
        helpful: probability that a rule that is named helps.
        proposes: probability that a specific sentence asks for a change.
        obedience: probability that the optimizer does what a sentence asks for, else something of its own.
    """

    insight: float = _number(0, 1)
    helpful: float = _number(0, 1)
    proposes: float = _number(0, 1)
    obedience: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """How well the diagnostic model reads.

    Attributes:
        noise: standard deviation of its ratings from 1 to 10.
        error: probability of an attribution by chance.
    """

    noise: float = _number(0, 10)
    error: float = _number(0, 1)


@dataclass(frozen=True, slots=True)
class World:
    """All parameters; equal worlds give equal answers.

    Attributes:
        name: of the file.
        seed: of everything that is drawn in it. Worlds that differ in their mechanisms only share items and ratings.
    """

    name: str
    seed: int
    data: Data
    truth: Truth
    judge: Perception
    rules: RuleBook
    interference: Interference
    dilution: Dilution
    writers: Writers
    diagnostic: Diagnostic

    @property
    def digest(self) -> str:
        """sha256 over all parameters but the name."""
        content = dataclasses.asdict(self)
        del content["name"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_world(name: str, folder: Path | None = None) -> World:
    """The world of a shipped name or a TOML file; a relative path starts at ``folder``.

    Raises:
        ConfigError: no such world, or a parameter that cannot be used; file and key are named.
    """
    if name in NAMES:
        return world_of(_shipped(name), name, name)
    if not name.endswith(".toml"):
        raise ConfigError(
            f"unknown world {name!r}; write simulated/NAME with one of {', '.join(NAMES)}, or simulated/FILE.toml"
        )
    path = (folder or Path.cwd()) / Path(name).expanduser()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"cannot read the world {name!r}: {reason}; check the path") from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the world {name!r} is not valid TOML: {error}; correct it there") from None
    return world_of(content, path.stem, name)


def world_of(content: Mapping[str, Any], name: str, source: str) -> World:
    """A world of its parsed file.

    Raises:
        ConfigError: as ``read_world``.
    """
    whole = _over(content, source)
    sections = {one.name: one for one in dataclasses.fields(World) if one.name not in ("name", "seed")}
    strange = sorted(set(whole) - {"seed", *sections})
    if strange:
        raise ConfigError(f"{source}: unknown key {strange[0]!r}; known are base, seed, {', '.join(sections)}")
    kinds = (Data, Truth, Perception, RuleBook, Interference, Dilution, Writers, Diagnostic)
    made = {
        place: _section(kind, whole.get(place), place, source) for place, kind in zip(sections, kinds, strict=True)
    }
    world = World(name, _whole(whole.get("seed"), "seed", source), **made)
    if world.data.train >= world.data.documents:
        raise ConfigError(f"{source}: data.train ({world.data.train}) must be below data.documents")
    return world


def _over(content: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The parameters of a file laid over those of its base."""
    base = content.get("base")
    if base is None:
        return dict(content)
    if base not in NAMES:
        raise ConfigError(f"{source}: base is {base!r}; it must be one of: {', '.join(NAMES)}")
    below = _over(_shipped(base), base)
    for key, value in content.items():
        if key != "base":
            both = isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
            below[key] = {**below[key], **value} if both else value
    return below


def _shipped(name: str) -> dict[str, Any]:
    return tomllib.loads(files("polyjudge.simulation").joinpath("worlds", f"{name}.toml").read_text("utf-8"))


def _section(kind: type[Any], found: Any, place: str, source: str) -> Any:
    if not isinstance(found, Mapping):
        raise ConfigError(f'{source}: the table [{place}] is missing; begin with base = "default" to take its values')
    wanted = {one.name: one for one in dataclasses.fields(kind)}
    strange = sorted(set(found) - set(wanted))
    if strange:
        raise ConfigError(f"{source}: unknown key {place}.{strange[0]}; known are {', '.join(wanted)}")
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ConfigError(f'{source}: {place}.{missing[0]} is missing; begin with base = "default" to take its value')
    return kind(**{name: _value(found[name], one, f"{place}.{name}", source) for name, one in wanted.items()})


def _value(value: Any, wanted: dataclasses.Field[Any], key: str, source: str) -> Any:
    if key == "data.criteria":
        return _criteria(value, source)
    if key == "rules.words":
        if isinstance(value, list) and len(value) == 2:
            low, high = (_whole(one, key, source) for one in value)
            if 1 <= low <= high <= 1000:
                return (low, high)
        raise ConfigError(f"{source}: {key} is {value!r}; write [shortest, longest], like [15, 45]")
    low, high = wanted.metadata["low"], wanted.metadata["high"]
    number = _whole(value, key, source) if wanted.type == "int" else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not low <= number <= high:
        raise ConfigError(f"{source}: {key} is {value!r}; it must be a number from {low:g} to {high:g}")
    return number if wanted.type == "int" else float(number)


def _criteria(value: Any, source: str) -> tuple[str, ...]:
    names = value if isinstance(value, list) else []
    if not names or not all(isinstance(name, str) and name.isidentifier() for name in names):
        raise ConfigError(
            f'{source}: data.criteria is {value!r}; write a list of names, like ["fluency", "coherence"]'
        )
    if len(set(names)) < len(names):
        raise ConfigError(f"{source}: data.criteria names one twice; each needs a name of its own")
    return tuple(names)


def _whole(value: Any, key: str, source: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{source}: {key} is {value!r}; it must be a whole number")
    return value
