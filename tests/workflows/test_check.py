"""What is said before anything is paid: parts, leaks, one annotator, floors, power."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, REFUSAL, SHARE, TONE, Rated, Recorder, by_chance, rated

import polyjudge
from polyjudge import codec
from polyjudge.errors import ConfigError, ModelError


def checked(data: Rated, **options: Any) -> polyjudge.Check:
    return polyjudge.check(data.rows, criteria=data.criteria, **keywords(**options))


def test_the_parts_are_all_rows_and_share_nothing() -> None:
    found = checked(rated({"clarity": FIVE}, documents=20))
    assert (found.rows, found.documents, found.split_by) == (40, 20, "document")
    assert list(found.parts) == ["train", "validation", "test"]
    assert sum(rows for rows, _ in found.parts.values()) == 40
    assert sum(documents for _, documents in found.parts.values()) == 20
    assert found.leaks == ("no document, row or text stands in two parts",)


def test_validation_rows_on_which_nothing_is_credible_are_named() -> None:
    few, many = rated({"clarity": FIVE}, documents=16), rated({"clarity": FIVE}, documents=20)
    start = "the validation rows are of 4 documents, too few for intervals (5 are needed): "
    gate, layout = (
        "the gate cannot see that a criterion gets credibly worse",
        "layout auto cannot see that a layout is",
    )
    assert checked(few).notes[-1] == f"{start}{gate}, and {layout}"
    assert checked(few, layout="joint").notes[-1] == f"{start}{gate}"
    assert not [note for note in checked(few, layout="joint", gate="mae").notes if start in note]
    assert not [note for note in checked(many).notes if "too few for intervals" in note]


def test_without_documents_rows_are_counted_alone() -> None:
    data = rated({"clarity": FIVE})
    del data.criteria["document"]
    found = checked(data)
    assert (found.documents, found.split_by) == (0, "content")
    assert {documents for _, documents in found.parts.values()} == {0}


def test_the_paper_s_overlap_is_named() -> None:
    found = checked(rated({"clarity": FIVE}), preset="paper")
    assert found.split_by == "paper"
    assert any(line.startswith("train / validation: ") for line in found.leaks)
    assert any(line.startswith("training draws: ") for line in found.leaks)


def test_one_annotator_needs_two_raters_and_is_one_where_they_agree() -> None:
    alone = checked(rated({"clarity": FIVE, "warmth": FIVE}))
    assert all(one.raters == 1 and math.isnan(one.one_annotator) for one in alone.criteria)
    data = rated({"clarity": FIVE}, raters=3)
    for row in data.rows:
        row["clarity_1"] = row["clarity_2"] = row["clarity_0"]
    assert checked(data).criteria[0].one_annotator == pytest.approx(1)
    some = checked(rated({"clarity": FIVE}, raters=3, missing=0.3)).criteria[0]
    assert some.raters == 3
    assert 0 < some.one_annotator < 1


def test_ratings_are_counted_by_criterion_and_gaps_are_noted() -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE})
    for row in data.rows[:3]:
        row["warmth_0"] = ""
    for name in data.names:
        data.rows[5][f"{name}_0"] = "NA"
    found = checked(data)
    assert found.rows == 31
    assert {one.name: one.rated for one in found.criteria} == {"clarity": 31, "warmth": 28}
    assert "row 6 without any rating left out" in found.notes
    assert "rated rows that lack a rating: warmth 3" in found.notes


def test_floors_are_what_a_constant_reaches() -> None:
    data = rated({"clarity": FIVE})
    for place, row in enumerate(data.rows):
        row["clarity_0"] = "4" if place % 4 else "1"
    one = checked(data).criteria[0]
    assert one.constant == pytest.approx(0.75)
    assert one.floors == pytest.approx(
        {"mae": 0.75, "rmse": math.sqrt(1.75), "off_by_one": 0.75, "accuracy": 0.75, "macro_f1": 3 / 7}
    )


@pytest.mark.parametrize(
    ("scale", "metric", "floors"),
    [
        (FIVE, "spearman", ["mae", "rmse", "off_by_one", "accuracy", "macro_f1"]),
        (SHARE, "spearman", ["mae", "rmse"]),
        (REFUSAL, "kappa", ["accuracy", "macro_f1"]),
        (TONE, "kappa", ["accuracy", "macro_f1"]),
    ],
)
def test_each_scale_has_its_metric_and_floors(scale: Any, metric: str, floors: list[str]) -> None:
    found = checked(rated({"one": scale}, raters=2))
    assert found.metric == metric
    assert list(found.criteria[0].floors) == floors
    assert 0 < found.detectable < 2
    assert 0 < found.criteria[0].detectable < 2


def test_fractional_means_of_raters_are_no_error() -> None:
    data = rated({"clarity": FIVE})
    for place, row in enumerate(data.rows):
        row["clarity_0"] = f"{1 + (place % 9) / 2}"
    found = checked(data)
    assert found.criteria[0].rated == 32
    assert found.criteria[0].floors["accuracy"] < 1


def test_ratings_that_never_vary_can_show_nothing() -> None:
    data = rated({"clarity": FIVE})
    for row in data.rows:
        row["clarity_0"] = "3"
    found = checked(data)
    assert math.isnan(found.detectable)
    assert found.criteria[0].constant == 1
    assert json.loads(codec.pretty(found))["detectable"] is None


def test_more_data_show_smaller_differences() -> None:
    small, large = (checked(rated({"clarity": FIVE}, documents=count)).detectable for count in (16, 160))
    assert large < small / 2


def test_without_a_model_no_calls_are_planned_and_with_one_none_is_made() -> None:
    data = rated({"clarity": FIVE})
    assert checked(data).roles == ()
    assert (checked(data).calls, checked(data).tokens) == (0, 0)
    recorder = Recorder(by_chance(data))
    found = checked(data, model=JUDGE, backends={JUDGE: recorder.backend})
    assert [role.role for role in found.roles] == ["judge", "loss", "gradient", "optimizer"]
    assert found.calls > 0
    assert recorder.asked == []


def test_its_json_form_is_json_with_null_for_what_is_unknown() -> None:
    data = rated({"clarity": FIVE})
    found = checked(data, model=JUDGE, backends={JUDGE: Recorder(by_chance(data)).backend})
    content = json.loads(codec.pretty(found), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert content["criteria"][0]["one_annotator"] is None
    assert content["parts"]["train"] == [8, 4]
    assert content["roles"][0]["role"] == "judge"


def test_what_optimize_would_refuse_is_refused(place: Any) -> None:
    data = rated({"clarity": FIVE})
    backends = {JUDGE: Recorder(by_chance(data)).backend}
    with pytest.raises(ConfigError, match="12 are needed"):
        checked(data, limit=10)
    with pytest.raises(ConfigError, match="leaves no training rows"):
        checked(data, model=JUDGE, backends=backends, demonstrations=8)
    with pytest.raises(ModelError, match="unknown provider"):
        checked(data, model=JUDGE)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", ["moods", "briefs"])
def test_the_shipped_data_are_checked_by_name(name: str) -> None:
    found = polyjudge.check(name, settings=polyjudge.Settings(limit=90))
    assert found.data.startswith(name)
    assert found.rows == 90
    assert all(one.rated == 90 for one in found.criteria)


def test_what_counts_for_nothing_is_counted() -> None:
    def row(text: str, *ratings: object) -> dict[str, object]:
        return {"text": text, **dict(zip(("tone_a", "tone_b", "kind_a", "kind_b"), ratings, strict=True))}

    rows = [row(f"text {n}", 1 + n % 5, 2 + n % 3, "good", ("good", "bad")[n % 2]) for n in range(40)]
    rows += [row("unrated", "", "", "", ""), row("half", "", "", "good", "good"), dict(rows[0]), dict(rows[1])]
    criteria = {
        "task": "Judge.",
        "inputs": {"text": "Text"},
        "criteria": [
            {"name": "tone", "scale": [1, 5], "ratings": ["tone_a", "tone_b"]},
            {"name": "kind", "scale": {"labels": ["good", "bad"]}, "ratings": ["kind_a", "kind_b"]},
        ],
    }
    found = polyjudge.check(rows, criteria=criteria)
    tone, kind = found.criteria
    assert (found.unrated, found.copies, found.rows) == (1, 2, 43)
    assert (tone.missing, tone.tied, kind.missing, kind.tied) == (1, 0, 0, 20)
    for one in found.criteria:
        assert one.rated + one.missing + one.tied + found.copies == found.rows
    assert found.dropped == (
        "1 row without any rating",
        "2 rows that repeat earlier ones",
        "tone: 1 without a rating",
        "kind: 20 with tied votes",
    )
