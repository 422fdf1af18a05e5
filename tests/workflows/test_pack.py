"""``pack`` from rated rows to a layout that can be used, on scripted judges whose losses are known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.commands import polyjudge
from tests.rated import FIVE, JUDGE, Rated, Recorder, rated

from polyjudge.datasets.load import load_dataset
from polyjudge.datasets.split import split
from polyjudge.errors import BudgetSpent, ConfigError, InputError
from polyjudge.llm.request import Abilities, Request
from polyjudge.results.packing import Packing
from polyjudge.settings.given import Budget, Settings
from polyjudge.workflows.pack import pack, planned_packing

DATA = rated({"a": FIVE, "b": FIVE, "c": FIVE}, documents=60, each=2)


def judge(data: Rated, hurt: Callable[[str, set[str]], bool]) -> Recorder:
    """A judge that is right, but for criteria that are hurt by their company, which it rates the wrong way round."""

    def answer(request: Request) -> str:
        said = "\n".join(message.content for message in request.messages)
        truth = data.truth[re.findall(r"letter \d{3}", said)[-1]]
        asked = {name for name in data.names if re.search(rf"^- {name}\b", said, re.MULTILINE)}
        return json.dumps({name: 6 - truth[name] if hurt(name, asked - {name}) else truth[name] for name in asked})

    return Recorder(answer, Abilities(schema=True))


def plan(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **keywords: object) -> Packing:
    monkeypatch.chdir(tmp_path)
    given = {"criteria": DATA.criteria, "model": JUDGE, "backends": {JUDGE: recorder.backend}, "scoring": "json"}
    return pack(DATA.rows, **(given | keywords))


def test_what_loses_nothing_shares_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = plan(judge(DATA, lambda name, beside: False), tmp_path, monkeypatch)
    assert (found.layout, found.certified, found.packed.calls, found.separate.calls) == ("joint", True, 1, 3)
    assert "66% fewer" in found.verdict or "67% fewer" in found.verdict
    assert all(pair.loss == 0 for pair in found.pairs)


def test_what_is_hurt_by_company_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = plan(judge(DATA, lambda name, beside: name == "b" and bool(beside)), tmp_path, monkeypatch)
    assert (found.layout, found.certified) == ("a+c,b", True)


def test_a_loss_that_pairs_do_not_show_is_found_by_the_test_and_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = plan(judge(DATA, lambda name, beside: len(beside) == 2), tmp_path, monkeypatch)
    assert [one.kept for one in found.tested] == [False, True]
    assert len(found.tested[0].groups) == 1
    assert found.certified
    assert found.packed.calls == 2


def test_where_all_company_hurts_calls_stay_separate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = plan(judge(DATA, lambda name, beside: bool(beside)), tmp_path, monkeypatch)
    assert (found.layout, found.certified, found.tested) == ("forked", False, ())
    assert found.packed == found.separate


def test_test_rows_stay_sealed_and_no_more_is_asked_than_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = judge(DATA, lambda name, beside: len(beside) == 2)
    found = plan(recorder, tmp_path, monkeypatch)
    asked = {letter for one in recorder.asked for letter in re.findall(r"letter \d{3}", one.messages[0].content)}
    parts = split(load_dataset(DATA.rows, DATA.criteria), seed=0)
    assert len(asked) == found.searched + found.confirmed == len(parts.train) + len(parts.validation)
    assert not any(letter in row.inputs["letter"] for row in parts.test for letter in asked)
    (planned,) = planned_packing(
        DATA.rows, criteria=DATA.criteria, settings=Settings(model=JUDGE, scoring="json"),
        backends={JUDGE: recorder.backend},
    )  # fmt: skip
    assert len(recorder.asked) <= planned.calls


def test_a_stopped_plan_goes_on_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = judge(DATA, lambda name, beside: name == "b" and bool(beside))
    with pytest.raises(BudgetSpent):
        plan(recorder, tmp_path, monkeypatch, budget=Budget(calls=100))
    found = plan(recorder, tmp_path, monkeypatch)
    assert found.layout == "a+c,b"
    assert len(recorder.asked) == len({request.key("here") for request in recorder.asked})


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"margin": 0}, "--margin 0"),
        ({"margin": float("nan")}, "--margin nan"),
        ({"settings": Settings(layout="joint")}, "leave out --layout"),
        ({"scoring": "yes-no"}, "no token probabilities"),
        ({"settings": Settings(limit=30)}, "too few"),
        ({"model": None}, "no model named"),
    ],
)
def test_what_cannot_be_planned_is_refused_before_any_call(
    keywords: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = judge(DATA, lambda name, beside: False)
    with pytest.raises(InputError, match=re.escape(said)):
        plan(recorder, tmp_path, monkeypatch, **keywords)
    assert recorder.asked == []


def test_one_criterion_has_nothing_to_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = rated({"a": FIVE}, documents=30)
    with pytest.raises(ConfigError, match="nothing to pack"):
        plan(judge(one, lambda name, beside: False), tmp_path, monkeypatch, criteria=one.criteria)


def test_the_verb_prints_the_plan_and_the_same_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("pack", "simulated/default", "--model", "simulated/default", "--limit", "160", "--margin", "0.5")
    planned = polyjudge(*words, "--dry-run")
    assert re.fullmatch(r"at most [\d,]+ calls with about [\d,]+ tokens\n", planned.out)
    ended, told = polyjudge(*words, "--quiet"), polyjudge(*words, "--json")
    assert (ended.code, told.code) == (0, 0)
    assert ended.out.startswith("SIMULATED: Use --layout ")
    found = json.loads(told.out)
    assert found["verdict"] in ended.out
    assert found["layout"] in ended.out
