"""The placeholders of prompts that were written for other tools, turned into places of ours.

Recognised are ``{{ name }}`` (Jinja, Mustache, Nunjucks), ``{name}`` (Python), ``${name}`` and ``%(name)s``. A name
stands for a column of the data, or for what a call fills in. The rest of the text keeps every byte that the other tool
would send.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from polyjudge.domain.prompt_template import CRITERION, DEMONSTRATIONS, FORMAT, INSTRUCTION, TEXT, Piece, written
from polyjudge.errors import ConfigError
from polyjudge.formatting.text import listed, nearest

# Any of ours, with its name as far as it has a closed form.
_OURS = re.compile(
    r"\{\{\s*(?:(?:instruction|format|demonstrations|criterion|definition|scale|levels|column)\b[^{}\n]*|[#/]\s*fit[^{}\n]*|[\"'][{}%]{2}[\"'])\}\}"
)
_NAME = r"[A-Za-z_][\w.\-\[\]'\" ]*?"
_STYLES = (
    re.compile(rf"\{{\{{\{{?\s*(?P<name>{_NAME})\s*(?:\|[^{{}}\n]*)?\}}?\}}\}}"),
    re.compile(r"\$\{(?P<name>[A-Za-z_]\w*)\}"),
    re.compile(r"(?<!\{)\{(?P<name>[A-Za-z_][\w.\[\]'\"]*)(?:![rsa])?(?::[^{}\n]*)?\}(?!\})"),
    re.compile(r"%\((?P<name>[A-Za-z_]\w*)\)s"),
)
_PYTHON = 2


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names that tools give to the same thing; a column is found by any of them if it alone has one of the group.
_GROUPS = (
    _names("output outputs answer response completion reply actualoutput generation prediction candidate summary"),
    _names("input inputs question query prompt userinput request instruction ticket"),
    _names("context contexts retrievedcontext retrievalcontext documents document passages passage source"),
    _names("expected expectedoutput expectations reference referenceoutputs groundtruth target ideal goldanswer"),
    _names("conversation dialog dialogue chat transcript messages history"),
)
_CALL = {
    FORMAT: _names("formatinstructions outputformat responseformat"),
    DEMONSTRATIONS: _names("examples fewshotexamples fewshots"),
    INSTRUCTION: _names("criteria rubric guidelines evaluationcriteria evaluationsteps scoringrubric"),
    CRITERION: _names("criterion criterionname metricname aspect"),
}


@dataclass(slots=True)
class Columns:
    """The columns that a prompt may show, and those that it was found to show.

    Attributes:
        texts: in the data's order.
        ratings: columns that a judge must not see.
        named: placeholder -> column, as the user says.
        shown: column, in the order of their places.
        notes: which placeholder was taken for which column, where the names differ.
    """

    texts: Sequence[str]
    ratings: Collection[str] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def find(self, name: str, place: str) -> str:
        """The column that a placeholder stands for.

        Raises:
            ConfigError: none, several, or one of ratings; it names the place and the remedy.
        """
        column = self.named.get(name) or self._called(name)
        if column in self.ratings:
            raise ConfigError(
                f"{place}: {name!r} would show the judge the ratings of the column {column!r}; take it out"
            )
        if column not in self.texts:
            close = nearest(name, self.texts) or f"; the columns are {listed(map(repr, self.texts))}"
            raise ConfigError(
                f"{place}: the placeholder {name!r} names no column of the data{close}. Say which it is with "
                f"--column '{name}=COLUMN'"
            )
        if column not in self.shown:
            self.shown.append(column)
            if _folded(column) != _folded(name):
                self.notes.append(f"the placeholder {name!r} shows the column {column!r}")
        return column

    def knows(self, name: str) -> bool:
        """Whether a placeholder is a column by its very name."""
        return name in self.named or name in self.texts or _folded(name) in map(_folded, self.texts)

    def _called(self, name: str) -> str:
        if name in self.texts or name in self.ratings:
            return name
        alike = [column for column in (*self.texts, *self.ratings) if _folded(column) == _folded(name)]
        if alike:
            return alike[0]
        group: frozenset[str] = next((group for group in _GROUPS if _folded(name) in group), frozenset())
        meant = [column for column in self.texts if _folded(column) in group]
        return meant[0] if len(meant) == 1 else ""


def converted(text: str, place: str, columns: Columns) -> str:
    """A prompt's text with places of ours.

    Args:
        text: as the other tool has it.
        place: its file, for messages.
        columns: told what is shown.

    Raises:
        ConfigError: a placeholder that names no column.
    """
    style = next((number for number, one in enumerate(_STYLES) if _found(one, text)), None)
    parts: list[str] = []
    at = 0
    for ours in [*_OURS.finditer(text), None]:
        end = ours.start() if ours else len(text)
        parts.append(text[at:end] if style is None else _between(text, at, end, style, place, columns))
        if ours:
            parts.append(ours[0])
            at = ours.end()
    return "".join(parts)


def is_answer(name: str) -> bool:
    """Whether a name is one of those for what a model wrote."""
    return _folded(name) in _GROUPS[0]


def _found(style: re.Pattern[str], text: str) -> bool:
    return style.search(_OURS.sub("", text)) is not None


def _between(text: str, start: int, end: int, style: int, place: str, columns: Columns) -> str:
    parts: list[str] = []
    at = start
    for found in _STYLES[style].finditer(text, start, end):
        parts.append(_literal(text[at : found.start()], style))
        line = text.count("\n", 0, found.start()) + 1
        parts.append(_place(found["name"].strip(), f"{place}, line {line}", columns))
        at = found.end()
    return "".join([*parts, _literal(text[at:end], style)])


def _literal(text: str, style: int) -> str:
    """Text between placeholders as the other tool sends it; Python halves doubled braces."""
    if style == _PYTHON:
        text = text.replace("{{", "{").replace("}}", "}")
    return written([Piece(TEXT, text)]) if style else text


def _place(name: str, place: str, columns: Columns) -> str:
    if not columns.knows(name):
        for kind, names in _CALL.items():
            if _folded(name) in names:
                return f"{{{{ {kind} }}}}"
    return written([Piece("column", columns.find(name, place))])


def _folded(name: str) -> str:
    """A name as it is compared: the last part of a path, without case and separators."""
    last = re.split(r"[.\[]", name.strip("]'\" "))[-1]
    return re.sub(r"[\W_]+", "", last).casefold()
