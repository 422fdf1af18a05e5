"""Invented words, and the neutral English that the world writes around them. Nothing here is anybody's text."""

from __future__ import annotations

from polyjudge.testing.simulation.world import Stream

_HEADS = ("br", "d", "fl", "g", "k", "l", "m", "pl", "r", "skr", "t", "v", "z", "dr", "gl", "n")
_VOWELS = ("a", "e", "i", "o", "u", "au", "ei")
_TAILS = ("", "b", "k", "l", "m", "n", "rn", "sk", "th", "x")

CLAUSES = (
    "as far as the wording itself can tell",
    "and give it the weight that a careful reader would give it",
    "before anything else is considered",
    "even where the rest of the text is strong",
    "however short or long the text may be",
    "and do not let a single lapse decide",
    "comparing the best place with the worst",
    "from the first line to the last",
    "whether or not it is mentioned by name",
    "and move the score by one step at most",
)
FILLERS = (
    "Be careful and even-handed throughout.",
    "Take the time that a considered answer needs.",
    "Keep the same standard from one text to the next.",
    "Read everything once more before you answer.",
    "Say to yourself why the score is right before you give it.",
    "Avoid being swayed by matters of taste.",
    "Treat every text with the same respect.",
    "Use plain sense where nothing else is said.",
    "Mind both the whole and its parts.",
    "Do not hurry, and do not guess.",
    "Keep the purpose of the task in mind.",
    "Remember that people will compare your answer with their own.",
)


def invented(stream: Stream, syllables: int) -> str:
    """A word of no language."""
    return "".join(
        _HEADS[stream.below(len(_HEADS))] + _VOWELS[stream.below(len(_VOWELS))] + _TAILS[stream.below(len(_TAILS))]
        for _ in range(syllables)
    )


def sentence(stream: Stream, words: int) -> str:
    """A sentence of so many invented words."""
    return " ".join(invented(stream, 1 + stream.below(2)) for _ in range(words)).capitalize() + "."
