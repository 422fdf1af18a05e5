"""Juries in judge.yaml: scored, loaded, planned, shown and exported as one judge."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.commands import polyjudge as command
from tests.rated import FIVE, JUDGE, TONE, Recorder, by_chance, rated

import polyjudge
from polyjudge import Budget, Settings
from polyjudge.combining import Footing, MonotoneMap
from polyjudge.datasets.load import load_rubric
from polyjudge.domain.dataset import Rubric
from polyjudge.errors import BudgetSpent, ConfigError
from polyjudge.llm.request import Request, Sampling
from polyjudge.results.judge_file import JudgeFile, Member, dump_judge
from polyjudge.workflows.events import Noted
from polyjudge.workflows.score import plan_score

DATA = rated({"clarity": FIVE, "tone": TONE}, documents=6)
OTHER = "test/other"


def instructed(text: str) -> Rubric:
    rubric = load_rubric(DATA.criteria)
    return replace(rubric, criteria=tuple(replace(criterion, instruction=text) for criterion in rubric.criteria))


ONE = JudgeFile(instructed("Rate."), JUDGE, "joint", "json", Sampling(0.0, 64))
TWO = replace(ONE, rubric=instructed("Rate with care."), layout="separate")
THREE = replace(ONE, model=OTHER)


def jury(*members: JudgeFile, calibration: Sequence[MonotoneMap | None] = ()) -> JudgeFile:
    seats = tuple(Member(f"m{number}", member) for number, member in enumerate(members))
    return replace(ONE, members=seats, calibration=tuple(calibration))


def scores_of(judge: JudgeFile) -> list[dict[str, object]]:
    backends = {JUDGE: Recorder(by_chance(DATA)).backend, OTHER: Recorder(by_chance(DATA), identity="there").backend}
    return list(polyjudge.score(judge, DATA.rows, backends=backends))


def test_a_jury_of_one_is_its_member_exactly(place: Path) -> None:
    backends = {JUDGE: Recorder(by_chance(DATA)).backend}
    alone, as_jury = (polyjudge.score(judge, DATA.rows, backends=backends) for judge in (TWO, jury(TWO)))
    assert as_jury.predictions == alone.predictions
    assert list(as_jury) == list(alone)


def test_its_scores_are_the_mean_and_the_vote_of_its_members(place: Path) -> None:
    singles = [scores_of(judge) for judge in (ONE, TWO, THREE)]
    for combined, *alone in zip(scores_of(jury(ONE, TWO, THREE)), *singles, strict=True):
        assert combined["clarity"] == pytest.approx(sum(float(one["clarity"]) for one in alone) / 3)
        votes = [one["tone"] for one in alone]
        assert combined["tone"] == (votes[0] if len(set(votes)) == 3 else max(votes, key=votes.count))


def test_footings_weights_and_calibration_are_applied(place: Path) -> None:
    singles = [scores_of(judge) for judge in (ONE, TWO)]
    members = (
        Member("m0", ONE, 1.0, Footing((1.0, 0.0), (0.5, 1.0))),
        Member("m1", TWO, 3.0, Footing((0.0, 0.0), (1.0, 1.0))),
    )
    halved = MonotoneMap((0.0, 10.0), (0.0, 5.0))
    judge = replace(ONE, members=members, calibration=(halved, None))
    for combined, a, b in zip(scores_of(judge), *singles, strict=True):
        mean = (1.0 + 0.5 * float(a["clarity"]) + 3 * float(b["clarity"])) / 4
        assert combined["clarity"] == pytest.approx(mean / 2)


def test_a_single_judge_can_be_calibrated(place: Path) -> None:
    halved = MonotoneMap((0.0, 10.0), (0.0, 5.0))
    for mapped, plain in zip(scores_of(replace(ONE, calibration=(halved, None))), scores_of(ONE), strict=True):
        assert mapped["clarity"] == pytest.approx(float(plain["clarity"]) / 2)
        assert mapped["tone"] == plain["tone"]


def unreadable_with_care(request: Request) -> str:
    return "?" if "with care" in request.messages[0].content else by_chance(DATA)(request)


def test_unscored_members_are_left_out_and_counted(place: Path) -> None:
    told: list[str] = []
    found = polyjudge.score(
        jury(ONE, TWO),
        DATA.rows,
        backends={JUDGE: Recorder(unreadable_with_care).backend},
        observer=lambda event: told.append(event.text) if isinstance(event, Noted) else None,
    )
    assert list(found) == scores_of(ONE)
    assert found.unscored == 0
    count = len(DATA.rows) * 2
    assert any(f"{count} of {2 * count} scores of the jury's members" in text for text in told)
    nothing = polyjudge.score(jury(TWO, TWO), DATA.rows, backends={JUDGE: Recorder(unreadable_with_care).backend})
    assert nothing.unscored == count


def test_members_that_ask_the_same_pay_once(place: Path) -> None:
    recorder = Recorder(by_chance(DATA))
    polyjudge.score(jury(ONE, ONE), DATA.rows, backends={JUDGE: recorder.backend})
    assert len(recorder.asked) == len(DATA.rows)


def test_the_plan_and_the_budget_count_all_members(place: Path) -> None:
    judge = jury(ONE, TWO, THREE)
    backends = {JUDGE: Recorder(by_chance(DATA)).backend, OTHER: Recorder(by_chance(DATA)).backend}
    planned = {role.model: role.calls for role in plan_score(judge, DATA.rows, backends=backends)}
    assert planned == {JUDGE: 3 * len(DATA.rows), OTHER: len(DATA.rows)}
    found = polyjudge.score(judge, DATA.rows, backends=backends)
    assert {account.model: account.answered for account in found.accounts} == planned
    with pytest.raises(BudgetSpent):
        polyjudge.score(judge, DATA.rows, backends=backends, budget=Budget(calls=3), settings=Settings(no_cache=True))


def test_a_loaded_jury_scores_one_item_and_shows_its_members(place: Path) -> None:
    path = place / "judge.yaml"
    path.write_text(dump_judge(jury(ONE, TWO)), encoding="utf-8")
    with polyjudge.load(path, backends={JUDGE: Recorder(by_chance(DATA)).backend}) as judge:
        letter = DATA.rows[0]["letter"]
        members = judge.members(letter=letter)
        assert set(members) == {"m0", "m1"}
        clarity = [float(said["clarity"]) for said in members.values()]
        assert judge(letter=letter)["clarity"] == pytest.approx(sum(clarity) / 2)


def test_the_members_scores_are_written_where_asked_for_and_an_audit_reads_the_file(place: Path) -> None:
    target = place / "scores.csv"
    backends = {JUDGE: Recorder(by_chance(DATA)).backend}
    polyjudge.score(jury(ONE, TWO), DATA.rows, backends=backends, output=target, members=True)
    with open(target, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        mean = (float(row["clarity.judge_m0"]) + float(row["clarity.judge_m1"])) / 2
        assert float(row["clarity"]) == pytest.approx(mean)
    audit = polyjudge.audit(target, criteria=DATA.criteria)
    assert len(audit.judgements) == 1


def test_a_jury_gives_no_distribution(place: Path) -> None:
    backends = {JUDGE: Recorder(by_chance(DATA)).backend}
    with pytest.raises(ConfigError, match="a jury, or a calibrated judge, gives no probabilities"):
        polyjudge.score(jury(ONE, TWO), DATA.rows, backends=backends, distribution=True)


def test_another_model_replaces_the_judge_s_own_but_not_the_members(place: Path) -> None:
    recorder = Recorder(by_chance(DATA), identity="there")
    found = polyjudge.score(jury(ONE, TWO), DATA.rows, model=OTHER, backends={OTHER: recorder.backend})
    assert {account.model for account in found.accounts} == {OTHER}
    with pytest.raises(ConfigError, match=rf"models of their own \({OTHER}\).*leave out --model"):
        polyjudge.score(jury(ONE, THREE), DATA.rows, model=OTHER, backends={OTHER: recorder.backend})


def test_a_member_s_own_model_is_asked_and_the_judge_s_only_if_a_member_takes_it(place: Path) -> None:
    recorder = Recorder(by_chance(DATA))
    polyjudge.score(jury(THREE), DATA.rows, backends={OTHER: recorder.backend})
    assert len(recorder.asked) == len(DATA.rows)


def test_other_tools_and_the_prompt_take_one_member(place: Path) -> None:
    judge = jury(ONE, TWO)
    with pytest.raises(ConfigError, match=r"this judge is a jury, .* --member, .*: 'm0', 'm1'"):
        polyjudge.export(judge)
    assert "with care" in polyjudge.export(judge, member="m1")
    assert polyjudge.export(judge, member="m0") == polyjudge.export(ONE)
    with pytest.raises(ConfigError, match="no member 'm7'"):
        polyjudge.export(judge, member="m7")
    with pytest.raises(ConfigError, match="is no jury"):
        polyjudge.export(ONE, member="m0")
    backends = {JUDGE: Recorder(by_chance(DATA)).backend}
    assert len(polyjudge.prompt(judge, member="m1", backends=backends).calls) == 2


def test_the_command_line_shows_and_exports_members(place: Path) -> None:
    judge = jury(*(replace(one, model="local/smollm2-135m") for one in (ONE, TWO)))
    Path("judge.yaml").write_text(dump_judge(replace(judge, model="local/smollm2-135m")), encoding="utf-8")
    shown = command("prompt", "judge.yaml")
    assert shown.code == 0, shown.err
    assert "##### member m1 #####" in shown.out
    assert set(json.loads(command("prompt", "judge.yaml", "--json").out)) == {"m0", "m1"}
    assert command("export", "judge.yaml").code == 2
    assert "with care" in command("export", "judge.yaml", "--member", "m1").out
