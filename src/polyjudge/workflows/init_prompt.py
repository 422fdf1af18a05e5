"""A criteria file made from rated data and a judge that somebody has already, in a prompt or another tool's file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from polyjudge.connect.foreign_judges import FORMS, ForeignCriterion, ForeignJudge, read_prompt
from polyjudge.connect.prompt_marks import marked, stem
from polyjudge.connect.prompt_places import Columns, converted, is_answer
from polyjudge.datasets.criteria import NAME, rubric_from
from polyjudge.datasets.preference import PREFERENCE
from polyjudge.datasets.starter import Starter
from polyjudge.datasets.table import Table
from polyjudge.errors import ConfigError
from polyjudge.formatting.text import listed, nearest

REPLY = "\n\nReply with this JSON object and nothing else:\n{{ format }}\n"
"""What stands in for the words with which another tool asks for the form of the reply."""


def judge_in(
    prompt: str | Path | None, source: str | Path | None, form: str | None, judge: str | None = None
) -> tuple[ForeignJudge, str] | None:
    """The judge to bring in, and the file that it is in; None when there is none.

    Raises:
        ConfigError: options that do not fit, an unknown form, or a file that cannot be used.
    """
    if prompt is not None and source is not None:
        raise ConfigError("--prompt and --from each name a judge to bring in; give one of them")
    if (source is None) != (form is None):
        raise ConfigError(f"--from FILE goes with --form, one of: {', '.join(FORMS)}")
    if judge is not None and source is None:
        raise ConfigError("--judge chooses among the judges of --from FILE; leave it out")
    if prompt is not None:
        return read_prompt(Path(prompt)), str(prompt)
    if source is None or form is None:
        return None
    if form not in FORMS:
        raise ConfigError(f"unknown --form {form!r}{nearest(form, FORMS)}; choose one of: {', '.join(FORMS)}")
    return FORMS[form](Path(source), judge or ""), str(source)


def brought_in(
    judge: ForeignJudge, place: str, guessed: Starter, table: Table, named: Mapping[str, str] | None = None
) -> Starter:
    """The criteria file of a table with somebody's judge in it.

    Args:
        judge: prompt, criteria and scales.
        place: the file that they come from.
        guessed: the file that the table alone gives.
        table: the rated rows.
        named: placeholder -> column, where their names do not tell.

    Raises:
        ConfigError: a placeholder that names no column, a criterion without ratings, or one of which the prompt
            says nothing.
    """
    notes = [*judge.notes]
    criteria = [*_criteria(judge, guessed, place, notes)]
    left_out = dict(guessed.left_out)
    columns = _columns(guessed, table, named or {})
    if not judge.messages:
        inputs = _shown(judge, guessed, columns, place)
        judged = next((column for column in columns.shown if is_answer(column)), list(inputs)[-1])
        task = f"Evaluate the {inputs[judged].casefold()}."
        mapping = {**guessed.mapping, "task": task, "inputs": inputs, "criteria": criteria}
        return replace(guessed, mapping=mapping, notes=(*guessed.notes, *notes, *columns.notes))
    texts = [converted(text, place, columns) for _, text in judge.messages]
    if judge.formatless and not any("{{ format }}" in text for text in texts):
        texts[-1] = texts[-1].rstrip("\n") + REPLY
        notes.append("{{ format }} stands at the end of the prompt for what the tool said of the reply itself")
    found = marked(texts, [one["name"] for one in criteria])
    spoken = [one["name"] for one in criteria if any(stem(one["name"]) in text.casefold() for text in texts)]
    if not found.found and len(spoken) == 1:
        found = marked(texts, spoken)
    if not found.found:
        raise ConfigError(_unmarked(place, [one["name"] for one in criteria]))
    for one in criteria:
        if one["name"] not in found.found:
            left_out[str(one["name"])] = f"{place} says nothing of it; mark its text with {{{{# fit {one['name']} }}}}"
    inputs = {column: _label(column, guessed) for column in columns.shown}
    hidden = [name for name in guessed.mapping["inputs"] if name in table.columns and name not in columns.shown]
    left_out |= dict.fromkeys(hidden, "the prompt does not show it")
    notes += [
        f"the prompt shows {column!r}, which would be left out, because {reason}"
        for column in columns.shown
        if (reason := left_out.pop(column, ""))
    ]
    generic = any("{{ instruction }}" in text for text in found.texts)
    kept = [_own(one, generic=generic) for one in criteria if one["name"] in found.found]
    _check_scales(kept, found.texts, table, notes)
    roles = [role for role, _ in judge.messages]
    whole = list(zip(roles, found.texts, strict=True))
    mapping = {key: value for key, value in guessed.mapping.items() if key not in ("task", "inputs", "criteria")}
    mapping = {
        "prompt": found.texts[0] if roles == ["user"] else [{"role": role, "content": text} for role, text in whole],
        "inputs": inputs,
        **_preference(inputs, kept, notes),
        **mapping,
        "criteria": kept,
    }
    rubric_from(mapping, place)
    return Starter(mapping, left_out, (*guessed.notes, *notes, *columns.notes, *found.notes), guessed.rated)


def has_ratings(guessed: Starter, table: Table) -> bool:
    """Whether a guess has criteria of the table's own, even where it found no text to judge."""
    rated = {column for one in guessed.mapping["criteria"] for column in one.get("ratings") or [one["name"]]}
    return bool(rated & set(table.columns)) or "long" in guessed.mapping


# Criteria: the data have the ratings, the judge has the words


def _criteria(judge: ForeignJudge, guessed: Starter, place: str, notes: list[str]) -> Iterator[dict[str, Any]]:
    """The criteria that have ratings and that the judge scores, with the judge's words."""
    rated = {str(one["name"]): dict(one) for one in guessed.mapping["criteria"]}
    if not judge.criteria:
        yield from rated.values()
        return
    pairs: dict[str, ForeignCriterion] = {}
    for one in judge.criteria:
        name = _meant(one, rated, alone=len(rated) == len(judge.criteria) == 1)
        if name is None:
            notes.append(f"{place} scores {_told(one)!r}, of which the data have no ratings")
            continue
        if _folded(name) != _folded(one.name):
            notes.append(f"what {place} scores as {_told(one)!r} is taken for {name!r}")
        pairs[name] = one
    if not pairs:
        raise ConfigError(
            f"{place} scores {listed(repr(_told(one)) for one in judge.criteria)}, and the data have ratings of "
            f"{listed(map(repr, rated))}; rename a rating column, so that the two meet"
        )
    for name, one in pairs.items():
        yield _with_words(rated[name], one, notes)


def _told(one: ForeignCriterion) -> str:
    """What a tool's criterion is called, or how its text begins."""
    return one.name or one.instruction[:40]


def _meant(one: ForeignCriterion, rated: dict[str, dict[str, Any]], *, alone: bool) -> str | None:
    """The rated criterion that a tool's stands for: by its name, by the stem of its name, or by its text."""
    by_name = next((name for name in rated if _folded(name) == _folded(one.name)), None)
    if by_name is not None or alone:
        return by_name or next(iter(rated))
    if (joined := _joined(rated, one.name)) is not None:
        return joined
    said = one.name.casefold() if one.name else one.instruction.casefold()
    alike = [name for name in rated if stem(name) in said]
    return alike[0] if len(alike) == 1 else None


def _joined(rated: dict[str, dict[str, Any]], name: str) -> str | None:
    """The criterion of a tool whose name begins those of several rating columns on one scale: they are its raters'."""
    alike = [one for one in rated if name and _folded(one).startswith(_folded(name))]
    if not alike or not NAME.fullmatch(name) or any(rated[one]["scale"] != rated[alike[0]]["scale"] for one in alike):
        return None
    first = rated[alike[0]]
    columns = [column for one in alike for column in rated[one].get("ratings") or [one]]
    for one in alike:
        del rated[one]
    rated[name] = {**first, "name": name, "ratings": columns}
    return name


def _with_words(criterion: dict[str, Any], one: ForeignCriterion, notes: list[str]) -> dict[str, Any]:
    scale = criterion.get("scale")
    labels = scale.get("labels") if isinstance(scale, dict) else None
    if one.labels and labels and {_folded(label) for label in labels} != {_folded(label) for label in one.labels}:
        notes.append(f"{criterion['name']}: the judge answers {listed(one.labels)}, people {listed(labels)}")
    words = {"definition": one.definition, "instruction": one.instruction}
    criterion |= {key: text for key, text in words.items() if text}
    if one.instruction and not one.definition:
        criterion.pop("definition", None)
    if isinstance(scale, list) and one.levels and all(scale[0] <= level <= scale[1] for level in one.levels):
        criterion["levels"] = dict(one.levels)
    elif one.levels:
        notes.append(f"{criterion['name']}: the levels of the rubric are not those of the ratings and are left out")
    return criterion


def _own(criterion: Mapping[str, Any], *, generic: bool) -> dict[str, Any]:
    """A criterion whose text the prompt has itself, so that the file does not say it again."""
    dropped = () if generic else ("instruction", "definition")
    return {key: value for key, value in criterion.items() if key not in dropped}


def _check_scales(criteria: list[dict[str, Any]], texts: Sequence[str], table: Table, notes: list[str]) -> None:
    """Take the span that the prompt names for the scale, where all ratings lie in it and whole numbers are rated."""
    spans = {span for text in texts for span in _spans(text)}
    if len(spans) != 1:
        return
    ((low, high),) = spans
    for criterion in criteria:
        scale = criterion.get("scale")
        rated = [*_numbers(table, criterion.get("ratings") or [criterion["name"]])]
        if isinstance(scale, list) and scale != [low, high] and rated and low <= min(rated) and max(rated) <= high:
            criterion["scale"] = [low, high]
            notes.append(f"{criterion['name']}: the prompt says that the scale is {low} to {high}")


def _spans(text: str) -> Iterator[tuple[int, int]]:
    for found in re.finditer(r"(?<![\d.])(\d{1,3})\s*(?:-|–|—|to|\.\.)\s*(\d{1,3})(?![\d.]*\d)", text):
        low, high = int(found[1]), int(found[2])
        if low < high <= 100 and low <= 1:
            yield low, high


def _numbers(table: Table, columns: Sequence[str]) -> Iterator[float]:
    for row in table.rows:
        for column in columns:
            try:
                yield float(str(row.get(column)))
            except ValueError:
                continue


def _preference(inputs: Mapping[str, str], criteria: Sequence[Mapping[str, Any]], notes: list[str]) -> dict[str, Any]:
    """The keys of a preference, where the prompt shows two texts called a and b, and the labels are A, B and tie."""
    for first, second in (("a", "b"), ("1", "2")):
        pairs = [
            [column, column[:-1] + other]
            for column in inputs
            for other in (second, second.upper())
            if column[-1:].casefold() == first and column[:-1] + other in inputs
        ]
        if len(pairs) == 1 and all(_prefers(one.get("scale"), first, second) for one in criteria):
            notes.append(f"{' and '.join(pairs[0])} are compared in both orders (order: given asks in one)")
            return {"kind": PREFERENCE, "pair": pairs[0]}
    return {}


def _prefers(scale: Any, first: str, second: str) -> bool:
    labels = [label.casefold() for label in scale.get("labels", [])] if isinstance(scale, dict) else []
    return labels[:2] == [first, second] and set(labels[2:]) <= {"tie", "equal", "neither", "draw", "same"}


# Columns


def _columns(guessed: Starter, table: Table, named: Mapping[str, str]) -> Columns:
    """The columns that a prompt may show: all that hold no ratings."""
    ratings = {column for one in guessed.mapping["criteria"] for column in one.get("ratings") or [str(one["name"])]}
    texts = [*guessed.mapping["inputs"], *(name for name in table.columns if name not in guessed.mapping["inputs"])]
    for name, column in named.items():
        if column not in table.columns and column not in texts:
            raise ConfigError(
                f"--column {name}={column}: the data have no column {column!r}{nearest(column, table.columns)}; they "
                f"have {listed(map(repr, table.columns))}"
            )
    return Columns([name for name in texts if name not in ratings], ratings, named)


def _shown(judge: ForeignJudge, guessed: Starter, columns: Columns, place: str) -> dict[str, str]:
    """The inputs that a tool's own prompt shows; those of the data where it does not say."""
    for name in judge.shown:
        columns.find(name, place)
    return {column: _label(column, guessed) for column in columns.shown} or dict(guessed.mapping["inputs"])


def _label(column: str, guessed: Starter) -> str:
    known: Mapping[str, str] = guessed.mapping["inputs"]
    return known.get(column) or column.replace("_", " ").replace(".", " ").strip().capitalize() or "Text"


def _unmarked(place: str, criteria: Sequence[str]) -> str:
    name = f" {criteria[0]}" if len(criteria) > 1 else ""
    return (
        f"{place}: which text says how {listed(map(repr, criteria))} {'is' if len(criteria) == 1 else 'are'} judged? "
        f"Mark it in a copy of the file: {{{{# fit{name} }}}} ... {{{{/ fit }}}} around the text that is to be fitted"
    )


def _folded(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
