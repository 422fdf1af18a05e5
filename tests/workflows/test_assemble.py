"""Names become the objects of a run: parts, samplers, scoring, gate, models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asking import judge_of, rows
from tests.rated import FIVE, JUDGE, REFUSAL, SHARE, TONE, Scale, rated

from polyjudge.datasets.load import load_dataset
from polyjudge.datasets.split import paper_batch
from polyjudge.domain.dataset import Dataset
from polyjudge.errors import ConfigError, ModelError
from polyjudge.gates import MeanGate, NoGate, PerCriterionGate
from polyjudge.llm.request import Abilities
from polyjudge.metrics import agreement, metric_of
from polyjudge.settings.config import RunConfig
from polyjudge.settings.merged import resolve
from polyjudge.testing.asking import ScriptedAsker
from polyjudge.workflows.assemble import (
    PaperSampler,
    RunSetup,
    SeededSampler,
    assemble,
    leaks_of,
    models_of,
    open_backends,
    split_of,
)
from polyjudge.workflows.gate_setup import sensible_metrics

EVERYTHING = Abilities(logprobs=500, schema=True, begins=True)
ASKER = ScriptedAsker(lambda request: "", EVERYTHING)


def dataset(scales: Mapping[str, Scale] | None = None, **keys: Any) -> Dataset:
    data = rated(scales or {"clarity": FIVE, "warmth": FIVE})
    return load_dataset(data.rows, data.criteria | keys)


def config(**settings: Any) -> RunConfig:
    return resolve({"model": JUDGE, **settings}, environment={}).config


def run_setup(data: Dataset | None = None, asker: ScriptedAsker = ASKER, **settings: Any) -> RunSetup:
    return assemble(config(**settings), data or dataset(), asker)


@given(st.integers(1, 9), st.integers(0, 5), st.integers(1, 50))
def test_a_batch_is_drawn_without_replacement_by_seed_and_turn_alone(size: int, seed: int, turn: int) -> None:
    train = rows(7)
    batch = SeededSampler(train, size, seed)(turn)
    assert len({example.id for example in batch}) == len(batch) == min(size, 7)
    assert all(example in train for example in batch)
    assert batch == SeededSampler(train, size, seed)(turn)


def test_other_turns_and_other_seeds_draw_other_batches() -> None:
    train = rows(50)
    drawn = {tuple(e.id for e in SeededSampler(train, 3, seed)(turn)) for seed in range(4) for turn in range(1, 13)}
    assert len(drawn) == 48
    seen = Counter(e.id for turn in range(1, 1201) for e in SeededSampler(train, 3, 0)(turn))
    assert len(seen) == 50
    assert max(seen.values()) < 2 * min(seen.values())


def test_the_paper_s_batches_are_the_same_whatever_the_seed() -> None:
    train = rows(40)
    for turn in (1, 2, 12):
        drawn = [example.id for example in PaperSampler(train, 3)(turn)]
        assert drawn == [train[place].id for place in paper_batch(turn, 40, 3)]
    assert run_setup(preset="paper", seed=1).setups[0].sampler(3) == run_setup(preset="paper", seed=2).setups[
        0
    ].sampler(3)


def test_demonstrations_are_training_rows_that_no_batch_draws() -> None:
    found = run_setup(demonstrations=3, steps=12)
    shown = {example.id for example in found.prompt.demonstrations}
    drawn = {example.id for turn in range(1, 200) for example in found.setups[0].sampler(turn)}
    train = {example.id for example in found.split.train}
    assert len(shown) == 3
    assert shown | drawn == train
    assert not shown & drawn
    assert run_setup(demonstrations=3, seed=1).prompt.demonstrations != found.prompt.demonstrations


def test_under_st_every_criterion_is_fitted_and_judged_alone() -> None:
    found = run_setup(mode="ST")
    assert [setup.prompt.names for setup in found.setups] == [("clarity",), ("warmth",)]
    assert found.judge.layout.groups == (("clarity",), ("warmth",))
    assert run_setup(mode="SSS", layout="joint").judge.layout.groups == (("clarity", "warmth"),)
    assert run_setup(mode="SSS", layout="separate").judge.layout.groups == (("clarity",), ("warmth",))


def test_each_role_has_its_own_model_and_parameters() -> None:
    found = run_setup(
        optimizer_model="test/writer", loss_model="test/critic", seed=7, parameters={"loss": {"temperature": 0.2}}
    )
    optimizer = found.setups[0].optimizer
    roles = {name: getattr(optimizer, name).role for name in ("loss", "gradient", "optimizer")}
    assert {name: role.model for name, role in roles.items()} == {
        "loss": "test/critic",
        "gradient": "test/writer",
        "optimizer": "test/writer",
    }
    assert roles["loss"].sampling.temperature == 0.2
    assert {role.seed for role in (found.judge.role, *roles.values())} == {7}


@pytest.mark.parametrize(
    ("model", "scoring", "wanted"),
    [("local/smollm2-135m", "auto", "cloze"), ("openai/x", "auto", "expected"), ("local/x", "json", "json")],
)
def test_auto_is_the_data_s_wish_for_the_embedded_model_only(model: str, scoring: str, wanted: str) -> None:
    assert run_setup(load_dataset("moods"), model=model, scoring=scoring).judge.scoring.name == wanted


def test_a_scoring_that_the_endpoint_cannot_give_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'cloze' cannot be used with 'test/judge'.*token probabilities"):
        run_setup(load_dataset("moods"), ScriptedAsker(lambda request: ""), scoring="cloze")


@pytest.mark.parametrize(
    ("scales", "metric"),
    [
        ({"a": FIVE}, "spearman"),
        ({"a": SHARE}, "spearman"),
        ({"a": REFUSAL}, "kappa"),
        ({"a": TONE, "b": FIVE}, "primary"),
        ({"a": TONE, "b": SHARE}, "primary"),
    ],
)
def test_the_gate_looks_at_each_criterion_by_its_own_metric_unless_told_otherwise(
    scales: Mapping[str, Scale], metric: str
) -> None:
    found = run_setup(dataset(scales))
    gate = found.setups[0].gate
    assert found.metric == metric
    assert isinstance(gate, PerCriterionGate)
    labels = (REFUSAL, TONE)
    assert gate.metrics == {name: "kappa" if scale in labels else "spearman" for name, scale in scales.items()}
    assert run_setup(dataset(scales), gate="none").setups[0].gate == NoGate()
    assert run_setup(dataset(scales), gate=metric).setups[0].gate == MeanGate(metric_of(metric), True)


def test_a_gate_without_meaning_on_a_scale_is_refused_and_others_are_named() -> None:
    mixed = dataset({"share": SHARE, "tone": TONE})
    with pytest.raises(ConfigError, match=r"'kappa' has no meaning on the scale of share; choose one of: primary"):
        run_setup(mixed, gate="kappa")


def test_sensible_metrics_are_those_that_apply_everywhere() -> None:
    found = run_setup(dataset({"share": SHARE, "clarity": FIVE}))
    assert sensible_metrics(found.prompt.criteria, found.judge.scoring) == (
        "spearman",
        "kendall",
        "pearson",
        "mae",
        "rmse",
    )
    assert sensible_metrics(run_setup(dataset({"a": FIVE})).prompt.criteria, judge_of(ASKER).scoring) == tuple(
        name for name in agreement.names() if name != "primary"
    )
    cloze = run_setup(load_dataset("moods"), scoring="cloze")
    assert sensible_metrics(cloze.prompt.criteria, cloze.judge.scoring) == ("spearman", "kendall", "pearson")


def test_the_paper_s_protocol_overlaps_and_says_so_and_the_sealed_one_does_not() -> None:
    data = dataset()
    paper = split_of(config(preset="paper"), data)
    assert {example.id for example in paper.validation} <= {example.id for example in paper.train}
    assert not leaks_of(config(preset="paper"), paper).clean
    sealed = split_of(config(), data)
    assert sealed.by == "document"
    assert leaks_of(config(), sealed).clean


def test_the_user_s_own_split_is_kept_and_a_published_one_only_for_the_paper() -> None:
    data = rated({"clarity": FIVE})
    marked = [row | {"part": "test" if place % 2 else "train"} for place, row in enumerate(data.rows)]
    own = load_dataset(marked, data.criteria | {"split": "part"})
    kept = split_of(config(), own)
    assert kept.by == "given"
    assert {example.row % 2 for example in kept.test} == {0}
    published = Dataset(own.name, own.source, dataset({"clarity": FIVE}).rubric, own.examples, own.splits)
    assert split_of(config(), published).by == "document"
    assert split_of(config(preset="paper"), published).test == kept.test


def test_definitions_are_hidden_where_a_preset_hides_them() -> None:
    data = rated({"clarity": FIVE})
    data.criteria["criteria"][0]["definition"] = "Can it be understood?"
    defined = load_dataset(data.rows, data.criteria)
    assert run_setup(defined).prompt.criteria[0].definition
    assert not run_setup(defined, preset="paper").prompt.criteria[0].definition


def test_models_are_named_once_and_a_run_needs_one() -> None:
    assert models_of(config(optimizer_model="a/b", loss_model=JUDGE)) == (JUDGE, "a/b")
    with pytest.raises(ModelError, match="--model PROVIDER/MODEL"):
        models_of(resolve({}, environment={}).config)


def test_given_backends_win_over_names() -> None:
    backend = object()
    assert open_backends(config(), {JUDGE: backend}, lambda text: None) == {JUDGE: backend}
    with pytest.raises(ModelError, match="unknown provider 'test'"):
        open_backends(config(), {}, lambda text: None)
