"""A study file: the grid is the product of its lists, and everything that is wrong with it is told at once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.errors import ConfigError
from polyjudge.workflows.study_file import read_study, shipped
from polyjudge.workflows.study_grid import cells

AXES: dict[str, list[Any]] = {
    "mode": ["ST", "SSS", "SSC", "SCC", "CCC"],
    "gate": ["mae", "none", "spearman"],
    "steps": [1, 2, 6],
    "strict_gate": [True, False],
    "layout": [{"name": "together", "layout": "joint"}, {"name": "alone", "layout": "separate", "batch": 2}],
}


def content(**more: Any) -> dict[str, Any]:
    return {"study": {"data": ["moods"], "models": ["test/one"], **more}}


@given(
    st.dictionaries(st.sampled_from(["mode", "gate", "steps", "strict_gate", "layout"]), st.integers(1, 2)),
    st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True),
    st.integers(1, 2),
)
def test_the_grid_is_the_product_of_all_lists_and_every_cell_has_a_name_of_its_own(
    sizes: dict[str, int], seeds: list[int], models: int
) -> None:
    # ST does not go with layout joint, which is refused elsewhere.
    axes = {axis: AXES[axis][-size:] for axis, size in sizes.items()}
    study = content(seeds=seeds, models=["test/one", "test/two"][:models]) | {"axes": axes}
    found = cells(read_study(study))
    assert len(found) == math.prod(sizes.values()) * len(seeds) * models
    assert len({cell.name for cell in found}) == len(found)
    assert len({cell.settings.config.model_dump_json() for cell in found}) == len(found)


def test_a_value_that_is_a_table_sets_several_options() -> None:
    found = cells(read_study(content() | {"axes": {"layout": AXES["layout"]}}))
    configs = [cell.settings.config for cell in found]
    assert [(config.layout, config.batch) for config in configs] == [("joint", 3), ("separate", 2)]
    assert [cell.values for cell in found] == [{"layout": "together"}, {"layout": "alone"}]


def test_the_command_line_replaces_lists_narrows_axes_and_wins_over_options() -> None:
    study = content(seeds=[5]) | {"axes": {"mode": ["SSS", "CCC"]}, "options": {"steps": 9}}
    found = cells(
        read_study(study, {"model": "test/a,test/b", "data": "briefs", "seeds": "2", "mode": "CCC", "steps": 1})
    )
    assert [(c.block, c.seed) for c in found] == [(("briefs", m), s) for m in ("test/a", "test/b") for s in (0, 1)]
    assert {(c.settings.config.mode, c.settings.config.steps) for c in found} == {("CCC", 1)}


def test_naming_a_table_by_its_name_keeps_what_it_sets() -> None:
    found = cells(read_study(content() | {"axes": {"layout": AXES["layout"]}}, {"layout": "alone"}))
    assert [(cell.settings.config.layout, cell.settings.config.batch) for cell in found] == [("separate", 2)]


def test_a_settings_file_fills_in_what_the_study_leaves_open(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("steps = 4\nbatch = 5\n[parameters.loss]\ntemperature = 0.2\n")
    study = content() | {"options": {"steps": 9, "parameters": {"judge": {"temperature": 0.3}}}}
    (cell,) = cells(read_study(study, {"config": str(tmp_path / "own.toml")}))
    config = cell.settings.config
    assert (config.steps, config.batch) == (9, 5)
    assert (config.parameters["judge"].temperature, config.parameters["loss"].temperature) == (0.3, 0.2)


def test_an_axis_is_not_overruled_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYJUDGE_MODE", "SSS")
    found = cells(read_study(content() | {"axes": {"mode": ["CCC", "SCC"]}}))
    assert [cell.settings.config.mode for cell in found] == ["CCC", "SCC"]


def test_every_fault_is_told_at_once_by_its_key() -> None:
    wrong = {
        "study": {"data": [], "modles": ["x"], "seeds": [0, 0]},
        "axes": {"mode": ["SSQ", "SSS"], "gate": ["non"], "seed": [1], "max_calls": [1], "stpes": [1]},
        "options": {"batch": -1},
    }
    with pytest.raises(ConfigError) as told:
        read_study(wrong)
    for text in ("data: []", "'models'", "seeds: [0, 0]", "'SSQ'", "'non'", "[axes] seed", "max_calls", "'steps'"):
        assert text in str(told.value)
    assert "'batch' ([options]): -1 must be 1 or more" in str(told.value)


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"study": {"data": ["moods"]}}, "pass --model"),
        ({"study": {"data": [{"criteria": "c.yaml"}], "models": ["m/x"]}}, "names no 'data'"),
        (content() | {"axes": {"layout": [{"layout": "separate", "batch": 2, "name": 3}]}}, "needs a 'name'"),
        (content() | {"axes": {"mode": ["SSS", "SSS"]}}, "stands there twice"),
        (content() | {"axe": {}}, "did you mean 'axes'?"),
        (content(retests=-1), "retests"),
        (content(seeds=["a"]), "seeds"),
    ],
)
def test_a_fault_comes_with_its_remedy(wrong: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ConfigError, match=remedy.replace("?", r"\?")):
        read_study(wrong)


def test_an_unknown_name_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'paper'"):
        read_study("papper")
    (tmp_path / "mine.toml").write_text("[study\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_study(tmp_path / "mine.toml")


def test_the_shipped_study_is_the_papers() -> None:
    assert "paper" in shipped()
    found = cells(read_study("paper", {"model": "test/judge"}))
    assert len({tuple(cell.values.items()) for cell in found}) == 10
    assert len(found) == 30
    for cell in found:
        config = cell.settings.config
        assert (cell.data, config.protocol, config.steps, config.batch, config.validation) == (
            "summeval",
            "paper",
            12,
            3,
            100,
        )


def test_the_study_in_the_repository_is_the_shipped_one() -> None:
    here = Path(__file__).parents[2] / "studies" / "paper.toml"
    if not here.exists():
        pytest.skip("not in a clone")
    assert cells(read_study(here, {"model": "test/judge"})) != ()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"seeds": 1_000_000_000}, "seeds"),
        ({"seeds": "9" * 5000}, "seeds"),
        ({"seeds": 5_000, "models": ["test/one", "test/two", "test/three"]}, "runs, more than 10,000"),
        ({"retests": 1_000_000_000}, "retests"),
    ],
)
def test_a_study_that_nobody_can_run_is_refused_at_once(more: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_study(content(**more))


@pytest.mark.parametrize(
    "text", ["seeds = " + "9" * 5000, "mode = " + "[" * 20_000 + "]" * 20_000, "a = 1\n" + "#" * 2**20]
)
def test_a_file_that_explodes_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"study\.toml"):
        read_study(tmp_path / "study.toml")


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "studies").glob("*.toml")), ids=lambda path: path.stem
)
def test_the_studies_of_the_repository_can_be_read_and_every_run_of_them_be_set(path: Path) -> None:
    study = read_study(path, {"model": "simulated/default"})
    assert len(cells(study)) == len(study.seeds) * math.prod(map(len, study.axes.values()))
