"""Answers without a model: a function in Python, or rules in a YAML file. For tests, documentation and trying out.

Equal requests get equal answers, in any order and any process, which is what replay needs.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyjudge.errors import CallFailed, ModelError
from polyjudge.llm.backends import OpenOptions
from polyjudge.llm.backends.function import function_digest
from polyjudge.llm.request import ROLES, Abilities, Reply, Request, Usage

Answer = str | Reply | Exception
_FILE_KEYS = ("rules", "latency", "log")
_RULE_KEYS = ("role", "contains", "replies")


class Scripted:
    """A backend whose answers are ``function(request)``.

    Args:
        function: gives a text, a whole ``Reply``, or an exception to raise. It may hold state, but then answers
            depend on the order of calls.
        identity: the endpoint's identity in the response cache; change it with the answers. "": a digest of the
            function's code and of all that this refers to, or "scripted" where one of these has none.
        abilities: what this backend claims to do; by default everything, which the function must then provide.
        latency: seconds before each answer.
        log: a file that gets one line, the request's key, for each answer; processes may share it.

    Attributes:
        calls: how many calls were made, failed ones included.
    """

    concurrency: int | None = None

    def __init__(
        self,
        function: Callable[[Request], Answer],
        *,
        identity: str = "",
        abilities: Abilities | None = None,
        latency: float = 0.0,
        log: Path | None = None,
    ) -> None:
        self._function = function
        self.identity = identity or ":".join(filter(None, ("scripted", function_digest(function))))
        self.abilities = abilities or Abilities(
            logprobs=500, schema=True, begins=True, prefix_cache=True, assumed=True, decisions=True
        )
        self._latency = latency
        self._log = log
        self.calls = 0

    async def complete(self, request: Request) -> Reply:
        """The function's answer.

        Raises:
            Exception: whatever the function returned or raised.
        """
        self.calls += 1
        if self._latency:
            await asyncio.sleep(self._latency)
        answer = self._function(request)
        if isinstance(answer, Exception):
            raise answer
        if self._log is not None:
            _append(self._log, request.key(self.identity))
        return answer if isinstance(answer, Reply) else _reply(request, answer)

    async def close(self) -> None:
        """Nothing is to be freed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a script: which requests it matches, and its replies.

    Attributes:
        role: who asks; "" = anybody.
        contains: texts that the messages must all contain.
        replies: one is chosen by the request's digest.
    """

    role: str
    contains: tuple[str, ...]
    replies: tuple[str, ...]

    def fits(self, request: Request, prompt: str) -> bool:
        return self.role in ("", request.role) and all(text in prompt for text in self.contains)


def open_scripted(name: str, options: OpenOptions) -> Scripted:
    """The backend of ``scripted/FILE.yaml``: a list of rules, of which the first that fits answers.

    The file is a list of ``{role, contains, replies}``, or a mapping with ``rules``, and optionally ``latency`` in
    seconds and ``log``, a file beside it that gets a line for every answer. Replies are plain text: nothing in
    them is substituted.

    Raises:
        ModelError: the file cannot be read or has another form; the message names the rule.
    """
    path = options.folder / Path(name).expanduser()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the script {name!r}: {error.strerror}; write scripted/FILE.yaml") from None
    content = _load(name, data)
    if isinstance(content, list):
        content = {"rules": content}
    if not isinstance(content, dict) or not content.get("rules") or not isinstance(content["rules"], list):
        raise ModelError(f"the script {name!r} holds no list of rules; write - replies: ['...']")
    _check_keys(f"the script {name!r}", content, _FILE_KEYS)
    rules = tuple(
        _read_rule(f"rule {number} of the script {name!r}", rule) for number, rule in enumerate(content["rules"], 1)
    )
    latency = content.get("latency", 0.0)
    if isinstance(latency, bool) or not isinstance(latency, int | float) or not 0 <= latency < 3600:
        raise ModelError(f"the script {name!r} has the latency {latency!r}; give seconds, like 0.05")
    log = content.get("log")
    if log is not None and not isinstance(log, str):
        raise ModelError(f"the script {name!r} has the log {log!r}; give a file's name")
    identity = f"scripted:{hashlib.sha256(data).hexdigest()}"
    return Scripted(
        _Script(name, rules, identity), identity=identity, latency=latency, log=path.parent / log if log else None
    )


@dataclass(frozen=True, slots=True)
class _Script:
    name: str
    rules: tuple[Rule, ...]
    identity: str

    def __call__(self, request: Request) -> Answer:
        prompt = "\n".join(message.content for message in request.messages)
        for rule in self.rules:
            if rule.fits(request, prompt):
                digest = hashlib.sha256(request.key(self.identity).encode()).digest()
                return rule.replies[int.from_bytes(digest[:8], "big") % len(rule.replies)]
        return CallFailed(
            f"no rule of the script {self.name!r} answers the role {request.role!r} asking {prompt[:80]!r}; add one "
            "without 'role' and 'contains' at the end",
            retryable=False,
            scope="request",
        )


def _load(name: str, data: bytes) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(io.StringIO(data.decode("utf-8")))
    except UnicodeDecodeError:
        raise ModelError(f"the script {name!r} is not UTF-8 text; save it as UTF-8") from None
    except YAMLError as error:
        raise ModelError(f"the script {name!r} is not YAML: {' '.join(str(error).split())[:300]}") from None


def _read_rule(where: str, rule: Any) -> Rule:
    if not isinstance(rule, dict):
        raise ModelError(f"{where} is {rule!r}; write it as - replies: ['...']")
    _check_keys(where, rule, _RULE_KEYS)
    role = rule.get("role", "")
    if role not in ("", *ROLES):
        raise ModelError(f"{where} has the unknown role {role!r}; choose one of: {', '.join(ROLES)}")
    contains = rule.get("contains", [])
    contains = [contains] if isinstance(contains, str) else contains
    replies = rule.get("replies")
    for key, texts in (("contains", contains), ("replies", replies)):
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ModelError(f"{where} has {key!r} that are not a list of texts; quote numbers, like replies: ['4']")
    if not replies:
        raise ModelError(f"{where} has no replies; write replies: ['...']")
    return Rule(role, tuple(contains), tuple(replies))


def _check_keys(where: str, content: dict[Any, Any], known: tuple[str, ...]) -> None:
    for key in content:
        if key not in known:
            raise ModelError(f"{where} has the unknown key {key!r}; known: {', '.join(known)}")


def _reply(request: Request, text: str) -> Reply:
    """A reply whose token counts are words, for budgets to have something to count."""
    prompt_words = sum(len(message.content.split()) for message in request.messages)
    return Reply(text, finish="stop", model=request.model, usage=Usage(prompt_words, len(text.split()), 0))


def _append(path: Path, key: str) -> None:
    """Append one line in one write, so that lines of several processes do not mix."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{key}\n".encode())
    finally:
        os.close(file)
