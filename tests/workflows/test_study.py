"""A whole study over a small table: who is asked what how often, and what its folder and its tables say."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, Rated, Recorder, by_chance, rated

import polyjudge
from polyjudge.errors import ConfigError, DataError
from polyjudge.llm.request import Request
from polyjudge.workflows.events import CellEnded, Event, InCell, StudyPlanned
from polyjudge.workflows.study import StudyResult

NAMES = ("clarity", "warmth")
STUDY: dict[str, Any] = {
    "study": {"data": ["rows.csv"], "models": [JUDGE], "preset": "paper", "seeds": [0, 1]},
    "axes": {"mode": ["ST", "SSS", "CCC"], "gate": ["mae", "none"]},
    "options": {"steps": 2, "validation": 8, "batch": 2},
}


def write(place: Path, seed: int = 0) -> Rated:
    data = rated({"clarity": FIVE, "warmth": FIVE}, documents=14, seed=seed)
    with (place / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(data.rows[0]))
        writer.writeheader()
        writer.writerows(data.rows)
    (place / "criteria.json").write_text(json.dumps(data.criteria))
    return data


def asked(study: dict[str, Any], **head: Any) -> dict[str, Any]:
    data = [{"data": "rows.csv", "criteria": "criteria.json", "name": "rows"}]
    return study | {"study": study["study"] | {"data": data} | head}


def go(place: Path, study: dict[str, Any] = STUDY, **more: Any) -> tuple[StudyResult, Recorder, list[Event]]:
    recorder = Recorder(by_chance(write(place)))
    seen: list[Event] = []
    given = {JUDGE: recorder.backend} | more.pop("backends", {})
    return polyjudge.study(asked(study), backends=given, observer=seen.append, **keywords(**more)), recorder, seen


@dataclass(frozen=True, slots=True)
class Done:
    """A study that was run once for several tests, and what was asked for it."""

    path: Path
    asked: tuple[Request, ...]
    seen: tuple[Event, ...]

    def extras(self, kind: str) -> list[dict[str, Any]]:
        return [one for line in (self.path / "extras.jsonl").open() if (one := json.loads(line))["kind"] == kind]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    place = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        patched.setenv("POLYJUDGE_CACHE", str(place / "cache"))
        result, recorder, seen = go(place, output=place / "s", retests=3)
    return Done(result.path, tuple(recorder.asked), tuple(seen))


def rows_of(path: Path, table: str) -> list[dict[str, str]]:
    with (path / "tables" / f"{table}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_no_question_is_asked_twice_and_the_initial_prompt_once_a_seed(done: Done) -> None:
    keys = Counter(request.key("here") for request in done.asked)
    assert max(keys.values()) == 1
    # Of the initial prompt each test row is asked about jointly and alone on either criterion, by seed.
    judged = [one for one in done.asked if (one.role, one.sample, one.retry) == ("judge", 0, 0)]
    rows = letters_of_test_rows(done.path)
    on_test = [one for one in judged if initial(one) and letter(one) in rows]
    assert Counter(request.seed for request in on_test) == {0: len(rows) * 3, 1: len(rows) * 3}


def initial(request: Request) -> bool:
    said = request.messages[0].content
    told = [line.partition(": ")[2] for line in said.splitlines() if line.startswith(("- clarity", "- warmth"))]
    return all(text == "Rate from 1 to 5." for text in told)


def letter(request: Request) -> str:
    return re.findall(r"letter \d{3}", request.messages[0].content)[-1]


def letters_of_test_rows(path: Path) -> set[str]:
    """The letters of the test rows, by the ids in the study's ratings file."""
    with next((path / "ratings").iterdir()).open(newline="") as file:
        ids = {row["id"] for row in csv.DictReader(file)}
    with (path.parent / "rows.csv").open(newline="") as file:
        return {re.findall(r"letter \d{3}", row["letter"])[0] for row in csv.DictReader(file) if row["id"] in ids}


def test_the_plan_bounds_what_is_asked_and_asks_nothing(place: Path, done: Done) -> None:
    write(place)
    plan = polyjudge.plan_study(asked(STUDY), backends={JUDGE: Recorder(lambda _: "").backend}, retests=3)
    assert not (place / ".polyjudge").exists()
    assert 0.5 * plan.calls < len(done.asked) <= plan.calls
    seen = done.seen
    planned = next(event for event in seen if isinstance(event, StudyPlanned))
    assert (planned.calls, planned.cells) == (plan.calls, 12)
    assert [event.done for event in seen if isinstance(event, CellEnded)] == [*range(1, 13)]
    assert sum(isinstance(event, InCell) for event in seen) == 3 * (8 + 4 * len(NAMES))


def test_a_study_is_not_diagnosed_but_its_runs_are_named(done: Done) -> None:
    with pytest.raises(DataError, match="is a study, not a run; name one of its runs") as told:
        polyjudge.diagnose(done.path)
    (named,) = re.findall("runs: '([^']+)'", str(told.value))
    assert (Path(named) / "judge.yaml").exists()


def test_the_same_study_again_asks_nothing_and_changes_nothing(place: Path) -> None:
    small = STUDY | {"axes": {"mode": ["ST", "SSS"], "gate": ["mae"]}}
    first, _, _ = go(place, small, output="s")
    before = {path: path.read_bytes() for path in Path("s").rglob("*") if path.is_file()}
    again, recorder, seen = go(place, small, output="s")
    assert recorder.asked == []
    assert {path: path.read_bytes() for path in Path("s").rglob("*") if path.is_file()} == before
    assert {event.verdict for event in seen if isinstance(event, CellEnded)} == {"complete already"}
    assert [table.rows for table in again.tables if table.name == "main"] == [
        table.rows for table in first.tables if table.name == "main"
    ]


def test_a_longer_list_goes_on_in_the_same_folder(place: Path) -> None:
    small = STUDY | {"axes": {"mode": ["SSS"], "gate": ["mae"]}}
    go(place, small, output="s")
    result, _, seen = go(place, STUDY | {"axes": {"mode": ["SSS", "CCC"], "gate": ["mae"]}}, output="s")
    assert [event.verdict for event in seen if isinstance(event, CellEnded)].count("complete already") == 2
    assert len(result.cells) == 4


def test_other_settings_or_strange_files_are_refused(place: Path) -> None:
    small = STUDY | {"axes": {"mode": ["SSS"]}}
    go(place, small, output="s")
    with pytest.raises(ConfigError, match="differs in steps"):
        go(place, small, output="s", steps=1)
    Path("other").mkdir()
    Path("other/letter.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not a study"):
        go(place, small, output="other")
    with pytest.raises(ConfigError, match="--no-cache"):
        go(place, small, output="s", no_cache=True)


def test_the_main_tables_are_what_scipy_makes_of_the_files(done: Done) -> None:
    result = done
    main = {(row["mode"], row["gate"]): row for row in rows_of(result.path, "main")}
    honest = {(row["mode"], row["gate"]): row for row in rows_of(result.path, "honest")}
    human = np.genfromtxt(next((result.path / "ratings").iterdir()), delimiter=",", skip_header=1)[:, 2:]
    assert len(main) == 6
    for (mode, gate), row in main.items():
        by_step = []
        for step in range(3):
            runs = []
            for seed in (0, 1):
                lines = (result.path / "runs" / f"rows-judge-{mode}-{gate}-seed{seed}" / "tests.jsonl").open()
                scores = {
                    k: v for line in map(json.loads, lines) if line["step"] == step for k, v in line["scores"].items()
                }
                runs.append(np.mean([spearmanr(scores[n], human[:, k]).statistic for k, n in enumerate(NAMES)]))
            by_step.append(np.mean(runs))
        best = int(np.argmax(by_step))
        assert float(row["initial"]) == pytest.approx(by_step[0])
        assert float(row["best"]) == pytest.approx(by_step[best])
        assert int(row["step"]) == best
        assert float(row["gain"]) == pytest.approx(by_step[best] - by_step[0])
        if gate == "mae":
            assert float(honest[mode, gate]["fitted"]) == pytest.approx(by_step[-1])
        assert float(row["interval_low"]) <= float(row["gain"]) <= float(row["interval_high"])


def test_without_a_gate_the_step_is_chosen_on_the_validation_rows(done: Done) -> None:
    honest = {(row["mode"], row["gate"]): row for row in rows_of(done.path, "honest")}
    human = np.genfromtxt(next((done.path / "ratings").iterdir()), delimiter=",", skip_header=1)[:, 2:]
    validated = done.extras("validated")
    for mode in ("ST", "SSS", "CCC"):
        runs = []
        for seed in (0, 1):
            name = f"rows-judge-{mode}-none-seed{seed}"
            own = [one["reading"] for one in validated if one["cells"] == [name]]
            lines = [json.loads(line) for line in (done.path / "runs" / name / "tests.jsonl").open()]
            found = []
            for k, criterion in enumerate(NAMES):
                values = {one["step"]: one["measured"][0]["mean"] for one in own if criterion in one["criteria"]}
                step = max(values, key=lambda at: (values[at], -at))
                scores = next(
                    one["scores"][criterion] for one in lines if one["step"] == step and criterion in one["scores"]
                )
                found.append(spearmanr(scores, human[:, k]).statistic)
            runs.append(np.mean(found))
        assert float(honest[mode, "none"]["fitted"]) == pytest.approx(np.mean(runs))
        assert "validation, afterwards" in honest[mode, "none"]["chosen"]


def test_combined_prompts_hold_the_best_instruction_of_each_criterion(done: Done) -> None:
    result = done
    combined = [one for one in done.extras("combined") if one["chosen_by"] == "spearman"]
    assert len(combined) == 4
    for one in combined:
        for name, run in one["runs"].items():
            steps = [json.loads(line) for line in (result.path / "runs" / run / "steps.jsonl").open()]
            told = next(s for s in steps if s["index"] == one["steps"][name] and name in s["criteria"])
            assert one["texts"][name] == told["instructions"][name]
            values = []
            for cell in one["cells"]:
                readings = map(json.loads, (result.path / "runs" / cell / "tests.jsonl").open())
                values += [
                    (m["values"][name], cell, r["step"])
                    for r in readings
                    for m in r["measured"]
                    if m["metric"] == "spearman" and name in r["criteria"]
                ]
            assert max(value for value, *_ in values) == next(
                v for v, c, s in values if (c, s) == (run, one["steps"][name])
            )
    assert rows_of(result.path, "combining")


def test_retests_are_fresh_samples_of_the_initial_prompt(done: Done) -> None:
    again = done.extras("retest")
    assert len(again) == 2 * 3
    assert {len(one["cells"]) for one in again} == {4}
    samples = {request.sample for request in done.asked if request.role == "judge"}
    assert samples == {0, 1, 2, 3}
    volumes = {row["mode"]: row["hypervolume_null"] for row in rows_of(done.path, "main")}
    assert volumes["ST"] == ""
    assert float(volumes["SSS"]) > 0


def test_sealed_runs_have_tables_too_and_say_what_is_not_there(place: Path) -> None:
    study = STUDY | {
        "study": STUDY["study"] | {"preset": "default"},
        "axes": {"mode": ["ST", "SSS"]},
        "options": {"steps": 2, "batch": 2},
    }
    result, _, _ = go(place, study, output="s")
    assert "sealed" in (result.path / "tables" / "main.md").read_text()
    assert len(rows_of(result.path, "honest")) == 2
    for name in ("specificity", "adherence"):
        assert "not measured (run with --diagnostics)" in (result.path / "tables" / f"{name}.md").read_text()


def test_a_run_that_cannot_be_read_fails_alone(place: Path) -> None:
    data = write(place)
    good = Recorder(by_chance(data))
    mute = Recorder(lambda request: "I would rather not.", identity="there")
    study = STUDY | {"axes": {"mode": ["SSS"], "gate": ["mae"]}}
    head = asked(study, models=[JUDGE, "test/mute"], seeds=[0])
    result = polyjudge.study(head, backends={JUDGE: good.backend, "test/mute": mute.backend}, output="s")
    assert [bool(cell.failure) for cell in result.cells] == [False, True]
    assert "test/mute" not in (result.path / "tables" / "honest.csv").read_text()
    assert "no validation row has a readable score" in (result.path / "tables" / "honest.md").read_text()
