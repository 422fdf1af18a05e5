"""SummEval, read from the user's folder, with its encoding repaired."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from polyjudge.datasets.load import part_tables, parts_dataset
from polyjudge.datasets.table import Row, Table, exact
from polyjudge.domain.criterion import Criterion, default_instruction
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.scale import Ordinal

DIGESTS: Mapping[str, str] = MappingProxyType(
    {
        "train": "b9ecdd7c37844e01d5e8969680c9113fb8040892ea4f131d2b193834742c4b7c",
        "test": "99cb1ef41546f0b060b73c6a40458c0aa1f1689033da0086ea258396f7a9d3a8",
    }
)
DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "fluency": "Are the sentences grammatical, well written and easy to read, each taken by itself?",
        "relevance": "Does the summary hold what matters most in the article, and nothing beside the point?",
        "coherence": "Do the sentences build on one another, so that the summary reads as one ordered whole?",
        "consistency": "Is everything that the summary states borne out by the article?",
    }
)
COLUMNS = ("text", "machine_summary")
# A no-break space that lost its second byte is left as this letter, before a blank or at the end.
_LEFT_OVER = re.compile(r"Â(?=\s|$)")


def rubric() -> Rubric:
    """SummEval's criteria in our words. The document is the article, by a digest of its text."""
    scale = Ordinal(1, 5)
    return Rubric(
        task="Evaluate the summary of the article.",
        inputs=(("text", "Article"), ("machine_summary", "Summary")),
        criteria=tuple(
            Criterion(name, scale, definition, default_instruction(scale), (name,))
            for name, definition in DEFINITIONS.items()
        ),
        document="article",
    )


def summeval() -> Dataset:
    """Summaries of news articles, each rated by one expert: four criteria, 1-5 (from POLYJUDGE_DATA).

    Source: the train and test files published with "When Gradients Collide" (arXiv 2605.26046). They hold ratings of
    SummEval (Fabbri et al. 2021, arXiv 2007.12626; MIT) over articles of CNN/DailyMail, which belong to their
    publishers: nothing of them is in this package.

    Sizes: 160 train and 480 test rows over 100 articles; fluency, relevance, coherence, consistency, integers 1-5.

    Columns: text (the article) and machine_summary are the inputs; each criterion has a column of ratings of its name.

    Files: summeval/train.parquet and summeval/test.parquet under the folder that POLYJUDGE_DATA names.

    What to know: every rating is that of one expert, not the same one throughout, so the files show no annotators'
    ceiling. Their split is by row: nearly all articles stand on both sides (split by document to keep them apart).
    Most articles are UTF-8 that somebody took for Latin-1; they are repaired here, and the notes count them.

    sha256: train.parquet b9ecdd7c37844e01d5e8969680c9113fb8040892ea4f131d2b193834742c4b7c,
    test.parquet 99cb1ef41546f0b060b73c6a40458c0aa1f1689033da0086ea258396f7a9d3a8.

    Raises:
        DataError: ``POLYJUDGE_DATA`` is unset, or the files are missing or of another form.
        MissingExtra: pyarrow is not installed.
    """
    repaired = {part: repair(table) for part, table in part_tables("summeval", DIGESTS).items()}
    note = "each rating is that of one expert: one annotator's agreement is unknown"
    return parts_dataset("summeval", repaired, rubric(), (note,))


def repair(table: Table) -> Table:
    """The table with readable texts and the column ``article``; what was repaired is added to its notes."""
    counts = dict.fromkeys(COLUMNS, 0)
    rows: list[Row] = []
    for row in table.rows:
        texts = {column: row.get(column) for column in COLUMNS}
        clean = {column: fixed(text) if isinstance(text, str) else text for column, text in texts.items()}
        for column in COLUMNS:
            counts[column] += clean[column] != texts[column]
        article = " ".join(exact({"text": str(clean["text"])}))
        digest = hashlib.sha256(article.encode(errors="replace")).hexdigest()[:8]
        rows.append({**row, **clean, "article": digest})
    notes = [
        f"encoding repaired in {count} of {len(rows)} cells of column {column!r}"
        for column, count in counts.items()
        if count
    ]
    columns = table.columns if "article" in table.columns else (*table.columns, "article")
    return replace(table, columns=columns, rows=tuple(rows), notes=(*table.notes, *notes))


def fixed(text: str) -> str:
    """A text whose UTF-8 was read as Latin-1, as it was meant; others unchanged."""
    import ftfy

    return _LEFT_OVER.sub("", ftfy.fix_encoding(text))
