"""Fill a template: ``{{ name }}`` for known names, in a single pass, so that filled-in text is never a template.

The texts are versioned by folder; a released text is never edited, because the cache's keys hang on it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

VERSION = "v2"
FENCE = '"""'

_NAME = re.compile(r"\{\{ (\w+) \}\}")


def render(template: str, **values: str) -> str:
    """The template's text with its names replaced.

    Raises:
        KeyError: the template names a value that was not given, or a value was given that it does not name.
    """
    parts = _parts(template)
    surplus = values.keys() - set(parts[1::2])
    if surplus:
        raise KeyError(f"template {template!r} has no place for {sorted(surplus)!r}")
    return "".join(values[part] if place % 2 else part for place, part in enumerate(parts))


def fenced(text: str) -> str:
    """The text between quotation fences that it cannot close: the fence is longer than any run of quotes inside."""
    longest = max(map(len, re.findall(r'"{3,}', text)), default=0) if FENCE in text else 0
    fence = '"' * max(len(FENCE), longest + 1)
    return f"{fence}\n{text}\n{fence}"


def labelled(label: str, text: str) -> str:
    return f"{label}:\n{fenced(text)}"


@cache
def _parts(template: str) -> list[str]:
    """A template's text, and every second one a name in it."""
    text = files("polyjudge.templates").joinpath(VERSION, f"{template}.txt").read_text("utf-8").rstrip("\n")
    return _NAME.split(text)
