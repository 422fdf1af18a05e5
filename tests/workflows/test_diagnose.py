"""A diagnosis of finished runs of every kind: it finds them again, asks what it planned, and changes nothing."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, REFUSAL, Rated, Recorder, by_chance, knowing, rated

import polyjudge
from polyjudge import codec
from polyjudge.diagnosis.records import MEAN, PARTS, Diagnosis
from polyjudge.errors import BudgetSpent, ConfigError, DataError, ModelError
from polyjudge.llm.request import Abilities, Request
from polyjudge.results.store import locked

DATA = rated({"clarity": FIVE, "warmth": FIVE}, documents=20)
MODES = ("ST", "SSS", "SSC", "SCC", "CCC")
QUESTIONS = ("yes", "no", "undecided", "not defined")


def answering(data: Rated = DATA, mark: str = "7"):
    """Answers by chance in every role; the diagnostic model gives one mark, the first name, and every name to all."""
    chance = by_chance(data)

    def answer(request: Request) -> str:
        if request.role != "diagnostic":
            return chance(request)
        last = request.messages[0].content.rsplit("\n", 1)[-1]
        if "name of one criterion" in last:
            return data.names[0]
        if last.startswith("{"):
            return json.dumps({number: list(data.names) for number in json.loads(last)})
        return mark

    return answer


def fitted(recorder: Recorder, data: Rated = DATA, **options: Any) -> polyjudge.Run:
    given = {"model": JUDGE, "steps": 3, "batch": 2, "backends": {JUDGE: recorder.backend}, "layout": "joint"}
    if options.get("mode") == "ST":
        given["layout"] = "separate"
    return polyjudge.optimize(data.rows, criteria=data.criteria, output="run", **keywords(**given | options))


def diagnosed(recorder: Recorder, data: Rated = DATA, limit: int | None = None, **options: Any) -> polyjudge.Diagnosed:
    backends = {JUDGE: recorder.backend}
    return polyjudge.diagnose("run", data=data.rows, backends=backends, limit=limit, **keywords(**options))


@pytest.mark.parametrize("gate", ["per-criterion", "none", "mae"])
@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_run_has_a_diagnosis_and_asks_no_more_than_planned(mode: str, gate: str) -> None:
    recorder = Recorder(answering())
    fitted(recorder, mode=mode, gate=gate)
    planned = polyjudge.plan_diagnosis("run", data=DATA.rows, backends={JUDGE: recorder.backend})
    before = len(recorder.asked)
    found = diagnosed(recorder)
    assert [one.question for one in found.verdicts] == ["dilution", "interference", "optimizer obeys"]
    assert all(one.answer in QUESTIONS for one in found.verdicts)
    asked = Counter(request.role for request in recorder.asked[before:])
    most = {role.role: role.calls for role in planned}
    assert {role: count for role, count in asked.items() if count > most.get(role, 0)} == {}
    held = codec.record(Diagnosis, (found.path / "diagnosis.json").read_text("utf-8"), "diagnosis.json")
    assert codec.line(held) == codec.line(found.diagnosis)
    assert (found.path / "diagnosis.md").read_text("utf-8").startswith("# Diagnosis of run\n")


@pytest.mark.parametrize("mode", ["SSS", "CCC"])
def test_what_the_run_wrote_is_not_asked_again_and_a_second_diagnosis_asks_nothing(mode: str) -> None:
    recorder = Recorder(answering())
    fitted(recorder, mode=mode)
    keys = [request.key("here") for request in recorder.asked]
    found = diagnosed(recorder)
    assert len({request.key("here") for request in recorder.asked}) == len(recorder.asked)
    assert keys == [request.key("here") for request in recorder.asked[: len(keys)]]
    text = (found.path / "diagnosis.json").read_bytes()
    again = Recorder(answering())
    diagnosed(again)
    assert not again.asked
    assert (found.path / "diagnosis.json").read_bytes() == text


def test_the_meters_of_a_run_are_the_marks_of_its_diagnosis() -> None:
    recorder = Recorder(answering())
    run = fitted(recorder, mode="CCC", diagnostics=True)
    asked = len(recorder.of("diagnostic"))
    found = diagnosed(recorder, only=["adherence"]).diagnosis.adherence
    assert found is not None
    assert len(recorder.of("diagnostic")) == asked
    lines = (run.path / "diagnostics.jsonl").read_text("utf-8").splitlines()
    told = [one["score"] for line in lines for one in json.loads(line)["ratings"] if one["name"] == "adherence"]
    assert [one.rating.score for one in found.ratings] == told


def test_a_run_that_another_process_works_in_is_not_diagnosed() -> None:
    recorder = Recorder(answering())
    fitted(recorder)
    with locked(Path("run")), pytest.raises(ConfigError, match="another process runs in 'run'"):
        diagnosed(recorder)
    assert not Path("run/diagnosis.json").exists()
    diagnosed(recorder)


def test_a_run_is_not_changed_by_its_diagnosis() -> None:
    recorder = Recorder(answering())
    run = fitted(recorder)
    held = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    report = held.pop("report.html").decode()
    diagnosed(recorder)
    for name, content in held.items():
        assert (run.path / name).read_bytes() == content
    # But for the report, which shows it.
    assert "Are gradients diluted?" not in report
    assert "Are gradients diluted?" in (run.path / "report.html").read_text("utf-8")
    fitted(Recorder(answering()))


@pytest.mark.parametrize(("mode", "wrote"), [("SSS", 1), ("CCC", 2), ("SCC", 2), ("ST", 1)])
def test_both_kinds_of_gradients_are_rated_and_marked_by_who_asked_for_them(mode: str, wrote: int) -> None:
    recorder = Recorder(answering())
    fitted(recorder, mode=mode)
    found = diagnosed(recorder, only=["dilution"]).diagnosis.dilution
    assert found is not None
    kinds = {(one.rating.name, len(one.rating.group), one.rating.asked) for one in found.ratings}
    assert kinds == {
        ("specificity", 1, wrote != 1),
        ("specificity", 2, wrote != 2),
        ("concatenation", 1, wrote != 1),
        ("extraction", 2, wrote != 2),
    }
    right = {(len(one.group), one.criterion): one.said == one.criterion for one in found.attributions}
    assert right == {(size, name): name == "clarity" for size in (1, 2) for name in DATA.names}
    assert found.unreadable == 0


def test_a_model_that_gives_everything_one_mark_finds_no_dilution() -> None:
    recorder = Recorder(answering())
    fitted(recorder, mode="CCC")
    found = diagnosed(recorder, only=["dilution"])
    assert found.verdicts[0].answer == "no"
    assert found.diagnosis.dilution is not None
    drops = [one for one in found.diagnosis.dilution.figures if one.of == "separate - joint"]
    assert [one.estimate.value for one in drops] == [0] * 3


def test_unreadable_marks_are_counted_and_decide_nothing() -> None:
    recorder = Recorder(answering(mark="it is rather specific"))
    fitted(recorder, mode="CCC")
    found = diagnosed(recorder, only="dilution, adherence")
    assert [one.answer for one in found.verdicts] == ["undecided", "undecided"]
    assert found.diagnosis.dilution is not None
    assert found.diagnosis.adherence is not None
    assert found.diagnosis.dilution.unreadable == len(found.diagnosis.dilution.ratings)
    assert found.diagnosis.adherence.unreadable == len(found.diagnosis.adherence.ratings)
    assert "undefined" in (found.path / "diagnosis.md").read_text("utf-8")


def test_one_criterion_shares_nothing_and_is_told_so() -> None:
    data = rated({"clarity": FIVE})
    recorder = Recorder(answering(data))
    fitted(recorder, data)
    answers = {one.question: one.answer for one in diagnosed(recorder, data).verdicts}
    assert answers == {"dilution": "not defined", "interference": "not defined", "optimizer obeys": "yes"}


def test_a_scoring_of_one_criterion_a_call_has_no_interference() -> None:
    recorder = Recorder(by_yes, Abilities(logprobs=20))
    fitted(recorder, scoring="yes-no", layout="separate", gate="none", steps=1)
    verdict = diagnosed(recorder, only=["interference"]).verdicts[0]
    assert verdict.answer == "not defined"
    assert "cannot share a call" in verdict.because


def by_yes(request: Request) -> Any:
    from polyjudge.llm.request import Reply, TokenChoice

    if request.role != "judge":
        return answering()(request)
    share = (1 + int(request.key("here")[:2], 16)) / 300
    top = (("yes", math.log(share)), ("no", math.log(1 - share)))
    return Reply("yes", "stop", tokens=(TokenChoice("yes", top[0][1], top),))


def test_the_two_by_two_is_that_of_the_judge_and_its_free_half_is_the_run_s() -> None:
    recorder = Recorder(telling())
    run = fitted(recorder, gate="none")
    found = diagnosed(recorder, only=["interference"]).diagnosis.interference
    assert found is not None
    cells = {(one.instructions, one.company, one.criterion): one for one in found.cells}
    outcome = {row.name: row for row in (*run.outcome.criteria, run.outcome.mean)}
    for name in (*DATA.names, MEAN):
        assert cells["initial", "together", name].agreement.value == pytest.approx(outcome[name].initial)
        assert cells["fitted", "together", name].agreement.value == pytest.approx(outcome[name].fitted)
    assert (
        cells["fitted", "apart", "warmth"].agreement.value
        > 0.5
        > cells["fitted", "together", "warmth"].agreement.value
    )
    differences = {(one.of, one.criterion): one.estimate.value for one in found.figures}
    for name in DATA.names:
        assert differences["fitted", name] == pytest.approx(
            cells["fitted", "together", name].agreement.value - cells["fitted", "apart", name].agreement.value
        )
    assert {(one.criterion, one.company) for one in found.pairs} == {DATA.names, DATA.names[::-1]}
    assert found.cherry_pick is not None
    assert found.cherry_pick.chosen_on == "validation"


def telling(data: Rated = DATA):
    """A judge that knows what it is told to look at, but beside another criterion that of clarity only."""
    alone, chance = knowing(data), by_chance(data)

    def answer(request: Request) -> str:
        if request.role != "judge":
            return alone(request)
        said, known = request.messages[0].content, json.loads(alone(request))
        both = all(f"\n- {name}" in said for name in data.names)
        return json.dumps(json.loads(chance(request)) | {"clarity": known["clarity"]} if both else known)

    return answer


def test_interference_that_is_there_is_found_and_none_where_there_is_none() -> None:
    data = rated({"clarity": FIVE, "warmth": FIVE}, documents=80)
    recorder = Recorder(telling(data))
    fitted(recorder, data, gate="none")
    verdict = diagnosed(recorder, data, only=["interference"]).verdicts[0]
    assert verdict.answer == "yes"
    shutil.rmtree("run")
    shutil.rmtree(".polyjudge")
    recorder = Recorder(knowing(data))
    fitted(recorder, data, gate="none")
    assert diagnosed(recorder, data, only=["interference"]).verdicts[0].answer == "no"


def test_the_paper_s_own_pick_is_there_and_marked() -> None:
    recorder = Recorder(answering())
    fitted(recorder, gate="none")
    found = diagnosed(recorder, only=["interference"], pick="test").diagnosis
    assert found.interference is not None
    assert found.interference.cherry_pick is not None
    assert found.interference.cherry_pick.chosen_on == "test"
    assert any("optimistic" in note for note in found.notes)


def test_labels_are_diagnosed_by_kappa() -> None:
    data = rated({"refusal": REFUSAL, "clarity": REFUSAL}, documents=20)
    recorder = Recorder(answering(data))
    fitted(recorder, data)
    found = diagnosed(recorder, data, only=["interference"]).diagnosis.interference
    assert found is not None
    assert found.metric == "kappa"


def test_held_out_rows_are_limited_by_whole_documents() -> None:
    recorder = Recorder(answering())
    fitted(recorder)
    found = diagnosed(recorder, only=["interference"], limit=10).diagnosis.interference
    assert found is not None
    assert (found.rows, found.clusters) == (10, 5)


def test_an_audit_of_some_steps_rates_these_alone_and_the_model_free_estimate_covers_the_rest() -> None:
    recorder = Recorder(answering())
    fitted(recorder, mode="CCC", steps=8)
    found = diagnosed(recorder, only=["dilution"], audit=0.5).diagnosis.dilution
    assert found is not None
    assert found.audited == 0.5
    assert len({one.step for one in found.ratings}) == 4
    whole = next(one for one in found.figures if (one.of, one.criterion) == ("run, all steps", MEAN))
    assert whole.estimate.n_clusters == 4
    guessed = next(one for one in found.figures if (one.name, one.criterion) == ("model-free", MEAN))
    assert guessed.estimate.n_clusters == 8


def test_text_alone_asks_nobody() -> None:
    fitted(Recorder(answering()))
    recorder = Recorder(answering())
    found = diagnosed(recorder, only=["text"]).diagnosis
    assert not recorder.asked
    assert found.verdicts == ()
    assert found.texts is not None
    assert len(found.texts.instructions) == 4 * len(DATA.names)


def test_text_alone_needs_no_key() -> None:
    recorder = Recorder(answering())
    fitted(recorder, model="openai/somebody", backends={"openai/somebody": recorder.backend})
    found = polyjudge.diagnose("run", data=DATA.rows, only=["text"])
    assert found.diagnosis.texts is not None
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        polyjudge.diagnose("run", data=DATA.rows)


def test_data_are_found_where_they_were(place: Path) -> None:
    recorder = Recorder(answering())
    backends = {JUDGE: recorder.backend}
    polyjudge.optimize(
        "moods",
        model=JUDGE,
        output="run",
        scoring="json",
        gate="none",
        backends={JUDGE: Recorder(moods).backend},
        settings=polyjudge.Settings(steps=1, batch=1, limit=60),
    )
    assert polyjudge.diagnose("run", only=["text"], backends=backends).diagnosis.texts is not None


def moods(request: Request) -> str:
    if request.role != "judge":
        return "Say more."
    line = next(line for line in request.messages[0].content.splitlines() if line.startswith('{"'))
    return json.dumps({part.split('"')[1]: 1 for part in line.split(", ")})


def test_what_cannot_be_diagnosed_is_told_with_a_remedy(place: Path) -> None:
    recorder = Recorder(answering())
    with pytest.raises(DataError, match="name the folder of a run"):
        diagnosed(recorder)
    fitted(recorder)
    with pytest.raises(DataError, match="from memory"):
        polyjudge.diagnose("run", backends={JUDGE: recorder.backend})
    with pytest.raises(DataError, match="not those of the run"):
        polyjudge.diagnose("run", data=DATA.rows[:-2], backends={JUDGE: recorder.backend})
    for wrong, told in (
        ({"only": ["dilutions"]}, "dilutions.*dilution, adherence"),
        ({"only": []}, "--only"),
        ({"limit": 1}, "--limit 1"),
        ({"audit": 0.0}, "--audit 0"),
        ({"pick": "train"}, "'train'.*validation, test"),
        ({"mode": "CCC"}, "takes no setting"),
    ):
        with pytest.raises(ConfigError, match=told):
            diagnosed(recorder, **wrong)
    asked = len(recorder.asked)
    (place / "run" / "result.json").unlink()
    with pytest.raises(DataError, match="has not ended"):
        diagnosed(recorder)
    assert len(recorder.asked) == asked


def test_a_budget_stops_it_and_the_same_call_goes_on() -> None:
    recorder = Recorder(answering())
    fitted(recorder, mode="CCC")
    with pytest.raises(BudgetSpent):
        diagnosed(recorder, max_calls=20)
    whole = diagnosed(recorder)
    assert len({request.key("here") for request in recorder.asked}) == len(recorder.asked)
    assert set(PARTS) >= {"text"}
    assert whole.diagnosis.texts is not None
