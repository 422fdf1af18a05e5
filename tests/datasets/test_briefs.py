"""`briefs` is what its README says: the script gives its bytes, and every rating is the damage that was done."""

from __future__ import annotations

import csv
import importlib
import io
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from scipy.stats import spearmanr

import polyjudge

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
FOLDER = Path(polyjudge.__file__).parent / "datasets" / "shipped" / "briefs"
CRITERIA = ("fluency", "coherence", "consistency", "relevance")

sys.path.append(str(SCRIPTS))
chance = importlib.import_module("briefs.chance")
source = importlib.import_module("briefs.source")
design = importlib.import_module("briefs.design")
relevance = importlib.import_module("briefs.relevance")
consistency = importlib.import_module("briefs.consistency")
coherence = importlib.import_module("briefs.coherence")
fluency = importlib.import_module("briefs.fluency")
build = importlib.import_module("briefs.build")

NOTES = source.load_notes(FOLDER / "notes.yaml")
VOCABULARY = build.words_of(NOTES)

level = st.integers(0, 4)
severities = st.builds(design.Severities, level, level, level, level)
any_note = st.sampled_from(NOTES)


def compose(note: Any, severity: Any, seed: str = "test") -> Any:
    return build.compose(note, severity, VOCABULARY, seed, "row")


def words(text: str) -> list[str]:
    return re.findall(r"[\w',.]*\w", text.lower())


@pytest.fixture(scope="module")
def briefs_rows() -> list[dict[str, str]]:
    text = (FOLDER / "ratings.csv").read_bytes().decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.fixture(scope="module")
def shipped_summaries() -> list[Any]:
    return list(build.summaries(NOTES))


# --- the file and the script ---


def test_the_script_gives_the_shipped_bytes() -> None:
    content = (FOLDER / "ratings.csv").read_bytes()
    assert build.ratings_csv(NOTES) == content
    assert b"\r" not in content


def test_check_tells_a_true_file_from_a_changed_one_and_mends_it(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "briefs")
    target = folder / "ratings.csv"
    command = [sys.executable, str(SCRIPTS / "make_briefs.py"), "--folder", str(folder)]

    def run(*more: str) -> int:
        return subprocess.run([*command, *more], check=False, capture_output=True).returncode

    assert run("--check") == 0
    true = target.read_bytes()
    target.write_bytes(true.replace(b",5,", b",4,", 1))
    assert run("--check") == 1
    assert target.read_bytes() != true
    assert run() == 0
    assert target.read_bytes() == true
    (folder / "notes.yaml").write_text("[]", encoding="utf-8")
    assert run("--check") == 2


def test_columns_and_sizes(briefs_rows: list[dict[str, str]]) -> None:
    assert tuple(briefs_rows[0]) == ("id", "note_id", "note", "summary", *CRITERIA)
    assert len(briefs_rows) == 300
    assert set(Counter(row["note_id"] for row in briefs_rows).values()) == {6}
    assert len({row["note"] for row in briefs_rows}) == 50
    assert len({row["id"] for row in briefs_rows}) == 300
    assert len({(row["note"], row["summary"]) for row in briefs_rows}) == 300
    assert all(40 <= len(row["note"].split()) <= 80 for row in briefs_rows)
    assert all(25 <= len(row["summary"].split()) <= 70 for row in briefs_rows)


def test_criteria_fit_the_ratings(briefs_rows: list[dict[str, str]]) -> None:
    criteria = YAML(typ="safe", pure=True).load((FOLDER / "criteria.yaml").read_text("utf-8"))
    assert criteria["inputs"] == {"note": "Note", "summary": "Summary"}
    assert (criteria["document"], criteria["id"]) == ("note_id", "id")
    assert tuple(criterion["name"] for criterion in criteria["criteria"]) == CRITERIA
    for criterion in criteria["criteria"]:
        assert criterion["scale"] == [1, 5]
        assert criterion["instruction"] == "Rate from 1 to 5."
        assert {row[criterion["name"]] for row in briefs_rows} == set("12345")


# --- the design ---


@given(st.text(max_size=5))
@settings(max_examples=20, deadline=None)
def test_levels_meet_equally_often_whatever_the_seed(seed: str) -> None:
    rows = [row.ratings for note in design.design(seed) for row in note]
    for one, other in combinations(range(4), 2):
        meetings = Counter((row[one], row[other]) for row in rows)
        assert len(meetings) == 25
        assert set(meetings.values()) == {12}


@given(st.text(max_size=5))
@settings(max_examples=20, deadline=None)
def test_every_note_has_every_level_and_no_row_twice(seed: str) -> None:
    for rows in design.design(seed):
        assert len(set(rows)) == len(rows) == 6
        for criterion in CRITERIA:
            assert {getattr(row, criterion) for row in rows} == set(range(5))


def test_criteria_are_uncorrelated_and_levels_equally_frequent(briefs_rows: list[dict[str, str]]) -> None:
    columns = {name: [int(row[name]) for row in briefs_rows] for name in CRITERIA}
    for column in columns.values():
        assert set(Counter(column).values()) == {60}
    for one, other in combinations(CRITERIA, 2):
        assert abs(spearmanr(columns[one], columns[other]).statistic) < 1e-9


def test_the_order_of_rows_tells_no_rating(briefs_rows: list[dict[str, str]]) -> None:
    for name in CRITERIA:
        means = [
            sum(int(row[name]) for row in briefs_rows if row["id"].endswith(f"-{position}")) / 50
            for position in range(1, 7)
        ]
        assert all(abs(mean - 3) < 0.75 for mean in means)


# --- every rating is the damage that was done ---


def test_shipped_ratings_are_the_recorded_damage(
    briefs_rows: list[dict[str, str]], shipped_summaries: list[Any]
) -> None:
    for row, summary in zip(briefs_rows, shipped_summaries, strict=True):
        assert (row["id"], row["summary"]) == (summary.id, summary.text)
        rating = {name: int(row[name]) for name in CRITERIA}
        damage = summary.damage
        assert len(damage.dropped) == 5 - rating["relevance"]
        assert len(damage.changes) == 5 - rating["consistency"]
        assert len(damage.links) == (0, 1, 1, 2, 4)[5 - rating["coherence"]]
        assert damage.orphans == (0, 0, 1, 1, 2)[5 - rating["coherence"]]
        assert coherence.moves(damage.order) == (0, 0, 1, 2, 2)[5 - rating["coherence"]]
        assert len(damage.slips) == (0, 2, 4, 6, 9)[5 - rating["fluency"]]


def test_every_note_bears_the_worst_of_everything() -> None:
    for note in NOTES:
        for relevance in range(5):
            summary = compose(note, design.Severities(4, 4, 4, relevance), "worst")
            assert len(summary.damage.changes) == 4


def test_a_summary_without_damage_is_the_four_key_facts() -> None:
    summary = compose(NOTES[0], design.Severities(0, 0, 0, 0))
    assert summary.text == (
        "The loading crane at Wendle harbour stopped on Monday when its main cable broke. Two grain ships are "
        "waiting outside the breakwater until the work is done. Harbour master Mara Oake expects the repair to "
        "take nine days. The insurer will pay the cost of 14,000 crowns."
    )


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.id)
def test_good_summaries_are_short_and_true_to_the_note(note: Any) -> None:
    good = compose(note, design.Severities(0, 0, 0, 0)).text
    assert 30 <= len(good.split()) <= 50
    padded = compose(note, design.Severities(0, 0, 0, 4)).text
    known = set(re.findall(r"\w+", note.text))
    for text in (good, padded):
        numbers = set(re.findall(r"\d[\d,.]*\d|\d", text))
        assert numbers <= set(re.findall(r"\d[\d,.]*\d|\d", note.text))
        names = set(re.findall(r"(?<=[a-z,] )[A-Z]\w+", text))
        assert names <= known


@given(any_note, severities)
@settings(max_examples=80, deadline=None)
def test_relevance_keeps_the_most_important_facts(note: Any, severity: Any) -> None:
    choice = relevance.choose(note, severity.relevance, build.Random("r"))
    ranks = [sentence.rank for sentence in choice.sentences]
    assert len(ranks) == 4
    assert sorted(rank for rank in ranks if rank > 0) == list(range(1, 5 - severity.relevance))
    kept = [sentence for sentence in note.sentences if sentence in choice.sentences]
    assert [sentence for sentence in choice.sentences if sentence.rank >= 0] == kept


@given(any_note, severities)
@settings(max_examples=80, deadline=None)
def test_consistency_alters_as_many_facts_and_the_text_shows_them(note: Any, severity: Any) -> None:
    summary = compose(note, severity)
    pairs = {(fact.true, wrong) for part in note.sentences for fact in part.facts for wrong in fact.wrong}
    assert len(summary.damage.changes) == severity.consistency
    for change in summary.damage.changes:
        assert (change.true, change.wrong) in pairs
        assert change.wrong.lower() in summary.text.lower()


@given(any_note, severities)
@settings(max_examples=80, deadline=None)
def test_fluency_alone_brings_words_that_are_nowhere_in_the_source(note: Any, severity: Any) -> None:
    pieces = [part for sentence in (*note.sentences, note.aside) for part in sentence.parts]
    texts = [part for part in pieces if isinstance(part, str)]
    texts += [text for part in pieces if isinstance(part, source.Fact) for text in (part.true, *part.wrong)]
    texts += [
        text for part in pieces if isinstance(part, source.Entity) for text in (part.full, part.short, part.pronoun)
    ]
    known = set(words(" ".join([*texts, *coherence.LINKS, *coherence.CLASHES])))
    clean = compose(note, replace(severity, fluency=0))
    assert clean.damage.slips == ()
    assert set(words(clean.text)) <= known
    rough = compose(note, severity)
    strange = Counter(word for word in words(rough.text) if word not in known)
    misspelt = Counter(words(slip.after)[0] for slip in rough.damage.slips if slip.kind == "misspelling")
    disagreeing = {word for slip in rough.damage.slips if slip.kind == "disagreement" for word in words(slip.after)}
    assert {word for word in strange if word not in disagreeing} == set(misspelt)


@given(any_note, severities)
@settings(max_examples=80, deadline=None)
def test_slips_touch_neither_facts_nor_links(note: Any, severity: Any) -> None:
    rough, clean = compose(note, severity), compose(note, replace(severity, fluency=0))
    for text in [change.wrong for change in rough.damage.changes] + list(rough.damage.links):
        assert rough.text.lower().count(text.lower()) >= 1
    numbers = re.compile(r"\d[\d,.]*\d|\d")
    assert numbers.findall(rough.text) == numbers.findall(clean.text)


@given(any_note, severities)
@settings(max_examples=80, deadline=None)
def test_later_operators_leave_the_earlier_ones_alone(note: Any, severity: Any) -> None:
    full = compose(note, severity).damage
    no_slips = compose(note, replace(severity, fluency=0)).damage
    assert replace(full, slips=()) == no_slips
    in_order = compose(note, replace(severity, fluency=0, coherence=0)).damage
    assert (in_order.dropped, in_order.changes) == (full.dropped, full.changes)
    assert (in_order.order, in_order.links, in_order.orphans) == ((0, 1, 2, 3), (), 0)
    true = compose(note, replace(severity, fluency=0, coherence=0, consistency=0)).damage
    assert (true.dropped, true.changes) == (full.dropped, ())


# --- the parts ---


@given(st.lists(st.integers(), max_size=8), st.text(max_size=4))
def test_shuffled_is_a_permutation_that_the_seed_decides(items: list[int], seed: str) -> None:
    once = chance.shuffled(build.Random(seed), items)
    assert sorted(once) == sorted(items)
    assert once == chance.shuffled(build.Random(seed), items)


@given(st.permutations(range(4)))
def test_moves_count_the_sentences_out_of_order(order: list[int]) -> None:
    moves = coherence.moves(tuple(order))
    assert 0 <= moves <= 3
    assert (moves == 0) == (order == sorted(order))
    assert (moves == 3) == (order == [3, 2, 1, 0])


def test_a_text_without_enough_places_is_refused() -> None:
    fact = source.Fact("green", ("red",), False)
    sentence = source.Sentence(1, ("It is ", fact, "."))
    with pytest.raises(consistency.Infeasible, match="green"):
        consistency.falsify((sentence,), 2, build.Random("s"))
    claim = consistency.Claim(sentence, ("green",))
    with pytest.raises(consistency.Infeasible, match="pronoun"):
        coherence.connect((claim,) * 4, 2, build.Random("s"))
    flow = coherence.connect((claim,), 0, build.Random("s"))
    with pytest.raises(consistency.Infeasible, match="slip 2 of 2"):
        fluency.roughen(flow.sentences, 1, frozenset(), build.Random("s"))


@given(st.integers(0, 10**6))
def test_two_false_facts_share_a_sentence_only_without_a_denial(seed: int) -> None:
    plain = [source.Fact(f"true {i}", (f"false {i}",), False) for i in range(2)]
    denial = source.Fact("will", ("will not",), True)
    claims = consistency.falsify((source.Sentence(1, (denial, *plain)),), 2, build.Random(str(seed)))
    assert claims[0].values == ("will", "false 0", "false 1")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("id: bakery-oven", "id: harbour-crane", "several notes share"),
        ("[1, ", "[2, ", "ranks"),
        ("<crane> stopped", "<ghost> stopped", "unknown name"),
        ("{Monday|Thursday}", "{Monday}", "needs one true"),
        ("{Monday|Thursday}", "{Monday|Monday}", "needs one true"),
        ("{Monday|Thursday}", "{Monday|no day}", "must begin with '!'"),
        ("{Monday|Thursday}", "{Monday|Thursday", "unbalanced"),
        ("stopped on {Monday|Thursday} when its main {cable|gearbox} broke", "stopped", "no fact"),
        ("[Two grain ships, ", "[Two grain ships, The ships, They]\n    ghost: [A ghost, ", "nothing is said"),
    ],
)
def test_a_faulty_note_is_named_with_its_fault(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = (FOLDER / "notes.yaml").read_text("utf-8")
    assert old in text
    path = tmp_path / "notes.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(source.SourceError, match=re.escape(reason)) as caught:
        source.load_notes(path)
    assert "harbour-crane" in str(caught.value)


def test_a_missing_note_is_refused() -> None:
    with pytest.raises(source.SourceError, match="50 notes"):
        build.ratings_csv(NOTES[1:])
