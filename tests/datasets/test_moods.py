"""`moods` is what its README says: sizes, balance, honest text, and a criteria file that fits it."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import polyjudge

FOLDER = Path(polyjudge.__file__).parent / "datasets" / "shipped" / "moods"
EMOTIONS = ("anger", "fear", "joy", "sadness", "surprise")


@pytest.fixture(scope="module")
def moods_rows() -> list[dict[str, str]]:
    with (FOLDER / "ratings.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.fixture(scope="module")
def moods_criteria() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load((FOLDER / "criteria.yaml").read_text("utf-8"))
    return loaded


def moods_words(message: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", message.lower())


def levels_of(row: dict[str, str]) -> tuple[int, ...]:
    return tuple(int(row[emotion]) for emotion in EMOTIONS)


def test_columns_ids_and_writers(moods_rows: list[dict[str, str]]) -> None:
    assert tuple(moods_rows[0]) == ("id", "writer", "message", *EMOTIONS)
    assert [row["id"] for row in moods_rows] == [f"m{n:03d}" for n in range(1, 201)]
    assert Counter(row["writer"] for row in moods_rows) == {f"w{n:02d}": 5 for n in range(1, 41)}


def test_file_is_plain_text() -> None:
    raw = (FOLDER / "ratings.csv").read_bytes()
    assert raw.isascii()
    assert b"\r" not in raw
    assert raw.count(b"\n") == 201


def test_messages_have_8_to_25_words_and_clean_spacing(moods_rows: list[dict[str, str]]) -> None:
    for row in moods_rows:
        assert 8 <= len(row["message"].split()) <= 25, row["id"]
        assert row["message"] == " ".join(row["message"].split()), row["id"]


def test_no_two_messages_share_five_words_in_a_row(moods_rows: list[dict[str, str]]) -> None:
    where: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in moods_rows:
        words = moods_words(row["message"])
        for start in range(len(words) - 4):
            where[tuple(words[start : start + 5])].add(row["id"])
    assert {run: ids for run, ids in where.items() if len(ids) > 1} == {}


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_level_occurs_20_times_and_zero_is_the_most_common(
    moods_rows: list[dict[str, str]], emotion: str
) -> None:
    counts = Counter(int(row[emotion]) for row in moods_rows)
    assert set(counts) == {0, 1, 2, 3}
    assert min(counts.values()) >= 20
    assert counts.most_common(1)[0][0] == 0


def test_neutral_single_and_mixed_messages_all_occur(moods_rows: list[dict[str, str]]) -> None:
    present = Counter(sum(level > 0 for level in levels_of(row)) for row in moods_rows)
    assert present == {0: 16, 1: 65, 2: 97, 3: 22}


def test_every_writer_shows_every_emotion_and_never_the_same_mood_twice(moods_rows: list[dict[str, str]]) -> None:
    by_writer: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    for row in moods_rows:
        by_writer[row["writer"]].append(levels_of(row))
    for writer, moods in by_writer.items():
        assert len(set(moods)) == 5, writer
        assert all(any(column) for column in zip(*moods, strict=True)), writer


def test_criteria_file_fits_the_ratings(moods_rows: list[dict[str, str]], moods_criteria: dict[str, Any]) -> None:
    columns = set(moods_rows[0])
    assert set(moods_criteria["inputs"]) | {moods_criteria["document"], moods_criteria["id"]} <= columns
    assert tuple(criterion["name"] for criterion in moods_criteria["criteria"]) == EMOTIONS
    assert moods_criteria["scoring"] == "cloze"
    assert moods_criteria["reply_begins"] == "The writer feels"
    for criterion in moods_criteria["criteria"]:
        low, high = criterion["scale"]
        assert {int(row[criterion["name"]]) for row in moods_rows} == set(range(low, high + 1))
        assert criterion["definition"]
        assert criterion["instruction"]


def test_word_sets_are_of_one_size_and_share_no_word(moods_criteria: dict[str, Any]) -> None:
    sets = [criterion["words"] for criterion in moods_criteria["criteria"]]
    assert {len(words) for words in sets} == {5}
    assert len({word for words in sets for word in words}) == 25


def test_word_sets_seldom_stand_in_the_messages(
    moods_rows: list[dict[str, str]], moods_criteria: dict[str, Any]
) -> None:
    named = {word for criterion in moods_criteria["criteria"] for word in (*criterion["words"], criterion["name"])}
    naming = [row["id"] for row in moods_rows if named & set(moods_words(row["message"]))]
    assert len(naming) <= len(moods_rows) // 10
