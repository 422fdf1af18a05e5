"""What a judge is sent, shown without a call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.asking import judge_of as judge_of_script
from tests.asking import prompt_of, row

import polyjudge
from polyjudge import Settings, codec
from polyjudge.datasets.criteria import rubric_from
from polyjudge.domain.dataset import Rubric
from polyjudge.errors import ConfigError
from polyjudge.judge.decisions import DecisionScoring
from polyjudge.llm.backends.scripted import Scripted
from polyjudge.llm.request import Abilities, Reply, Request, Sampling
from polyjudge.results.judge_file import JudgeFile, dump_judge
from polyjudge.testing.asking import ScriptedAsker
from polyjudge.workflows.prompt import lines, sent

ROWS = [{"id": f"r{k}", "text": f"Text {k} {{{{ format }}}}", "warmth": 1 + k % 5} for k in range(12)]
PROMPT = [
    {"role": "system", "content": "You grade.\r\n{{ instruction:warmth }}"},
    {"role": "user", "content": "<t>{{ text }}</t> {{ instruction:clarity }}\n{{ format }}"},
]


def rubric_of(prompt: Any) -> Rubric:
    criteria: Mapping[str, Any] = {
        "prompt": prompt,
        "id": "id",
        "inputs": {"text": "Text"},
        "criteria": [{"name": "warmth", "scale": [1, 5]}, {"name": "clarity", "scale": [1, 5], "ratings": ["warmth"]}],
    }
    return rubric_from(criteria, "criteria")


def judge_of(layout: str = "joint") -> JudgeFile:
    return JudgeFile(rubric_of(PROMPT), "scripted/m", layout, "json", Sampling())


class Recording(Scripted):
    """A scripted backend that keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(lambda request: '{"warmth": 3, "clarity": 2}')
        self.asked: list[Request] = []

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        return await super().complete(request)


@pytest.mark.parametrize("layout", ["joint", "separate"])
def test_what_is_shown_is_what_is_sent(layout: str, place: Path) -> None:
    judge, backend = judge_of(layout), Recording()
    backends = {"scripted/m": backend}
    shown = [polyjudge.prompt(judge, ROWS, row=number, backends=backends) for number in (1, 2)]
    assert not backend.asked
    polyjudge.score(judge, ROWS[:2], backends=backends, settings=Settings(max_concurrency=1))
    assert {request.messages for request in backend.asked} == {c.messages for one in shown for c in one.calls}
    assert len(shown[0].calls) == (1 if layout == "joint" else 2)
    assert shown[0].calls[0].messages[1].content.startswith("<t>Text 0 {{ format }}</t> Rate")


def test_without_data_places_stand_for_the_item() -> None:
    (call,) = polyjudge.prompt(judge_of(), backends={"scripted/m": Recording()}).calls
    assert "<t>{{ text }}</t>" in call.messages[1].content
    text = "\n".join(lines(polyjudge.prompt(judge_of(), backends={"scripted/m": Recording()})))
    assert all(message.content in text for message in call.messages)


def test_a_row_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no row 13; the data have 12 rows"):
        polyjudge.prompt(judge_of(), ROWS, row=13, backends={"scripted/m": Recording()})


def test_check_shows_the_first_rows() -> None:
    found = polyjudge.check(ROWS, criteria=rubric_of(PROMPT), show=2)
    assert [one.item for one in found.shown] == ["r0", "r1"]
    assert found.shown[0].calls[0].messages[0].content == "You grade.\r\nRate from 1 to 5."
    assert polyjudge.check(ROWS, criteria=rubric_of(PROMPT)).shown == ()


def test_layouts_that_a_prompt_cannot_be_asked_in_are_refused() -> None:
    generic = rubric_of("{{ text }}: {{ criterion }}? {{ instruction }}\n{{ format }}")
    shown = polyjudge.check(ROWS, criteria=generic, show=1).shown[0]
    assert shown.layout == "separate"
    assert [call.criteria for call in shown.calls] == [("warmth",), ("clarity",)]
    assert shown.calls[1].messages[0].content.startswith("Text 0 {{ format }}: clarity? Rate")
    forked = polyjudge.check(ROWS, criteria=generic, layout="forked", show=1).shown[0]
    assert forked.calls == shown.calls
    formless = PROMPT[1]["content"].replace("{{ format }}", "{{ instruction:warmth }}")
    for prompt, layout, reason in (
        (generic, "joint", "asks for one in a call"),
        (
            rubric_of(formless),
            "separate",
            "no {{ format }}",
        ),
        (rubric_of("{{ criterion }}? {{ instruction }} {{ text }}"), "forked", "does not show the whole item before"),
    ):
        with pytest.raises(ConfigError, match=reason.replace("{", r"\{")):
            polyjudge.check(ROWS, criteria=prompt, layout=layout, show=1)


@pytest.mark.parametrize("scoring", ["yes-no", "cloze"])
def test_scoring_methods_with_a_question_of_their_own_are_refused(scoring: str) -> None:
    with pytest.raises(ConfigError, match="the prompt is yours"):
        polyjudge.check(ROWS, criteria=rubric_of(PROMPT), scoring=scoring, layout="separate", show=1)


def test_a_judge_file_keeps_every_byte(place: Path) -> None:
    path = place / "judge.yaml"
    path.write_text(dump_judge(judge_of()))
    backends = {"scripted/m": Recording()}
    assert polyjudge.prompt(path, ROWS, backends=backends) == polyjudge.prompt(judge_of(), ROWS, backends=backends)


def test_an_exported_judge_is_the_users_own_prompt() -> None:
    text = polyjudge.export(judge_of())
    assert text.startswith("You grade.\r\nRate from 1 to 5.\n\n<t>{{text}}</t> Rate from 1 to 5.\n{")
    literal = '{{ "{{" }}text}} {{ text }} {{# fit warmth }}W{{/ fit }} {{ instruction:clarity }}'
    other = replace(judge_of(), rubric=rubric_of(literal))
    with pytest.raises(ConfigError, match="marks where an input goes"):
        polyjudge.export(other)


def test_a_loaded_judge_asks_it(place: Path) -> None:
    path, backend = place / "judge.yaml", Recording()
    path.write_text(dump_judge(judge_of()))
    with polyjudge.load(path, backends={"scripted/m": backend}) as judge:
        assert judge(text="T") == {"warmth": 3, "clarity": 2}
        assert asyncio.run(judge.acall(text="T")) == {"warmth": 3, "clarity": 2}
    assert backend.asked[0].messages[1].content.startswith("<t>T</t>")


def test_as_json_the_messages_have_role_and_content() -> None:
    shown = polyjudge.prompt(judge_of(), ROWS, backends={"scripted/m": Recording()})
    written = codec.plain(shown)
    assert [sorted(message) for message in written["calls"][0]["messages"]] == [["content", "role"]] * 2


def test_forms_and_decision_questions_are_shown() -> None:
    asker = ScriptedAsker(lambda request: "", Abilities(fills=True, decisions=True))
    shown = sent(judge_of_script(asker, ("fluency",)), prompt_of(("fluency",)), row(1))
    assert shown.calls[0].form == '{"fluency": ...}'
    assert shown.calls[0].schema is None
    assert any('{"fluency": ...}' in line for line in lines(shown))
    decisions = replace(judge_of_script(asker, ("fluency",)), scoring=DecisionScoring())
    asked = sent(decisions, prompt_of(("fluency",)), row(1))
    assert [question["name"] for question in asked.calls[0].questions] == ["fluency"]
    assert any(line.startswith("--- question: ") for line in lines(asked))
