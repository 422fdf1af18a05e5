"""The data sets that come with the package. Neither is rated by people, and each says so in its notes.

Their files stand beside this one, NAME/criteria.yaml and NAME/ratings.csv, under the licence of the package.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from polyjudge.datasets.load import load_dataset, load_rubric
from polyjudge.domain.dataset import Dataset, Rubric


def moods() -> Dataset:
    """Short messages by invented writers, rated by intention: five emotions, 0-3 (shipped).

    Written for this package. A message was written to show anger, fear, joy, sadness and surprise, each at a stated
    strength; that intention is its rating. Nobody else rated it. The writer is the document. Licence MIT.

    Sizes: 200 messages by 40 writers, five each; no split of their own, no missing rating.

    Columns: id, writer (the document), message (the input), and one of ratings a criterion.

    Criteria: anger, fear, joy, sadness, surprise, each a whole number 0 (none) - 3 (strong), with a definition, an
    initial instruction and five words for the cloze scoring.

    Files: criteria.yaml, a pattern for a file of your own, ratings.csv and README.md stand in the installed package
    under polyjudge/datasets/shipped/moods. To print that folder:
    python -c "import polyjudge.datasets.shipped as s; print(s.__path__[0] + '/moods')"
    """
    return _shipped("moods", "the ratings are the intention of the writing, not people's judgement")


def briefs() -> Dataset:
    """Damaged summaries of invented notes, rated by construction: four criteria, 1-5 (shipped).

    Written for this package. A seeded script damages summaries by operators of known strength, so that fluency,
    coherence, consistency and relevance are known without a rater. The note is the document. Licence MIT.

    Sizes: 300 summaries of 50 notes, six each; no split of their own, no missing rating.

    Columns: id, note_id (the document), note and summary (the inputs), and one of ratings a criterion.

    Criteria: fluency, coherence, consistency, relevance, each a whole number 1 (worst) - 5 (no damage of its kind).

    Files: criteria.yaml, a pattern for a file of your own, ratings.csv, notes.yaml and README.md stand in the
    installed package under polyjudge/datasets/shipped/briefs. To print that folder:
    python -c "import polyjudge.datasets.shipped as s; print(s.__path__[0] + '/briefs')"
    """
    return _shipped("briefs", "the ratings are known by construction, not people's judgement")


def moods_rubric() -> Rubric:
    """The criteria of ``moods``, whose word sets other emotion data use too."""
    return load_rubric(_folder("moods") / "criteria.yaml")


def _shipped(name: str, note: str) -> Dataset:
    folder = _folder(name)
    dataset = load_dataset(folder / "ratings.csv", folder / "criteria.yaml")
    return replace(dataset, name=name, source=f"the shipped data set {name!r}", notes=(note, *dataset.notes))


def _folder(name: str) -> Path:
    return Path(__file__).with_name(name)
