from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.errors import CallFailed, ModelError
from polyjudge.llm.backends.scripted import Scripted
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Abilities, Backend, Message, Reply, Request

RULES = """
- role: optimizer
  replies: ["Look at the grammar."]
- role: judge
  contains: [fluency, broken]
  replies: ['{"fluency": 1}', '{"fluency": 2}']
- contains: fluency
  replies: ['{"fluency": 5}']
"""


def asked(text: str, role: str = "judge", **more: int) -> Request:
    return Request("scripted/script.yaml", (Message("user", text),), role, **more)


def answer(backend: Backend, *requests: Request) -> list[str]:
    async def run() -> list[str]:
        return [(await backend.complete(request)).text for request in requests]

    return asyncio.run(run())


def script(tmp_path: Path, text: str) -> Backend:
    (tmp_path / "script.yaml").write_text(text, encoding="utf-8")
    return open_backend("scripted/script.yaml", environment={}, folder=tmp_path)


@given(st.text())
def test_a_text_is_the_reply_unchanged(text: str) -> None:
    assert answer(Scripted(lambda request: text), asked("any")) == [text]


def test_a_reply_comes_back_whole_and_an_exception_is_raised() -> None:
    reply = Reply("4", finish="length")
    assert asyncio.run(Scripted(lambda request: reply).complete(asked("any"))) is reply
    gone = CallFailed("gone", retryable=True)
    with pytest.raises(CallFailed) as caught:
        answer(Scripted(lambda request: gone), asked("any"))
    assert caught.value is gone


def test_calls_are_counted_and_the_seam_is_what_was_given() -> None:
    backend = Scripted(lambda request: "4", identity="mine", abilities=Abilities(schema=True), latency=0.001)
    answer(backend, asked("a"), asked("b"))
    assert (backend.calls, backend.identity, backend.abilities, backend.concurrency) == (
        2,
        "mine",
        Abilities(schema=True),
        None,
    )


def test_the_first_rule_that_fits_answers(tmp_path: Path) -> None:
    backend = script(tmp_path, RULES)
    optimizer, broken, fluent = answer(
        backend, asked("fluency broken", "optimizer"), asked("fluency broken"), asked("fluency")
    )
    assert optimizer == "Look at the grammar."
    assert broken in ('{"fluency": 1}', '{"fluency": 2}')
    assert fluent == '{"fluency": 5}'


def test_equal_requests_get_equal_replies_and_different_ones_spread(tmp_path: Path) -> None:
    requests = [asked("fluency broken", sample=sample) for sample in range(40)]
    first = answer(script(tmp_path, RULES), *requests)
    again = answer(script(tmp_path, RULES), *reversed(requests))
    assert first == again[::-1]
    assert len(set(first)) == 2


def test_replies_are_data(tmp_path: Path) -> None:
    backend = script(tmp_path, "- replies: ['{{ name }} ${HOME} %(x)s [bold]']")
    assert answer(backend, asked("any")) == ["{{ name }} ${HOME} %(x)s [bold]"]


def test_a_request_without_a_rule_fails_alone_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(CallFailed, match="'gradient'") as caught:
        answer(script(tmp_path, RULES), asked("nothing known", "gradient"))
    assert (caught.value.retryable, caught.value.scope) == (False, "request")


def test_the_identity_is_the_files_digest(tmp_path: Path) -> None:
    backend = script(tmp_path, RULES)
    assert backend.identity == "scripted:" + hashlib.sha256(RULES.encode()).hexdigest()


def test_the_log_has_a_line_for_every_answer_of_every_process(tmp_path: Path) -> None:
    backend = script(tmp_path, "rules:\n- contains: fine\n  replies: [good]\nlatency: 0.001\nlog: asked.log\n")
    program = (
        "import asyncio, sys, pathlib\n"
        "from polyjudge.llm.models import open_backend\n"
        "from polyjudge.llm.request import Message, Request\n"
        "backend = open_backend('scripted/script.yaml', environment={}, folder=pathlib.Path(sys.argv[1]))\n"
        "async def run():\n"
        "    for at in range(50):\n"
        "        await backend.complete(Request('scripted/script.yaml', (Message('user', f'fine {at}'),)))\n"
        "asyncio.run(run())\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env={"PYTHONPATH": ":".join(sys.path)})
        for _ in range(2)
    ]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    with pytest.raises(CallFailed):
        answer(backend, asked("unanswered"))
    lines = (tmp_path / "asked.log").read_text().splitlines()
    expected = [asked(f"fine {at}").key(backend.identity) for at in range(50)]
    assert sorted(lines) == sorted(expected * 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no list of rules"),
        ("rules: []", "no list of rules"),
        ("just text", "no list of rules"),
        ("- replies: [a", "not YAML"),
        ("a: 1\na: 2", "not YAML"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("- 4", "rule 1 .*is 4"),
        ("- replies: []", "rule 1 .*no replies"),
        ("- contains: x", "rule 1 .*not a list of texts"),
        ("- replies: four", "not a list of texts"),
        ("- replies: [4]", "quote numbers"),
        ("- replies: ['4']\n- {replies: ['4'], contains: [1]}", "rule 2 .*'contains'"),
        ("- {replies: ['4'], role: jury}", "unknown role 'jury'"),
        ("- {replies: ['4'], answer: 4}", "unknown key 'answer'"),
        ("{rules: [{replies: ['4']}], delay: 1}", "unknown key 'delay'"),
        ("{rules: [{replies: ['4']}], latency: -1}", "latency -1"),
        ("{rules: [{replies: ['4']}], latency: .nan}", "latency nan"),
        ("{rules: [{replies: ['4']}], latency: true}", "latency True"),
        ("{rules: [{replies: ['4']}], log: 4}", "log 4"),
    ],
)
def test_a_script_that_is_none_is_refused_with_the_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        script(tmp_path, text)
    assert "script.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        open_backend("scripted/none.yaml", environment={}, folder=tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"- replies: ['\xe9']")
    with pytest.raises(ModelError, match="UTF-8"):
        open_backend("scripted/latin.yaml", environment={}, folder=tmp_path)
