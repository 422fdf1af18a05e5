"""Exports of annotation tools as rated rows: Label Studio, Argilla and Langfuse.

A row is an item: the columns of its texts, and for each question a list of ratings, in which each person has a place.
Scores that a model or a program gave are no ratings and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.datasets.textfiles import read_json
from polyjudge.errors import DataError
from polyjudge.formatting.text import clipped, many

Row = dict[str, Any]
# The item's columns, and (question, person, rating).
Item = tuple[Row, list[tuple[str, str, object]]]


def rated_rows_of(path: Path, form: str) -> list[Row]:
    """The rows of an export.

    Args:
        path: its JSON file.
        form: one of ``FORMS``.

    Raises:
        DataError: an unknown form, no such file, or another structure; the record is named.
    """
    if form not in FORMS:
        raise DataError(f"{form!r} is no form of export; choose one of {', '.join(FORMS)}")
    try:
        content = read_json(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON ({clipped(str(error))}); export it as JSON again") from None
    records = content.get("data", content.get("records")) if isinstance(content, Mapping) else content
    if not isinstance(records, list) or not records:
        raise DataError(f"{path}: holds no list of records; export the project as JSON")
    errors, items = ErrorCollector(str(path), DataError), list[Item]()
    for number, record in enumerate(records, 1):
        try:
            columns, ratings = FORMS[form](record)
            keys = [(question, person) for question, person, _ in ratings]
            for question, person in sorted({key for key in keys if keys.count(key) > 1}):
                errors.add(f"record {number}: the person {person!r} answers {question!r} twice; keep one answer")
            items.append((columns, ratings))
        except (KeyError, TypeError, AttributeError) as error:
            errors.add(f"record {number} is not of {form} ({type(error).__name__}: {error}); choose another --form")
    errors.check()
    people = list(dict.fromkeys(person for _, ratings in items for _, person, _ in ratings))
    questions = list(dict.fromkeys(question for _, ratings in items for question, _, _ in ratings))
    if not questions:
        raise DataError(f"{path}: none of its {many(len(items), 'records')} holds a person's rating")
    return [_row(columns, ratings, questions, people) for columns, ratings in items]


def _row(columns: Row, ratings: list[tuple[str, str, object]], questions: list[str], people: list[str]) -> Row:
    lists: dict[str, list[object]] = {question: [None] * len(people) for question in questions}
    for question, person, rating in ratings:
        lists[question][people.index(person)] = rating
    return columns | {(f"{name}.rating" if name in columns else name): cells for name, cells in lists.items()}


def _label_studio(task: Mapping[str, Any]) -> Item:
    columns = {"id": str(task["id"]), **{str(key): cell for key, cell in task["data"].items()}}
    ratings = [
        (str(result["from_name"]), _person(annotation.get("completed_by")), value)
        for annotation in task["annotations"]
        if not annotation.get("was_cancelled")
        for result in annotation["result"]
        for value in _label_studio_values(result["value"])
    ]
    return columns, ratings


def _label_studio_values(value: Mapping[str, Any]) -> Iterator[object]:
    """The rating of a result: stars, a number, or the one choice; regions and free text are none."""
    for key in ("rating", "number"):
        if key in value:
            yield value[key]
            return
    choices = value.get("choices")
    if isinstance(choices, list) and len(choices) == 1:
        yield choices[0]


def _argilla(record: Mapping[str, Any]) -> Item:
    columns = {"id": str(record["id"]), **{str(key): cell for key, cell in record["fields"].items()}}
    ratings: list[tuple[str, str, object]] = [
        (str(question), _person(response.get("user_id")), response["value"])
        for question, responses in record["responses"].items()
        for response in responses
        if response.get("status", "submitted") == "submitted" and isinstance(response["value"], (str, int, float))
    ]
    return columns, ratings


def _langfuse(trace: Mapping[str, Any]) -> Item:
    columns = {"id": str(trace["id"]), "input": trace["input"], "output": trace["output"]}
    ratings = [
        (str(score["name"]), _person(score.get("authorUserId")), score.get("stringValue") or score["value"])
        for score in trace["scores"]
        if score["source"] == "ANNOTATION"
    ]
    return columns, ratings


def _person(who: object) -> str:
    """A person's name or number; one that nobody names is the same everywhere."""
    if isinstance(who, Mapping):
        who = who.get("id", who.get("email"))
    return str(who)


FORMS: Mapping[str, Callable[[Any], Item]] = MappingProxyType(
    {"label-studio": _label_studio, "argilla": _argilla, "langfuse": _langfuse}
)
