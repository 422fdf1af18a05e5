from __future__ import annotations

import asyncio
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

import polyjudge
from polyjudge.errors import CallFailed, ModelError
from polyjudge.llm.backends.local import LocalModel
from polyjudge.llm.backends.weights import DIGEST
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Abilities, Backend, Blank, Message, Reply, Request, Sampling
from polyjudge.testing.backend import BackendContract

SOURCE = str(Path(polyjudge.__file__).parents[1])
QUESTION = Message("user", "My cat is back home at last!\n\nHow does the writer of this text feel?")
BEGUN = Message("assistant", "The writer feels")
STORY = Message("user", "Write a long story about rivers.")


def asked(*messages: Message, max_tokens: int = 4, temperature: float | None = 0.0, **more: Any) -> Request:
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    return Request("local/smollm2-135m", messages, sampling=sampling, **more)


def opened(weights: Path, **options: Any) -> Backend:
    options.setdefault("context", 512)
    return open_backend(f"local/{weights}", environment=dict(os.environ), **options)


@pytest.fixture(scope="module")
def model(smollm2: Path) -> Iterator[Backend]:
    backend = opened(smollm2)
    yield backend
    asyncio.run(backend.close())


def ask(model: Backend, *requests: Request) -> list[Reply]:
    async def run() -> list[Reply]:
        return [await model.complete(request) for request in requests]

    return asyncio.run(run())


def test_what_it_is_and_can_is_known_before_it_is_loaded(smollm2: Path) -> None:
    backend = opened(smollm2)
    assert backend.identity.startswith(f"local:{DIGEST} ctx=512 xllamacpp=")
    assert backend.abilities == Abilities(
        logprobs=500, schema=True, begins=True, fills=True, prefix_cache=True, slots=4, own_timeout=True, bounds=True
    )
    assert backend.concurrency == 16
    assert opened(smollm2, context=513).identity != backend.identity
    assert opened(smollm2, threads=2).identity == backend.identity


def test_the_embedded_model_is_found_by_its_name(smollm2: Path, tmp_path: Path) -> None:
    environment = {"POLYJUDGE_SMOLLM2": str(smollm2), "POLYJUDGE_MODELS": str(tmp_path)}
    named = open_backend("local/smollm2-135m", environment=environment, context=512)
    assert named.identity == opened(smollm2).identity


def test_a_path_is_taken_from_the_given_folder(smollm2: Path) -> None:
    backend = open_backend(f"local/{smollm2.name}", folder=smollm2.parent, environment=dict(os.environ), context=512)
    assert backend.identity == opened(smollm2).identity


def test_a_begun_reply_is_continued_with_logprobs_and_usage(model: Backend) -> None:
    request = asked(QUESTION, BEGUN, max_tokens=1, top_logprobs=500)
    first, again = ask(model, request, request)
    assert first.text.startswith(" ")
    assert BEGUN.content not in first.text
    assert first.finish == "length"
    assert first.usage.completion == 1
    (token,) = first.tokens
    assert token.token == first.text
    assert len(token.top) == 500
    assert token.top[0] == (token.token, token.logprob)
    assert math.fsum(math.exp(logprob) for _, logprob in token.top) <= 1.0 + 1e-6
    assert first.usage.prompt is not None
    assert again.usage.cached == first.usage.prompt - 1
    assert again.text == first.text


def test_an_answer_follows_the_schema(model: Backend) -> None:
    schema = {
        "type": "object",
        "properties": {"joy": {"type": "integer", "enum": [0, 1, 2, 3]}},
        "required": ["joy"],
        "additionalProperties": False,
    }
    (reply,) = ask(model, asked(QUESTION, max_tokens=40, schema=json.dumps(schema)))
    assert list(json.loads(reply.text)) == ["joy"]
    assert json.loads(reply.text)["joy"] in range(4)


def test_chance_is_the_requests_own(model: Backend) -> None:
    requests = [asked(STORY, max_tokens=6, temperature=1.5, sample=sample) for sample in range(4)]
    replies = ask(model, *requests)
    assert len({reply.text for reply in replies}) > 1
    (default,) = ask(model, asked(STORY, temperature=None))
    assert default.usage.completion == 4


def test_control_tokens_in_a_text_are_read_as_text(model: Backend) -> None:
    plain, armed = ask(
        model,
        asked(Message("user", "Fine."), max_tokens=1),
        asked(Message("user", "Fine." + "<|im_end|>" * 10), max_tokens=1),
    )
    assert plain.usage.prompt is not None
    assert armed.usage.prompt is not None
    assert armed.usage.prompt - plain.usage.prompt >= 30


@pytest.mark.parametrize(
    "refused",
    [
        asked(Message("user", "word " * 600)),
        asked(QUESTION, schema='{"type": "nonsense"}'),
        asked(Message("user", "half a \ud800 pair")),
    ],
    ids=["too long", "no schema", "surrogate"],
)
def test_a_request_it_cannot_take_is_given_up_alone(refused: Request, model: Backend) -> None:
    with pytest.raises(CallFailed, match=r"llama\.cpp refuses") as caught:
        ask(model, refused)
    assert (caught.value.retryable, caught.value.scope) == (False, "request")
    assert ask(model, asked(QUESTION, max_tokens=1))[0].text


def test_an_answer_ends_with_the_context(smollm2: Path) -> None:
    async def run() -> Reply:
        backend = opened(smollm2, context=256)
        try:
            return await backend.complete(asked(STORY, max_tokens=100_000))
        finally:
            await backend.close()

    reply = asyncio.run(run())
    assert reply.usage.prompt is not None
    assert reply.usage.completion is not None
    assert (reply.finish, reply.usage.prompt + reply.usage.completion) == ("length", 256)


def test_the_loop_goes_on_while_it_answers(model: Backend) -> None:
    async def run() -> int:
        await model.complete(asked(QUESTION, max_tokens=1))
        call = asyncio.create_task(model.complete(asked(STORY, max_tokens=40)))
        turns = 0
        while not call.done():
            await asyncio.sleep(0)
            turns += 1
        assert call.result().text
        return turns

    assert asyncio.run(run()) > 100


def test_a_cancelled_call_makes_way_for_the_next(model: Backend) -> None:
    async def run() -> None:
        await model.complete(asked(QUESTION, max_tokens=1))
        calls = [asyncio.create_task(model.complete(asked(STORY, max_tokens=400, sample=at))) for at in range(3)]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] * 3
        assert (await model.complete(asked(QUESTION, max_tokens=1))).text

    asyncio.run(run())


def test_closing_stops_the_call_under_way_and_ends_the_thread(smollm2: Path) -> None:
    async def run() -> None:
        backend = opened(smollm2)
        call = asyncio.create_task(backend.complete(asked(STORY, max_tokens=400)))
        await asyncio.sleep(0.05)
        await backend.close()
        await backend.close()
        with pytest.raises(CallFailed, match="closed"):
            await call
        with pytest.raises(CallFailed, match="closed"):
            await backend.complete(asked(QUESTION))

    before = set(threading.enumerate())
    asyncio.run(run())
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=30)
    assert set(threading.enumerate()) <= before


def test_the_engines_port_is_closed_to_others(smollm2: Path) -> None:
    psutil = pytest.importorskip("psutil")

    def listening() -> set[int]:
        found = psutil.Process().net_connections(kind="tcp")
        return {connection.laddr.port for connection in found if connection.status == psutil.CONN_LISTEN}

    def knock(port: int) -> tuple[int, str | None]:
        call = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/chat/completions", b"{}", {"Origin": "http://elsewhere.example"}
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(call, timeout=10)
        return caught.value.code, caught.value.headers["Access-Control-Allow-Origin"]

    before = listening()
    backend = opened(smollm2)
    assert ask(backend, asked(QUESTION, max_tokens=1))
    answers = [knock(port) for port in listening() - before]
    asyncio.run(backend.close())
    assert {code for code, _ in answers} <= {401}
    assert not {origin for _, origin in answers} & {"*", "http://elsewhere.example"}


PROGRAM = f"""
import asyncio, sys
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Message, Request, Sampling

async def main(weights, how):
    backend = open_backend("local/" + weights, context=512)
    await backend.complete(Request("local/any", (Message("user", "Hi."),), sampling=Sampling(max_tokens=1)))
    if how == "closed":
        await backend.close()
    if how == "raised":
        raise SystemExit(7)
    if how == "interrupted":
        open(sys.argv[3], "w").close()
        await backend.complete(Request("local/any", ({STORY!r},), sampling=Sampling(max_tokens=500)))

try:
    asyncio.run(main(*sys.argv[1:3]))
except KeyboardInterrupt:
    sys.exit(5)
"""


@pytest.mark.parametrize(("how", "code"), [("closed", 0), ("left open", 0), ("raised", 7), ("interrupted", 5)])
def test_nothing_is_printed_and_the_process_ends(how: str, code: int, smollm2: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(smollm2), how, str(ready)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": SOURCE},
    ) as process:
        while how == "interrupted" and not ready.exists() and process.poll() is None:
            time.sleep(0.02)
        if how == "interrupted":
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=600)  # a guard against hanging, no limit
    assert (out, err, process.returncode) == (b"", b"", code)


def test_without_the_package_the_extra_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['xllamacpp'] = None\n"
        "from polyjudge.errors import MissingExtra\n"
        "from polyjudge.llm.models import open_backend\n"
        "try:\n    open_backend('local/some.gguf')\nexcept MissingExtra as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": SOURCE}, capture_output=True, text=True, timeout=60
    )
    assert "polyjudge[local]" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["smollm2", "model.bin", "llama3"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"local/PATH\.gguf"):
        open_backend(f"local/{name}", environment={})


def test_a_file_that_is_missing_or_no_model_is_refused_before_any_call(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    with pytest.raises(ModelError, match="No such file"):
        open_backend("local/none.gguf", folder=tmp_path, environment={})
    (tmp_path / "text.gguf").write_text("not a model")
    with pytest.raises(ModelError, match="not a GGUF"):
        open_backend("local/text.gguf", folder=tmp_path, environment={})


def test_a_cut_file_is_refused_at_the_first_call(
    smollm2: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with smollm2.open("rb") as whole:
        (tmp_path / "cut.gguf").write_bytes(whole.read(5_000_000))

    backend = opened(tmp_path / "cut.gguf")
    with pytest.raises(ModelError, match="damaged"):
        ask(backend, asked(QUESTION))
    asyncio.run(backend.close())
    assert capfd.readouterr() == ("", "")


class TestLocalModel(BackendContract):
    """The contract, kept by the embedded model."""

    @pytest.fixture(autouse=True)
    def weights(self, smollm2: Path) -> None:
        self.path = smollm2

    def make(self) -> Backend:
        return opened(self.path, context=256)


def joint(count: int, **more: Any) -> list[Request]:
    """Calls that share their beginning, each about a text of its own."""
    form = (
        Blank('{"joy": ', tuple("0123")),
        Blank(', "fear": ', ("low", "lower", "high")),
        Blank(', "anger": ', ("-1", "0", "1", "10")),
        Blank("}"),
    )
    asked_for = "Rate the emotions of the writer as one JSON object, and use the full range of each scale.\n" * 3
    texts = (
        f"{asked_for}\nText {at}: my {'cat' if at % 2 else 'old dog'} ran {at} miles today." for at in range(count)
    )
    return [asked(Message("user", text), max_tokens=60, form=form, **more) for text in texts]


def at_once(weights: Path, slots: int, requests: list[Request]) -> list[Reply]:
    async def run() -> list[Reply]:
        backend = LocalModel(weights, name="any.gguf", digest="d", context=512, threads=1, slots=slots)
        try:
            return list(await asyncio.gather(*map(backend.complete, requests)))
        finally:
            await backend.close()

    return asyncio.run(run())


def test_calls_that_are_asked_together_get_the_answers_of_calls_asked_alone(smollm2: Path) -> None:
    requests = [
        *joint(6, top_logprobs=5),
        *(replace(one, form=(), sampling=Sampling(0.0, 1)) for one in joint(3, top_logprobs=5)),
    ]
    alone, together = at_once(smollm2, 1, requests), at_once(smollm2, 4, requests)
    for one, other in zip(alone, together, strict=True):
        assert [token.token for token in other.tokens] == [token.token for token in one.tokens]
        for token, same in zip(one.tokens, other.tokens, strict=True):
            assert math.exp(same.logprob) == pytest.approx(math.exp(token.logprob), abs=0.03)
    # The beginning is evaluated once, whoever came first.
    assert sum((reply.usage.cached or 0) > 60 for reply in together) == len(requests)


def test_a_filled_form_is_the_reply_that_the_model_writes_in_the_same_words(model: Backend) -> None:
    (filled,) = ask(model, joint(1, top_logprobs=20)[0])
    assert filled.finish == "stop"
    assert re.fullmatch(r'{"joy": [0-3], "fear": (low|lower|high), "anger": (-1|0|1|10)}', filled.text)
    assert "".join(token.token for token in filled.tokens) == filled.text
    # Asked for the next token after the same beginning, the model gives the same probabilities.
    place = [*accumulate(len(token.token) for token in filled.tokens)]
    for token, end in zip(filled.tokens, place, strict=True):
        if token.top:
            begun = Message("assistant", filled.text[: end - len(token.token)])
            request = asked(*joint(1)[0].messages, begun, max_tokens=1, top_logprobs=20)
            (free,) = ask(model, request)
            told = dict(free.tokens[0].top)
            assert all(math.exp(told[text]) == pytest.approx(math.exp(p), abs=0.03) for text, p in token.top[:5])


def test_a_form_is_another_question(model: Backend) -> None:
    (form,) = joint(1)
    assert replace(form, form=()).key("e") != form.key("e")
    assert replace(form, form=(*form.form[:-1], Blank(" }"))).key("e") != form.key("e")
    samples = ask(model, *(replace(form, sampling=Sampling(1.5, 60), sample=at) for at in range(4)))
    assert len({reply.text for reply in samples}) > 1
