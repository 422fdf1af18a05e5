"""Slices and systems of an audit: each slice is the audit of its own rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests.audits.judged import judged, write_wide
from tests.commands import polyjudge

import polyjudge as pj
from polyjudge.errors import DataError

CRITERIA = {
    "criteria": [
        {"name": name, "scale": [1, 5], "ratings": [f"{name}_{rater}" for rater in "abc"]}
        for name in ("fluency", "relevance")
    ]
}
Row = dict[str, str]


def rows(documents: int = 40) -> list[Row]:
    """One judge's rows, with a language and the system that wrote each."""
    data = judged(documents)
    data.scores.pop(("good", "joint"))
    data.scores.pop(("poor", "separate"))
    path = write_wide(Path("scores.csv"), data)
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    for number, row in enumerate(found):
        row["language"] = "de" if number // 4 % 3 else "en"
        row["system"] = f"s{number % 4}"
    return found


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_slice_says_what_the_audit_of_its_rows_says() -> None:
    table = rows()
    whole = pj.audit(table, criteria=CRITERIA, by="language")
    assert [(s.criterion, s.value) for s in whole.slices] == [
        (name, value) for name in ("fluency", "relevance") for value in ("de", "en")
    ]
    for found in whole.slices:
        alone = pj.audit([row for row in table if row["language"] == found.value], criteria=CRITERIA)
        (same,) = [
            row
            for row in alone.agreements
            if (row.criterion, row.metric, row.grouping) == (found.criterion, found.metric, "pooled")
        ]
        bias = next(row for row in alone.biases if row.criterion == found.criterion)
        assert (found.agreement.value, found.agreement.low, found.agreement.high) == (same.value, same.low, same.high)
        assert (found.level.value, found.level.low) == (bias.level.value, bias.level.low)
        assert (found.rows, found.coverage) == (same.rows, same.coverage)


def test_systems_have_the_means_of_their_rows() -> None:
    table = rows()
    (fluency, relevance) = pj.audit(table, criteria=CRITERIA, system="system").systems
    people = [human for _, _, _, human in relevance.means]
    assert people == sorted(people, reverse=True)
    for name, items, mean, _ in relevance.means:
        scores = [float(row["relevance"]) for row in table if row["system"] == name and row["relevance"]]
        assert (items, mean) == (len(scores), pytest.approx(sum(scores) / len(scores)))
    assert len(fluency.means) == 4


def test_the_command_shows_both_and_names_what_cannot_be(tmp_path: Path) -> None:
    table = rows()
    with open("s.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    ended = polyjudge("audit", "s.csv", "--by", "language", "--system", "system")
    assert ended.code == 0
    assert "## By language" in ended.out
    assert "## Systems (system)" in ended.out
    assert "resample systems and documents" in ended.out
    wrong = polyjudge("audit", "s.csv", "--by", "langauge")
    assert (wrong.code, "did you mean 'language'" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda n: {"system": ""} if n == 3 else {}, {"system": "system"}, "is empty for 1 of 160 items"),
        (lambda n: {"system": f"s{n % 2}"}, {"system": "system"}, "needs at least 3"),
        (lambda n: {"language": str(n)}, {"by": "language"}, "has 160 values"),
    ],
)
def test_columns_that_name_no_groups_are_refused(change, options, message) -> None:  # type: ignore[no-untyped-def]
    table = [{**row, **change(number)} for number, row in enumerate(rows())]
    with pytest.raises(DataError, match=message):
        pj.audit(table, criteria=CRITERIA, **options)


def test_an_item_is_of_one_system() -> None:
    table = rows()
    twice = [{**row, "judge": "other", "system": "s9"} for row in table]
    with pytest.raises(DataError, match="says 's9' of item"):
        pj.audit([*table, *twice], criteria=CRITERIA, system="system")
