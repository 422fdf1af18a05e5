"""The laws of a split: disjoint, complete, seeded, documents and duplicates whole, fractions near."""

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyjudge.datasets.split import FRACTIONS, groups, paper_batch, paper_split, split
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset, Rubric, Split
from polyjudge.domain.example import Example
from polyjudge.domain.scale import Ordinal
from polyjudge.errors import ConfigError

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

RUBRIC = Rubric("T", (("text", "Text"),), (Criterion("c", Ordinal(1, 5)),))


def dataset_of(rows: list[tuple[str | None, str]], splits: tuple[str, ...] | None = None) -> Dataset:
    examples = tuple(
        Example(f"r{place}", {"text": text}, document, {"c": (1.0,)}, place + 1)
        for place, (document, text) in enumerate(rows)
    )
    return Dataset("d", "d.csv", RUBRIC, examples, splits)


def parts_of(parts: Split) -> tuple[tuple[Example, ...], ...]:
    return parts.train, parts.validation, parts.test


def folded(example: Example) -> str:
    return " ".join(example.inputs["text"].split())


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """At least 12 groups: documents of uneven sizes, a few texts shared across documents."""
    sizes = draw(st.lists(st.integers(1, 8), min_size=16, max_size=40))
    shared = draw(st.integers(0, 4))
    rows = [(f"doc{d}", f"text {d} {n}") for d, size in enumerate(sizes) for n in range(size)]
    rows += [(f"doc{d}", "  the same \n text ") if d % 2 else (f"doc{d}", "the same text") for d in range(shared)]
    return dataset_of(draw(st.permutations(rows)))


@calm
@given(datasets(), st.integers())
def test_parts_are_disjoint_and_complete_and_in_file_order(dataset: Dataset, seed: int) -> None:
    parts = parts_of(split(dataset, seed=seed))
    rows = [example.row for part in parts for example in part]
    assert sorted(rows) == [example.row for example in dataset.examples]
    for part in parts:
        assert [example.row for example in part] == sorted(example.row for example in part)
        assert part


@calm
@given(datasets(), st.integers())
def test_no_document_and_no_text_stands_in_two_parts(dataset: Dataset, seed: int) -> None:
    parts = parts_of(split(dataset, seed=seed))
    for key in (lambda e: e.document, lambda e: folded(e)):
        seen = [{key(example) for example in part} for part in parts]
        assert sum(map(len, seen)) == len(set().union(*seen))


@calm
@given(datasets(), st.integers())
def test_duplicates_stay_together_by_row_and_without_documents(dataset: Dataset, seed: int) -> None:
    bare = dataset_of([(None, example.inputs["text"]) for example in dataset.examples])
    for parts, by in ((split(dataset, seed=seed, by="row"), "row"), (split(bare, seed=seed), "content")):
        assert parts.by == by
        seen = [{folded(example) for example in part} for part in parts_of(parts)]
        assert sum(map(len, seen)) == len(set().union(*seen))


@calm
@given(datasets(), st.integers(), st.sampled_from([FRACTIONS, (0.4, 0.2, 0.4), (1 / 3, 1 / 3, 1 / 3)]))
def test_every_part_is_within_two_largest_groups_of_its_fraction(
    dataset: Dataset, seed: int, fractions: tuple[float, float, float]
) -> None:
    largest = max(len(group) for group in groups(dataset.examples, by_document=True))
    parts = parts_of(split(dataset, seed=seed, fractions=fractions))
    for part, fraction in zip(parts, fractions, strict=True):
        target = fraction * len(dataset.examples)
        assert target - 2 * largest <= len(part) <= target + largest


@calm
@given(st.integers(3, 15).map(lambda n: 4 * n), st.integers(), st.integers(1, 5))
def test_equal_documents_are_divided_exactly(documents: int, seed: int, size: int) -> None:
    dataset = dataset_of([(f"d{d}", f"{d} {n}") for d in range(documents) for n in range(size)])
    counts = [len(part) for part in parts_of(split(dataset, seed=seed))]
    assert counts == [documents * size // 4, documents * size // 4, documents * size // 2]


@calm
@given(datasets(), st.integers(), st.integers(1, 20))
def test_the_same_seed_gives_the_same_split_and_a_cap_takes_from_validation_only(
    dataset: Dataset, seed: int, cap: int
) -> None:
    whole = split(dataset, seed=seed)
    assert split(dataset, seed=seed) == whole
    capped = split(dataset, seed=seed, validation=cap)
    assert (capped.train, capped.test) == (whole.train, whole.test)
    assert len(capped.validation) == min(cap, len(whole.validation))
    assert {e.id for e in capped.validation} <= {e.id for e in whole.validation}


def test_a_cap_draws_by_the_seed_and_keeps_file_order() -> None:
    dataset = dataset_of([(f"d{d}", f"{d} {n}") for d in range(20) for n in range(5)])
    whole = [example.row for example in split(dataset, seed=3).validation]
    kept = [example.row for example in split(dataset, seed=3, validation=10).validation]
    assert kept == sorted(kept)
    assert kept not in (whole[:10], whole[-10:])


def test_seeds_differ_and_every_document_can_reach_every_part() -> None:
    dataset = dataset_of([(f"d{d}", f"{d} {n}") for d in range(20) for n in range(d % 3 + 1)])
    met: dict[str | None, set[int]] = {}
    for seed in range(60):
        for place, part in enumerate(parts_of(split(dataset, seed=seed))):
            for example in part:
                met.setdefault(example.document, set()).add(place)
    assert set(map(frozenset, met.values())) == {frozenset({0, 1, 2})}


def test_one_huge_document_leaves_no_part_empty() -> None:
    dataset = dataset_of([("big", f"b{n}") for n in range(500)] + [(f"d{d}", f"t{d}") for d in range(11)])
    for seed in range(20):
        sizes = [len(part) for part in parts_of(split(dataset, seed=seed))]
        assert min(sizes) >= 5
        assert max(sizes) == 500


def test_another_process_with_another_hash_seed_gives_the_same_split() -> None:
    program = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from polyjudge.datasets.load import load_dataset; from polyjudge.datasets.split import split\n"
        "rows = [{'doc': f'd{i % 15}', 'text': f't{i}', 'c': 1} for i in range(50)]\n"
        "spec = {'task': 'T', 'inputs': {'text': 'Text'}, 'document': 'doc',"
        " 'criteria': [{'name': 'c', 'scale': [1, 5]}]}\n"
        "s = split(load_dataset(rows, spec), seed=7)\n"
        "print('|'.join(','.join(e.id for e in p) for p in (s.train, s.validation, s.test)))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program, "x", *sys.path],
            env={"PYTHONHASHSEED": hashing},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashing in ("1", "2")
    }
    assert len(told) == 1
    assert told.pop().count("|") == 2


def test_a_known_split_stays_as_it_is() -> None:
    """The seed of a published run must mean the same rows in later versions and Pythons."""
    dataset = dataset_of([(f"d{d}", f"{d} {n}") for d in range(12) for n in range(d % 3 + 1)])
    parts = split(dataset, seed=0)
    assert [sorted({str(e.document) for e in part}) for part in parts_of(parts)] == [
        ["d2", "d4", "d6"],
        ["d1", "d10", "d8"],
        ["d0", "d11", "d3", "d5", "d7", "d9"],
    ]


def test_fewer_than_twelve_documents_are_refused_unless_by_row() -> None:
    few = dataset_of([(f"d{n % 11}", f"t{n}") for n in range(200)])
    with pytest.raises(ConfigError, match=r"11 documents .* 12 .*--split-by row"):
        split(few, seed=0)
    assert split(few, seed=0, by="row").by == "row"
    bare = dataset_of([(None, f"t{n % 11}") for n in range(200)])
    with pytest.raises(ConfigError, match="11 different texts"):
        split(bare, seed=0)
    assert [len(part) for part in parts_of(split(dataset_of([(None, f"t{n}") for n in range(3)]), seed=0, by="row"))]


def test_documents_that_share_a_text_count_as_one() -> None:
    joined = dataset_of([(f"d{d}", "same") for d in range(30)])
    with pytest.raises(ConfigError, match=r"1 document \(duplicates joined\)"):
        split(joined, seed=0)
    assert groups(joined.examples, by_document=True) == [tuple(range(30))]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"by": "document"}, "no documents"),
        ({"by": "article"}, "'article'"),
        ({"fractions": (0.5, 0.5, 0.5)}, "sum to 1"),
        ({"fractions": (0.0, 0.5, 0.5)}, "positive"),
        ({"fractions": (0.5, 0.5)}, "three"),
        ({"validation": 0}, "validation=0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        split(dataset_of([(None, f"t{n}") for n in range(40)]), seed=0, **options)  # type: ignore[arg-type]


def test_too_few_rows_leave_an_empty_part_that_is_named() -> None:
    with pytest.raises(ConfigError, match="no rows are left for"):
        split(dataset_of([(None, "a"), (None, "b")]), seed=0, by="row")


def test_the_datas_own_split_is_kept_and_a_missing_validation_carved_by_document() -> None:
    rows = [(f"d{d}", f"{d} {n}") for d in range(10) for n in range(4)] + [("t", f"test {n}") for n in range(5)]
    given_two = dataset_of(rows, ("train",) * 40 + ("test",) * 5)
    parts = split(given_two, seed=1)
    assert parts.by == "given"
    assert [len(part) for part in parts_of(parts)] == [20, 20, 5]
    assert not {e.document for e in parts.train} & {e.document for e in parts.validation}
    three = dataset_of(rows, ("train",) * 30 + ("validation",) * 10 + ("test",) * 5)
    assert [len(part) for part in parts_of(split(three, seed=1))] == [30, 10, 5]
    assert [len(part) for part in parts_of(split(three, seed=1, validation=3))] == [30, 3, 5]
    with pytest.raises(ConfigError, match="no rows are left for test"):
        split(dataset_of(rows, ("train",) * 45), seed=1)
    with pytest.raises(ConfigError, match="no rows are left for train"):
        split(dataset_of(rows, ("test",) * 45), seed=1)


def test_asking_for_documents_goes_over_the_datas_own_split() -> None:
    rows = [(f"d{n % 15}", f"t{n}") for n in range(60)]
    parts = split(dataset_of(rows, ("train",) * 20 + ("test",) * 40), seed=1, by="document")
    assert parts.by == "document"
    assert not {e.document for e in parts.train} & {e.document for e in parts.test}


def test_the_papers_rows_follow_its_formula() -> None:
    numpy = pytest.importorskip("numpy")
    rows = [(None, f"t{n}") for n in range(640)]
    parts = paper_split(dataset_of(rows, ("train",) * 160 + ("test",) * 480))
    expected = sorted(numpy.random.RandomState(42).permutation(160)[-100:].tolist())
    assert [e.row - 1 for e in parts.validation] == expected
    assert [len(part) for part in parts_of(parts)] == [160, 100, 480]
    assert parts.by == "paper"


def test_the_papers_batches_are_what_pandas_sample_draws() -> None:
    """Values of ``pandas.DataFrame.sample(3, random_state=step)`` over 160 rows are those of the permutation."""
    numpy = pytest.importorskip("numpy")
    for step in range(13):
        choice = numpy.random.RandomState(step).choice(160, size=3, replace=False)
        assert paper_batch(step, 160, 3) == tuple(choice.tolist())


@pytest.mark.parametrize("first", [0, 1])
def test_thirty_one_of_160_rows_are_drawn_and_19_of_36_draws_lie_in_validation(first: int) -> None:
    """So it comes out whether steps are counted 0..11 or 1..12."""
    parts = paper_split(dataset_of([(None, f"t{n}") for n in range(161)], ("train",) * 160 + ("test",)))
    held = {e.row - 1 for e in parts.validation}
    draws = [row for step in range(first, first + 12) for row in paper_batch(step, 160, 3)]
    assert (len(draws), len(set(draws)), sum(row in held for row in draws)) == (36, 31, 19)


def test_the_papers_split_of_other_data() -> None:
    rows = [(None, f"t{n}") for n in range(80)]
    parts = paper_split(dataset_of(rows))
    assert [len(part) for part in parts_of(parts)] == [20, 20, 60]
    assert Counter(e.id for part in (parts.train, parts.test) for e in part) == Counter(f"r{n}" for n in range(80))
    own = paper_split(dataset_of(rows, ("train",) * 40 + ("validation",) * 10 + ("test",) * 30))
    assert [len(part) for part in parts_of(own)] == [40, 10, 30]
    assert [len(part) for part in parts_of(paper_split(dataset_of(rows), validation=7))] == [20, 7, 60]
    with pytest.raises(ConfigError, match="validation=0"):
        paper_split(dataset_of(rows), validation=0)
    with pytest.raises(ConfigError, match="no rows are left for test"):
        paper_split(dataset_of(rows, ("train",) * 80))
