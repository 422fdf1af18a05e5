"""An exporter: a judge as a Markdown page."""

from __future__ import annotations

from polyjudge.results.exporters import ExportedJudge


def markdown(judge: ExportedJudge) -> str:
    criteria = "\n".join(f"- **{one.name}**: {one.instruction}" for one in judge.file.rubric.criteria)
    calls = "\n\n".join("\n\n".join(message.content for message in call.messages) for call in judge.calls)
    return f"# A judge on {judge.file.model}\n\n{criteria}\n\n{calls}\n"
