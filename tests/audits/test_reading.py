"""What an audit takes for what: columns, raters, copies, scores off the scale, errored samples, bounds."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

import polyjudge
from polyjudge.errors import ConfigError, DataError, QualityGateFailed

Rows = list[dict[str, object]]


def made(count: int = 60, seed: int = 1) -> Rows:
    """Items with a score and two raters near it."""
    chance = Random(seed)

    def near(value: int) -> int:
        return min(5, max(1, value + chance.choice((-1, 0, 0, 1))))

    rows: Rows = []
    for n in range(count):
        truth = 1 + n % 5
        rows.append(
            {"id": n, "document": f"d{n // 3}", "tone": near(truth), "tone_a": near(truth), "tone_b": near(truth)}
        )
    return rows


def spearman(audit: object) -> float:
    return audit.agreement("spearman", "tone")  # type: ignore[attr-defined]


def test_columns_that_are_no_raters_change_no_figure_and_are_named() -> None:
    plain, chance = made(), Random(0)
    more = [
        {
            **row,
            "tone_confidence": chance.random(),
            "tone_tokens": chance.randint(1, 5),
            "tone_v2": 6 - int(str(row["tone"])),
        }
        for row in plain
    ]
    first, second = polyjudge.audit(plain), polyjudge.audit(more)
    assert first.agreements == second.agreements
    assert "'tone_a', 'tone_b'" in first.columns[0]
    assert "column 'document'" in first.columns[0]
    assert "Not used: 'tone_confidence', 'tone_tokens', 'tone_v2'" in second.columns[0]


def test_unclear_columns_are_asked_about_with_a_file_that_answers() -> None:
    rows = [{key.replace("_a", "_ann").replace("_b", "_bob"): value for key, value in row.items()} for row in made()]
    with pytest.raises(
        DataError, match=r"unclear: 'tone_ann', 'tone_bob' beside 'tone'.*ratings: \[tone_ann, tone_bob\]"
    ):
        polyjudge.audit(rows)
    answer = {"criteria": [{"name": "tone", "scale": [1, 5], "ratings": ["tone_ann", "tone_bob"]}]}
    assert spearman(polyjudge.audit(rows, criteria=answer)) == spearman(polyjudge.audit(made()))


def test_an_unclear_column_beside_a_rater_is_asked_about_too() -> None:
    rows = [{**row, "tone_ann": row["tone_b"]} for row in made()]
    with pytest.raises(DataError, match=r"unclear: 'tone_a', 'tone_b', 'tone_ann' beside 'tone'"):
        polyjudge.audit(rows)
    with pytest.raises(
        DataError, match=r"'tone_ann' beside 'tone' holds people's ratings is unclear.*ratings: \[\.\.\.\]"
    ):
        polyjudge.audit(rows, criteria={"criteria": [{"name": "tone", "scale": [1, 5]}]})
    answer = {"criteria": [{"name": "tone", "scale": [1, 5], "ratings": ["tone_a", "tone_b"]}]}
    assert spearman(polyjudge.audit(rows, criteria=answer)) == spearman(polyjudge.audit(made()))


def test_metadata_and_criteria_of_longer_names_are_not_asked_about() -> None:
    rows = [
        {**row, "tone_style": row["tone"], "tone_style_a": row["tone_a"], "model_family": "x", "model_size": "small"}
        for row in made()
    ]
    (columns,) = polyjudge.audit(rows).columns
    assert "'tone' with the ratings in 'tone_a', 'tone_b'; 'tone_style' with the ratings in 'tone_style_a'" in columns


def test_decimal_commas_are_read_where_semicolons_separate_the_cells(tmp_path: Path) -> None:
    points = [
        {**row, **{name: f"{float(str(row[name])) + 0.5}" for name in ("tone", "tone_a", "tone_b")}} for row in made()
    ]
    file = tmp_path / "scores.csv"
    lines = [";".join(str(cell).replace(".", ",") for cell in row.values()) for row in points]
    file.write_text("\n".join([";".join(points[0]), *lines]))
    assert polyjudge.audit(file).agreements == polyjudge.audit(points).agreements
    scale = {"criteria": [{"name": "tone", "scale": {"low": 1, "high": 6, "step": "any"}}]}
    assert polyjudge.audit(file, criteria=scale).agreements == polyjudge.audit(points, criteria=scale).agreements


@pytest.mark.parametrize("criteria", [None, {"criteria": [{"name": "tone", "scale": [1, 5]}]}])
def test_a_cell_that_lists_ratings_holds_a_rater_each(criteria: dict[str, object] | None) -> None:
    lists = [
        {
            "id": row["id"],
            "document": row["document"],
            "tone": row["tone"],
            "tone.rating": f"[{row['tone_a']}, {row['tone_b']}]",
        }
        for row in made()
    ]
    assert (
        polyjudge.audit(lists, criteria=criteria).agreements == polyjudge.audit(made(), criteria=criteria).agreements
    )


def test_a_criteria_file_needs_names_and_scales_only(tmp_path: Path) -> None:
    file = tmp_path / "criteria.yaml"
    file.write_text("criteria:\n  - {name: tone, scale: [1, 5]}\n")
    assert spearman(polyjudge.audit(made(), criteria=file)) == spearman(polyjudge.audit(made()))


def test_scores_off_the_scale_are_unscored_and_named() -> None:
    rows = made()
    for n in (3, 7, 20):
        rows[n]["tone"] = -1
    found = polyjudge.audit(rows)
    empty = [{**row, "tone": "" if row["tone"] == -1 else row["tone"]} for row in rows]
    assert found.agreements == polyjudge.audit(empty).agreements
    assert {row.metric for row in found.agreements} >= {"qwk", "kappa", "mae"}
    assert any("off the scale 1..5" in note and "3 scores" in note and "(-1)" in note for note in found.notes)


def test_rows_of_one_item_with_other_ratings_are_raters_and_copies_count_once() -> None:
    wide = made()
    a_row_a_rater = [
        {"id": row["id"], "document": row["document"], "tone": row["tone"], "tone_human": row[rater]}
        for row in wide
        for rater in ("tone_a", "tone_b")
    ]
    found, plain = polyjudge.audit(a_row_a_rater), polyjudge.audit(wide)
    assert found.annotators[0].raters == 2
    assert spearman(found) == spearman(plain)
    assert any("further raters" in note for note in found.notes)
    pasted = polyjudge.audit([row for row in wide for _ in range(3)])
    assert pasted.agreements == plain.agreements
    assert pasted.annotators == plain.annotators or pasted.annotators[0].raters == 2
    assert any("once" in note for note in pasted.notes)


def log(path: Path, samples: list[dict[str, object]]) -> Path:
    path.write_text(json.dumps({"version": 2, "status": "success", "eval": {}, "samples": samples}))
    return path


def test_a_sample_that_errored_is_an_unscored_item(tmp_path: Path) -> None:
    samples: list[dict[str, object]] = []
    for n, row in enumerate(made()):
        sample = {"id": n, "epoch": 1, "target": "", "metadata": {"tone_human": row["tone_a"]}}
        scores = {"tone": {"value": row["tone"]}}
        wrong = {"scores": None, "error": {"message": "boom"}}, {"scores": {}}, {"scores": {"tone": {"value": None}}}
        samples.append({**sample, **(wrong[n % 3] if n % 5 == 0 else {"scores": scores})})
    found = polyjudge.audit(log(tmp_path / "log.json", samples))
    assert found.items == 60
    (row,) = (one for one in found.agreements if (one.metric, one.grouping) == ("spearman", "pooled"))
    assert row.coverage == pytest.approx(0.8)


@pytest.mark.parametrize("where", ["metadata", "target"])
def test_letters_are_read_on_both_sides(tmp_path: Path, where: str) -> None:
    chance = Random(4)
    samples: list[dict[str, object]] = []
    for n in range(40):
        person = chance.choice("CI")
        judge = person if chance.random() < 0.8 else chance.choice("CIP")
        metadata = {"grade_human": person, "grade_confidence": chance.random()} if where == "metadata" else {}
        target = person if where == "target" else ""
        scores = {"grade": {"value": judge}}
        samples.append({"id": n, "epoch": 1, "target": target, "metadata": metadata, "scores": scores})
    found = polyjudge.audit(log(tmp_path / "log.json", samples))
    assert found.scales == {"grade": "0..1"}
    assert found.agreement("spearman", "grade") > 0.4


def mixed(count: int = 80) -> Rows:
    chance = Random(2)
    rows: Rows = []
    for row, n in zip(made(count), range(count), strict=True):
        label = "xy"[n % 2]
        rows.append({**row, "kind": label if chance.random() < 0.85 else "x", "kind_a": label, "kind_b": label})
    return rows


def test_labels_are_told_by_kappa_and_no_mean_joins_different_metrics() -> None:
    from polyjudge.reporting.audit import audit_lines

    found = polyjudge.audit(mixed())
    assert found.own_metrics == {"tone": "spearman", "kind": "kappa"}
    page = "\n".join(audit_lines(found))
    main = page.split("## Agreement")[1].split("All statistics")[0]
    assert "kappa" in main
    assert "| mean" not in main
    with pytest.raises(ConfigError, match="no mean"):
        found.agreement("primary")
    assert found.agreement("primary", "kind") == found.agreement("kappa", "kind")


@pytest.mark.parametrize(
    ("bound", "passes"),
    [
        ("primary=0.1", True),
        ("primary=0.99", False),
        ("primary:tone=0.1", True),
        ("kappa:kind=0.99", False),
        ("mae:tone=0.1", False),
        ("mae:tone=2", True),
    ],
)
def test_a_bound_may_name_a_criterion_and_the_primary_metric(bound: str, passes: bool) -> None:
    if passes:
        assert polyjudge.audit(mixed(), fail_under=[bound]).items == 80
        return
    with pytest.raises(QualityGateFailed, match="wanted"):
        polyjudge.audit(mixed(), fail_under=[bound])
    with pytest.raises(ConfigError, match="no such criterion"):
        polyjudge.audit(mixed(), fail_under=["kappa:other=0.1"])


def test_what_can_be_shown_is_measured_where_two_judges_are_at_hand() -> None:
    rows = [{**row, "judge": judge} for judge in ("one", "two", "three") for row in made(seed=1)]
    chance = Random(5)
    for row in rows:
        if row["judge"] != "one":
            row["tone"] = min(5, max(1, int(str(row["tone"])) + chance.choice((-1, 0, 1))))
    found = polyjudge.audit(rows)
    errors = sorted(row.estimate.standard_error for row in found.contests)
    assert found.detectable.mean == pytest.approx(2.8 * errors[1])
    assert found.detectable.assumptions.startswith("Measured on the scores at hand")
    assert polyjudge.audit(made()).detectable.assumptions.startswith("Assumed")


def test_verdicts_p_values_and_intervals_never_contradict_each_other() -> None:
    rows = [{**row, "judge": f"j{n}"} for n in range(8) for row in made(seed=1)]
    chance = Random(6)
    for row in rows:
        noise = int(str(row["judge"])[1:]) // 2
        row["tone"] = min(5, max(1, int(str(row["tone"])) + chance.randint(-noise, noise)))
    found = polyjudge.audit(rows)
    assert len(found.contests) == 28
    for row in found.contests:
        decided = row.low > 0 or row.high < 0
        assert decided == (row.verdict != "undecided") == (row.p_holm < 0.05)
    assert 0 < sum(row.verdict != "undecided" for row in found.contests) < 28
