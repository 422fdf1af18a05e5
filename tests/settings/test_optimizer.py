"""An optimizer by name and as an object: the same settings, the same run, and nothing that nobody would read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, Recorder, by_chance, rated

import polyjudge
from polyjudge.domain.records import Candidate
from polyjudge.errors import ConfigError
from polyjudge.optimizers.base import Proposal, Turn
from polyjudge.optimizers.opro import OPRO
from polyjudge.optimizers.textgrad import TextGrad
from polyjudge.settings.merged import ResolvedSettings, resolve
from polyjudge.settings.objects import Objects
from polyjudge.settings.optimizer import choose_optimizer
from polyjudge.testing.asking import ScriptedAsker
from polyjudge.workflows.assemble import assemble

DATA = rated({"clarity": FIVE, "warmth": FIVE})


def settled(**options: Any) -> ResolvedSettings:
    return resolve({"model": JUDGE, **options}, environment={})


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (TextGrad(), {"optimizer": "textgrad"}),
        (
            TextGrad(
                mode="SCC", model="a/b", loss_model="c/d", candidates=3, loss_sees_input=False, show_rejected=False
            ),
            {"optimizer": "textgrad", "mode": "SCC", "optimizer_model": "a/b", "loss_model": "c/d", "candidates": 3}
            | {"loss_sees_input": False, "show_rejected": False},
        ),
        (OPRO(mode="CCC", trajectory=7), {"optimizer": "opro", "mode": "CCC", "optimizer_options": {"trajectory": 7}}),
    ],
)
def test_an_object_is_the_settings_that_it_stands_for(given: Any, named: dict[str, Any]) -> None:
    mine, theirs = settled(optimizer=given), settled(**named)
    if not named.get("optimizer_options"):
        named["optimizer_options"] = {}
    assert mine.config.model_dump() == theirs.config.model_dump() | {"optimizer_options": named["optimizer_options"]}
    assert mine.objects.optimizer is given


def test_what_an_object_leaves_open_is_the_preset_s() -> None:
    assert settled(optimizer=TextGrad(), preset="paper").config.loss_sees_input is False
    assert settled(optimizer=TextGrad(loss_sees_input=True), preset="paper").config.loss_sees_input is True


def test_a_setting_inside_and_beside_the_object_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'mode' is set by the optimizer .* and beside it; set it in one place"):
        settled(optimizer=TextGrad(mode="SSS"), mode="CCC")


@pytest.mark.parametrize("strange", [3, object(), TextGrad, ["textgrad"]])
def test_what_is_no_optimizer_is_refused(strange: Any) -> None:
    with pytest.raises(ConfigError, match="neither 'build' nor 'propose'"):
        settled(optimizer=strange)


def test_an_unknown_name_and_an_unknown_option_are_told_with_their_place_and_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"'optimizer' \(command line\): unknown name 'orpo'.*textgrad, opro"):
        settled(optimizer="orpo")
    with pytest.raises(ConfigError, match=r"'opro' has no option 'trajectroy' \(did you mean 'trajectory'"):
        choose_optimizer("opro").settings(dict(settled().config), {"trajectroy": 3})


@pytest.mark.parametrize(
    ("options", "unused"),
    [
        ({"loss_model": "a/b"}, "loss_model"),
        ({"gradient_model": "a/b"}, "gradient_model"),
        ({"loss_sees_input": True}, "loss_sees_input"),
        ({"show_rejected": False}, "show_rejected"),
        ({"diagnostics": True}, "diagnostics"),
        ({"parameters": {"gradient": {"temperature": 0.1}}}, "parameters.gradient.temperature"),
    ],
)
def test_a_setting_that_the_optimizer_does_not_use_is_an_error_where_the_user_made_it(
    options: dict[str, Any], unused: str
) -> None:
    resolved = settled(optimizer="opro", **options)
    with pytest.raises(ConfigError, match=rf"'{unused}' \(command line\): optimizer 'opro' does not use it; leave it"):
        resolved.check_used()
    assert resolved.config == settled(optimizer="opro").config
    settled(optimizer="textgrad", **options).check_used()
    settled(optimizer="opro", preset="paper", mode="ST").check_used()


@dataclass(frozen=True)
class Plain:
    """A guest that asks no model and has ``propose`` alone."""

    text: str = "Rate with care."

    async def propose(self, turn: Turn) -> Proposal:
        return Proposal((Candidate(dict.fromkeys(turn.prompt.names, f"{self.text} ({turn.index})")),))


def test_a_plain_object_with_propose_runs_to_the_report_and_stands_in_the_folder_s_identity(tmp_path: Path) -> None:
    settings = {"criteria": DATA.criteria, "model": JUDGE, "backends": {JUDGE: Recorder(by_chance(DATA)).backend}}
    run = polyjudge.optimize(DATA.rows, optimizer=Plain(), output=tmp_path / "run", **keywords(steps=2, **settings))
    assert run.steps[1].candidates[0].instructions["clarity"] == "Rate with care. (1)"
    assert {one.role for one in run.accounts} == {"judge"}
    held = json.loads((run.path / "config.json").read_text("utf-8"))
    assert held["optimizer"] == f"{__name__}:Plain"
    assert held["optimizer_options"] == {"text": "Rate with care."}
    assert "care" in (run.path / "report.html").read_text("utf-8")
    assert polyjudge.report(run.path)
    with pytest.raises(ConfigError, match="configuration"):
        polyjudge.optimize(
            DATA.rows, optimizer=Plain("Other."), output=tmp_path / "run", **keywords(steps=2, **settings)
        )


def test_a_run_of_an_optimizer_that_nobody_registered_can_be_diagnosed(tmp_path: Path) -> None:
    settings = {"criteria": DATA.criteria, "model": JUDGE, "backends": {JUDGE: Recorder(by_chance(DATA)).backend}}
    run = polyjudge.optimize(
        DATA.rows, optimizer=Plain(), gate="none", output=tmp_path / "run", **keywords(steps=1, **settings)
    )
    found = polyjudge.diagnose(
        run.path, data=DATA.rows, backends=settings["backends"], only=["interference", "text"], limit=4
    )
    assert found.diagnosis.texts is not None


def test_a_study_takes_optimizers_as_an_axis_and_settings_that_one_of_them_uses(tmp_path: Path) -> None:
    study = {
        "study": {"data": ["simulated/default"], "models": ["simulated/default"], "seeds": [0]},
        "axes": {"optimizer": ["textgrad", "opro"]},
        "options": {"steps": 1, "limit": 120, "loss_model": "simulated/null", "layout": "joint"},
    }
    done = polyjudge.study(study, output=tmp_path / "study")
    configs = [json.loads(path.read_text("utf-8")) for path in sorted(done.path.glob("runs/*/config.json"))]
    assert {(one["optimizer"], one["loss_model"]) for one in configs} == {("textgrad", "simulated/null"), ("opro", "")}
    assert (done.path / "report.html").stat().st_size
    study["axes"]["optimizer"] = ["opro"]
    with pytest.raises(ConfigError, match=r"'loss_model' .*: no optimizer of the study uses it; leave it out"):
        polyjudge.study(study, output=tmp_path / "other")


def test_assemble_takes_an_object_that_the_settings_do_not_name() -> None:
    from polyjudge.datasets.load import load_dataset

    run_setup = assemble(
        settled().config, load_dataset(DATA.rows, DATA.criteria), ScriptedAsker(lambda request: ""), Objects(OPRO())
    )
    assert run_setup.writers == ("optimizer",)
    assert run_setup.setups[0].optimizer.candidates == 8
