"""A package from outside brings one of every kind; each is used by name from the command line and as an object."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from polyjudge_guest.backend import Guest
from polyjudge_guest.data import NAMES, letters
from polyjudge_guest.exporter import markdown
from polyjudge_guest.gate import cautious
from polyjudge_guest.metric import nearness
from polyjudge_guest.optimizer import Rewriter
from polyjudge_guest.scoring import Lines

import polyjudge
from polyjudge.errors import ConfigError, QualityGateFailed
from polyjudge.gates import Gate, GateSettings
from polyjudge.llm.request import Backend, Request
from polyjudge.metrics import Metric
from polyjudge.optimizers.base import OptimizerSettings
from polyjudge.reporting.audit import audit_lines
from polyjudge.results.exporters import Exporter
from polyjudge.testing.backend import BackendContract
from polyjudge.testing.exporter import ExporterContract
from polyjudge.testing.gate import GateContract
from polyjudge.testing.metric import MetricContract
from polyjudge.testing.optimizer import OptimizerContract

HERE = Path(__file__).parent
NEAR = "guest_nearness"
SOURCE = Path(polyjudge.__file__).parents[1]


class TestRewriter(OptimizerContract):
    def make(self, candidates: int) -> OptimizerSettings:
        return Rewriter(candidates=candidates)

    def answer(self, request: Request) -> str:
        return f"Look at {request.key('contract')[:8]}."


class TestCautious(GateContract):
    def make(self, settings: GateSettings) -> Gate:
        return cautious(settings)


class TestNearness(MetricContract):
    metric: Metric = nearness


class TestGuest(BackendContract):
    def make(self) -> Backend:
        return Guest()

    def request(self) -> Request:
        return Request("guest/judge", super().request().messages, role="optimizer")


class TestMarkdown(ExporterContract):
    def make(self) -> Exporter:
        return markdown


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the package as an installer leaves it: modules, and the entry points of its pyproject."""
    target = tmp_path_factory.mktemp("site")
    project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
    shutil.copytree(HERE / "polyjudge_guest", target / "polyjudge_guest", ignore=shutil.ignore_patterns("__pycache__"))
    info = target / f"polyjudge_guest-{project['version']}.dist-info"
    info.mkdir()
    name = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(name, "utf-8")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in rows.items())
        for group, rows in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups), "utf-8")
    return target


def command(installed: Path, folder: Path, *words: str) -> str:
    """Standard output of a command line that finds the package among those that are installed."""
    path = os.pathsep.join([str(installed), str(SOURCE)])
    done = subprocess.run(
        [sys.executable, "-m", "polyjudge", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


RUN = ("--model", "guest/judge", "--scoring", "guest-lines", "--layout", "joint", "--steps", "2", "--quiet")


def test_every_kind_is_used_by_name_from_the_command_line_to_the_report(installed: Path, tmp_path: Path) -> None:
    optimizer = ("--optimizer", "guest-rewriter", "--optimizer-option", "style=terse")
    plan = json.loads(command(installed, tmp_path, "check", "guest-letters", *optimizer, *RUN[:-1], "--json"))
    assert {role["role"] for role in plan["roles"]} == {"judge", "optimizer"}
    for gate in ("guest-cautious", "guest_nearness"):
        command(installed, tmp_path, "optimize", "guest-letters", *optimizer, *RUN, "--gate", gate, "--output", gate)
        config = json.loads((tmp_path / gate / "config.json").read_text("utf-8"))
        assert (config["optimizer"], config["gate"], config["scoring"]) == ("guest-rewriter", gate, "guest-lines")
        assert config["optimizer_options"] == {"style": "terse"}
        assert config["parameters"]["optimizer"]["temperature"] == 0.9
        assert "Look at it in the way" in (tmp_path / gate / "steps.jsonl").read_text("utf-8")
        assert "guest-rewriter" in (tmp_path / gate / "report.html").read_text("utf-8")
    decided = (tmp_path / "guest-cautious" / "steps.jsonl").read_text("utf-8")
    assert "the guest's gate saw a gain" in decided or "not better" in decided
    judge = "guest-cautious/judge.yaml"
    command(installed, tmp_path, "score", judge, "guest-letters", "--output", "scores.csv", "--quiet")
    with open(tmp_path / "scores.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert all(row["clarity"] and not row["error"] for row in rows)
    criteria = "".join(f"  - {{name: {name}, scale: [1, 5]}}\n" for name in NAMES)
    text = f"task: Judge.\ninputs: {{letter: Letter}}\ndocument: document\nid: id\ncriteria:\n{criteria}"
    (tmp_path / "criteria.yaml").write_text(text, "utf-8")
    assert "clarity" in command(installed, tmp_path, "audit", "scores.csv", "--criteria", "criteria.yaml")
    exported = command(installed, tmp_path, "export", judge, "--to", "guest-markdown")
    assert exported.startswith("# A judge on guest/judge\n")
    assert "{{letter}}" in exported


def test_a_study_compares_the_guest_s_optimizer_with_ours(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(
        '[study]\ndata = ["guest-letters"]\nmodels = ["guest/judge"]\nseeds = [0]\n'
        '[axes]\noptimizer = ["guest-rewriter", "opro"]\n'
        '[options]\nscoring = "guest-lines"\nlayout = "joint"\ngate = "guest_nearness"\nsteps = 1\ncandidates = 2\n',
        "utf-8",
    )
    command(installed, tmp_path, "study", "study.toml", "--output", "study", "--quiet")
    configs = [json.loads(path.read_text("utf-8")) for path in tmp_path.glob("study/runs/*/config.json")]
    assert {config["optimizer"] for config in configs} == {"guest-rewriter", "opro"}
    assert "guest-rewriter" in (tmp_path / "study" / "report.html").read_text("utf-8")


def test_objects_go_through_python_to_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    backends = {"mine/judge": Guest()}
    run = polyjudge.optimize(
        letters,
        model="mine/judge",
        backends=backends,
        optimizer=Rewriter("terse"),
        gate=cautious,
        scoring=Lines,
        output="run",
        settings=polyjudge.Settings(steps=1),
    )
    assert {one.role for one in run.accounts} == {"judge", "optimizer"}
    config = json.loads((run.path / "config.json").read_text("utf-8"))
    assert config["optimizer"] == "polyjudge_guest.optimizer:Rewriter"
    assert (config["gate"], config["scoring_used"]) == ("polyjudge_guest.gate:cautious", "guest-lines")
    assert config["optimizer_options"] == {"style": "terse"}
    assert (run.path / "report.html").stat().st_size
    assert polyjudge.export(run, to=markdown, scoring=Lines).startswith("# A judge on mine/judge")
    with pytest.raises(ConfigError, match=r"as an object .* pass the same object again"):
        polyjudge.diagnose(run, data=letters, only="text", backends=backends)
    with pytest.raises(ConfigError, match="is not the run's"):
        polyjudge.diagnose(run, data=letters, only="text", backends=backends, gate="none", scoring=Lines)
    with polyjudge.load(run.path / "judge.yaml", backends=backends, scoring=Lines) as judge:
        assert set(judge(letter="A letter.")) == set(NAMES)
    measured = polyjudge.optimize(
        letters,
        model="mine/judge",
        backends=backends,
        gate=nearness,
        output="metric",
        settings=polyjudge.Settings(steps=1),
    )
    assert {step.measured.metric for step in measured.steps if step.measured} == {"guest_nearness"}
    assert json.loads((measured.path / "config.json").read_text("utf-8"))["gate"] == "metric:guest_nearness"
    assert polyjudge.score(measured.path / "judge.yaml", letters, backends=backends).rows == 40


def test_objects_go_through_a_study_an_audit_and_a_diagnosis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    backends = {"mine/judge": Guest()}
    study = {
        "study": {"data": [letters], "models": ["mine/judge"], "seeds": [0]},
        "axes": {"optimizer": [Rewriter("terse"), "opro"], "gate": [nearness, cautious]},
        "options": {"scoring": Lines, "layout": "joint", "steps": 1, "candidates": 2},
    }
    done = polyjudge.study(study, backends=backends, output="study")
    assert not done.failed
    axes = {(cell.values["optimizer"], cell.values["gate"]) for cell in done.cells}
    assert axes == {(optimizer, gate) for optimizer in ("Rewriter style=terse", "opro") for gate in (NEAR, "cautious")}
    report = (tmp_path / "study" / "report.html").read_text("utf-8")
    assert "Rewriter style=terse" in report
    assert "letters" in report

    again = polyjudge.report(tmp_path / "study" / "runs" / done.cells[0].name)
    assert again.stat().st_size
    run = polyjudge.optimize(
        letters, model="mine/judge", backends=backends, gate=nearness, scoring=Lines, output="run", optimizer="opro"
    )
    diagnosed = polyjudge.diagnose(
        run, data=letters, only="interference", backends=backends, gate=nearness, scoring=Lines
    )
    assert [verdict.question for verdict in diagnosed.verdicts] == ["interference"]

    polyjudge.score(run.path / "judge.yaml", letters, backends=backends, scoring=Lines, output="scores.csv")
    rated = [
        {"id": example.id, "judge": "guest", **{f"{name}_human": example.ratings[name][0] for name in NAMES}}
        for example in letters().examples
    ]
    with open("scores.csv", encoding="utf-8") as file:
        scored = {row["id"]: row for row in csv.DictReader(file)}
    rows = [{**row, **{name: scored[str(row["id"])][name] for name in NAMES}} for row in rated]
    audit = polyjudge.audit(rows, metrics=[nearness])
    assert audit.higher_is_better[NEAR]
    assert 0 <= audit.agreement(NEAR) <= 1
    assert NEAR in "\n".join(audit_lines(audit))
    with pytest.raises(QualityGateFailed, match=NEAR):
        polyjudge.audit(rows, metrics=[nearness], fail_under={NEAR: 1.0})
    with pytest.raises(ConfigError, match=f"unknown metric '{NEAR}'"):
        polyjudge.audit(rows, fail_under={NEAR: 1.0})
    with pytest.raises(ConfigError, match="another metric is called 'mae'"):
        polyjudge.audit(rows, metrics=[replace(nearness, name="mae")])
