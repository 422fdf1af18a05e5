"""BRIGHTER's English part, read from the user's folder."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from polyjudge.datasets.load import part_tables, parts_dataset
from polyjudge.datasets.shipped import moods_rubric
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.scale import Ordinal

DIGESTS: Mapping[str, str] = MappingProxyType(
    {
        "train": "4c5ccd7a5fca7109e1a88b71da024afdc4a28612e6a7680aeb8d9c40e8d68c04",
        "test": "e2f040b605fa93c6823078794e3bebc7a609c5bfb3871714868599f5192d85b2",
    }
)
EMOTIONS = ("anger", "fear", "joy", "sadness", "surprise")


def rubric() -> Rubric:
    """BRIGHTER's criteria, with the initial instruction of the paper and the word sets of ``moods``."""
    words = {criterion.name: criterion.words for criterion in moods_rubric().criteria}
    return Rubric(
        task="Evaluate the emotions that the writer of the text feels.",
        inputs=(("text", "Text"),),
        criteria=tuple(
            Criterion(
                name=emotion,
                scale=Ordinal(0, 3),
                definition=f"How strongly does the writer feel {emotion}?",
                instruction=f"Rate {emotion} intensity from 0 (none) to 3 (most intense).",
                ratings=(emotion,),
                words=words.get(emotion, ()),
            )
            for emotion in EMOTIONS
        ),
        reply_begins="The writer feels",
        scoring="cloze",
    )


def brighter() -> Dataset:
    """English messages rated by people for five emotions, 0-3 (from POLYJUDGE_DATA).

    Source: the train and test files published with "When Gradients Collide" (arXiv 2605.26046), drawn from the
    English part of BRIGHTER (Muhammad et al. 2025, arXiv 2502.11926), which SemEval-2025 used for track B of its
    task 11. Licence CC BY 4.0.

    Sizes: 2,768 train and 2,767 test rows; anger, fear, joy, sadness, surprise, integers 0 (none) - 3 (most intense).

    Columns: text is the input; each criterion has a column of ratings of its name.

    Files: brighter/train.parquet and brighter/test.parquet under the folder that POLYJUDGE_DATA names.

    What to know: a rating sums up several annotators whose single ratings are not in these files, so the ceiling is
    unknown. The files name no writers: the row is the document. Anger is 0 in nearly nine rows of ten, so agreement
    by equality rewards a judge that always answers 0.

    sha256: train.parquet 4c5ccd7a5fca7109e1a88b71da024afdc4a28612e6a7680aeb8d9c40e8d68c04,
    test.parquet e2f040b605fa93c6823078794e3bebc7a609c5bfb3871714868599f5192d85b2.

    Raises:
        DataError: ``POLYJUDGE_DATA`` is unset, or the files are missing or of another form.
        MissingExtra: pyarrow is not installed.
    """
    note = "each rating sums up several annotators: one annotator's agreement is unknown"
    return parts_dataset("brighter", part_tables("brighter", DIGESTS), rubric(), (note,))
