"""Relevance: a summary has four places; severity k gives the k least important ones to what does not matter."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from briefs.chance import pick, shuffled
from briefs.source import DETAILS, KEY_FACTS, Note, Sentence


@dataclass(frozen=True, slots=True)
class Choice:
    """The sentences of a summary in reading order, and the ranks of the key facts that it leaves out."""

    sentences: tuple[Sentence, ...]
    dropped: tuple[int, ...]


def choose(note: Note, severity: int, rng: Random) -> Choice:
    """Keep the `4 - severity` most important key facts and fill up with true details, or the note's aside."""
    kept = [sentence for sentence in note.keys if sentence.rank <= KEY_FACTS - severity]
    with_aside = severity > DETAILS or (severity > 1 and pick(rng, (True, False)))
    padding = shuffled(rng, note.details)[: severity - with_aside]
    sentences = tuple(sentence for sentence in note.sentences if sentence in kept or sentence in padding)
    if with_aside:
        sentences = (note.aside, *sentences)
    dropped = tuple(range(KEY_FACTS - severity + 1, KEY_FACTS + 1))
    return Choice(sentences, dropped)
