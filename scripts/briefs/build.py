"""One summary from one note and four severities, and the whole of `ratings.csv` from all notes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from briefs.coherence import connect
from briefs.consistency import Change, falsify
from briefs.design import CRITERIA, NOTES, Severities, design
from briefs.fluency import Slip, roughen
from briefs.relevance import choose
from briefs.source import Note, SourceError
from briefs.words import join

SEED = "briefs-1"
COLUMNS = ("id", "note_id", "note", "summary", *CRITERIA)


@dataclass(frozen=True, slots=True)
class Damage:
    """What was done to a summary; never shipped beside it, since it gives the ratings away."""

    dropped: tuple[int, ...]
    changes: tuple[Change, ...]
    order: tuple[int, ...]
    links: tuple[str, ...]
    orphans: int
    slips: tuple[Slip, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary with its severities and the damage that makes them true."""

    id: str
    note: Note
    text: str
    severities: Severities
    damage: Damage


def compose(note: Note, severities: Severities, vocabulary: frozenset[str], seed: str, name: str) -> Summary:
    """The summary `name` of `note`.

    Every operator has its own stream of chance, named after `seed`, `name` and its criterion, so that another
    severity of one criterion leaves the choices of the operators before it as they were.

    Raises:
        Infeasible: the note does not offer the places that the severities ask for.
    """
    rng = {criterion: Random(f"{seed}/{name}/{criterion}") for criterion in CRITERIA}
    choice = choose(note, severities.relevance, rng["relevance"])
    claims = falsify(choice.sentences, severities.consistency, rng["consistency"])
    flow = connect(claims, severities.coherence, rng["coherence"])
    draft = roughen(flow.sentences, severities.fluency, vocabulary, rng["fluency"])
    changes = tuple(change for claim in claims for change in claim.changes)
    damage = Damage(choice.dropped, changes, flow.order, flow.links, flow.orphans, draft.slips)
    return Summary(name, note, join(draft.sentences), severities, damage)


def summaries(notes: tuple[Note, ...], seed: str = SEED) -> Iterator[Summary]:
    """All summaries in the order of `ratings.csv`: note by note, the severities of a note in random order.

    Raises:
        SourceError: the design is for another number of notes.
    """
    if len(notes) != NOTES:
        raise SourceError(f"the design is for {NOTES} notes, and there are {len(notes)}")
    vocabulary = words_of(notes)
    for number, (note, levels) in enumerate(zip(notes, design(seed), strict=True), start=1):
        for position, severities in enumerate(levels, start=1):
            yield compose(note, severities, vocabulary, seed, f"{number:02d}-{position}")


def words_of(notes: tuple[Note, ...]) -> frozenset[str]:
    """The words of all notes in small letters: what a misspelling must not turn into."""
    return frozenset(word for note in notes for word in re.findall(r"\w+", note.text.lower()))


def ratings_csv(notes: tuple[Note, ...], seed: str = SEED) -> bytes:
    """The bytes of `ratings.csv`: UTF-8, lines ended by a line feed."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for summary in summaries(notes, seed):
        row = (summary.id, summary.note.id, summary.note.text, summary.text, *summary.severities.ratings)
        writer.writerow(row)
    return buffer.getvalue().encode("utf-8")
