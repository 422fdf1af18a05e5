"""What a run tells people: the table, the accounts, the warnings."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from tests.calling import keywords
from tests.rated import FIVE, JUDGE, Recorder, by_chance, rated

import polyjudge
from polyjudge.formatting.text import table_text
from polyjudge.llm.accounts import RoleAccount
from polyjudge.reporting.summary import PAPER_NOTE, account_lines, warnings
from polyjudge.results.outcome import COLUMNS, Comparison, Outcome, outcome_rows

CLARITY = Comparison("clarity", 0.25, 0.5, 0.25, -0.1, 0.4, 1.0, 1.0, 0.8)
MEAN = replace(CLARITY, name="mean", one_annotator=math.nan)
OUTCOME = Outcome("spearman", 20, 10, (CLARITY,), MEAN, "A verdict.")


def test_a_row_shows_figures_signs_and_what_is_undefined() -> None:
    undefined = Comparison("warmth", math.nan, 0.5, math.nan, math.nan, math.nan, 0.5, 0.5)
    unrated = replace(undefined, name="tact", fitted=math.nan, coverage=math.nan)
    rows = outcome_rows(replace(OUTCOME, criteria=(CLARITY, undefined, unrated)))
    assert rows[0] == ("clarity", "0.250", "0.500", "+0.250", "-0.100 to +0.400", "100%", "0.800")
    assert rows[1] == ("warmth", "undefined", "0.500", "undefined", "undefined", "50%", "unknown")
    assert rows[2] == ("tact", *["undefined"] * 5, "unknown")
    assert rows[3][-1] == ""
    unsure = replace(CLARITY, difference=-0.0001, low=math.nan, high=math.nan)
    assert outcome_rows(replace(OUTCOME, criteria=(unsure,)))[0][3:5] == ("+0.000", "undecided")
    assert all(len(row) == len(COLUMNS) for row in rows)


def test_accounts_tell_what_was_free_failed_and_estimated() -> None:
    account = RoleAccount(
        "judge",
        "a/b",
        sent=1200,
        from_cache=30,
        joined=4,
        failures=3,
        prompt_tokens=5000,
        completion_tokens=600,
        cached_tokens=900,
        cost=0.01234,
        estimated_tokens=70,
        replayed_tokens=9000,
    )
    assert account_lines([account], 1.25) == [
        "judge: 1,200 calls to a/b (34 more from the cache or shared, free, 3 failed), "
        "5,000 prompt (900 cached) + 600 completion + 70 estimated tokens, 0.012 USD",
        "cost: 0.012 USD",
        "time: 1.2 s",
    ]
    plain = account_lines([RoleAccount("loss", "a/b", sent=1, answered=1)], 0)
    assert plain[0] == "loss: 1 call to a/b, 0 prompt + 0 completion tokens"
    assert plain[1] == "cost: a/b: price unknown"


def test_warnings_name_collapse_and_missing_scores() -> None:
    many = replace(OUTCOME, documents=50)
    assert warnings(many) == []
    assert warnings(replace(OUTCOME, documents=10)) == [
        "With 10 documents the intervals are too narrow; take them as a rough guide."
    ]
    bad = replace(CLARITY, collapsed=True, coverage=0.9)
    assert warnings(replace(many, criteria=(bad,))) == [
        "The fitted prompt gives nearly every row the same score on clarity.",
        "Rows without a readable score: clarity (0% initial, 10% fitted). Figures are of the rows that both prompts "
        "scored.",
    ]


def summary_of(place: Path, *, documents: bool = True, **options: object) -> str:
    data = rated({"clarity": FIVE})
    criteria = data.criteria if documents else {k: v for k, v in data.criteria.items() if k != "document"}
    backends = {JUDGE: Recorder(by_chance(data)).backend}
    run = polyjudge.optimize(
        data.rows,
        criteria=criteria,
        model=JUDGE,
        backends=backends,
        output=place / "run",
        **keywords(steps=2, **options),
    )
    text = (run.path / "summary.md").read_text("utf-8")
    assert run.outcome.verdict in text
    assert all(line in text for line in table_text(outcome_rows(run.outcome), COLUMNS))
    return text


def test_a_summary_holds_the_verdict_the_table_and_how_it_came(place: Path) -> None:
    text = summary_of(place)
    assert text.startswith("# run\n")
    assert "test rows of 8 documents; differences are paired, intervals resample documents." in text
    assert "Judge test/judge, layout joint, scoring json; mode SSS, preset default, seed 0. 2 steps: " in text
    assert PAPER_NOTE not in text


def test_rows_without_documents_are_not_said_to_be_documents(place: Path) -> None:
    assert "pooled over 16 test rows; differences are paired, intervals resample rows." in summary_of(
        place, documents=False
    )


def test_the_paper_s_protocol_is_told_wherever_results_stand(place: Path) -> None:
    assert PAPER_NOTE in summary_of(place, preset="paper")
