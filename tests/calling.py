"""Keywords of one dictionary, sorted into those of a verb and those of its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyjudge.settings.given import NAMES, Settings


def keywords(**options: Any) -> Mapping[str, Any]:
    """``settings=Settings(...)`` of the names that are settings, and the other keywords as they are."""
    within = {name: value for name, value in options.items() if name in NAMES}
    return {name: value for name, value in options.items() if name not in within} | {"settings": Settings(**within)}
