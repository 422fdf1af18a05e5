"""JSON schemas that hold a model's reply."""

from __future__ import annotations

import json
from collections.abc import Mapping


def strict_object(members: Mapping[str, object]) -> dict[str, object]:
    """The schema of an object that has exactly these members, each under its own schema."""
    return {
        "type": "object",
        "properties": dict(members),
        "required": list(members),
        "additionalProperties": False,
    }


def schema_text(members: Mapping[str, object]) -> str:
    """``strict_object`` as a request carries it. Its bytes are in the keys of the response cache."""
    return json.dumps(strict_object(members), ensure_ascii=False)
