"""An embedded model: llama.cpp inside this process, through the package ``xllamacpp``; no server, key or account.

Calls wait in a queue of the backend's own, so that those with the same beginning are asked together: a free slot takes
the call that shares most with what the slot holds. A beginning that several waiting calls share is evaluated once and
copied into the slots. A thread waits for each slot's answer, so that the event loop goes on, and reads it as a stream,
so that a cancelled call ends at the next token instead of at its last.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from polyjudge.errors import CallFailed, MissingExtra, ModelError
from polyjudge.llm.backends import OpenOptions
from polyjudge.llm.backends.cores import idle_cores
from polyjudge.llm.backends.filling import fill
from polyjudge.llm.backends.gguf import check_gguf, control_pattern, control_tokens, defuse
from polyjudge.llm.backends.llama import Engine, Prefixes, common
from polyjudge.llm.backends.weights import cache_folder, file_digest, smollm2
from polyjudge.llm.backends.wire import check_ability, extra_fields, read_reply, response_format
from polyjudge.llm.request import Abilities, Reply, Request

EMBEDDED = "smollm2-135m"

# The version of what changes answers here: how messages are prepared, and the engine's settings.
_FORM = 1
# Of a model of half a billion parameters, four tokens at once took 40 % of the time of four alone, and eight gained
# nothing over that.
_SLOTS = 4
_MOST_TOKENS = 16_384
# Calls in the queue for each slot, so that there is a choice.
_AHEAD = 4
# Seconds in which the first calls of many gather, so that what they share is known.
_GATHERING = 0.01


def slots_of(context: int) -> int:
    """How many calls are answered at once: fewer with a long context, which takes memory for each."""
    return max(1, min(_SLOTS, _MOST_TOKENS // context))


def open_local(name: str, options: OpenOptions) -> LocalModel:
    """The backend of ``local/smollm2-135m`` or ``local/PATH.gguf``; the model is loaded at its first call.

    Raises:
        MissingExtra: ``xllamacpp`` is not installed.
        ModelError: an unknown name, or a file that is missing or no model.
    """
    if name != EMBEDDED and not name.endswith(".gguf"):
        raise ModelError(
            f"unknown local model {name!r}; write local/{EMBEDDED}, or local/PATH.gguf for a file of yours"
        )
    if find_spec("xllamacpp") is None:
        raise MissingExtra("xllamacpp", "local", f"the embedded model {'local/' + name!r}")
    if name == EMBEDDED:
        path = smollm2(options.environment, options.notify)
    else:
        path = options.folder / Path(name).expanduser()
    check_gguf(path)
    digest = file_digest(path, cache_folder(options.environment))
    return LocalModel(path, name=name, digest=digest, context=options.context, threads=options.threads)


@dataclass(slots=True)
class _Job:
    """A call in the queue.

    Attributes:
        prompt: its messages as one text, to compare beginnings.
        answer: what the caller waits for.
        abandoned: set when nobody waits any more.
    """

    request: Request
    prompt: str
    order: int
    answer: Future[Reply] = field(default_factory=Future)
    abandoned: threading.Event = field(default_factory=threading.Event)


class LocalModel:
    """A GGUF model in this process.

    Args:
        path: the weights.
        name: the model's name in replies.
        digest: sha256 of the weights.
        context: tokens of prompt and answer together.
        threads: None = as many as the machine has idle cores for when the model is loaded.
        slots: how many calls are answered at once; None = by the context (``slots_of``).

    Attributes:
        path: the weights.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        digest: str,
        context: int = 4096,
        threads: int | None = None,
        slots: int | None = None,
    ) -> None:
        self.path = path
        self._name = Path(name).name
        self._context = context
        self._threads = threads
        slots = slots or slots_of(context)
        self.abilities = Abilities(
            logprobs=500,
            schema=True,
            begins=True,
            fills=True,
            prefix_cache=True,
            slots=slots,
            own_timeout=True,
            bounds=True,
        )
        self.identity = f"local:{digest} ctx={context} xllamacpp={version('xllamacpp')} form={_FORM}"
        self.concurrency: int | None = slots * _AHEAD
        self._workers = ThreadPoolExecutor(max_workers=slots, thread_name_prefix="llama.cpp")
        self._closing = threading.Event()
        self._loading = threading.Lock()
        self._loaded: _Loaded | None = None
        # The queue, and the prompts that the free slots hold; of the loop's thread and of the workers.
        self._turns = threading.Lock()
        self._waiting: list[_Job] = []
        self._free = dict.fromkeys(range(slots), "")
        self._under_way: dict[int, str] = {}
        self._asked = 0

    async def complete(self, request: Request) -> Reply:
        """One answer.

        Raises:
            CallFailed: llama.cpp refuses the request; a prompt longer than the context among others.
            ModelError: the weights cannot be loaded, or the request asks for what this backend cannot do.
        """
        check_ability(request, self.abilities)
        if self._closing.is_set():
            raise self._closed()
        prompt = "\n".join(f"{message.role}\n{message.content}" for message in request.messages)
        self._asked += 1
        job = _Job(request, prompt, self._asked)
        with self._turns:
            self._waiting.append(job)
            idle = len(self._free) == self.abilities.slots
        if idle:
            asyncio.get_running_loop().call_later(_GATHERING, self._serve)
        else:
            self._serve()
        try:
            return await asyncio.wrap_future(job.answer)
        finally:
            job.abandoned.set()

    async def close(self) -> None:
        """Stop the calls under way, free the model, end the threads."""
        if self._closing.is_set():
            return
        self._closing.set()
        with self._turns:
            waiting, self._waiting = self._waiting, []
        for job in waiting:
            _settle(job, self._closed())
        await asyncio.to_thread(self._workers.shutdown)
        if self._loaded is not None:
            self._loaded.engine.close()
            self._loaded = None

    def _closed(self) -> CallFailed:
        return CallFailed(f"the model {self._name!r} is closed", retryable=False)

    def _serve(self) -> None:
        """Give the free slots to the calls that share most with what those hold; lower ranks come first."""
        with self._turns:
            self._waiting = [job for job in self._waiting if not job.abandoned.is_set()]
            while self._free and self._waiting and not self._closing.is_set():
                rank = min(job.request.rank for job in self._waiting)
                _, _, job, slot = max(
                    (
                        (common(job.prompt, held), -job.order, job, slot)
                        for slot, held in self._free.items()
                        for job in self._waiting
                        if job.request.rank == rank
                    ),
                    key=lambda pair: pair[:2],
                )
                self._waiting.remove(job)
                self._under_way[slot] = job.prompt
                self._workers.submit(self._work, job, slot, self._free.pop(slot))

    def _work(self, job: _Job, slot: int, held: str) -> None:
        """On a worker's thread: answer a call in a slot, and give the slot to the next."""
        try:
            answer: Reply | BaseException = self._answer(job, slot, held)
        except BaseException as error:
            answer = error
        with self._turns:
            self._free[slot] = self._under_way.pop(slot)
        _settle(job, answer)
        self._serve()

    def _answer(self, job: _Job, slot: int, held: str) -> Reply:
        def stopped() -> bool:
            return job.abandoned.is_set() or self._closing.is_set()

        if stopped():
            raise self._closed()
        loaded = self._load()
        with self._turns:
            others = [other.prompt for other in self._waiting]
            others += [prompt for other, prompt in self._under_way.items() if other != slot]
        body = self._body(job.request, loaded.controls)

        def evaluate(beginning: str) -> None:
            """Only the first message's beginning; where the prompts differ before its end, nothing else is shared."""
            first = job.request.messages[0]
            content = defuse(beginning[len(first.role) + 1 :][: len(first.content)], loaded.controls)
            messages = [{"role": first.role, "content": content}]
            loaded.engine.ask({"messages": messages, "max_tokens": 1, "cache_prompt": True}, slot, stopped)

        loaded.prefixes.provide(slot, job.prompt, held, others, evaluate)
        if not job.request.form:
            return read_reply(loaded.engine.ask(body, slot, stopped))

        def step(begun: str, grammar: str) -> Reply:
            """A token after a begun reply; each step has a chance of its own."""
            messages = [*body["messages"], {"role": "assistant", "content": begun}]
            place = {"max_tokens": 1, "seed": body["seed"] ^ len(begun), "grammar": grammar}
            return read_reply(loaded.engine.ask(body | place | {"messages": messages}, slot, stopped))

        return fill(job.request.form, step, loaded.engine.pieces)

    def _body(self, request: Request, controls: re.Pattern[str] | None) -> dict[str, Any]:
        sampling = request.sampling
        fields: dict[str, Any] = {
            "messages": [
                {"role": message.role, "content": defuse(message.content, controls)} for message in request.messages
            ],
            "max_tokens": max(1, min(sampling.max_tokens, self._context)),
            # Each request has a seed of its own, so that chance differs between requests and not between runs.
            "seed": int.from_bytes(hashlib.sha256(request.key(self.identity).encode()).digest()[:4], "big") >> 1,
            "cache_prompt": True,
        }
        if sampling.temperature is not None:
            fields["temperature"] = sampling.temperature
        if request.top_logprobs or request.form:
            fields |= {"logprobs": True, "top_logprobs": max(1, request.top_logprobs)}
        if request.schema:
            fields["response_format"] = response_format(request.schema)
        return fields | extra_fields(request)

    def _load(self) -> _Loaded:
        """The model; the first call loads it, and the others wait for that."""
        with self._loading:
            if self._loaded is None:
                controls = control_pattern(control_tokens(self.path))
                threads = self._threads or idle_cores()
                engine = Engine(self.path, context=self._context, slots=self.abilities.slots, threads=threads)
                self._loaded = _Loaded(engine, Prefixes(engine), controls)
            return self._loaded


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A loaded model, the beginnings that it keeps, and the control tokens that texts are freed of."""

    engine: Engine
    prefixes: Prefixes
    controls: re.Pattern[str] | None


def _settle(job: _Job, answer: Reply | BaseException) -> None:
    """Hand a call's answer to whoever waits for it; its loop may be gone."""
    if not job.answer.set_running_or_notify_cancel():
        return
    if isinstance(answer, BaseException):
        job.answer.set_exception(answer)
    else:
        job.answer.set_result(answer)
