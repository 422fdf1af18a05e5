"""What each setting may be, and what a run folder's identity hangs on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.settings.config import CIRCUMSTANCES, STAGES, RunConfig, digest8, identity_text
from polyjudge.settings.merged import resolve

# Another value than the default, for every setting.
OTHERS: dict[str, Any] = {
    "model": "a/b",
    "optimizer_model": "a/b",
    "loss_model": "a/b",
    "gradient_model": "a/b",
    "diagnostic_model": "a/b",
    "diagnostics": True,
    "base_url": "http://127.0.0.1:8080/v1",
    "endpoint_name": "home",
    "limit_field": "max_tokens",
    "preset": "cheap",
    "mode": "CCC",
    "rungs": "words",
    "configure": "layout",
    "configure_margin": 0.02,
    "members": 3,
    "layout": "separate",
    "scoring": "json",
    "order": "given",
    "samples": 5,
    "gate": "mae",
    "gate_rule": "point",
    "strict_gate": False,
    "early_reject": False,
    "confirm": False,
    "protocol": "paper",
    "steps": 3,
    "batch": 5,
    "validation": 10,
    "candidates": 2,
    "demonstrations": 1,
    "parse_retries": 0,
    "evaluate_every": 2,
    "seed": 4,
    "split_seed": 5,
    "split_by": "row",
    "limit": 100,
    "definitions": False,
    "structured": False,
    "loss_sees_input": False,
    "show_rejected": False,
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
    "optimizer": "opro",
    "optimizer_options": {"trajectory": 5},
    "candidates_file": "own.yaml",
    "step_calls": 500,
}


def test_a_temperature_may_be_left_to_the_provider() -> None:
    config = resolve({"parameters": {"judge": {"temperature": None}}}, environment={}).config
    assert config.sampling_of("judge").temperature is None
    assert config.sampling_of("judge").max_tokens == 0, "the criteria say how long its answer may be"


@given(st.dictionaries(st.sampled_from(["model", "optimizer_model", "loss_model", "gradient_model"]), st.just("x")))
def test_a_stage_without_a_model_takes_the_next_role_s(given_: dict[str, str]) -> None:
    own = {name: f"{name}/m" for name in given_}
    config = RunConfig(**own)
    writer = own.get("optimizer_model") or own.get("model", "")
    expected = {"judge": own.get("model", ""), "optimizer": writer}
    expected |= {stage: own.get(f"{stage}_model") or writer for stage in ("loss", "gradient")}
    assert {stage: config.model_of(stage) for stage in STAGES} == expected


@pytest.mark.parametrize("name", OTHERS)
def test_a_folder_belongs_to_all_settings_but_the_circumstances(name: str, place: Path) -> None:
    (place / "own.yaml").write_text("sets: [{a: Look twice.}]", "utf-8")
    base = {"evaluate_every": {"preset": "paper"}, "candidates_file": {"optimizer": "pool"}}.get(name, {})
    before, after = (resolve(given_, environment={}).config for given_ in (base, {**base, name: OTHERS[name]}))
    assert getattr(before, name) != getattr(after, name)
    assert (identity_text(before) == identity_text(after)) == (name in CIRCUMSTANCES)


def test_the_list_above_leaves_no_setting_out() -> None:
    assert set(OTHERS) == set(RunConfig.model_fields)


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
    # The protocol is a preset's, and told there.
    untold = [name for name in RunConfig.model_fields if not {name, name.replace("_", "-")} & told]
    assert [name for name in untold if name != "protocol"] == []


def test_an_address_may_hold_a_comma_in_its_path() -> None:
    assert RunConfig(base_url="http://127.0.0.1:1/a,b=c/v1").base_url == "http://127.0.0.1:1/a,b=c/v1"
