"""The archive: every measured prompt once, whole vectors, and nothing that a lost row could win."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.asking import NAMES, prompt_of, speaker
from tests.rated import FIVE, JUDGE, Recorder, knowing, rated
from tests.stepping import OWN, SPEARMAN, all_of, proposed, run

import polyjudge
from polyjudge.domain.records import Candidate, Measured
from polyjudge.gates import NoGate
from polyjudge.results.archive import archive
from polyjudge.testing.asking import ScriptedAsker

CRITERIA = prompt_of().criteria


def test_every_measured_prompt_is_kept_once_and_the_front_is_what_nothing_beats():
    steps = proposed((all_of("Rate badly."), all_of("Rate well.")), (all_of("Rate well."), all_of("Rate badly.")))
    found = archive(steps, CRITERIA, SPEARMAN)
    assert [one.origin for one in found.prompts] == ["initial", "candidate", "candidate"]
    assert found.front == (2,)
    assert set(found.picks.values()) == {2}
    assert found.hypervolume == pytest.approx(2.0 ** len(NAMES))
    assert found.hypervolume > found.hypervolume_initial
    assert found.reference == dict.fromkeys(NAMES, -1.0)


def test_a_prompt_that_gives_one_criterion_for_another_stands_beside_the_rest():
    half = Candidate({**dict.fromkeys(NAMES, "Rate badly."), "fluency": "Rate well."})
    found = archive(proposed((half,)), CRITERIA, SPEARMAN)
    assert found.front == (0, 1)
    assert found.picks["weighted"] == found.picks["feasible"] == found.picks["worst criterion"] == 0


def test_a_merged_prompt_is_an_entry_of_its_own_with_all_its_instructions():
    mixed = Candidate({**dict.fromkeys(NAMES, "Rate badly."), "fluency": "Rate well."})
    found = archive(proposed((mixed,), gate=OWN), CRITERIA, OWN)
    merged = next(one for one in found.prompts if one.origin == "merged")
    assert set(merged.instructions) == set(NAMES)
    assert merged.instructions["fluency"] == "Rate well."
    assert merged.instructions["coherence"] == prompt_of().instructions["coherence"]


def test_a_prompt_that_lost_rows_is_in_no_front_and_no_pick():
    steps = proposed((all_of("Rate well."),))
    candidate = steps[1].candidates[0]
    short = replace(candidate.measured, coverage=dict.fromkeys(NAMES, 0.9))
    cut = [steps[0], replace(steps[1], candidates=(replace(candidate, measured=short),))]
    found = archive(cut, CRITERIA, SPEARMAN)
    assert not found.prompts[1].eligible
    assert found.front == (0,)
    assert set(found.picks.values()) == {0}


def test_an_undefined_value_is_no_merit():
    steps = proposed((all_of("Rate well."),))
    candidate = steps[1].candidates[0]
    undefined = Measured("spearman", {**candidate.measured.values, "fluency": float("nan")}, float("nan"), {})
    cut = [steps[0], replace(steps[1], candidates=(replace(candidate, measured=undefined),))]
    assert archive(cut, CRITERIA, SPEARMAN).front == (0,)


def test_without_a_gate_nothing_is_kept():
    steps = run(ScriptedAsker(speaker()), gate=NoGate(), steps=1)
    found = archive(steps, CRITERIA, NoGate())
    assert (found.prompts, found.front, dict(found.picks)) == ((), (), {})
    assert "nothing" in found.note


@pytest.mark.parametrize("mode", ["ST", "SSS", "CCC"])
@pytest.mark.parametrize("gate", ["per-criterion", "mae", "none"])
def test_a_run_writes_its_archive(mode: str, gate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    data = rated({"clarity": FIVE, "warmth": FIVE})
    backends = {JUDGE: Recorder(knowing(data)).backend}
    done = polyjudge.optimize(
        data.rows,
        criteria=data.criteria,
        model=JUDGE,
        gate=gate,
        backends=backends,
        settings=polyjudge.Settings(mode=mode, steps=1, batch=1),
    )
    held = json.loads((done.path / "archive.json").read_text("utf-8"))
    assert len(held["prompts"]) == len(done.archive.prompts)
    if gate == "none":
        assert not held["prompts"]
        return
    assert held["prompts"][0]["origin"] == "initial"
    fitted = done.judge.prompt.instructions
    assert fitted in [dict(one.instructions) for one in done.archive.prompts]
    assert held["higher_is_better"]["clarity"] is (gate != "mae")
    assert held["reference"]["clarity"] == (4 if gate == "mae" else -1)
    assert done.archive.hypervolume >= done.archive.hypervolume_initial
