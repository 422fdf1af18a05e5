"""Numbers of things in words."""

from __future__ import annotations


def many(number: int, things: str) -> str:
    """``1 step``, ``12 steps``, ``1,600 steps``; ``things`` in the plural, which ends in s."""
    return f"{number:,} {things.removesuffix('s') if number == 1 else things}"


def many_of(number: int, things: str, groups: int, units: str) -> str:
    """``14 test rows of 7 documents``; where there are no groups ``14 test rows``."""
    return many(number, things) + (f" of {many(groups, units)}" if groups else "")
