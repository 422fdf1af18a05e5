"""The user's own prompt: messages of frozen text, with places that are filled for each call.

A place is written ``{{ name }}``: a column of the item, ``instruction:CRITERION``, ``format``, ``demonstrations``, or
what the criteria file says of a criterion. Text of the user's that is to be fitted may also be marked where it stands,
``{{# fit CRITERION }} ... {{/ fit }}``. Everything else is sent byte for byte. Texts that fill a place are never read
as a template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

from polyjudge.domain.criterion import Criterion
from polyjudge.formatting.text import nearest

TEXT, COLUMN, INSTRUCTION, FORMAT, DEMONSTRATIONS = "text", "column", "instruction", "format", "demonstrations"
CRITERION, DEFINITION, SCALE, LEVELS = "criterion", "definition", "scale", "levels"
# What a place may say of a criterion: of the one in question, or of a named one.
OF_CRITERION = (INSTRUCTION, CRITERION, DEFINITION, SCALE, LEVELS)
# What a place may hold beside columns and what belongs to a criterion.
OF_CALL = (FORMAT, DEMONSTRATIONS)
ROLES = ("system", "user", "assistant")

_TAG = re.compile(r"""\{\{\s*(?:(?P<quoted>"[{}%]{2}"|'[{}%]{2}')|(?P<name>[^{}"'\s][^{}"'\n]*?|))\s*\}\}|\{%""")
_OPENING = re.compile(r"#\s*fit(?:\s+(?P<name>.*))?")
_CLOSING = re.compile(r"/\s*fit\b.*")
_BLANK_BEFORE, _BLANK_BEHIND = re.compile(r"(?:^|(?<=[\r\n]))[ \t]*\Z"), re.compile(r"[ \t]*(?:\r\n|\n|\r|\Z)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a message.

    Attributes:
        kind: "text", or what fills the place: "column", "format", "demonstrations", or of a criterion its
            "instruction", name ("criterion"), "definition", "scale" or "levels".
        value: the text itself, the column, or the criterion; "" for the criterion in question, and for the call's own.
    """

    kind: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """One message of a prompt: its role ("system", "user" or "assistant") and its pieces, in order."""

    role: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """All messages of a prompt, in order."""

    messages: tuple[TemplateMessage, ...]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces of all messages."""
        return tuple(piece for message in self.messages for piece in message.pieces)

    @property
    def generic(self) -> bool:
        """Whether it asks for whichever criterion is in question, and so for one in a call."""
        return any(piece.kind in OF_CRITERION and not piece.value for piece in self.pieces)

    def holds(self, kind: str) -> bool:
        """Whether it has a place of a kind."""
        return any(piece.kind == kind for piece in self.pieces)

    def fixed(self, criteria: Iterable[Criterion]) -> Self:
        """The same prompt with what it says of some criteria as text.

        A call about the other criteria shows the whole prompt.
        """
        known = {criterion.name: criterion for criterion in criteria}
        messages = tuple(
            replace(message, pieces=tuple(_fixed(piece, known) for piece in message.pieces))
            for message in self.messages
        )
        return replace(self, messages=messages)

    def rendered(self, fill: Callable[[Piece], str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Of each message the role and the texts of its pieces, the places filled in a single pass."""
        return tuple(
            (message.role, tuple(p.value if p.kind == TEXT else fill(p) for p in message.pieces))
            for message in self.messages
        )


def of_criterion(kind: str, criterion: Criterion) -> str:
    """What a place of one of the kinds ``OF_CRITERION`` holds."""
    texts = {
        INSTRUCTION: criterion.instruction,
        CRITERION: criterion.name,
        DEFINITION: criterion.definition,
        SCALE: criterion.scale.describe(),
        LEVELS: criterion.anchors,
    }
    return texts[kind]


def _fixed(piece: Piece, criteria: Mapping[str, Criterion]) -> Piece:
    if piece.kind in OF_CRITERION and piece.value in criteria:
        return Piece(TEXT, of_criterion(piece.kind, criteria[piece.value]))
    return piece


# From text to pieces and back


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a text, in its 1-based line; the message says what to write."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text taken apart.

    Attributes:
        pieces: texts and places.
        fitted: criterion -> the text that a marked region holds; "" for the criterion in question.
        faults: in the order of the text.
        lines: the line of each piece.
    """

    pieces: tuple[Piece, ...]
    fitted: Mapping[str, str]
    faults: tuple[Fault, ...]
    lines: tuple[int, ...]


def parse(source: str, columns: Collection[str], criteria: Collection[str]) -> Parsed:
    """Take a text apart.

    Args:
        source: the text with its places.
        columns: the inputs that a place may name.
        criteria: the criteria that a place may name.
    """
    return _Parser(source, columns, criteria).parsed()


def written(pieces: Collection[Piece]) -> str:
    """The text that ``parse`` takes apart into the same pieces."""
    return "".join(_written(piece) for piece in pieces)


def _written(piece: Piece) -> str:
    if piece.kind == TEXT:
        return _TAG.sub(lambda found: f'{{{{ "{found[0][:2]}" }}}}{found[0][2:]}', piece.value)
    if piece.kind == COLUMN and _reserved(piece.value):
        return f"{{{{ {COLUMN}:{piece.value} }}}}"
    name = piece.value if piece.kind == COLUMN else ":".join(filter(None, (piece.kind, piece.value)))
    return f"{{{{ {name} }}}}"


def _reserved(name: str) -> bool:
    """Whether a column's bare name would be read as something else."""
    kind = name.partition(":")[0].strip()
    return kind in (COLUMN, *OF_CALL, *OF_CRITERION) or name.startswith(("#", "/"))


class _Parser:
    """Takes one text apart, tag by tag."""

    def __init__(self, source: str, columns: Collection[str], criteria: Collection[str]) -> None:
        self._source = source
        self._columns = columns
        self._criteria = criteria
        self._pieces: list[tuple[Piece, int]] = []
        self._faults: list[Fault] = []
        self._fitted: dict[str, str] = {}

    def parsed(self) -> Parsed:
        at = 0
        opened: tuple[str, int, int] | None = None
        for tag in _TAG.finditer(self._source):
            name = (tag["name"] or "").strip()
            opening, closing = _OPENING.fullmatch(name), _CLOSING.fullmatch(name)
            starts, ends = self._alone(tag) if opening or closing else tag.span()
            if opened is not None:
                if closing:
                    self._region(opened, starts)
                    at, opened = ends, None
                elif opening or tag["quoted"] is None:
                    self._fault(tag.start(), f"{tag[0]} stands in a marked region, which holds plain text alone")
                continue
            self._text(self._source[at:starts], at)
            at = ends
            if opening:
                opened = ((opening["name"] or "").strip(), tag.start(), ends)
            elif closing:
                self._fault(tag.start(), f"{tag[0]} closes no region; open one before it with {{{{# fit NAME }}}}")
            else:
                self._place(tag, name)
        if opened is not None:
            self._fault(opened[1], "the region is not closed; write {{/ fit }} where its text ends")
        else:
            self._text(self._source[at:], at)
        return self._joined()

    def _alone(self, tag: re.Match[str]) -> tuple[int, int]:
        """The span of a marker, with its whole line where nothing else stands on it."""
        before = _BLANK_BEFORE.search(self._source, 0, tag.start())
        behind = _BLANK_BEHIND.match(self._source, tag.end())
        return (before.start(), behind.end()) if before and behind else tag.span()

    def _region(self, opened: tuple[str, int, int], ends: int) -> None:
        """A marked region; blanks around its text belong to the frame."""
        name, tag, starts = opened
        inside = self._source[starts:ends]
        text = inside.strip()
        begins = starts + inside.find(text)
        if not text:
            self._fault(tag, "the marked region is empty; write the text that is to be fitted into it")
            return
        self._text(inside[: begins - starts], starts)
        if self._criterion(tag, INSTRUCTION, name):
            self._fitted.setdefault(name, text)
        self._text(inside[begins - starts + len(text) :], begins + len(text))

    def _place(self, tag: re.Match[str], name: str) -> None:
        if tag["quoted"]:
            self._text(tag["quoted"][1:-1], tag.start())
            return
        if tag[0] == "{%":
            self._fault(tag.start(), 'a prompt has no statements; write the text out, or {{ "{%" }} for the signs')
            return
        kind, colon, of = (part.strip() for part in name.partition(":"))
        if name in OF_CALL:
            self._add(Piece(name), tag.start())
        elif kind in OF_CRITERION:
            self._criterion(tag.start(), kind, of)
        elif kind == COLUMN and of in self._columns:
            self._add(Piece(COLUMN, of), tag.start())
        elif name in self._columns:
            self._add(Piece(COLUMN, name), tag.start())
        else:
            self._fault(tag.start(), self._unknown(tag[0], of if kind == COLUMN and colon else name))

    def _criterion(self, at: int, kind: str, of: str) -> bool:
        """A place of a criterion's, if there is such a criterion."""
        if of and of not in self._criteria:
            known = f"; the criteria are {', '.join(self._criteria)}"
            self._fault(at, f"there is no criterion {of!r}{nearest(of, self._criteria) or known}")
            return False
        only = next(iter(self._criteria)) if len(self._criteria) == 1 else ""
        self._add(Piece(kind, of if of != only else ""), at)
        return True

    def _unknown(self, tag: str, name: str) -> str:
        known = [*self._columns, *(f"{INSTRUCTION}:{criterion}" for criterion in self._criteria), *OF_CALL, "# fit"]
        signs = ' (for the signs themselves write {{ "{{" }})'
        return f"{tag} names nothing{nearest(name, known) or '; it may name ' + ', '.join(known)}{signs}"

    def _text(self, text: str, at: int) -> None:
        if text:
            self._add(Piece(TEXT, text), at)

    def _add(self, piece: Piece, at: int) -> None:
        self._pieces.append((piece, self._line(at)))

    def _fault(self, at: int, message: str) -> None:
        self._faults.append(Fault(self._line(at), message))

    def _line(self, at: int) -> int:
        return len(re.findall(r"\r\n|\n|\r", self._source[:at])) + 1

    def _joined(self) -> Parsed:
        """The pieces, texts that touch as one."""
        joined: list[tuple[Piece, int]] = []
        for piece, line in self._pieces:
            if joined and piece.kind == TEXT == joined[-1][0].kind:
                joined[-1] = (Piece(TEXT, joined[-1][0].value + piece.value), joined[-1][1])
            else:
                joined.append((piece, line))
        return Parsed(
            tuple(piece for piece, _ in joined),
            self._fitted,
            tuple(sorted(self._faults, key=lambda fault: fault.line)),
            tuple(line for _, line in joined),
        )


def places(parsed: Parsed) -> Iterator[tuple[Piece, int]]:
    """The places of a text with their lines."""
    return ((piece, line) for piece, line in zip(parsed.pieces, parsed.lines, strict=True) if piece.kind != TEXT)
