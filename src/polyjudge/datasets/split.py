"""Splits a data set into three parts that share no document and no text: train, validation and test.

Rows that belong together (one document, or equal inputs even under different documents) move as one group. The
groups are laid out in a seeded order and each goes to the part that lacks most rows, so that the parts come near
their fractions and equal groups have equal chances. ``paper_split`` keeps the protocol of "When Gradients Collide"
instead, overlap included.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from random import Random

from polyjudge.datasets.table import exact
from polyjudge.domain.dataset import Dataset, Split
from polyjudge.domain.example import Example
from polyjudge.errors import ConfigError
from polyjudge.formatting.text import many

FEWEST_DOCUMENTS = 12
FRACTIONS = (0.25, 0.25, 0.5)
_PARTS = ("train", "validation", "test")
Group = tuple[int, ...]


def split(
    dataset: Dataset,
    *,
    seed: int,
    by: str | None = None,
    validation: int | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
) -> Split:
    """Split a data set into train, validation and test.

    Args:
        dataset: with at least 12 documents, unless ``by="row"``.
        seed: the same seed gives the same split, on every machine.
        by: "document": by document, duplicates joined; "row": by row, duplicates still joined. None: the data's own
            split where it has one (a missing validation part is carved from train), else "document" where documents
            are named, else by content (equal inputs stay together).
        validation: keep at most that many validation rows, drawn by the seed; the others are not used.
        fractions: of the rows, for train, validation, test; positive, summing to 1.

    Returns:
        Disjoint parts in file order; ``by`` is "given", "document", "content" or "row".

    Raises:
        ConfigError: too few documents, an empty part, no documents to split by, or fractions that do not sum to 1.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ConfigError(f"fractions={fractions!r}: three positive numbers that sum to 1 are needed")
    _check_cap(validation)
    if by not in (None, "document", "row"):
        raise ConfigError(f"cannot split by {by!r}; choose 'document' or 'row'")
    if by is None and dataset.splits is not None:
        parts, how = _given(dataset, seed, fractions), "given"
    else:
        parts, how = _drawn(dataset, seed, by, fractions)
    for name, positions in zip(_PARTS, parts, strict=True):
        if not positions:
            raise ConfigError(
                f"{dataset.source}: no rows are left for {name}; give more rows"
                + (" or mark some in the split column" if how == "given" else " or documents of more equal size")
            )
    return _split(dataset, parts[0], _capped(parts[1], validation, seed), parts[2], how)


def paper_split(dataset: Dataset, *, validation: int | None = None) -> Split:
    """The rows of "When Gradients Collide" (section 4 and released code): validation rows are rows of train.

    Train and test are the data's own; else a quarter of the rows, shuffled with seed 42, is train and the rest test.
    Validation is the data's own; else the last rows of ``numpy.random.RandomState(42).permutation(len(train))``, 100
    or all. Parts stand in file order, and train keeps all its rows.

    Args:
        dataset: any.
        validation: another number than 100; of the data's own validation rows at most that many.

    Raises:
        ConfigError: no train or no test rows, or a number below 1.
    """
    import numpy as np

    _check_cap(validation)
    if dataset.splits is None:
        order = np.random.RandomState(42).permutation(len(dataset.examples)).tolist()
        quarter = len(order) // 4
        train, marked, test = sorted(order[:quarter]), list[int](), sorted(order[quarter:])
    else:
        train, marked, test = (_marked(dataset.splits, name) for name in _PARTS)
    if not train or not test:
        raise ConfigError(f"{dataset.source}: no rows are left for {'test' if train else 'train'}; give more rows")
    last = np.random.RandomState(42).permutation(len(train)).tolist()[-(validation or 100) :]
    validation_rows = _capped(marked, validation, 42) if marked else [train[position] for position in sorted(last)]
    return _split(dataset, train, validation_rows, test, "paper")


def paper_batch(step: int, n_train: int, size: int) -> tuple[int, ...]:
    """The 0-based train rows of a step under the paper's preset, in drawing order.

    It is ``numpy.random.RandomState(step).permutation(n_train)[:size]``, which is what pandas' ``sample`` does.
    """
    import numpy as np

    return tuple(np.random.RandomState(step).permutation(n_train)[:size].tolist())


def groups(examples: Sequence[Example], *, by_document: bool) -> list[Group]:
    """Positions that must stay together, in order of first appearance: equal inputs, and equal documents if asked."""
    parent = list(range(len(examples)))

    def root(position: int) -> int:
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    first: dict[Hashable, int] = {}
    for position, example in enumerate(examples):
        keys: list[Hashable] = [("content", exact(example.inputs))]
        if by_document and example.document is not None:
            keys.append(("document", example.document))
        for key in keys:
            parent[root(position)] = root(first.setdefault(key, position))
    members: dict[int, list[int]] = {}
    for position in range(len(examples)):
        members.setdefault(root(position), []).append(position)
    return sorted(tuple(positions) for positions in members.values())


def _drawn(dataset: Dataset, seed: int, by: str | None, fractions: Sequence[float]) -> tuple[list[list[int]], str]:
    documents = any(example.document is not None for example in dataset.examples)
    if by == "document" and not documents:
        raise ConfigError(
            f"{dataset.source}: no documents to split by; name the column under 'document' in the criteria file, or "
            f"split by row"
        )
    how = by or ("document" if documents else "content")
    together = groups(dataset.examples, by_document=how == "document")
    if how != "row" and len(together) < FEWEST_DOCUMENTS:
        texts = many(len(together), "different texts")
        groups_found = f"{many(len(together), 'documents')} (duplicates joined)" if how == "document" else texts
        raise ConfigError(
            f"{dataset.source}: {groups_found}, but at least {FEWEST_DOCUMENTS} are needed for three parts; "
            f"give more, or split by row (--split-by row) and read the result with care"
        )
    return _laid_out(together, fractions, Random(f"{seed}/split")), how


def _laid_out(together: Sequence[Group], fractions: Sequence[float], random: Random) -> list[list[int]]:
    """Put each group into the part that lacks most rows."""
    total = sum(len(group) for group in together)
    lacking = [fraction * total for fraction in fractions]
    smallest = min(lacking)
    # Only random() is promised to stay the same in later Pythons; shuffle() is not. A group larger than a part must
    # come first, or it would find every part half full.
    keys = [random.random() for _ in together]
    order = sorted(range(len(together)), key=lambda index: (-max(len(together[index]), smallest), keys[index]))
    parts: list[list[int]] = [[] for _ in fractions]
    for index in order:
        part = max(range(len(parts)), key=lambda index: lacking[index])
        parts[part] += together[index]
        lacking[part] -= len(together[index])
    return [sorted(part) for part in parts]


def _given(dataset: Dataset, seed: int, fractions: Sequence[float]) -> list[list[int]]:
    """The data's own split; validation carved from train when it has none."""
    splits = dataset.splits or ()
    train, validation, test = (_marked(splits, name) for name in _PARTS)
    if validation or not train:
        return [train, validation, test]
    together = groups([dataset.examples[position] for position in train], by_document=True)
    share = fractions[1] / (fractions[0] + fractions[1])
    still_train, carved = _laid_out(together, (1 - share, share), Random(f"{seed}/split"))
    return [[train[index] for index in still_train], [train[index] for index in carved], test]


def _marked(splits: Sequence[str], name: str) -> list[int]:
    return [position for position, label in enumerate(splits) if label == name]


def _check_cap(validation: int | None) -> None:
    if validation is not None and validation < 1:
        raise ConfigError(f"validation={validation!r}: at least one row is needed")


def _capped(positions: list[int], most: int | None, seed: int) -> list[int]:
    if most is None or most >= len(positions):
        return positions
    random = Random(f"{seed}/validation")
    return sorted(sorted(positions, key=lambda _: random.random())[:most])


def _split(dataset: Dataset, train: Iterable[int], validation: Iterable[int], test: Iterable[int], by: str) -> Split:
    parts = [tuple(dataset.examples[position] for position in part) for part in (train, validation, test)]
    return Split(parts[0], parts[1], parts[2], by)
