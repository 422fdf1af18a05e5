"""The gate and the memory that settings ask for."""

from __future__ import annotations

from typing import Any

import pytest

from polyjudge.datasets.load import load_dataset
from polyjudge.errors import ConfigError
from polyjudge.gates import EmpiricalBayesGate, Gate, MeanGate, NoGate, PerCriterionGate
from polyjudge.llm.request import Abilities
from polyjudge.metrics import metric_of
from polyjudge.settings.merged import resolve
from polyjudge.testing.asking import ScriptedAsker
from polyjudge.workflows.assemble import assemble

EMOTIONS = ("anger", "fear", "joy", "sadness", "surprise")
TEXTS = [{"text": f"Text {row}.", "at": f"d{row}", "a": row % 5 + 1, "b": "xyz"[row % 3]} for row in range(40)]
MIXED = {
    "task": "Judge.",
    "inputs": {"text": "Text"},
    "document": "at",
    "criteria": [{"name": "a", "scale": [1, 5]}, {"name": "b", "scale": {"labels": ["x", "y", "z"]}}],
}


def setups(data: Any = "briefs", criteria: Any = None, able: Abilities | None = None, **options: Any):
    config = resolve({"model": "vllm/m", **options}, environment={}).config
    asker = ScriptedAsker(lambda request: "", able or Abilities(schema=True))
    return assemble(config, load_dataset(data, criteria), asker).setups


def gate_of(*args: Any, **options: Any) -> Gate:
    return setups(*args, **options)[0].gate


@pytest.mark.parametrize("preset", ["default", "cheap", "smoke"])
def test_each_criterion_is_gated_by_its_own_metric_unless_the_user_names_a_gate(preset: str) -> None:
    gate = gate_of(preset=preset, seed=4)
    names = load_dataset("briefs").rubric.names
    assert gate == EmpiricalBayesGate(dict.fromkeys(names, "spearman"), 4)
    assert gate_of(preset=preset, seed=4, gate_rule="point") == PerCriterionGate(dict.fromkeys(names, "spearman"), 4)
    assert gate_of(preset=preset, gate="mae") == MeanGate(metric_of("mae"))
    assert gate_of(preset=preset, gate="none") == NoGate()
    assert getattr(setups(preset=preset)[0].optimizer, "show_rejected", False)


def test_the_papers_protocol_keeps_its_gate_and_its_prompts() -> None:
    config = resolve({"preset": "paper"}, environment={}).config
    assert (config.gate, config.strict_gate, config.show_rejected) == ("mae", False, False)
    assert resolve({"preset": "paper", "show_rejected": True}, environment={}).config.show_rejected


def test_labels_are_gated_by_kappa_and_numbers_by_spearman() -> None:
    assert gate_of(TEXTS, MIXED) == EmpiricalBayesGate({"a": "spearman", "b": "kappa"}, 0)


def test_a_gate_of_single_criteria_serves_what_no_mean_can() -> None:
    fractions = {
        **MIXED,
        "criteria": [{"name": "a", "scale": {"low": 0, "high": 9, "step": "any"}}, MIXED["criteria"][1]],
    }
    assert gate_of(TEXTS, fractions) == EmpiricalBayesGate({"a": "spearman", "b": "kappa"}, 0)
    with pytest.raises(ConfigError, match="no meaning on the scale of a"):
        gate_of(TEXTS, fractions, gate="kappa")


def test_a_strength_is_gated_by_spearman() -> None:
    able = Abilities(begins=True, logprobs=500)
    assert gate_of("moods", able=able, scoring="cloze") == EmpiricalBayesGate(dict.fromkeys(EMOTIONS, "spearman"), 0)
    with pytest.raises(ConfigError, match="gives no values of the scale"):
        gate_of("moods", able=able, scoring="cloze", gate="mae")


def test_under_st_each_criterion_has_the_same_gate() -> None:
    every = setups(mode="ST")
    assert len(every) == len(load_dataset("briefs").rubric.names)
    assert len({id(one.gate) for one in every}) == 1


def test_an_unknown_gate_is_refused_with_the_names() -> None:
    with pytest.raises(
        ConfigError,
        match=r"unknown gate 'per-criteria' \(did you mean 'per-criterion'\?\); choose one of: none, per-criterion, ",
    ):
        resolve({"gate": "per-criteria"}, environment={})
