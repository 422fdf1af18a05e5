"""Decisions over HTTP: every field of the protocol, both ways, and against the types of OpenAI's own client."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.llm.serving import Canned, FakeServer, Received, serving

from polyjudge.errors import CallFailed, ModelError
from polyjudge.llm.backends import decisions
from polyjudge.llm.cache.encoding import decode, encode
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Abilities, Message, Reply, Request, Sampling, Usage, body_extra

QUESTIONS = [
    {
        "type": "score",
        "name": "fluency",
        "instructions": "Is it fluent?",
        "levels": [{"label": "1", "description": "not at all"}, {"label": "2"}],
    },
    {
        "type": "choice",
        "name": "verdict",
        "instructions": "Is it safe?",
        "choices": [{"value": "no"}, {"value": "yes", "description": "nothing to fear"}],
    },
]
ANSWERS = [
    {
        "type": "score",
        "name": "fluency",
        "score": 0.75,
        "confidence": 0.75,
        "probabilities": [
            {"label": "1", "value": 0, "probability": 0.25},
            {"label": "2", "value": 1, "probability": 0.75},
        ],
    },
    {"type": "refusal", "name": "verdict"},
]
USAGE = {
    "input_tokens": 70,
    "input_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 20},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 73,
}
DOCUMENT: dict[str, Any] = {"model": "gpt-6-luna", "answers": ANSWERS, "usage": USAGE}
REQUEST = Request(
    "sglang/m", (Message("user", "The item."),), sampling=Sampling(0.0, 99), questions=json.dumps(QUESTIONS)
)
ABLE = Abilities(decisions=True)


def strict(received: Received) -> Canned:
    """A server that refuses any field that the protocol does not know, as OpenAI does."""
    problems = set(received.body) - {"model", "input", "questions", "prompt_cache_key", "safety_identifier"}
    if received.path != "/v1/decisions" or problems:
        return Canned({"error": {"message": f"Unknown parameter: {sorted(problems)}"}}, status=400)
    return Canned(DOCUMENT)


def asked(request: Request, folder: Path, answer: Any = strict) -> tuple[FakeServer, Reply]:
    async def work() -> tuple[FakeServer, Reply]:
        async with serving(answer) as server:
            backend = open_backend(request.model, base_url=server.url, environment={}, folder=folder)
            try:
                return server, await backend.complete(request)
            finally:
                await backend.close()

    return asyncio.run(work())


@pytest.mark.parametrize("model", ["sglang/m", "m"])
def test_one_post_holds_the_item_once_and_every_question(model: str, tmp_path: Path) -> None:
    server, reply = asked(replace(REQUEST, model=model), tmp_path)
    (received,) = server.received
    assert received.body == {"model": "m", "input": "The item.", "questions": QUESTIONS}
    assert json.loads(reply.text) == ANSWERS
    assert reply.usage == Usage(prompt=70, completion=3, cached=50, written=20)
    assert (reply.model, reply.finish, reply.tokens) == ("gpt-6-luna", "stop", ())
    assert decode(encode(reply)) == reply


def test_several_messages_are_a_list_and_the_users_fields_are_added() -> None:
    messages = (Message("system", "Be fair."), Message("user", "The item."))
    sampling = Sampling(0.0, 99, body_extra({"safety_identifier": "me"}))
    fields = decisions.body(replace(REQUEST, messages=messages, sampling=sampling), "m", ABLE)
    assert fields["input"] == [
        {"type": "message", "role": "system", "content": "Be fair."},
        {"type": "message", "role": "user", "content": "The item."},
    ]
    assert fields["safety_identifier"] == "me"
    with pytest.raises(ModelError, match=r"'questions'.*not free to set"):
        decisions.body(replace(REQUEST, sampling=Sampling(extra=(("questions", "[]"),))), "m", ABLE)


def test_an_endpoint_that_is_not_known_to_decide_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not known to answer decision questions"):
        asked(replace(REQUEST, model="llamacpp/m"), tmp_path)


@pytest.mark.parametrize("document", [{}, {"answers": None}, {"answers": {"type": "score"}}, {"choices": []}])
def test_a_reply_without_answers_is_asked_again(document: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CallFailed, match="holds no answers") as caught:
        asked(REQUEST, tmp_path, Canned(document))
    assert caught.value.retryable
    assert caught.value.charged


def test_questions_are_part_of_the_key_and_requests_without_any_keep_theirs() -> None:
    chat = replace(REQUEST, questions="")
    assert chat.key("here") != REQUEST.key("here")
    assert chat.key("here") == "32ee4cfb82df172c2c1616296843889f88b0a3d499a963411b0985df63cf76a4"


class TestOfficialTypes:
    """The same bodies, checked by the official client's own types."""

    def test_the_request_fits(self) -> None:
        params = pytest.importorskip("openai.types.decision_create_params", reason="needs the package openai 3.57.0")
        from pydantic import ConfigDict, TypeAdapter, with_config
        from pydantic.errors import PydanticUserError

        fields = decisions.body(REQUEST, "gpt-6-luna", ABLE)
        checked = params.DecisionCreateParams
        try:
            adapter = TypeAdapter(with_config(ConfigDict(extra="forbid"))(checked))
        except PydanticUserError:
            adapter = TypeAdapter(checked)
        adapter.validate_python(fields)
        for question, kind in zip(
            fields["questions"], (params.QuestionQuestionParamScore, params.QuestionQuestionParamChoice), strict=True
        ):
            assert set(question) <= set(kind.__annotations__)

    def test_what_the_official_client_reads_we_read(self) -> None:
        decision = pytest.importorskip("openai.types.decision", reason="needs the package openai 3.57.0")
        read = decision.Decision.model_validate(DOCUMENT, strict=True)
        reply = decisions.read_decision(json.loads(read.model_dump_json()))
        ours = decisions.read_decision(DOCUMENT)
        assert (json.loads(reply.text), reply.usage, reply.model) == (ANSWERS, ours.usage, ours.model)
