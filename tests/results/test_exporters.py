"""A judge for other tools: what is exported, filled in, is what score asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.commands import polyjudge as command
from tests.rated import FIVE, JUDGE, TONE, Recorder, by_chance, rated

import polyjudge
from polyjudge.datasets.load import load_dataset
from polyjudge.errors import ConfigError
from polyjudge.llm.request import Sampling
from polyjudge.results.exporters import ExportedJudge, Exporter, exported, messages, text
from polyjudge.results.judge_file import JudgeFile, dump_judge
from polyjudge.testing.exporter import ExporterContract

DATA = rated({"clarity": FIVE, "tone": TONE}, documents=4)


class TestText(ExporterContract):
    def make(self) -> Exporter:
        return text


class TestMessages(ExporterContract):
    def make(self) -> Exporter:
        return messages


def judge_file(**settings: Any) -> JudgeFile:
    rubric = load_dataset(DATA.rows, DATA.criteria).rubric
    standard: dict[str, Any] = {"layout": "joint", "scoring": "json", "sampling": Sampling(0.2, 99)}
    return JudgeFile(rubric, JUDGE, **(standard | settings))


def filled(part: Any, row: Mapping[str, Any]) -> Any:
    for column, value in row.items():
        part = part.replace(f"{{{{{column}}}}}", str(value))
    return part


@pytest.mark.parametrize("layout", ["joint", "separate", "forked"])
@pytest.mark.parametrize("scoring", ["json", "expected", "yes-no"])
def test_the_exported_calls_filled_in_are_those_that_score_sends(layout: str, scoring: str, tmp_path: Path) -> None:
    if scoring == "yes-no" and layout == "joint":
        pytest.skip("yes-no asks one criterion at a time")
    rows = [{"letter": row["letter"]} for row in DATA.rows[:2]]
    data = DATA if scoring != "yes-no" else rated({"clarity": FIVE, "warmth": FIVE}, documents=4)
    file = replace(judge_file(layout=layout, scoring=scoring), rubric=load_dataset(data.rows, data.criteria).rubric)
    recorder = Recorder(by_chance(data))
    path = tmp_path / "judge.yaml"
    path.write_text(dump_judge(file), "utf-8")
    polyjudge.score(path, rows, backends={JUDGE: recorder.backend})
    content = json.loads(polyjudge.export(path, to="messages"))
    wanted = {
        (call["parameters"]["max_tokens"], message["role"], filled(message["content"], row))
        for call in content["calls"]
        for message in call["messages"]
        for row in rows
    }
    first = [request for request in recorder.asked if not request.retry]
    assert wanted == {(one.sampling.max_tokens, part.role, part.content) for one in first for part in one.messages}
    schemas = {json.dumps(call["schema"], sort_keys=True) for call in content["calls"] if call["schema"]}
    assert schemas == {json.dumps(json.loads(one.schema), sort_keys=True) for one in first if one.schema}
    assert {call["parameters"].get("top_logprobs", 0) > 0 for call in content["calls"]} == {scoring != "json"}


def test_a_judge_goes_out_by_name_as_an_object_and_into_a_file(tmp_path: Path) -> None:
    path = tmp_path / "judge.yaml"
    path.write_text(dump_judge(judge_file()), "utf-8")
    whole = polyjudge.export(path)
    assert polyjudge.export(judge_file(), to=text, output=tmp_path / "prompt.txt") == whole
    assert (tmp_path / "prompt.txt").read_text("utf-8") == whole
    shown = command("export", str(path))
    assert (shown.code, shown.out) == (0, whole)
    kept = command("export", str(path), "--to", "messages", "--output", str(tmp_path / "judge.json"))
    assert (kept.code, kept.out) == (0, f"messages: {tmp_path / 'judge.json'}\n")
    assert json.loads((tmp_path / "judge.json").read_text("utf-8"))["model"] == JUDGE

    def mine(judge: ExportedJudge) -> str:
        return ",".join(name for call in judge.calls for name in call.criteria)

    assert polyjudge.export(path, to=mine) == "clarity,tone"


def test_an_unknown_format_and_a_text_that_reads_as_an_input_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "judge.yaml"
    path.write_text(dump_judge(judge_file()), "utf-8")
    ended = command("export", str(path), "--to", "pdf")
    assert ended.code == 2
    assert "'pdf'" in ended.err
    assert "text, messages" in ended.err
    file = judge_file()
    broken = JudgeFile(
        load_dataset(DATA.rows, DATA.criteria | {"task": "Judge {{letter}}."}).rubric,
        JUDGE,
        "joint",
        "json",
        file.sampling,
    )
    with pytest.raises(ConfigError, match=r"'\{\{letter\}\}', which marks where an input goes"):
        exported(broken)
