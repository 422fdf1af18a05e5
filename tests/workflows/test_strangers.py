"""An address that only a file names gets neither texts nor keys, unless the user says so, and never a key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.rated import FIVE, rated

import polyjudge
from polyjudge import Settings
from polyjudge.datasets.load import load_rubric
from polyjudge.errors import ConfigError
from polyjudge.llm.request import Sampling
from polyjudge.results.judge_file import JudgeFile, Member, dump_judge
from polyjudge.workflows.events import Noted

DATA = rated({"clarity": FIVE, "warmth": FIVE}, documents=12)
KEY = "sk-my-very-own-server-key"
MODEL = "stranger/model"


@dataclass
class Stranger:
    """A server that keeps what it was sent."""

    url: str = ""
    keys: list[str | None] = field(default_factory=list)


@pytest.fixture
def stranger(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stranger]:
    found = Stranger()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            found.keys.append(self.headers.get("Authorization"))
            said = {"role": "assistant", "content": json.dumps({"clarity": 3, "warmth": 2})}
            usage = {"prompt_tokens": 200, "completion_tokens": 9}
            body = json.dumps({"choices": [{"message": said, "finish_reason": "stop"}], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_port}/v1"
    monkeypatch.setenv("POLYJUDGE_API_KEY", KEY)
    yield found
    server.shutdown()
    server.server_close()


def their_run(stranger: Stranger) -> None:
    """A run folder, a judge file in it, and a study file, as somebody else hands them on."""
    settings = Settings(steps=0, base_url=stranger.url, scoring="json", layout="joint", structured=False)
    polyjudge.optimize(DATA.rows, criteria=DATA.criteria, model=MODEL, settings=settings, output="theirs")
    Path("data.json").write_text(json.dumps(DATA.rows), "utf-8")
    Path("criteria.yaml").write_text(json.dumps(DATA.criteria), "utf-8")
    study = f"""
[study]
data = [{{ name = "letters", data = "data.json", criteria = "criteria.yaml" }}]
models = ["{MODEL}"]
[options]
steps = 0
layout = "joint"
scoring = "json"
structured = false
base_url = "{stranger.url}"
"""
    Path("study.toml").write_text(study, "utf-8")
    stranger.keys.clear()
    Path(".polyjudge").rename("their-cache")


Verb = Callable[..., object]


def _score(**more: Any) -> object:
    return polyjudge.score("theirs/judge.yaml", DATA.rows, **more)


def _load(**more: Any) -> object:
    with polyjudge.load("theirs/judge.yaml", **{k: v for k, v in more.items() if k != "observer"}) as judge:
        return judge(letter="Dear all.")


def _diagnose(**more: Any) -> object:
    return polyjudge.diagnose("theirs", data=DATA.rows, only="interference", **more)


def _study(**more: Any) -> object:
    return polyjudge.study("study.toml", output="of-study", **more)


VERBS = pytest.mark.parametrize("verb", [_score, _load, _diagnose, _study])


@VERBS
def test_nothing_goes_to_an_address_that_only_a_file_names(verb: Verb, stranger: Stranger) -> None:
    their_run(stranger)
    with pytest.raises(ConfigError, match=rf"names the address '{stranger.url}'.*--base-url .*--trust-address"):
        verb()
    assert stranger.keys == []


@VERBS
def test_a_trusted_address_gets_the_texts_and_no_key(verb: Verb, stranger: Stranger) -> None:
    their_run(stranger)
    told: list[str] = []
    verb(trust_address=True, observer=lambda event: told.append(event.text) if isinstance(event, Noted) else None)
    assert stranger.keys
    assert set(stranger.keys) == {None}
    assert verb is _load or any(stranger.url in text and "no key" in text for text in told)


@VERBS
def test_the_user_s_own_address_gets_the_key(verb: Verb, stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    their_run(stranger)
    verb(settings=Settings(base_url=stranger.url))
    assert set(stranger.keys) == {f"Bearer {KEY}"}


@VERBS
def test_an_address_in_the_environment_is_the_user_s_own(
    verb: Verb, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    their_run(stranger)
    monkeypatch.setenv("POLYJUDGE_BASE_URL", stranger.url)
    verb()
    assert set(stranger.keys) == {f"Bearer {KEY}"}


def test_an_address_of_no_model_that_is_asked_needs_no_trust(stranger: Stranger) -> None:
    their_run(stranger)
    scripted = polyjudge.Scripted(lambda request: '{"clarity": 1, "warmth": 1}')
    assert len(polyjudge.score("theirs/judge.yaml", DATA.rows, backends={MODEL: scripted})) == len(DATA.rows)
    assert stranger.keys == []


def test_a_plan_of_a_stranger_s_study_sends_nothing(stranger: Stranger) -> None:
    their_run(stranger)
    assert polyjudge.plan_study("study.toml").calls
    assert stranger.keys == []


def their_jury(stranger: Stranger) -> polyjudge.Scripted:
    """A jury of which one member is asked at a stranger's address, and one by a backend of the user's."""
    own = JudgeFile(load_rubric(DATA.criteria), "own/judge", "joint", "json", Sampling(0.0, 64), structured=False)
    theirs = replace(own, model=MODEL, base_url=stranger.url)
    jury = replace(own, members=(Member("own", own), Member("theirs", theirs)))
    Path("theirs").mkdir()
    Path("theirs/judge.yaml").write_text(dump_judge(jury), "utf-8")
    return polyjudge.Scripted(lambda request: '{"clarity": 1, "warmth": 1}')


@pytest.mark.parametrize("verb", [_score, _load])
def test_a_member_s_address_gets_nothing_unless_trusted_and_never_a_key(verb: Verb, stranger: Stranger) -> None:
    backends = {"own/judge": their_jury(stranger)}
    with pytest.raises(ConfigError, match=rf"names the address '{stranger.url}'"):
        verb(backends=backends)
    assert stranger.keys == []
    verb(backends=backends, trust_address=True)
    assert stranger.keys
    assert set(stranger.keys) == {None}
