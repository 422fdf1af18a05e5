"""Sentences as words, each marked as free or not to be touched by a slip of the pen."""

from __future__ import annotations

from dataclasses import dataclass, replace

PRONOUNS = frozenset({"He", "It", "She", "They"})
# First words of names that consist of several words. A name of one word is known by that.
NAMES = frozenset({"Agnes", "Dr", "Edith", "Mill", "Radio", "Sister", "Skarn", "Tarn"})


@dataclass(frozen=True, slots=True)
class Word:
    """One word with the punctuation that follows it; a `fixed` one carries a fact or a link and stays as it is."""

    text: str
    fixed: bool = False

    @property
    def core(self) -> str:
        return self.text.rstrip(".,;:")

    @property
    def tail(self) -> str:
        return self.text[len(self.core) :]

    def with_core(self, core: str) -> Word:
        return replace(self, text=core + self.tail)


def to_words(pieces: list[tuple[str, bool]]) -> tuple[Word, ...]:
    """Split `pieces` of (text, fixed) at spaces; a word that touches a fixed piece is fixed."""
    words: list[Word] = []
    glued = False
    for text, fixed in pieces:
        for position, chunk in enumerate(text.split(" ")):
            glued = glued and position == 0
            if not chunk:
                continue
            if glued:
                words[-1] = Word(words[-1].text + chunk, words[-1].fixed or fixed)
            else:
                words.append(Word(chunk, fixed))
            glued = True
    return tuple(words)


def inner_name(name: str) -> str:
    """How `name`, a name of an entity, stands inside a sentence."""
    return name if " " not in name and name not in PRONOUNS else inner_head(name)


def inner_head(text: str) -> str:
    """How `text`, the head of a sentence, stands after a link: in small letters unless a name begins it."""
    return text if text.partition(" ")[0] in NAMES else text[0].lower() + text[1:]


def join(sentences: tuple[tuple[Word, ...], ...]) -> str:
    """The sentences as one line of text."""
    return " ".join(word.text for words in sentences for word in words)
