"""The written notes and their marked sentences, read from `notes.yaml` into plain values."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

ASIDE = -1
DETAIL = 0
KEY_FACTS = 4
DETAILS = 3

_MARKUP = re.compile(r"<(?P<name>\w+)>|\{(?P<fact>[^{}]*)\}|(?P<words>[^<>{}]+)")
_NEGATIVE = frozenset({"not", "no", "none", "never", "nobody", "nothing"})


class SourceError(ValueError):
    """`notes.yaml` breaks its own rules; the message names the note and the line."""


@dataclass(frozen=True, slots=True)
class Entity:
    """What sentences are about, under its three names: the full one comes first, the pronoun never does."""

    full: str
    short: str
    pronoun: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A checkable piece of a sentence: what the note says, and what it does not.

    `denies` marks a false version that turns the whole sentence round: beside a second false fact it could make the
    sentence true again.
    """

    true: str
    wrong: tuple[str, ...]
    denies: bool


Part = str | Entity | Fact


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence; `rank` is 1 to 4 for a key fact (1 the most important), `DETAIL` or `ASIDE` otherwise."""

    rank: int
    parts: tuple[Part, ...]

    @property
    def entity(self) -> Entity | None:
        return next((part for part in self.parts if isinstance(part, Entity)), None)

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(part for part in self.parts if isinstance(part, Fact))


@dataclass(frozen=True, slots=True)
class Note:
    """A source text with every sentence that its summaries may hold, in reading order, and one aside."""

    id: str
    text: str
    sentences: tuple[Sentence, ...]
    aside: Sentence

    @property
    def keys(self) -> tuple[Sentence, ...]:
        return tuple(sentence for sentence in self.sentences if sentence.rank > DETAIL)

    @property
    def details(self) -> tuple[Sentence, ...]:
        return tuple(sentence for sentence in self.sentences if sentence.rank == DETAIL)


def load_notes(path: Path) -> tuple[Note, ...]:
    """The notes of the file at `path`, in its order.

    Raises:
        SourceError: a note lacks a key fact, a detail, a true or a false version, or names an unknown entity.
    """
    entries = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    notes = tuple(_note(entry) for entry in entries)
    twice = [name for name, count in Counter(note.id for note in notes).items() if count > 1]
    if twice:
        raise SourceError(f"several notes share the id {twice[0]!r}")
    return notes


def _note(entry: dict[str, object]) -> Note:
    name = str(entry["id"])
    who, lines = entry["who"], entry["lines"]
    if not isinstance(who, dict) or not isinstance(lines, list):
        raise SourceError(f"note {name!r}: 'who' must be a mapping and 'lines' a list")
    entities = {str(key): Entity(*forms) for key, forms in who.items()}
    sentences = tuple(Sentence(int(rank), _parse(name, text, entities)) for rank, text in lines)
    ranks = sorted(sentence.rank for sentence in sentences)
    if ranks != [DETAIL] * DETAILS + list(range(1, KEY_FACTS + 1)):
        raise SourceError(f"note {name!r}: ranks {ranks} are not three details and the key facts 1 to 4")
    used = {sentence.entity for sentence in sentences}
    unused = [key for key, entity in entities.items() if entity not in used]
    if unused:
        raise SourceError(f"note {name!r}: nothing is said of {unused}")
    aside = Sentence(ASIDE, (str(entry["aside"]),))
    return Note(name, str(entry["note"]).strip(), sentences, aside)


def _parse(name: str, text: str, entities: dict[str, Entity]) -> tuple[Part, ...]:
    matches = list(_MARKUP.finditer(text))
    if "".join(match.group() for match in matches) != text:
        raise SourceError(f"note {name!r}: unbalanced marks in {text!r}")
    parts = tuple(_part(name, match, entities) for match in matches)
    if not any(isinstance(part, Fact) for part in parts):
        raise SourceError(f"note {name!r}: no fact is marked in {text!r}")
    if sum(isinstance(part, Entity) for part in parts) > 1:
        raise SourceError(f"note {name!r}: two entities in {text!r}")
    return parts


def _part(name: str, match: re.Match[str], entities: dict[str, Entity]) -> Part:
    if match["words"] is not None:
        return match["words"]
    if match["fact"] is not None:
        true, *wrong = match["fact"].removeprefix("!").split("|")
        if not wrong or true in wrong or not all((true, *wrong)):
            raise SourceError(f"note {name!r}: {match.group()!r} needs one true and other, false versions")
        denies = match["fact"].startswith("!")
        if not denies and _NEGATIVE & set(" ".join((true, *wrong)).lower().split()):
            raise SourceError(f"note {name!r}: {match.group()!r} holds a denial and must begin with '!'")
        return Fact(true, tuple(wrong), denies)
    if match["name"] not in entities:
        raise SourceError(f"note {name!r}: unknown name {match.group()!r}; known: {sorted(entities)}")
    return entities[match["name"]]
