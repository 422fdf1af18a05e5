"""What the simulated models see in a prompt: tagged sections, fenced texts, and the lines of criteria.

Prompts are read by their tags and fences, never by their words or the order of their parts, so that a template may
gain a sentence and an item may stand before the criteria or behind them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyjudge.llm.request import Message

CUT = "\0"
"""Stands in a frame for a fenced text."""

_SECTION = re.compile(r"^<(?P<tag>[a-z_]+)>\n(?P<inside>(?:.*\n)*?)</(?P=tag)>$", re.M)
_FORMAT = re.compile(r"^\{.*\}$", re.M)
_FORMAT_WITHIN = re.compile(r'\{"[^{}\n]*\}')
_MEMBER = re.compile(r'("(?:[^"\\]|\\.)*"): ((?:"(?:[^"\\]|\\.)*"|[^"{}\n])+?)(?=, "|})')
# A reason before each value, as one prompt asks for it.
_REASONED = re.compile(r'\{"reason": "\.\.\.", "score": ((?:"(?:[^"\\]|\\.)*"|[^"{}])+?)\}')
_LABEL = re.compile(r'"(?:[^"\\]|\\.)*"|[^|\s]+')
_NUMBER = re.compile(r"(?<!\S)-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?!\S)")
_DESCRIBED = re.compile(r"^(?:- )?(.+?) \(([^()\n]*)\)(?:: (.*))?$", re.M)
_TERM = re.compile(r"[a-z]{5,}")


@dataclass(frozen=True, slots=True)
class Section:
    """What stands between two tags.

    Attributes:
        text: with a mark where each fenced text stood.
        blocks: the fenced texts, in order.
        first, last: the numbers of its fenced texts among all of the prompt: from ``first`` up to ``last``.
    """

    text: str = ""
    blocks: tuple[str, ...] = ()
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt taken apart.

    Attributes:
        frame: everything outside of fences, with a mark where each fenced text stood.
        sections: tag -> the last section of that name.
    """

    frame: str
    sections: Mapping[str, Section]

    def section(self, *tags: str) -> Section:
        """The section of the first of these tags that the prompt has; an empty one without any."""
        return next((self.sections[tag] for tag in tags if tag in self.sections), Section())


@dataclass(frozen=True, slots=True)
class Described:
    """A criterion as the textual stages show it: ``name (scale 1..5): definition``."""

    name: str
    definition: str

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary of its definition, or its name where that says nothing."""
        terms = [word for word in _TERM.findall(self.definition.casefold()) if word not in _COMMON]
        return tuple(dict.fromkeys(terms)) or (self.name.casefold(),)


_COMMON = frozenset(
    re.findall(
        r"\w+",
        """about above after again among another because before being between could every everything given itself judge
        might nothing other others people rather scale score should something still taken their there these thing
        things those through under until using where whether which while whole whose within without would""",
    )
)


def take_apart(text: str) -> Prompt:
    """Frame and sections of a prompt."""
    spans = fences(text)
    frame = _without(text, spans)
    blocks = [text[begins:ends] for _, begins, ends, _ in spans]
    sections: dict[str, Section] = {}
    for match in _SECTION.finditer(frame):
        first = frame.count(CUT, 0, match.start())
        last = first + match["inside"].count(CUT)
        sections[match["tag"]] = Section(match["inside"].rstrip("\n"), tuple(blocks[first:last]), first, last)
    return Prompt(frame, sections)


def fences(text: str) -> list[tuple[int, int, int, int]]:
    """Where fenced texts stand: the opening fence, the text's start and end, and the end of the closing fence."""
    spans: list[tuple[int, int, int, int]] = []
    start = text.find('"""')
    while start != -1:
        begins = text.find("\n", start) + 1
        fence = text[start : begins - 1]
        if not begins or (start and text[start - 1] != "\n") or fence.strip('"'):
            start = text.find('"""', start + 3)
            continue
        closing = f"\n{fence}"
        ends = text.find(closing, begins - 1)
        while ends != -1 and text[ends + len(closing) : ends + len(closing) + 1] not in ("", "\n"):
            ends = text.find(closing, ends + 1)
        if ends == -1:
            return spans
        behind = ends + len(closing)
        spans.append((start, begins, max(begins, ends), behind))
        start = text.find('"""', behind)
    return spans


def item_and_rest(text: str) -> tuple[tuple[str, ...], str]:
    """The fenced texts that are to be judged, and the prompt without them; rated examples belong to the rest."""
    prompt = take_apart(text)
    item = prompt.section("item")
    return item.blocks, _without(text, fences(text)[item.first : item.last])


def own_item_and_rest(messages: Sequence[Message]) -> tuple[tuple[str, ...], str]:
    """The same of a prompt that the user wrote, whose item stands where its messages say."""
    texts: dict[int, str] = {}
    parts: list[str] = []
    for message in messages:
        end = 0
        for start, behind, number in message.judged:
            texts[number] = message.content[start:behind]
            parts += message.content[end:start], CUT
            end = behind
        parts += message.content[end:], "\n\n"
    return tuple(texts[number] for number in sorted(texts)), "".join(parts)


def answer_format(frame: str) -> dict[str, tuple[str, ...] | tuple[float, float]]:
    """Criterion -> its allowed values as JSON texts, or the ends of a continuous scale; empty without a format."""
    values: dict[str, tuple[str, ...] | tuple[float, float]] = {}
    for name, allowed in _MEMBER.findall(_format_line(frame)):
        ends = [] if '"' in allowed or "|" in allowed else _NUMBER.findall(allowed)
        values[json.loads(name)] = (
            (float(ends[0]), float(ends[1])) if len(ends) == 2 else tuple(_LABEL.findall(allowed))
        )
    return values


def reasons_wanted(frame: str) -> bool:
    """Whether each value is to follow a reason."""
    return _REASONED.search(frame) is not None


def _format_line(frame: str) -> str:
    """The last object in braces of a frame, without the reasons that it asks for; "" without one."""
    plain = _REASONED.sub(r"\1", frame)
    lines: list[str] = _FORMAT.findall(plain) or _FORMAT_WITHIN.findall(plain)
    return lines[-1] if lines else ""


def asked_question(frame: str) -> str:
    """The criterion of a question that is to be answered by yes or no; "" when the prompt asks none."""
    section = take_apart(frame).section("criterion")
    match = re.match(r"- (.+?)(?: \(.*)?: ", section.text)
    return match[1] if match else ""


def instruction_of(frame: str, name: str) -> str:
    """What follows ``- name (definition): `` and the indented lines below it; "" when the line is not there."""
    lines = frame.split("\n")
    for number, line in enumerate(lines):
        if line.startswith((f"- {name}: ", f"- {name} (")):
            _, _, text = line.partition("): " if line.startswith(f"- {name} (") else ": ")
            further = number + 1
            while further < len(lines) and lines[further].startswith("  "):
                text += "\n" + lines[further][2:]
                further += 1
            return text
    return ""


def described(prompt: Prompt) -> list[Described]:
    """The criteria that a textual stage is shown, in order, each once; the one in question comes first."""
    lines = "\n".join(prompt.section(tag).text for tag in ("criterion", "criteria", "other_criteria"))
    criteria = {match[1]: Described(match[1], match[3] or "") for match in _DESCRIBED.finditer(lines)}
    return list(criteria.values())


def sentences(text: str) -> list[str]:
    """A text's sentences, by their ends."""
    return [part for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part]


def _without(text: str, spans: list[tuple[int, int, int, int]]) -> str:
    """A text with a mark in the place of some of its fenced texts."""
    parts: list[str] = []
    end = 0
    for start, _, _, behind in spans:
        parts += text[end:start], CUT
        end = behind
    return "".join([*parts, text[end:]])
