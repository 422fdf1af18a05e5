"""Two judges and three raters: every number of an audit against scipy, scikit-learn and a few lines of numpy."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from tests.audits.judged import CRITERIA, judged, write_long, write_wide

import polyjudge
from polyjudge.errors import ConfigError, DataError, QualityGateFailed


@pytest.fixture(scope="module")
def data():
    return judged()


@pytest.fixture(scope="module")
def found(data, tmp_path_factory):
    return polyjudge.audit(write_wide(tmp_path_factory.mktemp("audit") / "scores.csv", data))


ROWS = [{"id": n, "wit": n % 5 + 1, "wit_a": n % 4 + 1} for n in range(20)]


def nearest(values):
    return np.floor(values + 0.5).astype(int)


STATISTICS = {
    "spearman": lambda p, h: stats.spearmanr(p, h)[0],
    "kendall": lambda p, h: stats.kendalltau(p, h)[0],
    "pearson": lambda p, h: stats.pearsonr(p, h)[0],
    "qwk": lambda p, h: cohen_kappa_score(nearest(p), nearest(h), weights="quadratic", labels=range(1, 6)),
    "kappa": lambda p, h: cohen_kappa_score(nearest(p), nearest(h), labels=range(1, 6)),
    "mae": lambda p, h: np.abs(p - h).mean(),
    "off_by_one": lambda p, h: (np.abs(p - h) <= 1 + 1e-9).mean(),
    "accuracy": lambda p, h: (nearest(p) == nearest(h)).mean(),
}


@pytest.mark.parametrize("metric", STATISTICS)
def test_every_agreement_is_that_of_scipy(data, found, metric):
    for (judge, layout), scores in data.scores.items():
        own = []
        for k, name in enumerate(CRITERIA):
            rows = ~np.isnan(scores[:, k])
            own.append(STATISTICS[metric](scores[rows, k], data.human[rows, k]))
            assert found.agreement(metric, name, judge, layout) == pytest.approx(own[-1])
        assert found.agreement(metric, judge=judge, layout=layout) == pytest.approx(np.mean(own))


def test_ceilings_floors_and_coverage_are_those_of_a_few_lines(data, found):
    by = {(r.judge, r.layout, r.criterion, r.metric, r.grouping): r for r in found.agreements}
    for name in CRITERIA:
        ratings = data.raters[name]
        ceilings, weights = [], []
        for r in range(3):
            others = np.nanmean(np.delete(ratings, r, axis=1), axis=1)
            rows = ~np.isnan(ratings[:, r])
            ceilings.append(stats.spearmanr(ratings[rows, r], others[rows])[0])
            weights.append(rows.sum())
        row = by["good", "separate", name, "spearman", "pooled"]
        assert row.one_annotator == pytest.approx(np.average(ceilings, weights=weights))
        human = data.human[:, CRITERIA.index(name)]
        assert by["poor", "separate", name, "mae", "pooled"].floor == pytest.approx(
            min(np.abs(human - c).mean() for c in range(1, 6))
        )
    assert by["good", "separate", "fluency", "spearman", "pooled"].coverage == pytest.approx(119 / 120)


def test_figures_by_document_are_means_over_documents(data, found):
    scores, documents = data.scores["poor", "separate"], np.array(data.documents)
    for k, name in enumerate(CRITERIA):
        own = []
        for document in dict.fromkeys(data.documents):
            rows = documents == document
            judge, human = scores[rows, k], data.human[rows, k]
            constant = len(set(judge)) < 2 or len(set(human)) < 2
            own.append(math.nan if constant else stats.spearmanr(judge, human)[0])
        by = {
            r.grouping: r.value
            for r in found.agreements
            if (r.judge, r.criterion, r.metric) == ("poor", name, "spearman")
        }
        assert by["document-skip"] == pytest.approx(np.nanmean(own))
        assert by["document-zero"] == pytest.approx(np.nansum(own) / len(own))


def test_level_spread_and_halo_are_those_of_numpy_and_scipy(data, found):
    for bias in found.biases:
        k = CRITERIA.index(bias.criterion)
        scores = data.scores[bias.judge, bias.layout][:, k]
        rows = ~np.isnan(scores)
        judge, human = scores[rows], data.human[rows, k]
        assert bias.level.value == pytest.approx((judge - human).mean())
        assert bias.spread.value == pytest.approx(judge.std() / human.std())
        assert bias.modal_share == pytest.approx(max(map(list(judge).count, set(judge))) / len(judge))
    for one in found.halos:
        scores = data.scores[one.judge, one.layout]
        rows = ~np.isnan(scores).any(axis=1)
        assert one.halo.judge == pytest.approx(stats.spearmanr(scores[rows, 0], scores[rows, 1])[0])
        assert one.halo.human == pytest.approx(stats.spearmanr(data.human[rows, 0], data.human[rows, 1])[0])
    poor = next(b for b in found.biases if (b.judge, b.criterion) == ("poor", "fluency"))
    assert poor.level.low > 0


def test_contests_are_paired_differences_with_an_interval_over_documents(data, found):
    documents = np.array(data.documents)
    names = list(dict.fromkeys(data.documents))
    random = np.random.default_rng(11)
    resamples = [
        np.concatenate([np.flatnonzero(documents == one) for one in random.choice(names, len(names))])
        for _ in range(400)
    ]
    for a, b in combinations(data.scores, 2):
        label = f"{a[0]}, {a[1]}", f"{b[0]}, {b[1]}"
        for k, name in enumerate(CRITERIA):
            row = next(c for c in found.contests if (c.a, c.b, c.criterion) == (*label, name))
            ours, theirs, human = data.scores[a][:, k], data.scores[b][:, k], data.human[:, k]
            both = ~np.isnan(ours) & ~np.isnan(theirs)

            def difference(rows, ours=ours, theirs=theirs, human=human, both=both):
                rows = rows[both[rows]]
                return stats.spearmanr(ours[rows], human[rows])[0] - stats.spearmanr(theirs[rows], human[rows])[0]

            assert row.difference == pytest.approx(difference(np.arange(len(human))))
            drawn = [difference(rows) for rows in resamples]
            assert row.estimate.standard_error == pytest.approx(np.std(drawn), rel=0.2)
            # Corrected for nine comparisons, the interval is wider than that of one.
            low, high = np.quantile(drawn, [0.025, 0.975])
            assert row.low < low + 0.03
            assert row.high > high - 0.03
            assert row.rows == both.sum()


def test_holm_corrects_over_the_whole_table_and_decides(found):
    p = sorted(row.p_value for row in found.contests)
    assert len(p) == 9
    corrected = np.minimum(1, np.maximum.accumulate([value * (9 - k) for k, value in enumerate(p)]))
    assert sorted(row.p_holm for row in found.contests) == pytest.approx(corrected)
    verdicts = {(row.a, row.b): row.verdict for row in found.contests if row.criterion == "mean"}
    assert verdicts["good, separate", "poor, separate"] == "A is better"
    assert verdicts["good, separate", "good, joint"] == "undecided"


def test_the_long_form_tells_the_same_as_the_wide_one(data, found, tmp_path):
    long = polyjudge.audit(write_long(tmp_path / "long.csv", data))
    assert long.agreements == found.agreements or [
        (r.metric, r.criterion, round(r.value, 12)) for r in long.agreements
    ] == [(r.metric, r.criterion, round(r.value, 12)) for r in found.agreements]
    assert [round(r.difference, 12) for r in long.contests] == [round(r.difference, 12) for r in found.contests]


def test_a_criterion_that_sharing_harms_is_recommended_apart(tmp_path):
    hurt = polyjudge.audit(write_wide(tmp_path / "hurt.csv", judged(documents=60, harm=2.0)))
    (report,) = hurt.interferences
    assert (report.together, report.apart) == ("joint", "separate")
    assert report.decisions == {"fluency": "may share", "relevance": "keep apart"}
    assert report.packing == (("fluency",), ("relevance",))
    assert "relevance is credibly worse together" in report.recommendation
    row = next(r for r in report.rows if r.criterion == "relevance")
    assert row.high < 0


def test_criteria_that_lose_nothing_may_share_one_call(tmp_path):
    fine = polyjudge.audit(write_wide(tmp_path / "fine.csv", judged(documents=60)))
    (report,) = fine.interferences
    assert report.packing == (CRITERIA,)
    assert "one joint call" in report.recommendation


def _both_ways(layout: str, scores: dict[str, tuple[bool, bool]], n: int = 60) -> list[dict[str, object]]:
    """Rows of a judge that follows people, or not, on each criterion: together under ``layout``, and alone."""
    rows = []
    for place, way in enumerate((layout, "separate")):
        for item in range(n):
            row: dict[str, object] = {"id": item, "layout": way}
            for k, (name, follows) in enumerate(scores.items()):
                rating = 1 + (item * 7 + k) % 5
                row |= {name: rating if follows[place] else 1 + item * (3 + k) % 4, f"{name}_a": rating}
            rows.append(row)
    return rows


def test_the_only_criterion_that_sharing_harms_is_not_told_to_share():
    (report,) = polyjudge.audit(_both_ways("joint", {"wit": (False, True)})).interferences
    assert report.decisions == {"wit": "keep apart"}
    assert report.recommendation == "Score each criterion in a call of its own: wit is credibly worse together."


def test_a_packing_tells_only_of_the_criteria_that_meet_in_it():
    always = (True, True)
    rows = _both_ways("wit+tone,style", {"wit": always, "tone": always, "style": always})
    (report,) = polyjudge.audit(rows).interferences
    assert report.decisions == {"wit": "may share", "tone": "may share"}
    assert {row.criterion for row in report.rows} == {"wit", "tone"}
    assert report.packing == (("wit", "tone"), ("style",))
    assert report.recommendation == "Use wit+tone,style: wit, tone lose no more than 0.03; style is not compared."


def test_what_may_share_stays_with_what_it_was_measured_with():
    rows = _both_ways("a+b,c+d", {"a": (True, True), "b": (True, True), "c": (True, True), "d": (False, True)})
    (report,) = polyjudge.audit(rows).interferences
    assert report.packing == (("a", "b"), ("c",), ("d",))
    assert "not measured" in report.recommendation
    assert "nothing else may share a call with c" in report.recommendation


def test_a_layout_of_another_name_is_neither_together_nor_apart():
    assert polyjudge.audit(_both_ways("v2", {"wit": (True, True)})).interferences == ()


def test_without_a_criterion_scored_both_ways_nothing_is_recommended():
    rows = _both_ways("joint", {"wit": (True, True), "tone": (True, True)})
    for row in rows:
        row["wit" if row["layout"] == "separate" else "tone"] = ""
    (report,) = polyjudge.audit(rows).interferences
    assert (report.packing, report.decisions) == ((), {})
    assert report.recommendation.startswith("Nothing to recommend")


def test_drift_is_the_correlation_of_errors_with_the_column(data, tmp_path):
    rows = []
    scores = data.scores["good", "joint"]
    for n, item in enumerate(data.ids):
        kinder = min(5.0, scores[n, 0] + (n > 60))
        rows.append(
            {"id": item, "document": data.documents[n], "fluency": kinder, "fluency_a": data.human[n, 0], "day": n}
        )
    criteria = {
        "task": "t",
        "inputs": {"x": "X"},
        "criteria": [{"name": "fluency", "scale": [1, 5], "ratings": ["fluency_a"]}],
    }
    found = polyjudge.audit(rows, criteria=criteria, drift="day")
    (drift,) = found.drifts
    errors = np.array([row["fluency"] - row["fluency_a"] for row in rows])
    assert drift.trend.value == pytest.approx(stats.spearmanr(errors, range(len(rows)))[0])
    assert drift.trend.low > 0
    assert [level for _, _, level in drift.parts] == pytest.approx([part.mean() for part in np.array_split(errors, 4)])


def test_a_worse_judge_than_asked_fails_the_gate_and_shows_the_audit(data, found, tmp_path):
    file = write_wide(tmp_path / "scores.csv", data)
    worst = found.agreement("spearman")
    assert worst == min(found.agreement("spearman", judge=j, layout=lay) for j, lay in data.scores)
    polyjudge.audit(file, fail_under={"spearman": worst - 0.01})
    with pytest.raises(QualityGateFailed, match="poor, separate: mean spearman") as failed:
        polyjudge.audit(file, fail_under=["spearman=0.95", "mae=0.1"])
    assert failed.value.audit.items == 120
    assert "good, separate: mean mae" in str(failed.value)


def test_an_undefined_figure_has_not_passed(tmp_path):
    rows = [{"id": n, "fluency": 3, "fluency_a": n % 5 + 1} for n in range(20)]
    with pytest.raises(QualityGateFailed, match="undefined"):
        polyjudge.audit(rows, fail_under={"spearman": -1.0})


def test_a_judge_that_left_a_criterion_out_has_not_passed_either():
    rows = [
        {"id": n, "judge": judge, "wit": n % 5 + 1, "tone": n % 4 + 1 if judge == "all" else "", **rated}
        for n in range(20)
        for judge in ("all", "some", "silent")
        for rated in [{"wit_a": n % 5 + 1, "tone_a": n % 4 + 1}]
    ]
    for row in rows:
        if row["judge"] == "silent":
            row["wit"] = ""
    found = polyjudge.audit(rows)
    assert found.judgements == (("all", ""), ("some", ""), ("silent", ""))
    assert math.isnan(found.agreement("spearman"))
    assert found.agreement("spearman", judge="all") == pytest.approx(1)
    assert "silent scored nothing" in found.notes
    with pytest.raises(QualityGateFailed, match=r"some: mean spearman undefined.*silent: mean spearman undefined"):
        polyjudge.audit(rows, fail_under={"spearman": -1.0})
    with pytest.raises(ConfigError, match="there are 'all', 'some', 'silent'"):
        found.agreement("spearman", judge="aall")


@pytest.mark.parametrize("wrong", [{"margin": math.nan}, {"margin": -0.1}, {"margin": math.inf}, {"seed": -1}])
def test_options_without_a_meaning_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"--{next(iter(wrong))}"):
        polyjudge.audit(ROWS, **wrong)


def test_simulated_scores_are_told_in_the_audit():
    rows = [{**row, "notice": "SIMULATED"} for row in ROWS]
    assert any("SIMULATED" in note for note in polyjudge.audit(rows).notes)
    assert polyjudge.audit(ROWS).notes == ()


def test_names_that_mean_something_else_in_tables_are_no_criteria():
    wide = [{**row, "mean": 3, "mean_a": 4} for row in ROWS]
    assert list(polyjudge.audit(wide).scales) == ["wit"]
    long = [{"id": n, "criterion": "mean", "score": 1, "rating": n % 5} for n in range(9)]
    with pytest.raises(DataError, match="'mean' is a reserved name"):
        polyjudge.audit(long)


@pytest.mark.parametrize(
    ("bound", "words"), [("spearman", "no number"), ("rho=1", "unknown metric"), ("mae=nan", "finite")]
)
def test_a_bound_that_cannot_be_read_is_told(bound, words):
    with pytest.raises(ConfigError, match=words):
        polyjudge.audit([{"id": 1}], fail_under=[bound])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"id": 1, "fluency": 3}], "which columns hold scores"),
        (
            [{"id": 1, "fluency": 3, "fluency_a": 9}, {"id": 1, "fluency": 4, "fluency_a": 9}],
            "row 2: item '1' was scored",
        ),
        ([{"id": 1, "fluency": "good", "fluency_a": 2}], "row 1: column 'fluency': 'good' is not a number"),
        ([{"criterion": "f", "score": 1, "rating": 2}], "no column 'id'"),
        ([{"id": 1, "criterion": "f", "score": 1, "rating": ""}], "no ratings of 'f'"),
        (
            [
                {"id": 1, "criterion": "f", "score": 1, "rating": 2, "rater": "a", "judge": "x"},
                {"id": 1, "criterion": "f", "score": 1, "rating": 3, "rater": "a", "judge": "y"},
            ],
            "row 2: 'a' rates item '1' on 'f' 3 here and 2 elsewhere",
        ),
        (
            [
                {"id": 1, "criterion": "f", "score": 1, "rating": 2, "rater": "a"},
                {"id": 1, "criterion": "f", "score": 4, "rating": 2, "rater": "b"},
            ],
            "row 2: the score of item '1' on 'f' is 4 here and 1 elsewhere",
        ),
    ],
)
def test_what_cannot_be_used_is_told_by_row_and_column(rows, words):
    with pytest.raises(DataError, match=words):
        polyjudge.audit(rows)


def test_scores_off_the_scale_are_strengths_and_have_rank_statistics_alone(data):
    rows = [
        {"id": i, "fluency": -math.exp(-data.scores["good", "joint"][n, 0]), "fluency_a": data.raters["fluency"][n, 0]}
        for n, i in enumerate(data.ids)
    ]
    found = polyjudge.audit(rows)
    assert {row.metric for row in found.agreements} == {"spearman", "kendall", "pearson"}
    assert not found.biases


def test_what_score_writes_can_be_audited(tmp_path):
    """The wide form with renamed rating columns and a distribution beside the scores."""
    lines = ["id,document,tone,tone.p_1,tone.p_5,error,tone.rating"]
    lines += [f"r{n},d{n // 2},{n % 5 + 1},0.5,0.5,,{(n + n % 3) % 5 + 1}" for n in range(30)]
    file = tmp_path / "scores.csv"
    file.write_text("\n".join(lines))
    found = polyjudge.audit(file)
    assert list(found.scales) == ["tone"]
    assert found.documents == 15
    named = {"task": "t", "inputs": {"x": "X"}, "criteria": [{"name": "tone", "scale": [1, 5]}]}
    assert polyjudge.audit(file, criteria=named).agreements == found.agreements
