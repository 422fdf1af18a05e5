"""Converts criteria.yaml to a Rubric and back. judge.yaml holds the same keys and uses the same two functions.

The file is checked by hand rather than by a schema, so that every message names the file and the key's path, and says
what is wrong and what to write instead. All mistakes of a file are reported at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from polyjudge import registry
from polyjudge.datasets import preference
from polyjudge.datasets.demonstrations import demonstrations_from
from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.datasets.own_prompt import OwnPrompt, prompt_from, prompt_to
from polyjudge.datasets.table import READ_MODES
from polyjudge.domain.criterion import Criterion, default_instruction
from polyjudge.domain.dataset import LongForm, Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, Scale, show
from polyjudge.errors import CriteriaError
from polyjudge.formatting.text import clipped, nearest

KEYS = (
    *("task", "prompt", "inputs", *preference.KEYS, "document", "id", "split", "long", "reply_begins", "scoring"),
    "demonstrations",
    "criteria",
)
LONG_KEYS = ("item", "rater", "criterion", "value")
CRITERION_KEYS = (
    *("name", "definition", "scale", "levels", "instruction", "ratings", "values", "read", "weight", "words"),
)
# Columns of scores.csv and of what ``audit`` reads, and the row of every table that means all criteria.
RESERVED = frozenset({"id", "document", "error", "notice", "judge", "layout", "criterion", "mean"})
NAME = re.compile(r"\w(?:[\w \-]{0,62}\w)?")


def rubric_from(mapping: object, source: str, *, also: Collection[str] = (), file: Path | None = None) -> Rubric:
    """Check a parsed criteria file and make the rubric of it.

    Args:
        mapping: the content of the YAML file.
        source: the file, for messages.
        also: further top-level keys, of judge.yaml, that the caller reads; they are ignored here.
        file: the criteria file, beside which a prompt's own file is looked for; None: a prompt may name none.

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
    content = {key: value for key, value in mapping.items() if key not in also or key in KEYS}
    content = dict(preference.with_scales(content))
    inputs = reader.inputs(content.get("inputs"))
    criteria = reader.criteria(content.get("criteria"), {column for column, _ in inputs})
    pair, order = preference.read_pair(content, inputs, criteria, reader.errors)
    criteria = preference.with_instructions(criteria, inputs, pair)
    own = reader.prompt(content.get("prompt"), file, inputs, criteria)
    rubric = Rubric(
        task=reader.text("task", content.get("task"), required=content.get("prompt") is None),
        inputs=inputs,
        criteria=reader.fitted(criteria, own, content.get("criteria")),
        document=reader.column("document", content.get("document")),
        id=reader.column("id", content.get("id")),
        split=reader.column("split", content.get("split")),
        long=reader.long(content.get("long")),
        reply_begins=reader.text("reply_begins", content.get("reply_begins")),
        scoring=reader.scoring(content.get("scoring")) if "scoring" not in also else None,
        template=own.template if own is not None else None,
        pair=pair,
        order=order,
        demonstrations=demonstrations_from(
            content.get("demonstrations") if "demonstrations" not in also else None,
            [column for column, _ in inputs],
            criteria,
            reader.errors,
        ),
    )
    reader.errors.check()
    return rubric


def rubric_to(rubric: Rubric) -> dict[str, Any]:
    """The mapping that ``rubric_from`` reads as the same rubric, of plain lists, dicts, texts and numbers.

    Keys with default values are left out, except the instruction.
    """
    mapping: dict[str, Any] = {"task": rubric.task} if rubric.task or rubric.template is None else {}
    if rubric.template is not None:
        mapping["prompt"] = prompt_to(rubric.template)
    if rubric.pair is not None:
        mapping["kind"] = preference.PREFERENCE
    mapping["inputs"] = dict(rubric.inputs)
    if rubric.pair is not None:
        mapping["pair"] = list(rubric.pair)
        mapping |= {"order": rubric.order} if rubric.order != preference.ORDERS[0] else {}
    for key in ("document", "id", "split", "reply_begins", "scoring"):
        value = getattr(rubric, key)
        if value:
            mapping[key] = value
    if rubric.long is not None:
        mapping["long"] = {key: getattr(rubric.long, key) for key in LONG_KEYS if getattr(rubric.long, key)}
    if rubric.demonstrations:
        scales = {criterion.name: criterion.scale for criterion in rubric.criteria}
        mapping["demonstrations"] = [_demonstration_to(shown, scales) for shown in rubric.demonstrations]
    mapping["criteria"] = [_criterion_to(criterion) for criterion in rubric.criteria]
    return mapping


def _criterion_to(criterion: Criterion) -> dict[str, Any]:
    mapping: dict[str, Any] = {"name": criterion.name}
    if criterion.definition:
        mapping["definition"] = criterion.definition
    mapping["scale"] = scale_to(criterion.scale)
    if criterion.levels:
        mapping["levels"] = {_key(level): text for level, text in criterion.levels}
    mapping["instruction"] = criterion.instruction
    if criterion.ratings not in ((), (criterion.name,)):
        mapping["ratings"] = list(criterion.ratings)
    if criterion.values:
        mapping["values"] = {word: _key(value) for word, value in criterion.values}
    if criterion.read:
        mapping["read"] = criterion.read
    if criterion.words:
        mapping["words"] = list(criterion.words)
    return mapping


def _demonstration_to(shown: Example | str, scales: Mapping[str, Scale]) -> Any:
    if isinstance(shown, str):
        return shown
    rated = {name: (scales[name], values[0]) for name, values in shown.ratings.items()}
    ratings = {n: show(scale, x) if isinstance(scale, Categorical) else _key(x) for n, (scale, x) in rated.items()}
    return {"id": shown.id, "inputs": dict(shown.inputs), "ratings": ratings}


def _key(number: float) -> int | float:
    return int(number) if float(number).is_integer() else number


class _Reader:
    """Reads one mapping and collects its mistakes; a refused value is replaced by a harmless one."""

    def __init__(self, source: str) -> None:
        self.errors = ErrorCollector(source, CriteriaError)

    def known(self, path: str, mapping: Mapping[object, object], keys: Collection[str]) -> None:
        for key in mapping:
            if key not in keys:
                self.errors.add(
                    f"{path}unknown key {clipped(key)}{nearest(key, keys) or '; known are ' + ', '.join(keys)}"
                )

    def text(self, path: str, value: object, *, required: bool = False) -> str:
        if value is None and not required:
            return ""
        if value is None:
            self.errors.add(f"{path}: is missing; write a text")
        elif not isinstance(value, str):
            self.errors.add(f"{path}: {clipped(value)} is not text; put it in quotes")
        elif required and not value.strip():
            self.errors.add(f"{path}: is empty; write a text")
        elif "\0" in value or not _encodes(value):
            self.errors.add(f"{path}: holds a character that cannot be sent to a model; remove it")
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
        # A scoring method that was passed as an object is stored as module:Type; scoring needs the object again.
        if not isinstance(value, str) or (value not in options and ":" not in value):
            self.errors.add(f"scoring: {clipped(value)} is unknown; choose one of: {', '.join(options)}")
            return None
        return value

    def inputs(self, value: object) -> tuple[tuple[str, str], ...]:
        form = "write the columns shown to the judge as {column: Label, ...}"
        if not isinstance(value, Mapping) or not value:
            self.errors.add("inputs: is missing; " + form if value is None else f"inputs: {clipped(value)}; {form}")
            return ()
        columns: list[tuple[str, str]] = []
        for key, label in value.items():
            column = self.text(f"inputs: the column {clipped(key)}", key, required=True).strip()
            shown = self.text(f"inputs.{column}", label, required=True).strip()
            if len(shown.splitlines()) > 1:
                self.errors.add(f"inputs.{column}: the label {clipped(shown)} has several lines; write one")
            if shown.casefold() in {other.casefold() for _, other in columns if other}:
                self.errors.add(f"inputs.{column}: the label {shown!r} appears twice; labels must differ")
            columns.append((column, shown))
        return tuple(columns)

    def prompt(
        self, value: object, file: Path | None, inputs: Sequence[tuple[str, str]], criteria: Sequence[Criterion]
    ) -> OwnPrompt | None:
        if value is None:
            return None
        columns = [column for column, _ in inputs]
        return prompt_from(value, file, columns, [criterion.name for criterion in criteria], self.errors)

    def fitted(self, criteria: tuple[Criterion, ...], own: OwnPrompt | None, value: Any) -> tuple[Criterion, ...]:
        """The criteria with the instructions that regions of the user's own prompt hold."""
        marked = own.fitted if own is not None else {}
        for position, criterion in enumerate(criteria):
            elsewhere = value[position].get("instruction") if criterion.name in marked else None
            if elsewhere is not None and elsewhere != marked[criterion.name]:
                self.errors.add(
                    f"criteria[{position}].instruction: the prompt marks the text of {criterion.name!r} itself; keep "
                    f"the one or the other"
                )
        return tuple(replace(one, instruction=marked.get(one.name, one.instruction)) for one in criteria)

    def criteria(self, value: object, inputs: set[str]) -> tuple[Criterion, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            self.errors.add("criteria: is missing or no list; write at least one item '- name: ...'")
            return ()
        criteria = tuple(self.criterion(f"criteria[{position}]", item, inputs) for position, item in enumerate(value))
        names: dict[str, int] = {}
        for position, criterion in enumerate(criteria):
            # A judge may write a key with other blanks, dashes and letter case than the name.
            first = names.setdefault(re.sub(r"[\s_-]+", "_", criterion.name.casefold()), position)
            if first != position and criterion.name:
                self.errors.add(
                    f"criteria[{position}].name: {criterion.name!r} reads like {criteria[first].name!r}, the name of "
                    f"criteria[{first}]; rename one"
                )
        return criteria

    def criterion(self, path: str, value: object, inputs: set[str]) -> Criterion:
        if not isinstance(value, Mapping):
            self.errors.add(f"{path}: {clipped(value)} is no mapping; write name, scale and, if you like, more")
            return Criterion("", scale_from([1, 5]))
        self.known(f"{path}: ", value, CRITERION_KEYS)
        name = self.name(f"{path}.name", value.get("name"))
        scale, ordered_words = self.scale(f"{path}.scale", value.get("scale"))
        instruction = default_instruction(scale)
        if value.get("instruction") is not None:
            instruction = self.text(f"{path}.instruction", value["instruction"], required=True)
        ratings = value.get("ratings")
        columns = (name,) if ratings is None else self.texts(f"{path}.ratings", ratings)
        for column in sorted(set(columns) & inputs):
            self.errors.add(
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
            values=self.values(f"{path}.values", value.get("values"), scale) or ordered_words,
            read=self.read(f"{path}.read", value.get("read"), scale),
            levels=self.levels(f"{path}.levels", value.get("levels"), scale)
            or tuple((rank, word) for word, rank in ordered_words),
            weight=self.weight(f"{path}.weight", value.get("weight")),
        )

    def scale(self, path: str, value: object) -> tuple[Scale, tuple[tuple[str, float], ...]]:
        """A scale; and for one of ordered words, each word with its rank."""
        try:
            if isinstance(value, Mapping) and "ordered" in value:
                words = _ordered_words(value)
                return Ordinal(1, len(words)), tuple((word, float(rank)) for rank, word in enumerate(words, 1))
            return scale_from(value), ()
        except ValueError as error:
            self.errors.add(f"{path}: {error}")
            return scale_from([1, 5]), ()

    def long(self, value: object) -> LongForm | None:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.errors.add(
                f"long: {clipped(value)}; write {{item: ID, rater: WHO, criterion: WHAT, value: RATING}}, "
                f"or {{rater: WHO}} where each criterion has a column of its own"
            )
            return None
        self.known("long: ", value, LONG_KEYS)
        columns = {key: self.column(f"long.{key}", value.get(key)) or "" for key in LONG_KEYS}
        if columns["criterion"] and not columns["value"]:
            self.errors.add("long.value: is missing; name the column that holds the rating")
        return LongForm(**columns)

    def values(self, path: str, value: object, scale: Scale) -> tuple[tuple[str, float], ...]:
        """The words of ratings with their numbers."""
        if value is None:
            return ()
        if not isinstance(value, Mapping) or not value or isinstance(scale, Categorical):
            form = "a scale of labels has none" if isinstance(scale, Categorical) else "write {Good: 4, Poor: 2}"
            self.errors.add(f"{path}: {clipped(value)}; {form}")
            return ()
        numbers: list[tuple[str, float]] = []
        for word, number in value.items():
            text = self.text(f"{path}: the word {clipped(word)}", word, required=True).strip()
            if self.is_level(f"{path}.{text}", number, scale):
                numbers.append((text, float(number)))
        return tuple(numbers)

    def levels(self, path: str, value: object, scale: Scale) -> tuple[tuple[float, str], ...]:
        """The levels of a scale with their meanings."""
        if value is None:
            return ()
        if not isinstance(value, Mapping) or not value or isinstance(scale, Categorical):
            labels = isinstance(scale, Categorical)
            form = "a scale of labels has none" if labels else "write {1: what it means, ..., 5: what it means}"
            self.errors.add(f"{path}: {clipped(value)}; {form}")
            return ()
        anchors: list[tuple[float, str]] = []
        for level, text in value.items():
            meaning = self.text(f"{path}.{level}", text, required=True).strip()
            if self.is_level(path, level, scale):
                anchors.append((float(level), meaning))
        return tuple(sorted(anchors))

    def is_level(self, path: str, value: Any, scale: Scale) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and scale.allows(value):
            return True
        self.errors.add(f"{path}: {clipped(value)} is no level of the scale {scale.describe()}")
        return False

    def read(self, path: str, value: object, scale: Scale) -> str:
        if value is None:
            return ""
        if value not in READ_MODES or isinstance(scale, Categorical):
            labels = "labels are read as they stand" if isinstance(scale, Categorical) else ""
            self.errors.add(f"{path}: {clipped(value)}; {labels or 'write ' + ' or '.join(READ_MODES)}")
            return ""
        return str(value)

    def weight(self, path: str, value: object) -> float:
        """1: agreement has no unit in which one criterion could count for more of its mean than another."""
        if value is not None and (isinstance(value, bool) or value != 1):
            self.errors.add(
                f"{path}: {clipped(value)}; criteria count alike in every mean over criteria. Leave the key out, and "
                f"weigh the scores of scores.csv where you need one number of them"
            )
        return 1.0

    def name(self, path: str, value: object) -> str:
        name = self.text(path, value, required=True)
        if name and not NAME.fullmatch(name):
            self.errors.add(
                f"{path}: {clipped(name)} cannot be a column and a key; use at most 64 letters, digits, '_', '-' and "
                f"inner spaces"
            )
        if name.casefold() in RESERVED:
            self.errors.add(f"{path}: {name!r} is a reserved name in scores.csv and its audit; choose another name")
        return name

    def texts(self, path: str, value: object) -> tuple[str, ...]:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, (list, tuple)) or not values:
            self.errors.add(f"{path}: {clipped(value)} is no list of texts; write [one, two] or leave the key out")
            return ()
        texts = tuple(
            self.text(f"{path}[{position}]", item, required=True).strip() for position, item in enumerate(values)
        )
        repeated = sorted({item for item in texts if item and texts.count(item) > 1})
        if repeated:
            self.errors.add(f"{path}: {', '.join(map(repr, repeated))} appears twice; keep one")
        return texts


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# Scales


FORMS = (
    "write [1, 5], {low: 0, high: 3, step: 1}, {low: 0, high: 1, step: any}, {labels: [one, two]} or "
    "{ordered: [worst, best]}"
)
MOST_LEVELS = 101
# A bound beyond it is no scale that anybody rates on, and arithmetic with it ends in infinity.
LARGEST = 1e100
# Fewer ratings may lie close together by chance.
FEWEST_RATINGS = 20


def scale_from(value: object) -> Scale:
    """The scale that a criteria file writes as ``value``.

    Raises:
        ValueError: it says what is wrong and what to write.
    """
    if value is None:
        raise ValueError(f"is missing; {FORMS}")
    if isinstance(value, (list, tuple)):
        if len(value) != 2:
            raise ValueError(f"{clipped(value)} must be [lowest, highest]; {FORMS}")
        return _ordinal(value[0], value[1], 1)
    if not isinstance(value, Mapping):
        raise ValueError(f"{clipped(value)} is no scale; {FORMS}")
    keys = ("labels",) if "labels" in value else ("low", "high", "step")
    for key in value:
        if key not in keys:
            raise ValueError(f"unknown key {clipped(key)}{nearest(key, keys)}; {FORMS}")
    if "labels" in value:
        return _categorical(value["labels"])
    for key in ("low", "high"):
        if value.get(key) is None:
            raise ValueError(f"{key!r} is missing; {FORMS}")
    step = value.get("step", 1)
    if step == "any":
        return _continuous(value["low"], value["high"])
    return _ordinal(value["low"], value["high"], step)


def scale_to(scale: Scale) -> list[int | float] | dict[str, object]:
    """The shortest written form of a scale; ``scale_from`` reads it as the same scale."""
    if isinstance(scale, Categorical):
        return {"labels": list(scale.names)}
    if isinstance(scale, Continuous):
        return {"low": scale.low, "high": scale.high, "step": "any"}
    if scale.step == 1:
        return [scale.low, scale.high]
    return {"low": scale.low, "high": scale.high, "step": scale.step}


def _ordered_words(value: Mapping[object, object]) -> list[str]:
    words = value["ordered"]
    if len(value) > 1 or not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"ordered: {clipped(words)}; write {{ordered: [worst, ..., best]}}, words in quotes")
    names = list(Categorical(tuple(str(word).strip() for word in words)).names)
    if len(names) > MOST_LEVELS:
        raise ValueError(f"has more than {MOST_LEVELS} levels")
    return names


def narrow_span(scale: Scale, ratings: Iterable[float]) -> str:
    """The span of the ratings, as text, if it is less than half of the scale; "" if it is more, or for few ratings."""
    numbers = [rating for rating in ratings if not math.isnan(rating)]
    if isinstance(scale, Categorical) or len(numbers) < FEWEST_RATINGS:
        return ""
    low, high = min(numbers), max(numbers)
    if not 0 < high - low < (scale.high - scale.low) / 2:
        return ""
    return f"{show(scale, low)} to {show(scale, high)} of {scale.describe()}"


def _ordinal(low: object, high: object, step: object) -> Ordinal:
    numbers: list[int | float] = []
    fractional = isinstance(step, float) and not step.is_integer()
    for bound in (low, high, step):
        is_number = isinstance(bound, (int, float)) and not isinstance(bound, bool) and abs(bound) <= LARGEST
        if not is_number or not (fractional or isinstance(bound, int)):
            raise ValueError(
                f"{clipped(bound)} is no whole number; half points are {{low: 1, high: 5, step: 0.5}}, any numbers "
                f"{{low: 0, high: 1, step: any}}, words {{labels: [one, two]}}"
            )
        numbers.append(bound)  # type: ignore[arg-type]  # it is a number
    first, last, each = (int(number) if float(number).is_integer() else number for number in numbers)
    if each > 0 and (last - first) / each >= MOST_LEVELS:
        raise ValueError(f"has more than {MOST_LEVELS} levels; use {{low: {low}, high: {high}, step: any}}")
    return Ordinal(first, last, each)


def _continuous(low: object, high: object) -> Continuous:
    bounds: list[float] = []
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, (int, float)) or abs(bound) > LARGEST:
            raise ValueError(f"{clipped(bound)} is no number; {FORMS}")
        bounds.append(float(bound))
    if any(math.isnan(bound) for bound in bounds):
        raise ValueError(f"nan is no bound; {FORMS}")
    return Continuous(*bounds)


def _categorical(value: object) -> Categorical:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"labels: {clipped(value)} is no list; {FORMS}")
    labels: list[str] = []
    for label in value:
        if isinstance(label, int) and not isinstance(label, bool):
            label = str(label)
        if not isinstance(label, str):
            raise ValueError(f"labels: {clipped(label)} is not text; put it in quotes")
        if not label.strip().isprintable():
            raise ValueError(f"labels: {clipped(label)} must be one line of plain characters")
        labels.append(label.strip())
    return Categorical(tuple(labels))
