"""Take off what surrounds an answer on the wire: thoughts, special tokens, one envelope. By form, never by wording.

A thought is known by the marks that models and servers put around it. What is taken off is a beginning or an end, so
that an answer is always one stretch of the reply and keeps its position there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = r"(?:seed:|ant)?(?:think|thinking|thought|thoughts|reason|reasoning|analysis|reflection|scratchpad)"
_OPEN = (
    rf"<{_NAME}>|\[{_NAME}\]|◁think▷|<\|(?:begin_of_thought|start_thinking)\|>|<\|channel>thought\b"
    r"|(?-i:\AThinking\.\.\.\n)|(?-i:\AHere is my thought process:\n)"
)
_CLOSE = (
    rf"</{_NAME}>|\[/{_NAME}\]|◁/think▷|<\|(?:end_of_thought|end_thinking)\|>|<channel\|>"
    r"|(?-i:^\.\.\.done thinking\.$)|(?-i:^Here is my response:$)"
)
_OPENED = re.compile(rf"\s*(?:{_OPEN})", re.IGNORECASE | re.MULTILINE)
_CLOSED = re.compile(_CLOSE, re.IGNORECASE | re.MULTILINE)
# Where a server swallows the opening mark. A mention within a sentence goes on in small letters.
_SWALLOWED = re.compile(rf"(?:{_CLOSE})[ \t]*(?![ \t])(?!(?-i:[a-z]))", re.IGNORECASE | re.MULTILINE)
_LEFT_OVER = re.compile(rf"{_OPEN}|<\|", re.IGNORECASE | re.MULTILINE)
_CHANNELS = re.compile(r"\s*<\|(?:start|channel)\|>")
_FINAL = "<|channel|>final<|message|>"
# The same channels where a server drops the marks and leaves their names.
_LEAKED = re.compile(r"\s*analysis(?=\S).*assistantfinal(?: ?json)?", re.DOTALL)
_BEGINS = re.compile(r"\s*(?:Reasoning: \[\]|<\|(?:assistant|im_start)\|>(?:assistant\b)?)")
_ENDS = re.compile(r"\s*(?:<\|[\w-]{1,40}\|>|</s>|<eos>|<end_of_turn>)\s*\Z")
_UNKNOWN = re.compile(r"\s*<(?P<name>[a-z][\w:-]{0,30})>", re.IGNORECASE)
# What is no blank and no mark of byte order. A search copies no text, so that many blocks in a row stay cheap.
_INK = re.compile(r"[^\s\ufeff]")
_ENVELOPE = re.compile(
    r"<(?P<tag>answer|output|json|result|response)>(?P<tagged>.*)</(?P=tag)>", re.DOTALL | re.IGNORECASE
)
_FENCE = re.compile(r"(?P<fence>```|\"\"\"+)(?:[\w-]+[ \t]*\n|json\b)?\s*(?P<fenced>.*?)\s*(?:(?P=fence))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a reply, from ``start`` to ``end``."""

    text: str
    start: int
    end: int

    @property
    def content(self) -> str:
        return self.text[self.start : self.end]

    def within(self, start: int, end: int) -> Span:
        """The part from ``start`` to ``end`` of the reply, without blanks around it."""
        while start < end and _blank(self.text[start]):
            start += 1
        while end > start and _blank(self.text[end - 1]):
            end -= 1
        return Span(self.text, start, end)


def answer(text: str, *, unknown_tags: bool = False, marker: str = "") -> Span:
    """What follows the thought; an empty span when the thought does not end.

    Args:
        text: the reply.
        unknown_tags: whether a leading ``<x>...</x>`` of any name is a thought too where something follows it.
        marker: the name of a tag that the answer stands in: no thought begins or ends inside it.
    """
    whole = Span(text, 0, len(text)).within(0, len(text))
    start, end = whole.start, whole.end
    while ended := _ENDS.search(text, max(start, end - 80), end):
        end = ended.start()
    if _CHANNELS.match(text, start):
        found = text.count(_FINAL, start, end) == 1
        return whole.within(text.index(_FINAL, start) + len(_FINAL), end) if found else whole.within(end, end)
    for pattern in (_BEGINS, _LEAKED):
        if begun := pattern.match(text, start, end):
            start = begun.end()
    while opened := _OPENED.match(text, start, end):
        closed = _CLOSED.search(text, opened.end(), end)
        if closed is None:
            return whole.within(end, end)
        start = closed.end()
    if not text.startswith("{", whole.within(start, end).start):
        marked = text.find(f"<{marker}>", start, end) if marker else -1
        before = marked if marked != -1 else end
        start = max([start, *(found.end() for found in _SWALLOWED.finditer(text, start, before))])
    while unknown_tags and (block := _block(text, start, end, marker)):
        start = block
    return whole.within(start, end)


def strip_reasoning(text: str) -> str:
    """A reply without its thought; "" when the thought does not end."""
    return answer(text).content


def unwrapped(span: Span) -> Span:
    """The inside of one envelope or one fence around the whole span, or the span itself."""
    content = span.content
    if found := _ENVELOPE.fullmatch(content):
        span = span.within(span.start + found.start("tagged"), span.start + found.end("tagged"))
        content = span.content
    found = _FENCE.fullmatch(content)
    if found and (found["fenced"].startswith("{") or found["fence"] not in found["fenced"]):
        span = span.within(span.start + found.start("fenced"), span.start + found.end("fenced"))
    return span


def holds_thought(content: str) -> bool:
    """Whether the mark of a thought or of a special token stands in a text."""
    return _LEFT_OVER.search(content) is not None


def _block(text: str, start: int, end: int, marker: str) -> int:
    """The end of a leading ``<x>...</x>`` that something follows; 0 when there is none."""
    opened = _UNKNOWN.match(text, start, end)
    if opened is None or opened["name"] == marker:
        return 0
    closing = f"</{opened['name']}>"
    closed = text.find(closing, opened.end(), end)
    behind = closed + len(closing)
    return behind if closed != -1 and _INK.search(text, behind, end) else 0


def _blank(character: str) -> bool:
    return character.isspace() or character == "\ufeff"
