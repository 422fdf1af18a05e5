"""What a validation found, in words that name the setting, where it was set, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from polyjudge.datasets.problems import clipped, nearest
from polyjudge.llm.secrets import redact

_MUST = {
    "greater_than_equal": "{ge:g} or more",
    "greater_than": "more than {gt:g}",
    "less_than_equal": "{le:g} or less",
    "literal_error": "{expected}",
    "finite_number": "a finite number",
    "string_type": "a text",
    "dict_type": "a table of names and values",
    "model_type": "a table of names and values",
}
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def told(
    error: ValidationError, *, where: Callable[[str], str], known: Callable[[Sequence[str]], Iterable[str]]
) -> str:
    """All faults of a validation in one line.

    Args:
        error: what was found.
        where: where the setting of a dotted name was set.
        known: the names that exist beside one that does not, by its path.
    """
    return "; ".join(_fault(fault, where, known) for fault in error.errors())


def _fault(fault: Any, where: Callable[[str], str], known: Callable[[Sequence[str]], Iterable[str]]) -> str:
    path = [str(part) for part in fault["loc"]]
    name = ".".join(path)
    place = f"{name!r} ({where(name)})"
    if fault["type"] == "extra_forbidden":
        names = sorted(known(path))
        return f"unknown setting {place}{nearest(path[-1], names) or '; known are ' + ', '.join(names)}"
    if fault["type"] == "missing":
        return f"{place}: is missing; write it"
    if fault["type"] == "value_error":
        return f"{place}: {fault['ctx']['error']}"
    return f"{place}: {redact(clipped(fault['input']))} must be {_must(fault)}"


def _must(fault: Any) -> str:
    if fault["type"] in _MUST:
        return _MUST[fault["type"]].format(**fault.get("ctx", {}))
    return _KINDS.get(fault["type"].partition("_")[0]) or str(fault["msg"])
