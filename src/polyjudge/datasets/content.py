"""When two rows show the judge the same thing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

Key = tuple[str, ...]
_SIGNS = re.compile(r"[\W_]+")


def exact(inputs: Mapping[str, str]) -> Key:
    """Equal for inputs that differ in white space only."""
    return tuple(" ".join(text.split()) for text in inputs.values())


def loose(inputs: Mapping[str, str]) -> Key:
    """Equal for inputs that differ in white space, case and punctuation only."""
    return tuple(" ".join(_SIGNS.sub(" ", text.casefold()).split()) for text in inputs.values())


def digest(inputs: Mapping[str, str]) -> str:
    """The first 16 hex digits of the sha256 over columns and texts, in order."""
    canonical = json.dumps(list(inputs.items()), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
