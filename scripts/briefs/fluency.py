"""Fluency: severity k lets a fixed number of slips into the words, none of them into a fact or a link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from briefs.chance import pick
from briefs.consistency import Infeasible
from briefs.words import Word

Sentences = tuple[tuple[Word, ...], ...]

SMALL = frozenset(
    {"the", "a", "an", "of", "to", "in", "on", "at", "for", "by", "with", "from", "and", "than", "its", "his", "her"}
)
BEFORE = SMALL | {"will", "may", "must", "can", "is", "are", "was", "were", "has", "have", "had"}
DISAGREEING = {
    "is": "are",
    "are": "is",
    "was": "were",
    "were": "was",
    "has": "have",
    "have": "has",
    "be": "is",
    "been": "be",
}
# After these British English allows both "has" and "have", so that no error can be made.
COLLECTIVE = frozenset(
    {"archive", "band", "board", "choir", "class", "club", "college", "council", "court", "factory", "farm", "firm"}
    | {"institute", "island", "none", "office", "parish", "police", "railway", "school", "station", "team", "union"}
    | {"ward"}
)
# Words that may change places with a small one and leave good English behind.
MOBILE = frozenset({"all", "also", "always", "now", "often", "once", "one", "only", "rarely", "still", "too"})
# Nouns, beside plurals, that can do without "the".
BARE = frozenset(
    {"dark", "electrical", "fish", "ground", "land", "men", "money", "note", "play", "poet", "summer", "tea", "water"}
    | {"winter", "women", "work", "young"}
)
# Words one slip away from a word of the notes: right in themselves, and apt to change what a sentence says.
LOOKALIKES = frozenset(
    {"angers", "around", "cobbed", "colors", "contact", "craved", "diary", "favorite", "flies", "hoping", "hopping"}
    | {"latter", "meters", "minuets", "pained", "panted", "patents", "reused", "stared", "stated", "trail", "traveled"}
    | {"widows"}
)
KINDS = ("misspelling", "lost article", "doubled word", "disagreement", "broken order")


@dataclass(frozen=True, slots=True)
class Slip:
    """One slip: its kind of `KINDS`, the words as they should read and as they do."""

    kind: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Plan:
    """How many slips one severity makes, and how many of them break the order of words."""

    slips: int
    broken: int


PLANS = (Plan(0, 0), Plan(2, 0), Plan(4, 1), Plan(6, 2), Plan(9, 3))


@dataclass(frozen=True, slots=True)
class Site:
    """A place for a slip: `width` words from `start` in sentence `sentence` become `after`."""

    kind: str
    sentence: int
    start: int
    width: int
    after: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A text with its slips."""

    sentences: Sentences
    slips: tuple[Slip, ...]


def roughen(sentences: Sentences, severity: int, vocabulary: frozenset[str], rng: Random) -> Draft:
    """Make exactly the slips of `PLANS[severity]`; no misspelling gives a word of `vocabulary`.

    Raises:
        Infeasible: the text has too few places for them.
    """
    plan = PLANS[severity]
    sites = [site for i, words in enumerate(sentences) for site in _sites(i, words, vocabulary, rng)]
    chosen: list[Site] = []
    for turn in range(plan.slips):
        wanted = ("broken order",) if turn < plan.broken else KINDS[:-1]
        free = [site for site in sites if site.kind in wanted and not any(_touch(site, other) for other in chosen)]
        kinds = [kind for kind in wanted if any(site.kind == kind for site in free)]
        if not kinds:
            raise Infeasible(f"no place is left for slip {turn + 1} of {plan.slips}")
        kind = pick(rng, kinds)
        chosen.append(pick(rng, [site for site in free if site.kind == kind]))
    return _apply(sentences, chosen)


def _touch(one: Site, other: Site) -> bool:
    """Whether two sites share a word, where one slip could undo or hide the other."""
    if one.sentence != other.sentence:
        return False
    return one.start < other.start + other.width and other.start < one.start + one.width


def _apply(sentences: Sentences, chosen: list[Site]) -> Draft:
    texts = [list(words) for words in sentences]
    slips = []
    for site in sorted(chosen, key=lambda site: (site.sentence, site.start), reverse=True):
        before = texts[site.sentence][site.start : site.start + site.width]
        texts[site.sentence][site.start : site.start + site.width] = site.after
        slips.append(Slip(site.kind, _text(before), _text(site.after)))
    return Draft(tuple(map(tuple, texts)), tuple(reversed(slips)))


def _text(words: list[Word] | tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)


def _sites(sentence: int, words: tuple[Word, ...], vocabulary: frozenset[str], rng: Random) -> list[Site]:
    collective = any(word.core.lower() in COLLECTIVE for word in words)
    sites = []
    for start, word in enumerate(words):
        if not _is_free(word):
            continue
        following = words[start + 1 : start + 3]
        if len(word.core) >= 5:
            sites.append(Site("misspelling", sentence, start, 1, (_misspelt(word, vocabulary, rng),)))
        if word.text in {"a", "an"} or (word.text == "the" and not any(map(_stands_bare, following))):
            sites.append(Site("lost article", sentence, start, 1, ()))
        if word.text in SMALL:
            sites.append(Site("doubled word", sentence, start, 1, (word, word)))
        if word.core in DISAGREEING and not collective:
            sites.append(Site("disagreement", sentence, start, 1, (word.with_core(DISAGREEING[word.core]),)))
        if following and _breaks(word, following[0]):
            swapped = (Word(following[0].core), word.with_core(word.core + following[0].tail))
            sites.append(Site("broken order", sentence, start, 2, swapped))
    return sites


def _is_free(word: Word) -> bool:
    return not word.fixed and word.core.isalpha() and word.core.islower()


def _stands_bare(word: Word) -> bool:
    """Whether `word` is in `BARE` or looks like a plural."""
    is_plural = word.core.endswith("s") and not word.core.endswith("ss") and word.core not in SMALL | set(DISAGREEING)
    return word.core in BARE or is_plural


def _breaks(word: Word, after: Word) -> bool:
    """Whether `word` and `after`, exchanged, are no longer English."""
    if not _is_free(after) or word.tail or MOBILE & {word.core, after.core}:
        return False
    return word.core in BEFORE or after.core in SMALL


def _misspelt(word: Word, vocabulary: frozenset[str], rng: Random) -> Word:
    """`word` with two inner letters swapped, one doubled or, if it is long, one lost; the outer letters stay."""
    core = word.core
    ways: tuple[Callable[[str, int], str], ...] = (_swap, _double, _lose) if len(core) > 6 else (_swap, _double)
    while True:
        changed = pick(rng, ways)(core, 1 + int(rng.random() * (len(core) - 3)))
        if changed != core and changed not in vocabulary and changed not in LOOKALIKES:
            return word.with_core(changed)


def _swap(core: str, i: int) -> str:
    return core[:i] + core[i + 1] + core[i] + core[i + 2 :]


def _double(core: str, i: int) -> str:
    return core[: i + 1] + core[i:]


def _lose(core: str, i: int) -> str:
    return core[:i] + core[i + 1 :]
