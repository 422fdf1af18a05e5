"""Which setting wins, where it came from, and what a run folder's identity hangs on."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.errors import ConfigError
from polyjudge.experiments.config import CIRCUMSTANCES, STAGES, RunConfig, digest8, identity_text, resolve
from polyjudge.experiments.recipes import RECIPES

SOURCES = ("command line", "environment", "config file", "recipe")
# A value for each source by precedence, another everywhere; the recipe's is that of "tiny".
SETTINGS: dict[str, tuple[Any, ...]] = {"steps": (7, 8, 9, 2), "batch": (4, 5, 6, 1), "re_asks": (3, 4, 5, 1)}
# Another value than the default, for every setting.
OTHERS: dict[str, Any] = {
    "model": "a/b",
    "optimizer_model": "a/b",
    "loss_model": "a/b",
    "gradient_model": "a/b",
    "diagnostic_model": "a/b",
    "meters": True,
    "base_url": ("http://127.0.0.1:8080/v1",),
    "endpoint_name": "home",
    "limit_field": "max_tokens",
    "recipe": "thrifty",
    "mode": "CCC",
    "layout": "solo",
    "readout": "integer",
    "samples": 5,
    "gate": "mae",
    "strict_gate": False,
    "protocol": "paper",
    "steps": 3,
    "batch": 5,
    "validation": 10,
    "candidates": 2,
    "demonstrations": 1,
    "re_asks": 0,
    "evaluate_every": 2,
    "seed": 4,
    "split_seed": 5,
    "split_by": "row",
    "limit": 100,
    "definitions": False,
    "structured": False,
    "loss_shows_item": False,
    "remember_rejected": False,
    "parameters": {"judge": {"temperature": 0.3}},
    "max_calls": 10,
    "max_tokens": 10,
    "max_cost": 0.5,
    "prices": {"openai/x": {"input": 1.0, "output": 2.0}},
    "max_concurrency": 2,
    "attempt_timeout": 10.0,
    "requests_per_minute": 10.0,
    "tokens_per_minute": 10.0,
    "threads": 2,
    "no_cache": True,
    "fail_on_error": 0.5,
}


def resolved(folder: Path, name: str, sources: tuple[str, ...]) -> tuple[Any, str]:
    """A setting's value and origin when it is set in these sources."""
    values = dict(zip(SOURCES, SETTINGS[name], strict=True))
    toml = folder / "own.toml"
    lines = ["recipe = 'tiny'"] if "recipe" in sources else []
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


def test_a_recipe_named_anywhere_is_taken_by_the_same_precedence(place: Path) -> None:
    (place / "own.toml").write_text("recipe = 'tiny'", "utf-8")
    found = resolve({"recipe": "thrifty"}, config_file=place / "own.toml", environment={"POLYJUDGE_RECIPE": "paper"})
    assert (found.config.recipe, found.config.steps) == ("thrifty", RECIPES["thrifty"]["steps"])
    found = resolve({}, config_file=place / "own.toml", environment={"POLYJUDGE_RECIPE": "paper"})
    assert (found.config.recipe, found.config.protocol) == ("paper", "paper")
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
    assert settings.origins["parameters.loss.temperature"] == "recipe"


def test_a_temperature_may_be_left_to_the_provider() -> None:
    config = resolve({"parameters": {"judge": {"temperature": None}}}, environment={}).config
    assert config.sampling_of("judge").temperature is None
    assert config.sampling_of("judge").max_tokens == 256


@given(st.dictionaries(st.sampled_from(["model", "optimizer_model", "loss_model", "gradient_model"]), st.just("x")))
def test_a_stage_without_a_model_takes_the_next_role_s(given_: dict[str, str]) -> None:
    own = {name: f"{name}/m" for name in given_}
    config = RunConfig(**own)
    writer = own.get("optimizer_model") or own.get("model", "")
    expected = {"judge": own.get("model", ""), "optimizer": writer}
    expected |= {stage: own.get(f"{stage}_model") or writer for stage in ("loss", "gradient")}
    assert {stage: config.model_of(stage) for stage in STAGES} == expected


@pytest.mark.parametrize("name", OTHERS)
def test_a_folder_belongs_to_all_settings_but_the_circumstances(name: str) -> None:
    base = {"recipe": "paper"} if name == "evaluate_every" else {}
    before, after = (resolve(given_, environment={}).config for given_ in (base, {**base, name: OTHERS[name]}))
    assert getattr(before, name) != getattr(after, name)
    assert (identity_text(before) == identity_text(after)) == (name in CIRCUMSTANCES)


def test_the_list_above_leaves_no_setting_out() -> None:
    assert set(OTHERS) | {"optimizer"} == set(RunConfig.model_fields)


def test_identity_is_one_canonical_line_with_the_facts_in_it() -> None:
    text = identity_text(RunConfig(), data="letters", endpoints={"a/b": "http://127.0.0.1"})
    assert text.count("\n") == 1
    assert json.loads(text)["endpoints"] == {"a/b": "http://127.0.0.1"}
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert re.fullmatch("[0-9a-f]{8}", digest8(text))


def test_every_setting_stands_in_the_manual() -> None:
    docs = Path(__file__).parents[2] / "docs"
    text = "".join((docs / page).read_text("utf-8") for page in ("configuration.md", "cli.md"))
    told = set(re.findall(r"`(?:--)?([a-z][\w-]*)", text))
    # The protocol is a recipe's, and told there.
    untold = [name for name in RunConfig.model_fields if not {name, name.replace("_", "-")} & told]
    assert [name for name in untold if name != "protocol"] == []


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
        ({"layout": {"packing": [["one"], 3]}}, r"layout'.*write the criteria that share a call.*packing = \[\["),
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


def test_an_evaluation_schedule_without_effect_is_refused_but_a_recipe_s_is_not() -> None:
    with pytest.raises(ConfigError, match="--recipe paper"):
        resolve({"evaluate_every": 2}, environment={})
    assert resolve({"recipe": "paper", "evaluate_every": 2}, environment={}).config.evaluate_every == 2
    assert resolve({"recipe": "paper", "protocol": "sealed"}, environment={}).config.protocol == "sealed"


def test_several_addresses_come_from_every_source_and_none_may_be_named_twice(tmp_path: Path) -> None:
    two = ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
    toml = tmp_path / "own.toml"
    toml.write_text(f"base_url = {list(two)}\n", "utf-8")
    assert resolve({"base_url": two}, environment={}).config.base_url == two
    assert resolve({}, environment={"POLYJUDGE_BASE_URL": ", ".join(two)}).config.base_url == two
    assert resolve({}, config_file=toml, environment={}).config.base_url == two
    assert resolve({"base_url": two[0]}, environment={}).config.base_url == two[:1]
    with pytest.raises(ConfigError, match=r"'base_url' .* given twice"):
        resolve({"base_url": (two[0], two[0] + "/")}, environment={})
