"""One judge of several: chosen on one half, measured on the other, written and applied again."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

import polyjudge as pj
from polyjudge import codec
from polyjudge.combining import folds
from polyjudge.errors import ConfigError, CriteriaError, DataError
from polyjudge.reporting.combination import combination_lines
from polyjudge.results.combination import ALL, ANNOTATOR, CALIBRATED, CONSTANT, JURY, SINGLE
from polyjudge.results.jury_file import dump_jury, read_jury
from polyjudge.workflows.combine import FEWEST_UNITS

CRITERIA = ("fluency", "relevance")


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows_of(judges=4, documents=40, each=4, noise=1.2, seed=0, ratings=True, missing=0.0):
    """A file of equally good judges that err apart, two raters, and a strict scale of one judge."""
    random = np.random.default_rng(seed)
    n = documents * each
    quality = random.normal(3, 1, (n, 2))
    people = np.clip(np.round(quality[:, :, None] + random.normal(0, 0.4, (n, 2, 2))), 1, 5)
    rows = []
    for judge in range(judges):
        scores = np.clip(np.round(quality - (judge == 0) + random.normal(0, noise, (n, 2))), 1, 5)
        empty = random.random((n, 2)) < missing
        for item in range(n):
            row = {"id": f"i{item}", "document": f"d{item // each}", "judge": f"judge {judge}"}
            for k, name in enumerate(CRITERIA):
                row[name] = "" if empty[item, k] else int(scores[item, k])
                if ratings:
                    row |= {f"{name}_a": int(people[item, k, 0]), f"{name}_b": int(people[item, k, 1])}
            rows.append(row)
    return rows


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    return write(tmp_path_factory.mktemp("combine") / "scores.csv", rows_of())


@pytest.fixture(scope="module")
def combined(scores):
    return pj.combine(scores, splits=4)


def test_a_jury_of_judges_that_err_apart_is_better_and_says_so(combined):
    assert len(combined.members) > 1
    assert combined.rung(JURY).gain.interval.above_zero
    assert combined.rung(JURY).p_holm < 0.05
    assert "agrees better with people" in combined.verdict
    assert combined.repeated.gain > 0
    assert combined.rung(CALIBRATED).mae < combined.rung(SINGLE).mae
    assert combined.rung(CALIBRATED).mae < combined.rung(CONSTANT).mae
    assert [rung.judges for rung in combined.rungs if rung.name in (SINGLE, JURY)] == [1, len(combined.members)]
    assert combined.rung(ALL).judges == 4
    assert 0 < combined.rung(ANNOTATOR).agreement.value < 1


def test_the_gain_is_that_of_the_sealed_half(scores, combined):
    audit = pj.audit(scores)
    everything = audit.agreement("spearman", judge=combined.single)
    assert combined.rung(SINGLE).agreement.value == pytest.approx(everything, abs=0.1)
    jury, single = combined.rung(JURY), combined.rung(SINGLE)
    assert jury.gain.value == pytest.approx(jury.agreement.value - single.agreement.value)
    assert [row.criterion for row in combined.criteria] == list(CRITERIA)
    assert combined.chosen_on + combined.sealed == combined.items == 160


def test_the_ratings_of_the_sealed_half_decide_nothing(tmp_path, combined):
    rows = rows_of()
    documents = list(dict.fromkeys(str(row["document"]) for row in rows))
    from polyjudge.metrics import RatedRows

    of_items = [str(row["document"]) for row in rows if row["judge"] == "judge 0"]
    chosen = folds(RatedRows.of(np.zeros(len(of_items)), documents=of_items).clusters, 2, 0) == 0
    sealed = {document for document, mine in zip(of_items, chosen, strict=True) if not mine}
    assert 0 < len(sealed) < len(documents)
    for row in rows:
        if row["document"] in sealed:
            row |= {f"{name}_{rater}": 6 - int(row[f"{name}_{rater}"]) for name in CRITERIA for rater in "ab"}
    again = pj.combine(write(tmp_path / "turned.csv", rows), splits=1)
    assert again.jury.fitted == combined.jury.fitted
    assert again.history == combined.history
    assert again.rung(SINGLE).agreement.value < 0 < combined.rung(SINGLE).agreement.value


def test_it_is_deterministic_and_prints_itself(scores, combined):
    assert codec.line(pj.combine(scores, splits=4)) == codec.line(combined)
    text = "\n".join(combination_lines(combined))
    for said in (combined.verdict, "On the sealed half", "mean of all judges", "one annotator", "further halves"):
        assert said in text
    assert "jury, calibrated" in combined._repr_html_()


def test_a_written_jury_scores_as_the_chosen_one(tmp_path, scores, combined):
    target = tmp_path / "jury.yaml"
    result = pj.combine(scores, splits=1, output=target)
    read = read_jury(target)
    assert read.fitted == result.jury.fitted == combined.jury.fitted
    assert dump_jury(read) == target.read_text(encoding="utf-8")
    unrated = write(tmp_path / "new.csv", rows_of(seed=1, ratings=False))
    out = tmp_path / "combined.csv"
    from_file, from_memory = pj.apply_jury(target, unrated, output=out), pj.apply_jury(result.jury, unrated)
    np.testing.assert_array_equal(from_file.combined.scores, from_memory.combined.scores)
    assert out.read_text(encoding="utf-8") == from_memory.csv()
    assert len(list(from_file)) == 160
    assert set(next(iter(from_file))) == {"id", "document", *CRITERIA}


def test_an_applied_jury_can_be_audited(tmp_path, scores, combined):
    held_out = write(tmp_path / "held_out.csv", rows_of(seed=2))
    out = tmp_path / "combined.csv"
    pj.apply_jury(combined.jury, held_out, output=out)
    jury, single = pj.audit(out), pj.audit(held_out)
    assert jury.agreement("spearman") > single.agreement("spearman", judge=combined.single)
    assert [judge for judge, _ in jury.judgements] == ["jury"]


def test_unscored_members_are_left_out_and_counted(tmp_path, combined):
    gaps = write(tmp_path / "gaps.csv", rows_of(seed=3, ratings=False, missing=0.3))
    applied = pj.apply_jury(combined.jury, gaps)
    counts = applied.combined.n_members
    assert counts.min() < len(combined.members) == counts.max()
    assert applied.unscored == (counts == 0).sum()
    assert f"{applied.unscored:,} unscored" in applied.summary()


def test_a_single_judge_can_be_calibrated(tmp_path):
    alone = write(tmp_path / "alone.csv", rows_of(judges=1))
    result = pj.combine(alone, members=1, splits=2)
    assert result.members == ("judge 0",)
    assert result.rung(CALIBRATED).mae < result.rung(SINGLE).mae
    assert "kept, calibrated" in result.verdict
    assert math.isnan(result.saturation.limit)


def test_labels_are_combined_by_vote(tmp_path):
    random = np.random.default_rng(0)
    rows = []
    truth = random.integers(0, 2, 200)
    for judge in range(5):
        right = random.random(200) < 0.75
        for item in range(200):
            label = truth[item] if right[item] else 1 - truth[item]
            rows.append(
                {"id": item, "judge": f"j{judge}", "safe": ("no", "yes")[label], "safe_a": ("no", "yes")[truth[item]]}
            )
    result = pj.combine(write(tmp_path / "labels.csv", rows), members=5, splits=2)
    assert result.metric == "kappa"
    assert result.rung(JURY).agreement.value > result.rung(SINGLE).agreement.value
    assert math.isnan(result.rung(CALIBRATED).mae)
    assert {row["safe"] for row in pj.apply_jury(result.jury, tmp_path / "labels.csv")} == {"no", "yes"}


def test_only_the_named_judges_are_chosen_from(scores):
    result = pj.combine(scores, judges=["judge [01]"], splits=1)
    assert set(result.candidates) == {"judge 0", "judge 1"}
    with pytest.raises(ConfigError, match=r"'judge9' fits none of the judges .*did you mean"):
        pj.combine(scores, judges=["judge9"])


def test_a_file_with_one_judge(tmp_path):
    with pytest.raises(DataError, match=r"1 judge with scores .*'judge 0'.*--members 1"):
        pj.combine(write(tmp_path / "alone.csv", rows_of(judges=1)))


def test_a_file_without_raters(tmp_path):
    with pytest.raises(DataError, match="which human ratings"):
        pj.combine(write(tmp_path / "unrated.csv", rows_of(ratings=False)))


def test_too_few_documents(tmp_path):
    with pytest.raises(DataError, match=rf"{FEWEST_UNITS - 1} documents; choosing .* needs 40 items of 12 documents"):
        pj.combine(write(tmp_path / "few.csv", rows_of(documents=FEWEST_UNITS - 1)))


def test_a_jury_without_the_scores_of_a_member(tmp_path, combined):
    rows = [row for row in rows_of(ratings=False) if row["judge"] != combined.single]
    with pytest.raises(DataError, match=rf"no scores of '{combined.single}'"):
        pj.apply_jury(combined.jury, write(tmp_path / "without.csv", rows))


def test_the_jury_is_not_written_over_what_is_read(scores):
    before = scores.read_bytes()
    with pytest.raises(ConfigError, match="read from too"):
        pj.combine(scores, output=scores)
    assert scores.read_bytes() == before


@pytest.mark.parametrize("options", [{"members": 0}, {"splits": 0}, {"seed": -1}])
def test_options_that_make_no_sense(scores, options):
    with pytest.raises(ConfigError, match="give 1, 1 and 0, or more"):
        pj.combine(scores, **options)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("polyjudge: 1", "polyjudge: 7", "is not a jury file"),
        ("member: judge", "name: judge", r"jury\[0\].*write member, weight, shift and scale"),
        ("weight: 1.0", "weight: heavy", r"jury\[0\].weight.*must be a number"),
        ("weight: 1.0", "weight: -1.0", "positive"),
        ("calibration:", "callibration:", "did you mean 'calibration'"),
    ],
)
def test_a_jury_file_that_cannot_be_used(tmp_path, combined, old, new, said):
    text = dump_jury(combined.jury)
    assert old in text
    path = tmp_path / "jury.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(CriteriaError, match=said):
        read_jury(path)


def test_a_jury_file_with_a_falling_calibration(tmp_path, combined):
    from dataclasses import replace

    broken = dump_jury(combined.jury).replace(
        "calibration:\n", "calibration: {fluency: {x: [1, 2], y: [2, 1]}}\nold:\n"
    )
    path = tmp_path / "jury.yaml"
    path.write_text(broken.split("old:")[0], encoding="utf-8")
    with pytest.raises(CriteriaError, match=r"calibration.fluency.*must not fall"):
        read_jury(path)
    assert replace(combined.jury, lineage={}).lineage == {}


def test_the_recorded_scores_show_a_gain():
    result = pj.combine("hanna", judges=["Beluga-13B/*"], splits=2)
    assert result.rung(JURY).gain.interval.above_zero
    assert result.rung(CALIBRATED).mae < result.rung(CONSTANT).mae < result.rung(SINGLE).mae
    assert read_back(result.jury) == result.jury.fitted


def read_back(jury):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jury.yaml"
        path.write_text(dump_jury(jury), encoding="utf-8")
        return read_jury(path).fitted
