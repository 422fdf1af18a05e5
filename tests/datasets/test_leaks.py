"""A leak report finds exactly what was planted, and nothing in a clean split."""

from dataclasses import replace
from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyjudge.datasets.leaks import draws_in_validation, leaks
from polyjudge.datasets.split import paper_batch
from polyjudge.domain.dataset import Split
from polyjudge.domain.example import Example

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def example(row: int, text: str, document: str | None = None) -> Example:
    return Example(f"r{row}", {"text": text}, document, {}, row)


CLEAN = Split(
    (example(1, "one", "A"), example(2, "two", "A")), (example(3, "three", "B"),), (example(4, "four", "C"),), "given"
)


def test_a_clean_split_says_so_in_one_line() -> None:
    report = leaks(CLEAN)
    assert report.clean
    assert report.lines() == ["no document, row or text stands in two parts"]


def test_what_is_shared_is_named_by_document_and_row() -> None:
    test = (example(7, " one\n", "D"), example(8, "Two!", "A"), example(9, "four", "B"))
    report = leaks(Split(CLEAN.train, CLEAN.validation, test, "given"))
    overlap = report.between("train", "test")
    assert not report.clean
    assert (overlap.documents, overlap.documents_of_first) == (("A",), 1)
    assert [(r.row, r.repeats) for r in overlap.repeats] == [(7, (1,))]
    assert [(r.row, r.repeats) for r in overlap.alike] == [(8, (2,))]
    assert report.between("validation", "test").documents == ("B",)
    assert report.between("train", "validation").clean
    assert report.lines() == [
        "train / test: 1 of 1 documents of train recur in test: 'A'",
        "train / test: 1 row with the same inputs (by row): test 7 = train 1",
        "train / test: 1 row alike but for case and punctuation (by row): test 8 = train 2",
        "validation / test: 1 of 1 documents of validation recur in test: 'B'",
    ]


def pair(row: int, note: str, summary: str, document: str | None = None) -> Example:
    return Example(f"r{row}", {"note": note, "summary": summary}, document, {}, row)


def test_texts_of_one_column_in_two_parts_are_told_where_no_document_groups_them() -> None:
    train = (pair(1, "first note", "a"), pair(2, "second  note", "b"), pair(3, "first note", "c"))
    test = (pair(7, " first note", "d"), pair(8, "second note", "e"), pair(9, "third", "f"), pair(10, "", "g"))
    report = leaks(Split(train, (pair(5, "", "h"),), test, "content"))
    assert not report.clean
    assert [(c.column, c.texts) for c in report.between("train", "test").columns] == [("note", 2)]
    assert report.lines() == [
        "train / test: column 'note': 2 texts of train recur in test; name the column that groups rows with 'document'"
    ]
    named = [tuple(replace(e, document=f"{part}") for e in rows) for part, rows in enumerate((train, test))]
    assert leaks(Split(named[0], (), named[1], "given")).clean


def test_a_column_of_one_text_and_a_single_input_group_nothing() -> None:
    constant = Split((pair(1, "Say why.", "a"),), (), (pair(2, "Say why.", "b"),), "content")
    assert leaks(constant).clean
    single = leaks(Split((example(1, "one"), example(2, "two")), (), (example(3, "one"),), "given"))
    assert single.between("train", "test").columns == ()
    assert not single.clean


def test_rows_in_both_parts_are_told_as_such_and_not_as_repeats() -> None:
    overlap = leaks(Split(CLEAN.train, CLEAN.train[1:], CLEAN.test, "paper")).between("train", "validation")
    assert (overlap.same, overlap.repeats, overlap.alike) == ((2,), (), ())
    assert overlap.lines()[0] == "train / validation: 1 row in both: 2"


letters = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["u", "v", "w", None])), max_size=8)


@calm
@given(letters, letters)
def test_repeats_and_documents_are_what_comparing_all_pairs_finds(
    before: list[tuple[str, str | None]], after: list[tuple[str, str | None]]
) -> None:
    train = tuple(example(n + 1, text, document) for n, (text, document) in enumerate(before))
    test = tuple(example(n + 101, text, document) for n, (text, document) in enumerate(after))
    overlap = leaks(Split(train, (), test, "given")).between("train", "test")
    pairs = {(b.row, a.row) for b, a in product(train, test) if b.inputs == a.inputs}
    assert {(earlier, repeat.row) for repeat in overlap.repeats for earlier in repeat.repeats} == pairs
    shared = {b.document for b, a in product(train, test) if b.document is not None and b.document == a.document}
    assert set(overlap.documents) == shared


def test_draws_inside_validation_are_counted_and_named() -> None:
    train = tuple(example(n + 1, f"t{n}") for n in range(30))
    first, last = paper_batch(1, 30, 3), paper_batch(2, 30, 3)
    drawn = [*first, *last]
    held = next(row for row in last if row not in first)
    split = Split(train, (train[held],), CLEAN.test, "paper")
    draws = draws_in_validation(split, 2, 3)
    assert (draws.total, draws.inside, draws.train) == (6, 1, 30)
    assert draws.distinct == len(set(drawn))
    assert draws.rows == (held + 1,)
    assert leaks(split, steps=2, batch=3).lines()[-1] == draws.line()
    assert leaks(split).draws is None


def test_a_long_document_name_is_shortened_in_the_lines_only() -> None:
    name = "long " * 200
    overlap = leaks(Split((example(1, "a", name),), (), (example(2, "b", name),), "given")).between("train", "test")
    assert overlap.documents == (name,)
    assert max(map(len, overlap.lines())) < 150
