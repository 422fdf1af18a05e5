"""The layout of judge calls: which criteria share a call, and whether the calls on an item share its text.

A layout is written as ``joint``, ``separate`` or ``forked``, or as its groups: ``fluency+coherence,relevance``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from polyjudge.domain.decomposition import Partition, combined, separate
from polyjudge.errors import ConfigError
from polyjudge.formatting.text import nearest

LAYOUTS = ("joint", "separate", "forked")
# Not a layout: one is chosen by measurement.
AUTO = "auto"
# The name of a layout of any other groups, and the key under which files spell these out.
GROUPED, GROUPS = "grouped", "groups"
# What a criterion's name cannot hold.
_BETWEEN, _WITHIN = ",", "+"


@dataclass(frozen=True, slots=True)
class Layout:
    """A named partition of the criteria into judge calls.

    Attributes:
        name: "joint", "separate", "forked" or "grouped".
        groups: each is one call.
    """

    name: str
    groups: Partition

    @property
    def item_first(self) -> bool:
        """Whether the item stands before the criteria, byte-identical in all its calls, so that a cache pays it once.

        This includes grouped layouts, whose calls share only the item, which is most of each.
        """
        return self.name in ("forked", GROUPED)

    def __str__(self) -> str:
        return written(self.groups) if self.name == GROUPED else self.name


def layout(text: str, names: Sequence[str]) -> Layout:
    """The layout that a text names, over criteria.

    Raises:
        ConfigError: an unknown layout, or a grouped layout that does not hold every criterion once.
    """
    if text == "joint":
        return Layout(text, combined(names))
    if text in ("separate", "forked"):
        return Layout(text, separate(names))
    groups = read_groups(text)
    if not groups:
        raise ConfigError(unknown(text))
    return grouped(groups, names)


def grouped(groups: Sequence[Sequence[str]], names: Sequence[str]) -> Layout:
    """The layout of groups of criteria.

    One group is ``joint`` and groups of single criteria are ``forked``, so that equal calls have one name.

    Raises:
        ConfigError: a name that is no criterion, stands twice, or is missing.
    """
    _check(groups, names)
    if len(groups) == 1:
        return layout("joint", names)
    if len(groups) == len(names):
        return layout("forked", names)
    return Layout(GROUPED, tuple(tuple(name for name in names if name in group) for group in groups))


def read_groups(text: str) -> Partition:
    """The groups that a text lists; empty for a single word, which can only be a layout's name."""
    if _BETWEEN not in text and _WITHIN not in text:
        return ()
    return tuple(tuple(name.strip() for name in group.split(_WITHIN)) for group in text.split(_BETWEEN))


def are_groups(value: object) -> TypeGuard[Sequence[Sequence[str]]]:
    """Whether a value of a file has the form of a grouped layout: lists of names."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(group, list | tuple) and group for group in value)
        and all(isinstance(name, str) for group in value for name in group)
    )


def written(groups: Sequence[Sequence[str]]) -> str:
    """The groups of a grouped layout as ``read_groups`` reads them."""
    return _BETWEEN.join(_WITHIN.join(group) for group in groups)


def unknown(text: object, *more: str) -> str:
    """The error message about a text that names no layout."""
    choices = (*more, *LAYOUTS)
    return (
        f"unknown layout {text!r}{nearest(text, choices)}; choose one of: {', '.join(choices)}, or write the criteria "
        f"that share a call as 'one+two,three'"
    )


def _check(groups: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    grouped_names = [name for group in groups for name in group]
    faults = [f"{name!r} is no criterion" for name in dict.fromkeys(grouped_names) if name not in names]
    faults += [f"{name!r} stands twice" for name in names if grouped_names.count(name) > 1]
    faults += [f"{name!r} is missing" for name in names if name not in grouped_names]
    if faults:
        raise ConfigError(
            f"the layout {written(groups)!r} must hold every criterion once: {', '.join(faults)}; "
            f"the criteria are {', '.join(names)}"
        )
