"""The rung ``configure``: the cheapest within the margin is taken, measured, planned and replayed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, Rated, Recorder, by_chance, rated

import polyjudge
from polyjudge.datasets.yamlfile import parse_yaml
from polyjudge.errors import ConfigError
from polyjudge.llm.request import Abilities, Reply, Request, Usage
from polyjudge.results.choice import Choice, Gap, _gap
from polyjudge.workflows.events import Configured, Event

DATA = rated({"clarity": FIVE, "warmth": FIVE, "wit": FIVE}, documents=60, each=2)
CACHING = Abilities(logprobs=0, schema=True, prefix_cache=True)
FORGETFUL = replace(CACHING, prefix_cache=False)
Quality = Callable[[bool], str]


def judge(jointly: str, apart: str, data: Rated = DATA) -> Callable[[Request], Reply | str]:
    """A judge that is "right", a "guess" or "mute" jointly, and apart; it reads a prefix once."""
    chance, seen = by_chance(data), set()

    def answer(request: Request) -> Reply | str:
        if request.role != "judge":
            return chance(request)
        text = request.messages[0].content
        names = tuple(name for name in data.names if re.search(rf"^- {name}\b", text, re.MULTILINE))
        quality = jointly if len(names) > 1 else apart
        letter = re.findall(r"letter \d{3}", text)[-1]
        guessed = json.loads(str(chance(request)))
        truth = data.truth[letter] if quality == "right" else guessed
        said = "I would rather not." if quality == "mute" else json.dumps({name: truth[name] for name in names})
        prefix = text[: request.shared]
        cached = request.shared // 4 if prefix in seen else 0
        seen.add(prefix)
        return Reply(said, "stop", usage=Usage(len(text) // 4, len(said) // 4, cached))

    return answer


def fitted(
    jointly: str, apart: str, abilities: Abilities = CACHING, **options: Any
) -> tuple[polyjudge.Run, Recorder, list[Choice]]:
    recorder, seen = Recorder(judge(jointly, apart), abilities), list[Event]()
    settings = {"criteria": DATA.criteria, "model": JUDGE, "steps": 1, "batch": 2, "output": "run", "parse_retries": 0}
    settings |= {"gate": "none"} if "mute" in (jointly, apart) else {}
    run = polyjudge.optimize(
        DATA.rows, backends={JUDGE: recorder.backend}, observer=seen.append, **keywords(**{**settings, **options})
    )
    return run, recorder, [event.choice for event in seen if isinstance(event, Configured)]


@pytest.mark.parametrize(
    ("jointly", "apart", "abilities", "chosen", "why"),
    [
        ("right", "right", CACHING, "joint", "fewest tokens"),
        ("guess", "right", CACHING, "forked", "json, joint is cheaper and loses"),
        ("guess", "right", FORGETFUL, "separate", "of agreement"),
        ("right", "guess", CACHING, "joint", "fewest tokens"),
        ("mute", "right", CACHING, "forked", "json, joint is cheaper and loses"),
        ("right", "mute", CACHING, "joint", "fewest tokens"),
    ],
)
def test_the_cheapest_within_the_margin_is_taken(
    jointly: str, apart: str, abilities: Abilities, chosen: str, why: str, place: Path
) -> None:
    run, _, (choice,) = fitted(jointly, apart, abilities)
    assert (choice.layout, run.judge.layout) == (chosen, chosen)
    assert why in choice.reason
    assert [one.layout for one in choice.weighed] == ["joint", "separate" if abilities == FORGETFUL else "forked"]
    joint, other = choice.weighed
    assert (joint.calls, other.calls) == (1, 3)
    assert (other.cached > 0) == (abilities == CACHING)
    assert other.tokens == pytest.approx(other.prompt - other.cached + other.completion)


def test_a_layout_that_agrees_less_is_not_taken_for_lack_of_evidence(place: Path) -> None:
    few = rated({"clarity": FIVE, "warmth": FIVE, "wit": FIVE}, documents=16, each=4)
    seen = list[Event]()
    run = polyjudge.optimize(
        few.rows,
        criteria=few.criteria,
        model=JUDGE,
        output="run",
        backends={JUDGE: Recorder(judge("guess", "right", few), CACHING).backend},
        observer=seen.append,
        settings=polyjudge.Settings(steps=0),
    )
    (choice,) = [event.choice for event in seen if isinstance(event, Configured)]
    assert choice.documents == 4
    assert choice.rivals[0].agreement.value > 0.1
    assert math.isnan(choice.rivals[0].agreement.low), "four documents give no interval"
    assert choice.layout == "forked"
    assert choice.reason in (run.path / "summary.md").read_text("utf-8")


def test_what_was_measured_is_in_every_file(place: Path) -> None:
    run, _, (choice,) = fitted("guess", "right")
    assert run.choice == choice
    result = json.loads((run.path / "result.json").read_text("utf-8"))
    assert result["layout"]["layout"] == "forked"
    assert [one["layout"] for one in result["layout"]["weighed"]] == ["joint", "forked"]
    lineage = parse_yaml((run.path / "judge.yaml").read_text("utf-8"), "it")["lineage"]
    assert lineage["layout"]["reason"] == choice.reason
    summary = (run.path / "summary.md").read_text("utf-8")
    assert choice.reason in summary
    assert all(any(cell in line for line in summary.splitlines()) for cell in choice.cells()[1])
    assert len(choice.lines()) == 4


def test_the_chosen_layouts_answers_are_not_asked_for_again(place: Path) -> None:
    run, recorder, _ = fitted("right", "right", steps=0)
    keys = [request.key("here") for request in recorder.asked]
    assert len(keys) == len(set(keys))
    rows = run.outcome.rows
    validation = len({request.messages[0].content[: request.shared] for request in recorder.asked if request.shared})
    # Three calls apart and one jointly a validation row, one jointly a test row; the prompt stays.
    assert len(keys) == 4 * validation + rows


def test_a_replay_decides_the_same_and_asks_nothing(place: Path) -> None:
    first, _, choices = fitted("guess", "right")
    files = {name: (first.path / name).read_bytes() for name in ("judge.yaml", "steps.jsonl", "config.json")}
    shown, recorder, _ = fitted("guess", "right")
    assert recorder.asked == []
    assert repr(shown.choice) == repr(first.choice)
    first.path.rename("first")
    again, recorder, same = fitted("guess", "right")
    assert recorder.asked == []
    assert same == choices
    assert {name: (again.path / name).read_bytes() for name in files} == files
    with pytest.raises(ConfigError):
        fitted("guess", "right", layout="forked")


@pytest.mark.parametrize("gate", ["none", "spearman", "per-criterion"])
@pytest.mark.parametrize(("jointly", "apart"), [("right", "right"), ("guess", "right")])
def test_the_plan_is_never_less_than_what_is_asked(jointly: str, apart: str, gate: str, place: Path) -> None:
    settings: dict[str, Any] = {"criteria": DATA.criteria, "model": JUDGE, "steps": 1, "batch": 2, "gate": gate}
    recorder = Recorder(judge(jointly, apart), CACHING)
    plan = polyjudge.check(DATA.rows, backends={JUDGE: recorder.backend}, **keywords(**settings))
    assert recorder.asked == []
    (judged,) = [role for role in plan.roles if role.role == "judge"]
    assert judged.choosing > 0
    run, recorder, _ = fitted(jointly, apart, gate=gate)
    asked = len(recorder.of("judge"))
    assert asked <= judged.calls
    if run.judge.layout == "forked" and gate == "none":
        # What is given up on a first half of the rows is not judged on the rest.
        assert judged.calls - judged.choosing <= asked


@pytest.mark.parametrize(
    ("options", "used"),
    [
        ({"mode": "ST"}, "separate"),
        ({"mode": "ST", "layout": "forked"}, "forked"),
        ({"preset": "paper", "mode": "ST", "validation": 20}, "separate"),
        ({"preset": "paper", "validation": 20}, "joint"),
        ({"preset": "smoke"}, "joint"),
        ({"layout": "clarity+wit,warmth"}, "clarity+wit,warmth"),
        ({"layout": {"groups": [["wit", "clarity"], ["warmth"]]}}, "clarity+wit,warmth"),
    ],
)
def test_there_is_no_choice_where_the_layout_is_fixed(options: dict[str, Any], used: str, place: Path) -> None:
    run, _, choices = fitted("right", "right", **{"gate": "none", **options})
    assert choices == []
    assert run.choice is None
    assert run.judge.layout == used
    assert json.loads((run.path / "config.json").read_text("utf-8"))["layout_used"] == used


def test_a_difference_that_rounds_to_nothing_has_no_sign() -> None:
    assert _gap(Gap(-1e-9, -2e-4, 0.0)) == "0.000 (+0.000 to +0.000)"


def test_a_scoring_that_refuses_joint_leaves_no_choice(place: Path) -> None:
    def answer(request: Request) -> Reply:
        from tests.tokens import rated as tokens

        return tokens("yes", {0: {"yes": 0.7, "no": 0.3}})

    able = replace(CACHING, logprobs=20)
    for abilities, used in ((able, "forked"), (replace(able, prefix_cache=False), "separate")):
        recorder = Recorder(answer, abilities, identity=used)
        run = polyjudge.optimize(
            DATA.rows,
            criteria=DATA.criteria,
            model=JUDGE,
            backends={JUDGE: recorder.backend},
            scoring="yes-no",
            gate="none",
            output=used,
            settings=polyjudge.Settings(steps=0),
        )
        assert (run.judge.layout, run.choice) == (used, None)


@pytest.mark.parametrize("named", ["joint", "clarity+warmth,wit"])
def test_st_refuses_what_judges_together(named: str, place: Path) -> None:
    with pytest.raises(ConfigError, match=f"leave out --layout {re.escape(named)}"):
        fitted("right", "right", mode="ST", layout=named)


def test_a_judge_with_a_packing_scores_what_the_run_scored(place: Path) -> None:
    run, _, _ = fitted("right", "right", layout="clarity+wit,warmth", gate="none")
    recorder = Recorder(judge("right", "right"), CACHING)
    done = polyjudge.score(run.path / "judge.yaml", DATA.rows, backends={JUDGE: recorder.backend})
    assert done.unscored == 0
    with polyjudge.load(run.path / "judge.yaml", backends={JUDGE: recorder.backend}) as loaded:
        letter = DATA.rows[3]["letter"]
        name = re.findall(r"letter \d{3}", letter)[0]
        assert loaded(letter=letter) == {key: float(value) for key, value in DATA.truth[name].items()}
