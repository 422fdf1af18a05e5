"""Invented rows, criteria and judges that the campaigns share."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from random import Random

NAMES = ("fluency", "coherence", "relevance")
FRAME = "task: Evaluate the summary.\ninputs: {note: Note, summary: Summary}\ndocument: note_id\nid: id\n"
CRITERIA = (
    FRAME
    + "criteria:\n"
    + "".join(f"  - {{name: {name}, definition: How good is the {name}?, scale: [1, 5]}}\n" for name in NAMES)
)
_PLACES = ("harbour", "orchard", "museum", "bakery", "station", "library", "quarry", "theatre")
_DEEDS = ("opens early", "sells honey", "repairs clocks", "closes in May", "hires two guides", "moves uphill")


def rated_rows(documents: int, each: int, *, prefix: str = "n", names: Sequence[str] = NAMES) -> list[dict[str, str]]:
    """Notes and summaries with random ratings."""
    random = Random(f"rows/{prefix}")
    rows: list[dict[str, str]] = []
    for document in range(documents):
        place, deed = _PLACES[document % len(_PLACES)], random.choice(_DEEDS)
        for number in range(each):
            row = {"note_id": f"{prefix}{document:02d}", "id": f"{prefix}{document:02d}-{number}"}
            row |= {"note": f"{prefix} {document}. The {place} of the town {deed}."}
            row |= {"summary": f"The {place} {deed}, says report {number + 1}."}
            rows.append(row | {name: str(random.randint(1, 5)) for name in names})
    return rows


def rated_csv(documents: int, each: int, *, prefix: str = "n") -> str:
    """The same as CSV."""
    rows = rated_rows(documents, each, prefix=prefix)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def judge_yaml(model: str, base_url: str = "") -> str:
    """A judge over these rows."""
    address = f"base_url: {base_url}\n" if base_url else ""
    criteria = "".join(f"  - {{name: {name}, scale: [1, 5], instruction: Rate it from 1 to 5.}}\n" for name in NAMES)
    return f"polyjudge: 1\n{FRAME}criteria:\n{criteria}layout: separate\nscoring: json\nmodel: {model}\n{address}"
