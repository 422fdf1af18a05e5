"""Presets: each is a whole configuration, and what the manual says of it is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from polyjudge.errors import ConfigError
from polyjudge.settings.config import STAGES
from polyjudge.settings.merged import resolve
from polyjudge.settings.presets import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_valid_and_sets_every_role(name: str) -> None:
    settings = resolve({"preset": name}, environment={})
    assert {settings.origins[key] for key in PRESETS[name]} == {"preset"}
    assert set(settings.config.parameters) == set(STAGES)
    assert settings.config.preset == name


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "paper"])
def test_all_but_the_paper_s_seal_the_test_rows_and_refuse_a_tie(name: str) -> None:
    config = resolve({"preset": name}, environment={}).config
    assert (config.protocol, config.strict_gate, config.evaluate_every) == ("sealed", True, 0)


def test_the_paper_s_protocol() -> None:
    config = resolve({"preset": "paper"}, environment={}).config
    assert (config.steps, config.batch, config.validation, config.gate) == (12, 3, 100, "mae")
    assert (config.protocol, config.strict_gate, config.evaluate_every) == ("paper", False, 1)
    heat = {stage: config.sampling_of(stage).temperature for stage in STAGES}
    assert heat == {"judge": 0.1, "loss": 0.7, "gradient": 0.7, "optimizer": 0.7}
    assert (config.definitions, config.structured, config.loss_sees_input) == (False, False, False)


def test_the_manual_s_table_is_the_presets_own() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8").partition("## Presets")[2]
    table = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    names, rows = [cell.strip("`") for cell in table[0][1:]], {row[0]: row[1:] for row in table}
    assert sorted(names) == sorted(PRESETS)
    longest = next(row for key, row in rows.items() if key.startswith("longest answers"))
    for name, turns, tokens in zip(names, rows["steps, batch"], longest, strict=True):
        config = resolve({"preset": name}, environment={}).config
        assert turns == f"{config.steps}, {config.batch}"
        assert [int(number) for number in re.findall(r"\d+", tokens)] == [
            config.sampling_of(stage).max_tokens for stage in STAGES if stage != "judge"
        ]


def test_an_unknown_preset_lists_the_known() -> None:
    with pytest.raises(
        ConfigError, match="unknown preset 'wild'; choose one of: default, cheap, thorough, smoke, paper"
    ):
        preset("wild")
