"""Which setting wins, and how its faults are told."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from polyjudge.errors import ConfigError
from polyjudge.settings.config import RunConfig
from polyjudge.settings.merged import resolve
from polyjudge.settings.presets import PRESETS

SOURCES = ("command line", "environment", "config file", "preset")
# A value for each source by precedence, another everywhere; the preset's is that of "smoke".
SETTINGS: dict[str, tuple[Any, ...]] = {"steps": (7, 8, 9, 2), "batch": (4, 5, 6, 1), "parse_retries": (3, 4, 5, 1)}


def resolved(folder: Path, name: str, sources: tuple[str, ...]) -> tuple[Any, str]:
    """A setting's value and origin when it is set in these sources."""
    values = dict(zip(SOURCES, SETTINGS[name], strict=True))
    toml = folder / "own.toml"
    lines = ["preset = 'smoke'"] if "preset" in sources else []
    lines += [f"{name} = {values['config file']}"] if "config file" in sources else []
    toml.write_text("\n".join(lines), "utf-8")
    settings = resolve(
        {name: values["command line"] if "command line" in sources else None},
        config_file=toml,
        environment={f"POLYJUDGE_{name.upper()}": str(values["environment"])} if "environment" in sources else {},
    )
    return getattr(settings.config, name), settings.origins[name]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_strongest_of_any_sources_wins(name: str, place: Path) -> None:
    values = dict(zip(SOURCES, SETTINGS[name], strict=True))
    for count in range(1, len(SOURCES) + 1):
        for sources in combinations(SOURCES, count):
            assert resolved(place, name, sources) == (values[sources[0]], sources[0])


def test_what_nobody_sets_has_its_default() -> None:
    settings = resolve({}, environment={})
    assert settings.config.candidates == RunConfig.model_fields["candidates"].default
    assert "candidates" not in settings.origins


def test_an_empty_variable_is_not_set(place: Path) -> None:
    assert resolve({"seed": None}, environment={"POLYJUDGE_SEED": ""}).config.seed == 0
    (place / "own.toml").write_text("seed = 3", "utf-8")
    assert resolve({}, config_file=place / "own.toml", environment={"POLYJUDGE_SEED": ""}).config.seed == 3


def test_a_preset_named_anywhere_is_taken_by_the_same_precedence(place: Path) -> None:
    (place / "own.toml").write_text("preset = 'smoke'", "utf-8")
    found = resolve({"preset": "cheap"}, config_file=place / "own.toml", environment={"POLYJUDGE_PRESET": "paper"})
    assert (found.config.preset, found.config.steps) == ("cheap", PRESETS["cheap"]["steps"])
    found = resolve({}, config_file=place / "own.toml", environment={"POLYJUDGE_PRESET": "paper"})
    assert (found.config.preset, found.config.protocol) == ("paper", "paper")
    assert resolve({}, config_file=place / "own.toml", environment={}).config.batch == 1


def test_parameters_merge_by_role_and_name(place: Path) -> None:
    toml = (
        "[parameters.judge]\ntemperature = 0.5\nmax_tokens = 99\n[parameters.loss.extra]\nreasoning_effort = 'low'\n"
    )
    (place / "own.toml").write_text(toml, "utf-8")
    explicit = {"parameters": {"judge": {"temperature": 0.25}}}
    settings = resolve(explicit, config_file=place / "own.toml", environment={})
    judge, loss = settings.config.parameters["judge"], settings.config.parameters["loss"]
    assert (judge.temperature, judge.max_tokens) == (0.25, 99)
    assert (loss.temperature, loss.max_tokens, loss.extra) == (0.7, 1024, {"reasoning_effort": "low"})
    assert settings.config.parameters["optimizer"].max_tokens == 4096
    origins = {name: settings.origins[f"parameters.{name}"] for name in ("judge.temperature", "judge.max_tokens")}
    assert origins == {"judge.temperature": "command line", "judge.max_tokens": "config file"}
    assert settings.origins["parameters.loss.temperature"] == "preset"


def test_all_faults_are_told_at_once_with_their_places(place: Path) -> None:
    (place / "own.toml").write_text("batch = 0\n[parameters.judge]\ntemperature = 9\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        resolve({"mode": "SS"}, config_file=place / "own.toml", environment={"POLYJUDGE_SEED": "x"})
    faults = str(caught.value).split("; ")
    assert any(fault.startswith("'mode' (command line): unknown mode 'SS'") for fault in faults)
    assert "'seed' (POLYJUDGE_SEED): 'x' must be a whole number" in faults
    assert f"'batch' (config file {str(place / 'own.toml')!r}): 0 must be 1 or more" in faults
    assert any(fault.startswith("'parameters.judge.temperature' (config file") for fault in faults)


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"layout": {"groups": [["one"], 3]}}, r"layout'.*write the criteria that share a call.*groups = \[\["),
        ({"layout": 3}, "unknown layout 3"),
        ({"prices": {"a/b": {"input": 1}}}, "'prices.a/b.output' .*: is missing; write it"),
    ],
)
def test_a_table_of_another_form_is_told_with_the_form_it_has(given_: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve(given_, environment={})


def test_a_key_in_a_refused_value_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve({}, environment={"POLYJUDGE_STEPS": "sk-abcdefgh12345678"})
    assert "abcdefgh" not in str(caught.value)


def test_an_evaluation_schedule_without_effect_is_refused_but_a_preset_s_is_not() -> None:
    with pytest.raises(ConfigError, match="--preset paper"):
        resolve({"evaluate_every": 2}, environment={})
    assert resolve({"preset": "paper", "evaluate_every": 2}, environment={}).config.evaluate_every == 2
    assert resolve({"preset": "paper", "protocol": "sealed"}, environment={}).config.protocol == "sealed"


def test_one_address_comes_from_every_source_and_several_are_refused_with_the_remedy(tmp_path: Path) -> None:
    one, two = "http://127.0.0.1:1/v1", ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
    toml = tmp_path / "own.toml"
    toml.write_text(f"base_url = '{one}'\n", "utf-8")
    assert resolve({"base_url": one}, environment={}).config.base_url == one
    assert resolve({}, environment={"POLYJUDGE_BASE_URL": one}).config.base_url == one
    assert resolve({}, config_file=toml, environment={}).config.base_url == one
    toml.write_text(f"base_url = {list(two)}\n", "utf-8")
    with pytest.raises(ConfigError, match=r"'base_url' .*own\.toml.* a proxy"):
        resolve({}, config_file=toml, environment={})
    for several in (two, ", ".join(two), " ".join(two)):
        with pytest.raises(ConfigError, match=r"'base_url' .* a proxy"):
            resolve({"base_url": several}, environment={})
