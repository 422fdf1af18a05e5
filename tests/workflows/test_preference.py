"""Preferences: both orders are asked, the place of a text decides nothing, and its bias is measured."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rated import JUDGE, Recorder, written

import polyjudge as pj
from polyjudge.datasets.criteria import rubric_from, rubric_to
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import Categorical
from polyjudge.errors import ConfigError, CriteriaError
from polyjudge.judge.preference import exchanged, in_both_orders
from polyjudge.llm.request import Request
from polyjudge.workflows.events import Event, Noted

CRITERIA: dict[str, Any] = {
    "task": "Which answer is better?",
    "kind": "preference",
    "inputs": {"question": "Question", "a": "Answer 1", "b": "Answer 2"},
    "pair": ["a", "b"],
    "criteria": [{"name": "better", "ratings": ["ann", "bob"]}],
}
LABELS = ("A", "B", "tie")


def rows(count: int = 48) -> list[dict[str, Any]]:
    """Pairs of answers with a quality that stands in their texts; people prefer the higher one."""
    made = []
    for n in range(count):
        first, second = n * 7 % 5, n * 3 % 4
        label = "tie" if first == second else "A" if first > second else "B"
        texts = {"a": f"answer {n} of quality {first}", "b": f"reply {n} of quality {second}"}
        made.append({"question": f"what is {n}?", **texts, "ann": label, "bob": label})
    return made


def fair(request: Request) -> str:
    """A judge that sees the qualities."""
    first, second = map(int, re.findall(r"of quality (\d)", request.messages[-1].content)[-2:])
    return json.dumps({"better": "tie" if first == second else "A" if first > second else "B"})


def first_place(request: Request) -> str:
    """A judge that always prefers what stands first."""
    return '{"better": "A"}'


def fitted(answer: Callable[[Request], str], output: str, **settings: Any) -> tuple[pj.Run, Recorder, list[str]]:
    notes: list[str] = []

    def reply(request: Request) -> str:
        return answer(request) if request.role == "judge" else written(request, "Mind the quality.")

    def heard(event: Event) -> None:
        if isinstance(event, Noted):
            notes.append(event.text)

    recorder = Recorder(reply)
    run = pj.optimize(
        rows(), criteria=CRITERIA, model=JUDGE, backends={JUDGE: recorder.backend}, output=output, observer=heard,
        scoring="json", store=pj.MemoryStore(), settings=pj.Settings(steps=1, **settings),
    )  # fmt: skip
    return run, recorder, notes


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_file_says_what_is_compared_and_the_judge_which_label_means_which() -> None:
    rubric = rubric_from(CRITERIA, "criteria")
    assert (rubric.pair, rubric.order) == (("a", "b"), "both")
    (criterion,) = rubric.criteria
    assert criterion.scale == Categorical(LABELS)
    assert criterion.instruction == 'Answer "A" if Answer 1 is better, "B" if Answer 2 is better, "tie" if neither is.'
    assert rubric_from(rubric_to(rubric), "again") == rubric
    assert JudgePrompt.initial(rubric).orders == 2
    two = {**CRITERIA, "inputs": {"a": "One", "b": "Two"}}
    two.pop("pair")
    assert rubric_from(two, "criteria").pair == ("a", "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "ranking"}, "kind: 'ranking' is unknown"),
        ({"pair": ["a", "c"]}, "name the two inputs that are compared"),
        ({"pair": None}, "pair: is missing"),
        ({"order": "random"}, "order: 'random'; write both or given"),
        ({"kind": None}, "pair: belongs to kind: preference"),
        ({"criteria": [{"name": "better", "scale": [1, 5]}]}, "is a preference, whose scale is"),
    ],
)
def test_a_wrong_file_is_told_by_key(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CriteriaError, match=message):
        rubric_from({**CRITERIA, **change}, "criteria")


scores = st.sampled_from([0.0, 1.0, 2.0, math.nan])


@given(scores, scores, st.sampled_from([LABELS, LABELS[:2]]))
def test_the_place_of_a_text_decides_nothing(given_: float, other: float, labels: tuple[str, ...]) -> None:
    prompt = JudgePrompt("T", (("a", "A"), ("b", "B")), (Criterion("better", Categorical(labels)),), pair=("a", "b"))
    turn = {0.0: 1.0, 1.0: 0.0}

    def prediction(score: float) -> Prediction:
        return Prediction("x", {"better": score if score < len(labels) else math.nan}, ())

    one = in_both_orders(prompt, prediction(given_), prediction(other)).score("better")
    # The same texts the other way round are judged the other way round.
    back = in_both_orders(prompt, prediction(other), prediction(given_)).score("better")
    assert turn.get(one, one) == back or (math.isnan(one) and math.isnan(back))


def test_exchanged_texts_keep_the_other_inputs_and_the_order_of_columns() -> None:
    example = Example("x", {"q": "Q", "a": "one", "b": "two"})
    assert list(exchanged(example, ("a", "b")).inputs.items()) == [("q", "Q"), ("a", "two"), ("b", "one")]
    assert exchanged(exchanged(example, ("a", "b")), ("a", "b")) == example


def test_probabilities_of_both_orders_are_averaged() -> None:
    prompt = JudgePrompt("T", (("a", "A"), ("b", "B")), (Criterion("better", Categorical(LABELS)),), pair=("a", "b"))
    first, second = (
        Prediction("x", {"better": 0.0}, (), {"better": dict(zip(LABELS, masses, strict=True))})
        for masses in ((0.6, 0.3, 0.1), (0.7, 0.2, 0.1))
    )
    both = in_both_orders(prompt, first, second)
    assert both.distributions["better"] == pytest.approx({"A": 0.4, "B": 0.5, "tie": 0.1})
    assert both.score("better") == 1.0
    assert both.orders["better"] == (0.0, 1.0)


def test_a_fair_judge_agrees_and_a_biased_one_is_found_out() -> None:
    run, recorder, _ = fitted(fair, "fair")
    (better,) = run.outcome.criteria
    assert better.fitted == pytest.approx(1.0)
    assert any("won in both orders in 0%, the one in the second place in 0%" in note for note in run.outcome.notes)
    shown = [
        tuple(re.findall(r"(answer|reply) \d+ of", request.messages[-1].content)) for request in recorder.of("judge")
    ]
    assert shown.count(("answer", "reply")) == shown.count(("reply", "answer"))
    biased, _, _ = fitted(first_place, "biased")
    assert any("won in both orders in 100%" in note for note in biased.outcome.notes)
    summary = Path("biased/summary.md").read_text("utf-8")
    assert "Position bias of better" in summary


def test_scoring_loading_and_auditing_keep_both_orders() -> None:
    fitted(fair, "run")
    notes: list[str] = []

    def heard(event: Event) -> None:
        if isinstance(event, Noted):
            notes.append(event.text)

    recorder = Recorder(fair)
    data = [{**row, "id": f"r{n}"} for n, row in enumerate(rows(20))]
    (role,) = pj.plan_score("run/judge.yaml", data, backends={JUDGE: Recorder(fair).backend})
    assert role.calls == 40
    pj.score("run/judge.yaml", data, output="s.csv", backends={JUDGE: recorder.backend}, observer=heard)
    with open("s.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["better"] for row in table] == [row["ann"] for row in data]
    assert any("Position bias of better, of 20 pairs" in note for note in notes)
    found = pj.audit("s.csv", criteria={"criteria": [{"name": "better", "scale": {"labels": list(LABELS)},
                                                      "ratings": ["ann", "bob"]}]})  # fmt: skip
    assert found.agreement("kappa") == found.agreement("accuracy") == 1.0
    with pj.load("run/judge.yaml", backends={JUDGE: Recorder(first_place).backend}) as judge:
        assert judge(question="?", a="x of quality 1", b="y of quality 2") == {"better": "tie"}


def test_one_order_alone_is_asked_where_the_user_says_so() -> None:
    run, recorder, _ = fitted(fair, "given", order="given")
    assert not any("Position bias" in note for note in run.outcome.notes)
    assert run.judge.rubric.order == "given"
    assert len(recorder.of("judge")) < len(fitted(fair, "both")[1].of("judge"))
    plain = {key: value for key, value in CRITERIA.items() if key not in ("kind", "pair")}
    plain["criteria"] = [{**CRITERIA["criteria"][0], "scale": {"labels": list(LABELS)}}]
    settings, backends = pj.Settings(order="both"), {JUDGE: Recorder(fair).backend}
    with pytest.raises(ConfigError, match="nothing is compared here"):
        pj.optimize(rows(), criteria=plain, model=JUDGE, backends=backends, settings=settings)


def test_strengths_of_systems_follow_their_qualities() -> None:
    table = []
    for n, row in enumerate(rows(60)):
        first, second = (re.findall(r"quality (\d)", row[column])[0] for column in ("a", "b"))
        table.append({"id": f"r{n}", "better": row["ann"], "ann": row["ann"], "one": f"s{first}", "two": f"s{second}"})
    criteria = {"criteria": [{"name": "better", "scale": {"labels": list(LABELS)}, "ratings": ["ann"]}]}
    found = pj.audit(table, criteria=criteria, system="one,two").strengths
    assert [one.system for one in found] == ["s4", "s3", "s2", "s1", "s0"]
    for one in found:
        assert one.judged == one.human
        assert one.human.low < one.human.value < one.human.high
    with pytest.raises(ConfigError, match="name one column, or the two of a comparison"):
        pj.audit(table, criteria=criteria, system="one,two,three")
