"""YAML files, read strictly (1.2, no tags, no key twice) and written so that a person likes to read them."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyjudge.errors import CriteriaError

# What may stand without quotes: words that no reader, also of YAML 1.1, takes for anything but text.
_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[^\W\d_][\w .,;!?()/'%+-]*", re.IGNORECASE)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a criteria or judge file; ``yes`` and ``no`` stay text.

    Raises:
        CriteriaError: no such file, not UTF-8, not YAML (with the line), or no mapping.
    """
    try:
        blob = path.read_bytes()
    except FileNotFoundError:
        raise CriteriaError(f"{path}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        raise CriteriaError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}); check the path and its permissions"
        ) from None
    try:
        text = blob.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = blob[: error.start].count(b"\n") + 1
        raise CriteriaError(f"{path}: line {line}: not UTF-8; save the file as UTF-8") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """Read YAML text that holds one mapping.

    Raises:
        CriteriaError: not YAML (with the line), or no mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        mapping = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        begun = error.context_mark
        since = ""
        if begun and mark and begun.line != mark.line:
            since = f" ({error.context}, begun in line {begun.line + 1})"
        raise CriteriaError(f"{source}: {where}{error.problem}{since}; correct the YAML there") from None
    except (YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise CriteriaError(f"{source}: not YAML that can be read ({reason}); correct it") from None
    if mapping is None:
        raise CriteriaError(f"{source}: the file is empty; write task, inputs and criteria")
    if not isinstance(mapping, dict):
        raise CriteriaError(f"{source}: must be a mapping at its top level (task: ..., inputs: ..., criteria: ...)")
    return mapping


def dump_yaml(mapping: Mapping[str, Any]) -> str:
    """YAML text that ``parse_yaml`` reads as the same mapping; texts of several lines stand as blocks.

    Bytes depend on the mapping alone.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import SafeRepresenter

    class Representer(SafeRepresenter):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(representer: SafeRepresenter, value: str) -> Any:
        return representer.represent_scalar("tag:yaml.org,2002:str", value, style=_style(value))

    def unsorted(representer: SafeRepresenter, value: dict[str, Any]) -> Any:
        return representer.represent_mapping("tag:yaml.org,2002:map", list(value.items()))

    Representer.add_representer(str, text)
    Representer.add_representer(dict, unsorted)
    writer = YAML(typ="safe", pure=True)
    writer.Representer = Representer
    writer.width = 110
    stream = io.StringIO()
    writer.dump(dict(mapping), stream)
    return stream.getvalue()


def _style(text: str) -> str | None:
    if _is_block(text):
        return "|"
    if not text.isprintable():
        return '"'
    return None if _PLAIN.fullmatch(text) else "'"


def _is_block(text: str) -> bool:
    """Whether a literal block holds the text exactly; others are quoted."""
    lines = text.split("\n")
    return len(lines) > 1 and all(line.isprintable() and line == line.strip() for line in lines) and bool(lines[0])
