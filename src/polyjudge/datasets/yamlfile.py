"""Reads YAML files strictly (1.2, no tags, no repeated keys), and writes them for people to read."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polyjudge.errors import CriteriaError

# Texts that need no quotes, because every reader, also of YAML 1.1, takes them for text.
_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[^\W\d_][\w .,;!?()/'%+-]*", re.IGNORECASE)
_WIDTH = 110
LARGEST_YAML = 4 << 20
MOST_NODES = 1_000_000


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a criteria or judge file; ``yes`` and ``no`` stay text.

    Raises:
        CriteriaError: no such file, not UTF-8, not YAML (with the line), or no mapping.
    """
    try:
        blob = path.read_bytes()
    except FileNotFoundError:
        raise CriteriaError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise CriteriaError(f"{path}: is a folder; name a file") from None
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

    if len(text) > LARGEST_YAML:
        raise CriteriaError(f"{source}: more than {LARGEST_YAML:,} characters; a criteria file is far shorter")
    try:
        mapping = YAML(typ="safe", pure=True).load(text)
        _check_expansion(mapping)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        start = error.context_mark
        since = ""
        if start and mark and start.line != mark.line:
            since = f" ({error.context}, begun in line {start.line + 1})"
        raise CriteriaError(f"{source}: {where}{error.problem}{since}; correct the YAML there") from None
    except (YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise CriteriaError(f"{source}: not YAML that can be read ({reason}); correct it") from None
    if mapping is None:
        raise CriteriaError(f"{source}: the file is empty; write task, inputs and criteria")
    if not isinstance(mapping, dict):
        raise CriteriaError(f"{source}: must be a mapping at its top level (task: ..., inputs: ..., criteria: ...)")
    return mapping


def _check_expansion(content: object) -> None:
    """Refuse a file whose aliases expand to far more than it holds, or contain themselves.

    Raises:
        ValueError: they do.
    """
    sizes: dict[int, int] = {}

    def size(node: object) -> int:
        if not isinstance(node, (dict, list)):
            return 1
        if id(node) not in sizes:
            # A node that is reached again while it is being counted contains itself.
            sizes[id(node)] = MOST_NODES + 1
            parts = [*node, *node.values()] if isinstance(node, dict) else node
            sizes[id(node)] = 1 + sum(map(size, parts))
        return sizes[id(node)]

    if size(content) > MOST_NODES:
        raise ValueError(f"its aliases stand for more than {MOST_NODES:,} values; write them out")


def dump_yaml(mapping: Mapping[str, Any]) -> str:
    """YAML text that ``parse_yaml`` reads as the same mapping; texts of several lines are written as blocks.

    The text is read back before it is returned, because a judge whose instruction changed in a file would be another
    judge. The bytes depend on the mapping only.

    Raises:
        ValueError: no YAML text reads as exactly this mapping.
    """
    from ruamel.yaml.error import YAMLError

    # A folded text may gain a blank beside an escape, and some texts are read back only from double quotes.
    for style, width in ((_style, _WIDTH), (_style, sys.maxsize), (lambda _: '"', sys.maxsize)):
        try:
            text = _written(mapping, style, width)
            if _canonical(parse_yaml(text, "the written YAML")) == _canonical(mapping):
                return text
        except (CriteriaError, YAMLError, UnicodeError):
            continue
    raise ValueError("cannot be written as YAML and read back as the same: it holds a value that YAML does not")


def _canonical(mapping: Mapping[str, Any]) -> str:
    """A text for comparison, in which tuples equal lists and nan equals nan."""
    return json.dumps(dict(mapping), default=repr)


def _written(mapping: Mapping[str, Any], style: Callable[[str], str | None], width: int) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import SafeRepresenter

    class Representer(SafeRepresenter):
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def represent_str(self, data: Any) -> Any:
            return self.represent_scalar("tag:yaml.org,2002:str", data, style=style(data))

    Representer.add_representer(str, Representer.represent_str)
    writer = YAML(typ="safe", pure=True)
    writer.Representer = Representer
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # declared as None
    writer.width = width
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
    """Whether a literal block can hold the text exactly; other texts are quoted."""
    lines = text.split("\n")
    if len(lines) < 2 or not lines[0] or lines[0] != lines[0].lstrip():
        return False
    return all(line.isprintable() and line == line.rstrip() for line in lines)
