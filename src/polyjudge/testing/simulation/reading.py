"""What the simulated models see in a prompt: fenced texts under their labels, and the frame around them.

Prompts are read by their labels and fences, never by position, so that an item may stand before the criteria or
behind them, and a template may gain a sentence.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_ITEM = "The material to judge stands between quotation fences"
CUT = "\0"
_FORMAT = re.compile(r"^Output format:\n(\{.*)$", re.M)
_MEMBER = re.compile(r'("(?:[^"\\]|\\.)*"): ((?:"(?:[^"\\]|\\.)*"|[^"{}\n])+?)(?=, "|})')
_LABEL = re.compile(r'"(?:[^"\\]|\\.)*"|[^|\s]+')
_RANGE = re.compile(r"a number from (\S+) to (\S+)")
_DESCRIBED = re.compile(r"^(?:- |[^:\n]*[Cc]riterion[^:\n]*: )?([^:\n]+?), scale ([^:\n]+?)(?:: (.*))?$", re.M)
_TERM = re.compile(r"[a-z]{5,}")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced text.

    Attributes:
        label: the line before it, without its colon.
        text: what stands between the fences.
    """

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt taken apart.

    Attributes:
        frame: everything outside of fences, with a mark where each fenced text stood.
        blocks: the fenced texts, in order.
    """

    frame: str
    blocks: tuple[Block, ...]

    def under(self, *labels: str) -> str:
        """The first fenced text whose label begins with one of these; "" when there is none."""
        return next((one.text for one in self.blocks if one.label.startswith(labels)), "")


@dataclass(frozen=True, slots=True)
class Described:
    """A criterion as the textual stages show it: ``name, scale 1..5: definition``."""

    name: str
    definition: str

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary of its definition, or its name where that says nothing."""
        found = [word for word in _TERM.findall(self.definition.casefold()) if word not in _COMMON]
        return tuple(dict.fromkeys(found)) or (self.name.casefold(),)


_COMMON = frozenset(
    re.findall(
        r"\w+",
        """about above after again among another because before being between could every everything given itself judge
        might nothing other others people rather scale score should something still taken their there these thing
        things those through under until using where whether which while whole whose within without would""",
    )
)


def take_apart(text: str) -> Prompt:
    """Frame and fenced texts of a prompt."""
    outside: list[str] = []
    blocks: list[Block] = []
    end = 0
    for start, begins, ends, behind in fences(text):
        before = text[end:start]
        outside += before, CUT
        blocks.append(Block(before.rstrip("\n").rpartition("\n")[2].removesuffix(":"), text[begins:ends]))
        end = behind
    outside.append(text[end:])
    return Prompt("".join(outside), tuple(blocks))


def fences(text: str) -> list[tuple[int, int, int, int]]:
    """Where fenced texts stand: the opening fence, the text's start and end, and the end of the closing fence."""
    found: list[tuple[int, int, int, int]] = []
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
            return found
        behind = ends + len(closing)
        found.append((start, begins, max(begins, ends), behind))
        start = text.find('"""', behind)
    return found


def item_and_frame(text: str) -> tuple[tuple[str, ...], str]:
    """The fenced texts that are to be judged, those of rated examples left out, and the prompt without them."""
    spans = fences(text)
    end, first = 0, 0
    for place, (start, _, _, behind) in enumerate(spans):
        if text.find(_ITEM, end, start) != -1:
            first = place
        end = behind
    outside: list[str] = []
    end = 0
    for start, _, _, behind in spans[first:]:
        outside.append(text[end:start])
        end = behind
    outside.append(text[end:])
    return tuple(text[begins:ends] for _, begins, ends, _ in spans[first:]), CUT.join(outside)


def answer_format(frame: str) -> dict[str, tuple[str, ...] | tuple[float, float]]:
    """Criterion -> its allowed values as JSON texts, or the ends of a continuous scale; empty without a format."""
    line = _FORMAT.search(frame)
    found: dict[str, tuple[str, ...] | tuple[float, float]] = {}
    for name, allowed in _MEMBER.findall(line[1] if line else ""):
        ends = _RANGE.fullmatch(allowed)
        found[json.loads(name)] = (float(ends[1]), float(ends[2])) if ends else tuple(_LABEL.findall(allowed))
    return found


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


def described(frame: str) -> list[Described]:
    """The criteria that a textual stage is shown, in order, each once."""
    found = {match[1]: Described(match[1], match[3] or "") for match in _DESCRIBED.finditer(frame)}
    return list(found.values())


def sentences(text: str) -> list[str]:
    """A text's sentences, by their ends."""
    return [one for one in re.split(r"(?<=[.!?])\s+", text.strip()) if one]
