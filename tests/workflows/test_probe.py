"""Parameters that a model refuses are found out before the run: the user's are an error, a preset's are left out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.llm.serving import Canned, FakeServer, Received, chat, serving

import polyjudge
from polyjudge.errors import BudgetSpent, ModelError, TooManyUnscored
from polyjudge.workflows.events import Event, Noted
from polyjudge.workflows.probe import QUESTION

SCORES = '{"fluency": 5, "coherence": 4, "consistency": 3, "relevance": 2}'


def refusing(*names: str) -> Callable[[Received], Canned]:
    """A server that takes every parameter but these."""

    def answer(received: Received) -> Canned:
        for name in names:
            if name in received.body:
                error = {"message": f"Unsupported parameter: {name!r} is not supported", "param": name}
                return Canned({"error": error}, status=400)
        return Canned(chat(SCORES))

    return answer


def run(
    folder: Path, names: tuple[str, ...], answer: Callable[[Received], Canned] | None = None, **options: Any
) -> tuple[FakeServer, list[Event]]:
    events: list[Event] = []

    async def work() -> FakeServer:
        async with serving(answer or refusing(*names)) as server:
            await asyncio.to_thread(
                polyjudge.optimize,
                "briefs",
                model="vllm/m",
                output=folder / "run",
                observer=events.append,
                **keywords(**{"base_url": server.url, "mode": "CCC", "steps": 1, "preset": "default"} | options),
            )
            return server

    return asyncio.run(work()), events


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYJUDGE_CACHE", str(tmp_path / "cache"))


def test_what_a_preset_sets_is_left_out_with_a_notice(tmp_path: Path) -> None:
    server, events = run(tmp_path, ("temperature", "response_format"))
    notes = [event.text for event in events if isinstance(event, Noted)]
    temperatures = [f"parameters.{role}.temperature" for role in ("judge", "loss", "gradient", "optimizer")]
    for name in ("structured", *temperatures):
        assert sum(f"does not take {name}," in note for note in notes) == 1
    refused = [one for one in server.received if {"temperature", "response_format"} & set(one.body)]
    assert len(refused) <= 6
    assert (tmp_path / "run" / "judge.yaml").is_file()


def test_what_the_user_sets_is_an_error_before_the_run(tmp_path: Path) -> None:
    parameters = {"judge": {"temperature": 0.3}}
    with pytest.raises(ModelError, match=r"parameters\.judge\.temperature \(command line\).*leave it out"):
        run(tmp_path, ("temperature",), parameters=parameters)
    assert not (tmp_path / "run" / "steps.jsonl").exists()


def questions(server: FakeServer) -> list[Received]:
    return [one for one in server.received if QUESTION in json.dumps(one.body["messages"])]


def test_roles_that_are_asked_alike_are_probed_by_one_call(tmp_path: Path) -> None:
    alike = {role: {"temperature": 0.0, "max_tokens": 99} for role in ("loss", "gradient", "optimizer")}
    free = {"structured": False}
    assert len(questions(run(tmp_path / "alike", (), parameters=alike, **free)[0])) == 1
    apart = alike | {"loss": {"temperature": 0.0, "max_tokens": 77}}
    assert len(questions(run(tmp_path / "apart", (), parameters=apart, **free)[0])) == 2


def test_an_optimizer_whose_replies_a_schema_holds_is_probed_with_a_schema(tmp_path: Path) -> None:
    alike = {role: {"temperature": 0.0, "max_tokens": 99} for role in ("loss", "gradient", "optimizer")}
    asked = questions(run(tmp_path, (), parameters=alike)[0])
    assert ["response_format" in one.body for one in asked] in ([True, False], [False, True])


def test_a_schema_that_only_the_optimizer_refuses_is_left_out_with_a_notice(tmp_path: Path) -> None:
    def answer(received: Received) -> Canned:
        refuses = received.body["model"] == "writer" and "response_format" in received.body
        return refusing(*(["response_format"] if refuses else []))(received)

    server, events = run(tmp_path, (), answer=answer, optimizer_model="vllm/writer")
    notes = [event.text for event in events if isinstance(event, Noted)]
    assert sum("vllm/writer does not take structured" in note for note in notes) == 1
    writing = [one for one in server.received if one.body["model"] == "writer"]
    assert sum("response_format" in one.body for one in writing) == 1
    assert (tmp_path / "run" / "judge.yaml").is_file()


def test_a_limit_refused_by_its_name_goes_by_the_other(tmp_path: Path) -> None:
    _, events = run(tmp_path, ("max_tokens",))
    notes = [event.text for event in events if isinstance(event, Noted)]
    assert sum("does not take max_tokens; the longest answer is sent as" in note for note in notes) == 1
    assert (tmp_path / "run" / "judge.yaml").is_file()


def test_a_limit_that_the_user_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"refused the first call.*limit_field"):
        run(tmp_path, ("max_tokens",), limit_field="max_tokens")


def test_a_row_that_is_filtered_says_nothing_of_the_parameters(tmp_path: Path) -> None:
    refused: list[str] = []

    def answer(received: Received) -> Canned:
        asked = json.dumps(received.body["messages"])
        if QUESTION not in asked and (not refused or asked in refused):
            refused.append(asked)
            return Canned({"error": {"message": "filtered", "code": "content_filter"}}, status=400)
        return refusing("temperature")(received)

    run(tmp_path, (), answer=answer)
    assert (tmp_path / "run" / "judge.yaml").is_file()


def test_the_limit_can_go_by_its_other_name(tmp_path: Path) -> None:
    server, _ = run(tmp_path, ("max_tokens",), limit_field="max_completion_tokens")
    assert all("max_completion_tokens" in one.body for one in server.received)


def test_a_spent_budget_stops_the_probe_too(tmp_path: Path) -> None:
    with pytest.raises(BudgetSpent):
        run(tmp_path, (), max_calls=0)


_UNTOLD = (((), "came without any"), (("logprobs",), "'logprobs' is refused"))


def test_probabilities_that_do_not_come_make_auto_read_integers(tmp_path: Path) -> None:
    for number, (refused, words) in enumerate(_UNTOLD):
        server, events = run(tmp_path / str(number), refused)
        notes = [event.text for event in events if isinstance(event, Noted)]
        assert sum(words in note and "read as integers" in note for note in notes) == 1
        asked = [one for one in server.received if "logprobs" in one.body]
        assert len(asked) == 1
        assert "scoring: json" in (tmp_path / str(number) / "run" / "judge.yaml").read_text("utf-8")


def test_a_model_that_none_of_its_hosts_serves_so_is_read_as_integers(tmp_path: Path) -> None:
    def answer(received: Received) -> Canned:
        if "logprobs" in received.body:
            error = {"message": "No endpoints found that can handle the requested parameters."}
            return Canned({"error": error}, status=404)
        return Canned(chat(SCORES))

    _, events = run(tmp_path, (), answer=answer)
    assert any("read as integers" in event.text for event in events if isinstance(event, Noted))


@pytest.mark.parametrize("refused", [(), ("top_logprobs",)])
def test_probabilities_that_a_named_scoring_needs_are_an_error(tmp_path: Path, refused: tuple[str, ...]) -> None:
    with pytest.raises(ModelError, match=r"scoring 'expected' needs; use --scoring json, or .*--samples K"):
        run(tmp_path, refused, scoring="expected")
    assert not (tmp_path / "run" / "steps.jsonl").exists()


UNNAMED = (
    (400, {"error": {"message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT"}}),
    (400, {"object": "error", "message": "The schema contains features that are no longer wanted.", "code": 400}),
    (403, {"error": {"message": "You may not do that with this model."}}),
    (404, {"error": {"message": "No host was found for this."}}),
    (422, {"detail": "nope"}),
)


@pytest.mark.parametrize(("status", "body"), UNNAMED)
@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("temperature",), ("parameters.judge.temperature",)),
        (("response_format",), ("structured",)),
        (("logprobs",), ("gives no token probabilities",)),
        (("temperature", "response_format"), ("parameters.judge.temperature", "structured")),
    ],
)
def test_a_refused_parameter_is_found_by_trying_however_it_is_worded(
    status: int, body: Any, names: tuple[str, ...], told: tuple[str, ...], tmp_path: Path
) -> None:
    def answer(received: Received) -> Canned:
        refused = any(received.body.get(name) is not None for name in names)
        return Canned(body, status=status) if refused else Canned(chat(SCORES))

    server, events = run(tmp_path, names, answer, steps=0)
    notes = [event.text for event in events if isinstance(event, Noted)]
    for text in told:
        assert sum(text in note for note in notes) == 1, notes
    assert sum(any(one.body.get(name) is not None for name in names) for one in server.received) <= 16


def test_a_request_that_is_refused_in_every_form_says_why(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such thing here"):
        run(tmp_path, (), lambda received: Canned({"error": {"message": "no such thing here"}}, status=404))


@pytest.mark.parametrize(("said", "told"), [("I would rather not say.", 'reads "I would'), ("", "is empty, as where")])
def test_a_judge_that_cannot_be_read_is_told_after_a_few_calls(said: str, told: str, tmp_path: Path) -> None:
    received: list[Received] = []

    def answer(one: Received) -> Canned:
        received.append(one)
        return Canned(chat(said))

    with pytest.raises(TooManyUnscored, match=f"no score can be read .*{told}.*--scoring"):
        run(tmp_path, (), answer, layout="joint", scoring="json")
    # Three rows, each asked three times, and one question of each other role.
    assert len(received) <= 12


@pytest.mark.parametrize(
    ("message", "finish", "told"),
    [
        ({"content": None, "reasoning_content": "Well, 3?"}, "stop", "holds thoughts and no answer"),
        ({"content": None}, "length", r"was cut off .*\[parameters.judge\] max_tokens"),
        ({"content": None, "tool_calls": []}, "tool_calls", "is a call of a tool"),
    ],
)
def test_a_judge_without_an_answer_is_told_what_came_in_its_place(
    message: dict[str, Any], finish: str, told: str, tmp_path: Path
) -> None:
    document = {"choices": [{"message": message, "finish_reason": finish}]}
    with pytest.raises(TooManyUnscored, match=told):
        run(tmp_path, (), lambda received: Canned(document), layout="joint", scoring="json")


def test_an_empty_first_answer_does_not_hide_that_no_token_probabilities_come(tmp_path: Path) -> None:
    rows: list[str] = []

    def answer(received: Received) -> Canned:
        text = received.body["messages"][0]["content"]
        if received.body.get("logprobs") and text not in rows:
            rows.append(text)
        return Canned(chat("" if rows and text == rows[0] else SCORES))

    _, events = run(tmp_path, (), answer, layout="joint", steps=0)
    assert any("gives no token probabilities" in event.text for event in events if isinstance(event, Noted))


def test_one_unreadable_reply_ends_nothing(tmp_path: Path) -> None:
    first: list[str] = []

    def answer(received: Received) -> Canned:
        text = received.body["messages"][0]["content"]
        first.append(text)
        return Canned(chat("Well." if text == first[0] else SCORES))

    run(tmp_path, (), answer, layout="joint", scoring="json", steps=0)
