"""Tables: what the diagnostic model rated, what is published, how a table is written, and what is simulated."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.workflows.test_study import NAMES, STUDY, go, rows_of

import polyjudge
from polyjudge.metrics.estimates import Interval
from polyjudge.reporting.tables.agreement import main
from polyjudge.reporting.tables.configurations import Block, blocks
from polyjudge.reporting.tables.headlines import headlines
from polyjudge.reporting.tables.published import published
from polyjudge.reporting.tables.render import csv_text, markdown
from polyjudge.reporting.tables.study import Column, Table, all_tables
from polyjudge.results.study import read_study_folder

SMALL = STUDY | {"axes": {"mode": ["SSS", "CCC"], "gate": ["mae"]}}


def rate(path: Path, score: dict[str, float]) -> None:
    """Write ratings as --diagnostics does, by the mode in the run's name; every fifth is unreadable."""
    for number, run in enumerate(sorted((path / "runs").iterdir())):
        mode = run.name.split("-")[2]
        with (run / "diagnostics.jsonl").open("w") as file:
            for step in range(1, 7):
                ratings = [
                    {"name": kind, "criterion": name, "group": [name], "candidate": 0, "asked": False}
                    | {"score": None if (number + step) % 5 == 0 else score[mode] + 0.01 * step}
                    for kind in ("specificity", "adherence")
                    for name in ("clarity", "warmth")
                ]
                file.write(json.dumps({"step": step, "criteria": [], "model": "m", "ratings": ratings}) + "\n")


def test_ratings_of_the_diagnostic_model_fill_their_tables_and_the_headline(place: Path) -> None:
    result, _, _ = go(place, SMALL, output="s", steps=6, retests=0)
    rate(result.path, {"SSS": 9.0, "CCC": 3.5})
    tables = {table.name: table for table in all_tables(read_study_folder(result.path))}
    rows = [
        dict(zip([c.key for c in tables["specificity"].columns], row, strict=True))
        for row in tables["specificity"].rows
    ]
    means = {row["mode"]: row["specificity"] for row in rows if row["criterion"] == "mean"}
    assert means["SSS"] == pytest.approx(9.035, abs=0.02)
    assert means["CCC"] == pytest.approx(3.535, abs=0.02)
    assert sum(row["unreadable"] for row in rows if row["criterion"] == "mean") == 8
    assert len(tables["adherence"].rows) == 6
    headline = next(row for row in tables["headlines"].rows if "specificity" in str(row[2]))
    assert headline[5] == "yes"
    assert "-61%" in str(headline[3])


def test_a_headline_says_what_hinders_it(place: Path) -> None:
    result, _, _ = go(place, SMALL, output="s", steps=1, retests=0)

    def told() -> str:
        tables = {table.name: table for table in all_tables(read_study_folder(result.path))}
        return next(str(row[3]) for row in tables["headlines"].rows if "specificity" in str(row[2]))

    assert told() == "not measured (run with --diagnostics)"
    rate(result.path, {"SSS": 9.0, "CCC": math.nan})
    assert told() == "unknown: of 24 ratings of joint gradients none was readable"


def test_a_fall_that_the_choice_alone_brings_is_no_finding(place: Path) -> None:
    """The best of all steps on the test rows stands above what the same texts do in any later answer."""
    result, _, _ = go(place, STUDY | {"axes": {"mode": ["ST", "SSS"], "gate": ["mae"]}}, output="s")
    study = read_study_folder(result.path)
    (block,) = blocks(study)
    human = block.configurations[0].people.human
    worst = {name: tuple(float(6 - value) for value in human[:, k]) for k, name in enumerate(NAMES)}
    worse = tuple(replace(one, reading=replace(one.reading, scores=worst)) for one in block.extras)
    table = headlines([(replace(block, extras=worse), None)], ("mode", "gate"))
    told = dict(zip(table.column("finding"), table.column("holds"), strict=True))
    marked = [finding for finding, holds in told.items() if holds == "yes (OPTIMISTIC choice)"]
    assert marked == ["picked by spearman, together falls below picked, apart (ST mae)"]
    assert any(note.startswith("'yes (OPTIMISTIC choice)'") for note in table.notes)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_simulated_study_says_so_in_every_table(place: Path) -> None:
    result = polyjudge.study(
        SMALL | {"study": {**STUDY["study"], "data": ["simulated/null"], "models": ["simulated/null"], "seeds": [0]}},
        output="s",
        settings=polyjudge.Settings(limit=160, steps=1, preset="default"),
    )
    for path in (*(result.path / "tables").iterdir(), *(result.path / "ratings").iterdir()):
        assert "SIMULATED" in path.read_text()
    assert all(line.endswith(",SIMULATED") for path in (result.path / "ratings").iterdir() for line in lines(path)[1:])
    study = read_study_folder(result.path)
    assert study.people_of(study.runs[0]).human.shape[1] == 4
    assert "arXiv" not in (result.path / "tables" / "headlines.md").read_text()


def test_published_figures_stand_only_beside_the_papers_own_setting(place: Path) -> None:
    result, _, _ = go(place, SMALL, output="s")
    assert "published" not in (result.path / "tables" / "main.csv").read_text()
    (block,) = blocks(read_study_folder(result.path))
    assert published(block, simulated=False) is None
    theirs = published(as_if(block, data="summeval", steps=12, scoring_used="json"), simulated=False)
    assert theirs is not None
    assert published(as_if(block, data="summeval", steps=12), simulated=True) is None
    shown = {table.name: table for make in (main, headlines) for table in [make([(block, theirs)], ("mode", "gate"))]}
    told = dict(zip(shown["main"].column("mode"), shown["main"].column("published_hypervolume"), strict=True))
    assert told == {"SSS": 2.749, "CCC": 2.900}
    assert any("arXiv 2605.26046" in note for note in shown["main"].notes)
    assert "6 of 10" in shown["headlines"].column("published")


def as_if(block: Block, **config: object) -> Block:
    """A block whose runs say that they have other settings."""
    first = block.configurations[0]
    run = replace(first.runs[0], config={**first.runs[0].config, **config})
    return replace(block, configurations=(replace(first, runs=(run,)),))


def test_a_table_is_written_for_people_and_for_machines() -> None:
    columns = (
        Column("name", "name"),
        Column("x", "x", "signed"),
        Column("i", "interval", "interval"),
        Column("n", "n", "count"),
    )
    rows = (("a|b", 0.1, Interval(-0.2, 0.3), 1200), ("c\nd", math.nan, Interval(math.nan, math.nan), None))
    table = Table("t", "T", columns, rows, ("A note.",))
    first = next(line for line in markdown(table).splitlines() if line.startswith("| a"))
    assert first.split() == ["|", "a\\|b", "|", "+0.100", "|", "-0.200", "to", "+0.300", "|", "1,200", "|"]
    assert "undefined" in markdown(table)
    assert "undecided" in markdown(table)
    read = list(csv.DictReader(io.StringIO(csv_text(table))))
    assert (read[0]["name"], float(read[0]["x"]), float(read[0]["i_low"]), read[0]["n"]) == ("a|b", 0.1, -0.2, "1200")
    assert math.isnan(float(read[1]["x"]))
    assert read[1]["n"] == ""
    assert markdown(Table("t", "T", columns, (), missing="not measured")).splitlines()[2] == "not measured"


def test_hypervolume_is_that_of_the_points_by_step(place: Path) -> None:
    result, _, _ = go(place, SMALL, output="s")
    study = read_study_folder(result.path)
    row = rows_of(result.path, "main")[0]
    people = study.people_of(study.runs[0])
    points = []
    for step in range(3):
        runs = [run for run in study.runs if run.cell.values == {"mode": "SSS", "gate": "mae"}]
        points.append(
            [np.mean([polyjudge_spearman(run.scores[step][:, k], people.human[:, k]) for run in runs]) for k in (0, 1)]
        )
    grid = np.linspace(-1, 1, 801)
    covered = np.zeros((801, 801), dtype=bool)
    for x, y in points:
        covered |= (grid[:, None] <= x) & (grid[None, :] <= y)
    assert float(row["hypervolume"]) == pytest.approx(covered.mean() * 4, abs=0.02)


def polyjudge_spearman(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)
