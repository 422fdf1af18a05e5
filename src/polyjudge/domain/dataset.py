"""A loaded data set: the examples, their human ratings, and the rubric."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace

from polyjudge.codec import UNWRITTEN_AT_DEFAULT
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt_template import PromptTemplate


@dataclass(frozen=True, slots=True)
class LongForm:
    """Which columns a table has that holds several rows an item.

    Attributes:
        item: identifies the item; "" where its inputs do.
        rater: names who rated; "" where nobody says, and an item's ratings are told apart by their order.
        criterion: names what was rated; "" where each criterion has a column of its own.
        value: the rating; "" where each criterion has a column of its own.
    """

    item: str = ""
    rater: str = ""
    criterion: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Rubric:
    """The content of criteria.yaml: the task, the inputs and the criteria.

    Attributes:
        task: the directive.
        inputs: (column, label shown to the judge), in order.
        criteria: in order.
        document: the column that groups rows; None when there is none.
        id: the column of identifiers; None: a digest of the inputs.
        reply_begins: the words that begin a reply under the cloze scoring.
        scoring: the scoring method that ``auto`` takes for a model that cannot rate when asked; None: no wish.
        split: the column that holds the user's own train / validation / test; None when there is none.
        long: how a table with several rows an item is laid out; None: one row an item, or to be recognised.
        pair: the two inputs that are compared, where the criteria are preferences; else None.
        order: "both" orders of these are asked, or the "given" one.
        template: the user's own prompt; None: the prompt of this package.
        demonstrations: the user's own, shown to the judge in every step; a text is the id of a row of the data.
    """

    task: str
    inputs: tuple[tuple[str, str], ...]
    criteria: tuple[Criterion, ...]
    document: str | None = None
    id: str | None = None
    reply_begins: str = ""
    scoring: str | None = None
    split: str | None = None
    long: LongForm | None = None
    template: PromptTemplate | None = field(default=None, metadata=UNWRITTEN_AT_DEFAULT)
    pair: tuple[str, str] | None = field(default=None, metadata=UNWRITTEN_AT_DEFAULT)
    order: str = field(default="both", metadata=UNWRITTEN_AT_DEFAULT)
    demonstrations: tuple[Example | str, ...] = field(default=(), metadata=UNWRITTEN_AT_DEFAULT)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.criteria)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples under a rubric.

    Attributes:
        name: a registered name or the file's stem.
        source: where it came from, for messages.
        rubric: the frame and the criteria.
        examples: in file order.
        splits: the data's own split of each example ("train", "validation", "test"), aligned with ``examples``; None
            if the data have none.
        notes: what loading changed or noticed, for the user.
        simulated: whether texts and ratings come from a simulated world.
        given: the name or path from which it can be loaded again; "" for rows in memory.
        unrated: how many rows were left out, because nobody rated them.
    """

    name: str
    source: str
    rubric: Rubric
    examples: tuple[Example, ...]
    splits: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    simulated: bool = False
    given: str = ""
    unrated: int = 0

    @property
    def digest(self) -> str:
        """sha256 over inputs, documents, ratings and splits, in order."""
        state = hashlib.sha256()
        for position, example in enumerate(self.examples):
            split = self.splits[position] if self.splits else ""
            ratings = {name: [repr(value) for value in raters] for name, raters in example.ratings.items()}
            line = [example.id, example.document, dict(example.inputs), ratings, split]
            state.update(json.dumps(line, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass"))
        return f"sha256:{state.hexdigest()}"

    def first(self, limit: int | None) -> Dataset:
        """The first ``limit`` examples; all when None."""
        if limit is None or limit >= len(self.examples):
            return self
        return replace(self, examples=self.examples[:limit], splits=self.splits[:limit] if self.splits else None)


@dataclass(frozen=True, slots=True)
class Split:
    """Three lists of examples. Disjoint in documents unless a preset says otherwise.

    Attributes:
        train: optimisation draws its batches here.
        validation: the gate decides here.
        test: read once, at the end (the paper's preset: after every step).
        by: "document", "content", "row", "given" or "paper".
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    by: str
