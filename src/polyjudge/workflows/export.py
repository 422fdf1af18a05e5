"""A fitted judge written for another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polyjudge.registry import lookup
from polyjudge.results.exporters import Exporter, exported
from polyjudge.results.judge_file import JudgeFile, read_judge
from polyjudge.results.result import Run
from polyjudge.results.store import write_whole
from polyjudge.workflows.loaded_judge import LoadedJudge


def export(
    judge: str | Path | JudgeFile | LoadedJudge | Run,
    *,
    to: str | Exporter = "text",
    output: str | Path | None = None,
    scoring: Any = None,
    member: str | None = None,
) -> str:
    """A judge as text in a format; no model is asked. A calibration is no part of it.

    Args:
        judge: its file, or a judge in memory.
        to: "text" (the prompts), "messages" (chat messages and the JSON schema of the reply, as JSON), the name of an
            installed exporter, or a function from ``ExportedJudge`` to a text.
        output: a file to write the text to as well.
        scoring: the judge's scoring method, where a run was given it as an object and no package registers it.
        member: which member of a jury, since other tools know single judges; None: there is but one.

    Raises:
        ConfigError: an unknown format, a judge that it cannot hold, or a jury of which no member is named.
        CriteriaError: the judge file is missing or broken.
    """
    exporter: Exporter = lookup("exporters", to) if isinstance(to, str) else to
    text = exporter(exported(_file(judge).alone(member), scoring))
    if output is not None:
        write_whole(Path(output), text)
    return text


def _file(judge: str | Path | JudgeFile | LoadedJudge | Run) -> JudgeFile:
    if isinstance(judge, JudgeFile):
        return judge
    if isinstance(judge, LoadedJudge):
        return judge.file
    return judge.judge if isinstance(judge, Run) else read_judge(judge)
