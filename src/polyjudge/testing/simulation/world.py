"""A world as data: every parameter of every mechanism, read from a TOML file that is written down before it is used.

A world's file may begin with ``base = "NAME"`` and then holds only what differs. Chance has no state: what is drawn
depends on what it is drawn for, and on nothing else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from statistics import NormalDist
from typing import Any

from polyjudge.errors import ConfigError
from polyjudge.testing.simulation.mechanisms import (
    Data,
    Diagnostic,
    Dilution,
    Interference,
    Perception,
    RuleBook,
    Truth,
    Writers,
)

_STANDARD = NormalDist()
# 52 bits and a half: never 0, never 1.
_UNIT = 2.0**-52
NAMES = ("default", "null", "joint-helps")


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
    sections = [section.name for section in dataclasses.fields(World) if section.name not in ("name", "seed")]
    unknown = sorted(set(whole) - {"seed", *sections})
    if unknown:
        raise ConfigError(f"{source}: unknown key {unknown[0]!r}; known are base, seed, {', '.join(sections)}")
    kinds = (Data, Truth, Perception, RuleBook, Interference, Dilution, Writers, Diagnostic)
    mechanisms = {key: _section(kind, whole.get(key), key, source) for key, kind in zip(sections, kinds, strict=True)}
    world = World(name, _whole(whole.get("seed"), "seed", source), **mechanisms)
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
    return tomllib.loads(files("polyjudge.testing.simulation").joinpath("worlds", f"{name}.toml").read_text("utf-8"))


def _section(kind: type[Any], content: Any, key: str, source: str) -> Any:
    if not isinstance(content, Mapping):
        raise ConfigError(f'{source}: the table [{key}] is missing; begin with base = "default" to take its values')
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(content) - set(fields))
    if unknown:
        raise ConfigError(f"{source}: unknown key {key}.{unknown[0]}; known are {', '.join(fields)}")
    missing = [name for name in fields if name not in content]
    if missing:
        raise ConfigError(f'{source}: {key}.{missing[0]} is missing; begin with base = "default" to take its value')
    return kind(**{name: _value(content[name], field, f"{key}.{name}", source) for name, field in fields.items()})


def _value(value: Any, field: dataclasses.Field[Any], key: str, source: str) -> Any:
    if key == "data.criteria":
        return _criteria(value, source)
    if key == "rules.words":
        if isinstance(value, list) and len(value) == 2:
            low, high = (_whole(length, key, source) for length in value)
            if 1 <= low <= high <= 1000:
                return (low, high)
        raise ConfigError(f"{source}: {key} is {value!r}; write [shortest, longest], like [15, 45]")
    low, high = field.metadata["low"], field.metadata["high"]
    number = _whole(value, key, source) if field.type == "int" else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not low <= number <= high:
        raise ConfigError(f"{source}: {key} is {value!r}; it must be a number from {low:g} to {high:g}")
    return number if field.type == "int" else float(number)


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


def seeded(*parts: str | bytes | int) -> bytes:
    """Sixteen bytes that stand for these parts, in this order."""
    state = blake2b(digest_size=16)
    for part in parts:
        piece = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        state.update(len(piece).to_bytes(8, "little"))
        state.update(piece)
    return state.digest()


def uniform(seed: bytes) -> float:
    """A number between 0 and 1, neither included."""
    drawn = int.from_bytes(blake2b(seed, digest_size=8).digest(), "little")
    return ((drawn >> 12) + 0.5) * _UNIT


def normal(seed: bytes) -> float:
    """A standard normal number."""
    return _STANDARD.inv_cdf(uniform(seed))


class Stream:
    """Numbers one after the other, for whoever needs several and does not count them."""

    def __init__(self, *parts: str | bytes | int) -> None:
        self._seed = seeded(*parts)
        self._drawn = 0

    def uniform(self) -> float:
        self._drawn += 1
        return uniform(self._seed + self._drawn.to_bytes(4, "little"))

    def normal(self) -> float:
        return _STANDARD.inv_cdf(self.uniform())

    def happens(self, probability: float) -> bool:
        return self.uniform() < probability

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count - 1``."""
        return int(self.uniform() * count)
