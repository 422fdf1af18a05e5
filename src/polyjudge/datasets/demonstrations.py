"""The user's own demonstrations: rated examples that the judge is always shown, in full or as ids of rows of the data.

A judge must not be measured on what it was shown. So a demonstration's document, and rows with equal inputs, belong to
the training rows. A row that the user's own split column puts elsewhere is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.datasets.table import digest, rating_of, text_of
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset, Split
from polyjudge.domain.example import Example
from polyjudge.errors import ConfigError
from polyjudge.formatting.text import clipped, nearest

KEY = "demonstrations"


def demonstration_from(found: Any, columns: Sequence[str], criteria: Sequence[Criterion]) -> Example:
    """A demonstration that is written out: inputs, ratings and perhaps an id.

    Raises:
        ValueError: it has another form, or a rating that its criterion's scale does not allow.
    """
    scales = {criterion.name: criterion.scale for criterion in criteria}
    whole = isinstance(found, Mapping) and {"inputs", "ratings"} <= set(found) <= {"id", "inputs", "ratings"}
    if not whole or not all(isinstance(found[key], Mapping) for key in ("inputs", "ratings")):
        raise ValueError(f"expected id, inputs and ratings, found {clipped(found)}")
    inputs, rated = found["inputs"], found["ratings"]
    if set(inputs) != set(columns) or not set(rated) <= set(scales):
        raise ValueError(
            f"expected the inputs {[*columns]!r} and ratings of {[*scales]!r}, found {[*inputs]!r} and {[*rated]!r}"
        )
    ratings = {name: (rating_of(value, scales[name]),) for name, value in rated.items()}
    texts = {name: text_of(value) for name, value in inputs.items()}
    return Example(str(found.get("id", digest(texts))), texts, None, ratings)


def demonstrations_from(
    value: Any, columns: Sequence[str], criteria: Sequence[Criterion], errors: ErrorCollector
) -> tuple[Example | str, ...]:
    """The value of the key ``demonstrations`` in criteria.yaml: examples, and ids of rows of the data as texts."""
    if value is None:
        return ()
    if not isinstance(value, list):
        errors.add(f"{KEY}: {clipped(value)} must be a list of ids of rows, or of examples with inputs and ratings")
        return ()
    found: list[Example | str] = []
    for number, entry in enumerate(value):
        if isinstance(entry, str | int) and not isinstance(entry, bool):
            found.append(str(entry))
            continue
        try:
            found.append(demonstration_from(entry, columns, criteria))
        except ValueError as error:
            errors.add(f"{KEY}[{number}]: {error}")
    return tuple(found)


def own_demonstrations(dataset: Dataset) -> tuple[Example, ...]:
    """The demonstrations of a data set's rubric, those by id with the texts and ratings of their rows.

    Raises:
        ConfigError: no row has such an id, or nobody rated it.
    """
    rows = {example.id: example for example in dataset.examples}
    found: list[Example] = []
    for number, wanted in enumerate(dataset.rubric.demonstrations):
        if isinstance(wanted, str) and wanted not in rows:
            raise ConfigError(
                f"{KEY}[{number}]: no rated row of {dataset.source} has the id {wanted!r}{nearest(wanted, list(rows))}"
            )
        found.append(rows[wanted] if isinstance(wanted, str) else wanted)
    return tuple(found)


def without_demonstrated(dataset: Dataset, shown: Sequence[Example]) -> tuple[Dataset, tuple[Example, ...]]:
    """The data set without the documents and texts that demonstrations show, and the rows that were taken out.

    Raises:
        ConfigError: the user's own split puts a demonstration's row among validation or test rows.
    """
    if not shown:
        return dataset, ()
    texts = [dict(example.inputs) for example in shown]
    ids = {example.id for example in shown}
    known = [example for example in dataset.examples if example.id in ids or dict(example.inputs) in texts]
    documents = {example.document for example in known if example.document is not None}
    out = {example.id for example in [*known, *(one for one in dataset.examples if one.document in documents)]}
    for example, part in zip(dataset.examples, dataset.splits or (), strict=bool(dataset.splits)):
        if example.id in out and part != "train":
            raise ConfigError(
                f"{KEY}: row {example.id!r} is a {part} row by the data's own split and is shown to the judge, or "
                f"shares its document or texts with one that is; mark it as train, or demonstrate another row"
            )
    kept = [number for number, example in enumerate(dataset.examples) if example.id not in out]
    rest = replace(
        dataset,
        examples=tuple(dataset.examples[number] for number in kept),
        splits=tuple(dataset.splits[number] for number in kept) if dataset.splits is not None else None,
    )
    return rest, tuple(example for example in dataset.examples if example.id in out)


def with_training_rows(parts: Split, rows: Sequence[Example]) -> Split:
    """The split with further training rows."""
    return replace(parts, train=(*parts.train, *rows)) if rows else parts
