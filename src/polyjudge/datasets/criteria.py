"""criteria.yaml <-> Rubric. judge.yaml holds the same keys and uses the same two functions.

Checked by hand rather than by a schema: every message names the file and the key's path, says what is wrong and
what to write instead, and all of a file's mistakes come at once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from polyjudge import registry
from polyjudge.datasets.problems import Problems, clipped, nearest
from polyjudge.datasets.scales import scale_from, scale_to
from polyjudge.domain.criterion import Criterion, default_instruction
from polyjudge.domain.dataset import Rubric
from polyjudge.errors import CriteriaError

KEYS = ("task", "inputs", "document", "id", "split", "reply_begins", "scoring", "criteria")
CRITERION_KEYS = ("name", "definition", "scale", "instruction", "ratings", "words")
# Columns of scores.csv and of what ``audit`` reads, and the row of every table that means all criteria.
RESERVED = frozenset({"id", "document", "error", "notice", "judge", "layout", "criterion", "mean"})
NAME = re.compile(r"\w(?:[\w \-]{0,62}\w)?")


def rubric_from(mapping: object, source: str, *, also: Collection[str] = ()) -> Rubric:
    """Check a parsed criteria file and make the rubric of it.

    Args:
        mapping: what the YAML file says.
        source: the file, for messages.
        also: further top-level keys that the caller reads itself (judge.yaml has some); they are passed over.

    Raises:
        CriteriaError: up to ten problems, each with the path of its key.
    """
    if not isinstance(mapping, Mapping):
        raise CriteriaError(
            f"{source}: holds {clipped(mapping)}; it must be a mapping with the keys task, inputs, criteria"
        )
    if "polyjudge" in mapping and "polyjudge" not in also:
        raise CriteriaError(
            f"{source}: is a judge file, which holds more than criteria; give the criteria file that it was fitted "
            f"with, or a copy with these keys of it alone: {', '.join(key for key in KEYS if key in mapping)}"
        )
    reader = _Reader(source)
    reader.known("", mapping, (*KEYS, *also))
    own = {key: value for key, value in mapping.items() if key not in also or key in KEYS}
    inputs = reader.inputs(own.get("inputs"))
    rubric = Rubric(
        task=reader.text("task", own.get("task"), required=True),
        inputs=inputs,
        criteria=reader.criteria(own.get("criteria"), {column for column, _ in inputs}),
        document=reader.column("document", own.get("document")),
        id=reader.column("id", own.get("id")),
        split=reader.column("split", own.get("split")),
        reply_begins=reader.text("reply_begins", own.get("reply_begins")),
        scoring=reader.scoring(own.get("scoring")) if "scoring" not in also else None,
    )
    reader.problems.check()
    return rubric


def rubric_to(rubric: Rubric) -> dict[str, Any]:
    """The mapping that ``rubric_from`` reads as the same rubric; plain lists, dicts, texts and numbers.

    Keys that hold their default are left out, except the instruction.
    """
    mapping: dict[str, Any] = {"task": rubric.task, "inputs": dict(rubric.inputs)}
    for key in ("document", "id", "split", "reply_begins", "scoring"):
        value = getattr(rubric, key)
        if value:
            mapping[key] = value
    mapping["criteria"] = [_criterion_to(criterion) for criterion in rubric.criteria]
    return mapping


def _criterion_to(criterion: Criterion) -> dict[str, Any]:
    mapping: dict[str, Any] = {"name": criterion.name}
    if criterion.definition:
        mapping["definition"] = criterion.definition
    mapping["scale"] = scale_to(criterion.scale)
    mapping["instruction"] = criterion.instruction
    if criterion.ratings not in ((), (criterion.name,)):
        mapping["ratings"] = list(criterion.ratings)
    if criterion.words:
        mapping["words"] = list(criterion.words)
    return mapping


class _Reader:
    """Reads one mapping, collecting what is wrong; a value it refuses is replaced by a harmless one."""

    def __init__(self, source: str) -> None:
        self.problems = Problems(source, CriteriaError)

    def known(self, path: str, mapping: Mapping[object, object], keys: Collection[str]) -> None:
        for key in mapping:
            if key not in keys:
                self.problems.add(
                    f"{path}unknown key {clipped(key)}{nearest(key, keys) or '; known are ' + ', '.join(keys)}"
                )

    def text(self, path: str, value: object, *, required: bool = False) -> str:
        if value is None and not required:
            return ""
        if value is None:
            self.problems.add(f"{path}: is missing; write a text")
        elif not isinstance(value, str):
            self.problems.add(f"{path}: {clipped(value)} is not text; put it in quotes")
        elif required and not value.strip():
            self.problems.add(f"{path}: is empty; write a text")
        elif "\0" in value or not _encodes(value):
            self.problems.add(f"{path}: holds a character that cannot be sent to a model; remove it")
        else:
            return value
        return ""

    def column(self, path: str, value: object) -> str | None:
        if value is None:
            return None
        return self.text(path, value, required=True).strip() or None

    def scoring(self, value: object) -> str | None:
        options = (*registry.names("scoring"), "auto")
        if value is None or value == "auto":
            return None
        if not isinstance(value, str) or value not in options:
            self.problems.add(f"scoring: {clipped(value)} is unknown; choose one of: {', '.join(options)}")
            return None
        return value

    def inputs(self, value: object) -> tuple[tuple[str, str], ...]:
        form = "write the columns shown to the judge as {column: Label, ...}"
        if not isinstance(value, Mapping) or not value:
            self.problems.add("inputs: is missing; " + form if value is None else f"inputs: {clipped(value)}; {form}")
            return ()
        found: list[tuple[str, str]] = []
        for key, label in value.items():
            column = self.text(f"inputs: the column {clipped(key)}", key, required=True).strip()
            shown = self.text(f"inputs.{column}", label, required=True).strip()
            if len(shown.splitlines()) > 1:
                self.problems.add(f"inputs.{column}: the label {clipped(shown)} has several lines; write one")
            if shown.casefold() in {other.casefold() for _, other in found if other}:
                self.problems.add(f"inputs.{column}: the label {shown!r} stands twice; labels must differ")
            found.append((column, shown))
        return tuple(found)

    def criteria(self, value: object, inputs: set[str]) -> tuple[Criterion, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            self.problems.add("criteria: is missing or no list; write at least one item '- name: ...'")
            return ()
        found = tuple(self.criterion(f"criteria[{place}]", item, inputs) for place, item in enumerate(value))
        names: dict[str, int] = {}
        for place, criterion in enumerate(found):
            # A judge may write a key with other blanks, dashes and case than the name has.
            first = names.setdefault(re.sub(r"[\s_-]+", "_", criterion.name.casefold()), place)
            if first != place and criterion.name:
                self.problems.add(
                    f"criteria[{place}].name: {criterion.name!r} reads like {found[first].name!r}, the name of "
                    f"criteria[{first}]; rename one"
                )
        return found

    def criterion(self, path: str, value: object, inputs: set[str]) -> Criterion:
        if not isinstance(value, Mapping):
            self.problems.add(f"{path}: {clipped(value)} is no mapping; write name, scale and, if you like, more")
            return Criterion("", scale_from([1, 5]))
        self.known(f"{path}: ", value, CRITERION_KEYS)
        name = self.name(f"{path}.name", value.get("name"))
        try:
            scale = scale_from(value.get("scale"))
        except ValueError as error:
            self.problems.add(f"{path}.scale: {error}")
            scale = scale_from([1, 5])
        instruction = default_instruction(scale)
        if value.get("instruction") is not None:
            instruction = self.text(f"{path}.instruction", value["instruction"], required=True)
        ratings = value.get("ratings")
        columns = (name,) if ratings is None else self.texts(f"{path}.ratings", ratings)
        for column in sorted(set(columns) & inputs):
            self.problems.add(
                f"{path}.ratings: the judge would see the ratings: {column!r} is also an input; take it out"
            )
        words = value.get("words")
        return Criterion(
            name=name,
            scale=scale,
            definition=self.text(f"{path}.definition", value.get("definition")),
            instruction=instruction,
            ratings=columns,
            words=() if words is None else self.texts(f"{path}.words", words),
        )

    def name(self, path: str, value: object) -> str:
        name = self.text(path, value, required=True)
        if name and not NAME.fullmatch(name):
            self.problems.add(
                f"{path}: {clipped(name)} cannot be a column and a key; use at most 64 letters, digits, '_', '-' and "
                f"inner spaces"
            )
        if name.casefold() in RESERVED:
            self.problems.add(
                f"{path}: {name!r} is a name of our own in scores.csv and its audit; choose another name"
            )
        return name

    def texts(self, path: str, value: object) -> tuple[str, ...]:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, (list, tuple)) or not values:
            self.problems.add(f"{path}: {clipped(value)} is no list of texts; write [one, two] or leave the key out")
            return ()
        found = tuple(self.text(f"{path}[{place}]", item, required=True).strip() for place, item in enumerate(values))
        twice = sorted({item for item in found if item and found.count(item) > 1})
        if twice:
            self.problems.add(f"{path}: {', '.join(map(repr, twice))} stands twice; keep one")
        return found


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
