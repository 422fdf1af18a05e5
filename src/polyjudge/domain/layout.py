"""How the judge is called: which criteria share a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polyjudge.domain.decomposition import Partition, combined, separate
from polyjudge.errors import ConfigError

LAYOUTS = ("joint", "solo")


@dataclass(frozen=True, slots=True)
class Layout:
    """A named partition of the criteria into judge calls.

    Attributes:
        name: "joint" or "solo".
        groups: each is one call.
    """

    name: str
    groups: Partition


def layout(name: str, names: Sequence[str]) -> Layout:
    """The layout of a name over criteria.

    Raises:
        ConfigError: an unknown layout.
    """
    if name == "joint":
        return Layout(name, combined(names))
    if name == "solo":
        return Layout(name, separate(names))
    raise ConfigError(f"unknown layout {name!r}; choose one of: {', '.join(LAYOUTS)}")
