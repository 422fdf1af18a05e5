"""What the paper printed, for tables side by side: shown where a study is comparable, and used for nothing else."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from polyjudge.reporting.tables.configurations import Block, Configuration


@dataclass(frozen=True, slots=True)
class Published:
    """The figures of published.toml."""

    content: Mapping[str, Any]

    @property
    def note(self) -> str:
        source = self.content["source"]
        return (
            f"Columns called published are from {source['where']} ({source['version']}): judge {source['judge']}, "
            f"other roles {source['writers']}, {source['runs']} runs."
        )

    @property
    def headlines(self) -> Mapping[str, Any]:
        figures: Mapping[str, Any] = self.content["headlines"]
        return figures

    def main(self, configuration: Configuration) -> Mapping[str, Any]:
        """The row of a configuration, {} where the paper has none."""
        gate, mode = configuration.runs[0].config["gate"], configuration.mode
        rows: list[Mapping[str, Any]] = self.content["main"]
        return next((row for row in rows if (row["mode"], row["gate"]) == (mode, gate)), {})

    def specificity(self, mode: str) -> Mapping[str, float]:
        figures: Mapping[str, float] = self.content["specificity"].get(mode, {})
        return figures

    def adherence(self, configuration: Configuration) -> Mapping[str, float]:
        figures: Mapping[str, float] = (
            self.content["adherence"].get(configuration.runs[0].config["gate"], {}).get(configuration.mode, {})
        )
        return figures

    def cherrypick(self, row: str) -> Mapping[str, float]:
        figures: Mapping[str, float] = self.content["cherrypick"].get(row, {})
        return figures


def published(block: Block, *, simulated: bool) -> Published | None:
    """The published figures, where a block has the paper's data and protocol; another judge does not matter."""
    if simulated or not block.configurations:
        return None
    config = block.configurations[0].runs[0].config
    content = tomllib.loads((files("polyjudge.reporting.tables") / "published.toml").read_text("utf-8"))
    alike = (
        config["data"] == content["source"]["data"]
        and config["protocol"] == "paper"
        and config["limit"] is None
        and config["steps"] == 12
        and config["scoring_used"] == "json"
    )
    return Published(content) if alike else None
