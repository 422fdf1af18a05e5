"""The worlds' own data: invented, rated from the texts themselves, and marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.worlds import large, people, world

from polyjudge.datasets.load import load_dataset
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.errors import ConfigError, CriteriaError, DataError
from polyjudge.testing.simulation.data import dataset_of
from polyjudge.testing.simulation.world import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_world_brings_data_that_say_what_they_are(name: str) -> None:
    found = load_dataset(f"simulated/{name}")
    assert found.simulated
    assert any("SIMULATED" in note for note in found.notes)
    assert all("SIMULATED" in example.inputs["document"] for example in found.examples)
    assert (len(found.examples), found.splits.count("train") if found.splits else 0) == (640, 160)
    assert found.digest == load_dataset("simulated/default").digest
    assert {len(example.ratings["fluency"]) for example in found.examples} == {3}


def test_every_level_is_used_and_no_two_items_are_alike() -> None:
    found = load_dataset("simulated/default")
    values = {value for example in found.examples for raters in example.ratings.values() for value in raters}
    assert values == {1, 2, 3, 4, 5}
    assert len({tuple(example.inputs.values()) for example in found.examples}) == len(found.examples)


def test_qualities_are_correlated_as_the_world_says() -> None:
    def likeness(correlation: float) -> float:
        _, data, prompt = large(truth={"correlation": correlation}, data={"disagreement": 0.0})
        ratings = people(prompt, data.examples)
        return float((np.corrcoef(ratings.T).sum() - 4) / 12)

    assert abs(likeness(0.0)) < 0.1
    assert 0.4 < likeness(0.6) < 0.65


def test_items_of_one_document_are_alike_as_the_world_says() -> None:
    def likeness(document: float) -> float:
        shape = {"documents": 400, "summaries": 2, "disagreement": 0.0}
        data = dataset_of(world(truth={"document": document}, data=shape))
        ratings = people(JudgePrompt.initial(data.rubric), data.examples)
        return float(np.mean([np.corrcoef(ratings[0::2, k], ratings[1::2, k])[0, 1] for k in range(4)]))

    assert abs(likeness(0.0)) < 0.1
    assert 0.35 < likeness(0.5) < 0.65


def test_raters_disagree_as_the_world_says() -> None:
    calm, loud = (
        [example.ratings["fluency"] for example in dataset_of(world(data={"disagreement": spread})).examples]
        for spread in (0.0, 1.0)
    )
    assert all(len(set(raters)) == 1 for raters in calm)
    assert sum(len(set(raters)) > 1 for raters in loud) > len(loud) / 2


def test_a_world_s_file_names_data_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shape = 'criteria = ["warmth"]\ndocuments = 14\ntrain = 4\nsummaries = 2\n'
    Path("mine.toml").write_text(f'base = "default"\n[data]\n{shape}')
    found = load_dataset("simulated/mine.toml", limit=10)
    assert (found.name, found.rubric.names, len(found.examples)) == ("simulated-mine", ("warmth",), 10)
    assert "warmth" in found.rubric.criteria[0].definition
    with pytest.raises(ConfigError, match="no-such"):
        load_dataset("simulated/no-such.toml")
    with pytest.raises(ConfigError, match="unknown world 'nul'"):
        load_dataset("simulated/nul")


def test_other_words_may_be_said_about_it() -> None:
    rubric = {
        "task": "Judge.",
        "inputs": {"document": "D", "summary": "S"},
        "criteria": [{"name": "fluency", "scale": [1, 5], "instruction": "Say how fluent."}],
    }
    assert load_dataset("simulated/null", rubric).rubric.names == ("fluency",)
    with pytest.raises(CriteriaError, match="charm"):
        load_dataset("simulated/null", {**rubric, "criteria": [{"name": "charm", "scale": [1, 5]}]})


def test_a_file_in_a_folder_of_that_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"rows\.csv"):
        load_dataset("simulated/rows.csv")
