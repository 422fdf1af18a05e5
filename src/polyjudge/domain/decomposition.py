"""How the work of a step is divided among LLM calls: the mode is data, not classes.

A *group* is a tuple of criteria handled by one call, a *partition* a tuple of groups that covers all criteria once.
"Separate" is K groups of one, "combined" one group of K; any coarser partition works unchanged. What was combined
cannot be separated again: every group of a stage must lie inside one group of the next stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from polyjudge.errors import ConfigError

Group = tuple[str, ...]
Partition = tuple[Group, ...]

MODES = ("ST", "SSS", "SSC", "SCC", "CCC")


class Grouped(Protocol):
    """A result with the group of criteria that it is about."""

    @property
    def group(self) -> Group: ...


T = TypeVar("T", bound=Grouped)


def separate(names: Sequence[str]) -> Partition:
    return tuple((name,) for name in names)


def combined(names: Sequence[str]) -> Partition:
    return (tuple(names),)


def heard(group: Group, results: Iterable[T]) -> tuple[T, ...]:
    """The results whose group lies inside ``group``: the inputs of a later stage."""
    return tuple(result for result in results if set(result.group) <= set(group))


@dataclass(frozen=True, slots=True)
class Decomposition:
    """The partitions of the three textual stages.

    Raises:
        ConfigError: a partition that does not cover the criteria once, or that separates what was combined.
    """

    loss: Partition
    gradient: Partition
    optimizer: Partition

    def __post_init__(self) -> None:
        names = sorted(name for group in self.optimizer for name in group)
        for stage, partition in (("loss", self.loss), ("gradient", self.gradient), ("optimizer", self.optimizer)):
            covered = sorted(name for group in partition for name in group)
            if covered != names or len(set(names)) != len(names) or () in partition:
                raise ConfigError(f"the {stage} groups {partition!r} do not cover every criterion once")
        _refuse_separation("loss", self.loss, "gradient", self.gradient)
        _refuse_separation("gradient", self.gradient, "optimizer", self.optimizer)


def decomposition(mode: str, names: Sequence[str]) -> Decomposition:
    """The decomposition of a mode over criteria: S = separate, C = combined, for loss, gradient and optimizer.

    ST judges and fits each criterion alone, so that for each it is SSS.

    Raises:
        ConfigError: an unknown mode, or one that would separate what was combined (CSS, CSC, CCS, SCS).
    """
    letters = "SSS" if mode == "ST" else mode
    if len(letters) != 3 or set(letters) - {"S", "C"}:
        raise ConfigError(f"unknown mode {mode!r}; choose one of: {', '.join(MODES)}")
    if "CS" in letters:
        raise ConfigError(
            f"mode {mode!r} would separate what was combined, which no call can do; choose one of: {', '.join(MODES)}"
        )
    loss, gradient, optimizer = (separate(names) if letter == "S" else combined(names) for letter in letters)
    return Decomposition(loss, gradient, optimizer)


def _refuse_separation(earlier: str, fine: Partition, later: str, coarse: Partition) -> None:
    for group in fine:
        if not any(set(group) <= set(other) for other in coarse):
            raise ConfigError(
                f"the {earlier} group {group!r} is split among {later} groups: what was combined cannot be separated"
            )
