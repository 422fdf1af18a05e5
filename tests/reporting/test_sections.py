"""The numbers of a run's figures are those of the files that they were made from."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import polyjudge
from polyjudge.datasets.load import load_dataset
from polyjudge.reporting.html.chart import Chart
from polyjudge.reporting.html.page import html
from polyjudge.reporting.report_data import ReportData, read_report_data
from polyjudge.reporting.sections.pareto import pareto_section
from polyjudge.reporting.sections.run import run_page
from polyjudge.reporting.sections.spending import _layouts
from polyjudge.results.choice import Choice, Gap, Rival, Weighed
from polyjudge.results.finished import read_finished

WORLD = "simulated/default"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[polyjudge.Run]:
    """A diagnosed run with joint gradients."""
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("sections")
        patch.chdir(place)
        done = polyjudge.optimize(
            WORLD,
            model=WORLD,
            layout="joint",
            output=place / "run",
            settings=polyjudge.Settings(limit=120, mode="SCC", steps=3, diagnostics=True),
        )
        polyjudge.diagnose(done, limit=40)
        yield done


@pytest.fixture(scope="module")
def material(run: polyjudge.Run) -> ReportData:
    return read_report_data(read_finished(run.path), load_dataset(WORLD, limit=120))


@pytest.fixture(scope="module")
def charts(material: ReportData) -> dict[str, Chart]:
    found = run_page(material).charts()
    assert len({chart.name for chart in found}) == len(found)
    return {chart.name: chart for chart in found}


def held(run: polyjudge.Run, name: str) -> Any:
    return json.loads((run.path / name).read_text("utf-8"))


def test_agreement_is_the_outcome_with_intervals_around_it(run: polyjudge.Run, charts: dict[str, Chart]) -> None:
    rows = {(row[0], row[1]): row[2:] for row in charts["agreement"].rows}
    for one in (*run.outcome.criteria, run.outcome.mean):
        for series, value in (("initial prompt", one.initial), ("fitted prompt", one.fitted)):
            found, low, high = rows[one.name, series]
            assert found == value
            assert low < value < high
    annotators = [row[2] for row in charts["agreement"].rows if "one annotator" in row[1]]
    assert annotators == [one.one_annotator for one in run.outcome.criteria]


def test_the_course_is_that_of_the_steps(run: polyjudge.Run, charts: dict[str, Chart]) -> None:
    rows = charts["validation"].rows
    for step in run.steps:
        assert step.measured is not None
        assert {row[0]: row[2] for row in rows if row[1] == step.index and row[0] != "mean"} == step.measured.values
    words = {(row[0], row[1]): row[2] for row in charts["lengths"].rows}
    assert words == {(n, s.index): len(t.split()) for s in run.steps for n, t in s.instructions.items()}


def test_confusion_counts_every_row_once_and_the_nearest_value(material: ReportData, charts: dict[str, Chart]) -> None:
    for k, criterion in enumerate(material.initial, 1):
        counts: Counter[tuple[str, str]] = Counter()
        for row in material.rows:
            pair = (row.human[criterion.name], row.fitted[criterion.name])
            if not any(map(math.isnan, pair)):
                human, judge = (str(min(5, max(1, math.floor(value + 0.5)))) for value in pair)
                counts[human, judge] += 1
        assert {row[:2]: row[2] for row in charts[f"confusion-{k}"].rows if row[2]} == counts


def test_the_meters_are_those_of_the_diagnosis(run: polyjudge.Run, charts: dict[str, Chart]) -> None:
    found = held(run, "diagnosis.json")
    figures = {(one["name"], one["of"], one["criterion"]): one["estimate"] for one in found["dilution"]["figures"]}
    told = {
        "separate gradients": ("specificity", "separate"),
        "joint gradients": ("specificity", "joint"),
        "control: separate ones, joined": ("concatenation", "separate"),
        "control: own sentences of joint ones": ("extraction", "joint"),
    }
    assert {row[1] for row in charts["specificity"].rows} == set(told)
    for criterion, series, value, *_ in charts["specificity"].rows:
        assert value == figures[(*told[series], criterion)]["value"]
    pairs = {(p["criterion"], p["company"]): p["difference"]["value"] for p in found["interference"]["pairs"]}
    drawn = {row[:2]: row[2] for row in charts["interference"].rows if row[0] != row[1]}
    assert drawn == pairs
    cells = {
        (c["instructions"], {"apart": "a call each", "together": "one call for all"}[c["company"]]): c["agreement"]
        for c in found["interference"]["cells"]
        if c["criterion"] == "mean"
    }
    assert {row[:2]: row[2] for row in charts["two-by-two"].rows} == {k: v["value"] for k, v in cells.items()}


def test_the_front_is_that_of_the_archive(run: polyjudge.Run, charts: dict[str, Chart]) -> None:
    found = held(run, "archive.json")
    kinds = Counter(row[1] for row in charts["front"].rows)
    front = [at for at in found["front"] if found["prompts"][at]["origin"] != "initial"]
    assert sum(kinds.values()) == len(found["prompts"])
    assert kinds["on the front"] == len(front)
    course = [row for row in charts["hypervolume"].rows if row[0] == "so far"]
    assert course[0][2] == pytest.approx(found["hypervolume_initial"])
    assert course[-1][2] == pytest.approx(found["hypervolume"])


def test_a_prompt_that_loses_rows_is_not_called_beaten(material: ReportData) -> None:
    found = material.archive
    assert found is not None
    first, *others = found.prompts
    shy = replace(found, prompts=(first, *(replace(one, eligible=False) for one in others)), front=(0,))
    section = pareto_section(replace(material, archive=shy))
    assert section is not None
    kinds = Counter(row[1] for chart in section.charts() if chart.name == "front" for row in chart.rows)
    assert kinds == {"initial prompt": 1, "too many rows unscored": len(others)}
    assert f"Left out, because they lose more rows than a change may: {len(others)}." in str(section)


def test_a_run_that_changed_nothing_shows_one_prompt(material: ReportData) -> None:
    assert material.changed
    fitted = material.judge.prompt.instructions
    same = replace(material, initial=tuple(replace(one, instruction=fitted[one.name]) for one in material.initial))
    words_alone = replace(same.summary, outcome=replace(same.outcome, rungs=()))
    same = replace(same, summary=words_alone)
    assert not same.changed
    page = run_page(same)
    shown = {chart.name: chart for chart in page.charts()}
    assert not {"validation", "lengths"} & set(shown)
    assert {row[1] for row in shown["agreement"].rows if "one annotator" not in row[1]} == {"initial prompt"}
    assert page.facts[0].small == "the initial prompt stands"
    text = html(page)
    assert 'scope="col">fitted</th>' not in text
    assert "No instruction changed." in text


def test_a_mean_over_different_metrics_is_called_agreement_and_explained(material: ReportData) -> None:
    mixed = replace(material.outcome, metric="primary")
    page = run_page(replace(material, summary=replace(material.summary, outcome=mixed)))
    assert page.facts[0].name == "Mean agreement"
    assert any("Cohen's kappa on labels" in notice for notice in page.notices)
    assert "rimary" not in str([chart.caption for chart in page.charts()])


def test_a_layout_choice_is_told_in_whole_sentences(run: polyjudge.Run) -> None:
    weighed = Weighed("joint", 0.4, 1.0, 1.0, 90.0, 0.0, 10.0, False)
    rival = Rival("joint", Gap(0.0, 0.0, 0.0), Gap(0.0, 0.0, 0.0), False)
    choice = Choice("joint", "it is the cheapest", "spearman", 10, 0, "rows", (weighed,), (rival,))
    shown = _layouts(choice)
    assert shown is not None
    assert "10 validation rows: it is the cheapest. Calls and tokens are means a row." in shown.text


def test_tokens_are_those_of_the_accounts(run: polyjudge.Run, charts: dict[str, Chart]) -> None:
    drawn: Counter[str] = Counter()
    for role, _, count in charts["tokens"].rows:
        drawn[role] += count
    assert drawn == {account.role: account.tokens for account in run.accounts}


def test_the_worst_disagreements_are_farthest_first_and_bring_their_texts(material: ReportData, place: Path) -> None:
    section = next(one for one in run_page(material).sections if one.key == "disagreements")
    shown = "".join(part.text for part in section.parts if part is not None and hasattr(part, "text"))
    name = material.names[0]
    gaps = {row.id: abs(row.human[name] - row.fitted[name]) for row in material.rows}
    worst = max(gaps, key=gaps.__getitem__)
    assert shown.index(f"<code>{worst}</code>") == shown.index("<code>")
    text = next(iter(material.texts[worst].values()))
    assert text.split()[0] in shown
