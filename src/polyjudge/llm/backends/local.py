"""An embedded model: llama.cpp inside this process, through the package ``xllamacpp``; no server, key or account.

One worker thread owns the model and answers one call at a time, so that the event loop goes on. It reads the answer as
a stream, so that a cancelled call ends at the next token instead of at its last.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from polyjudge.errors import CallFailed, MissingExtra, ModelError
from polyjudge.llm.backends import OpenOptions
from polyjudge.llm.backends.gguf import check_gguf, control_pattern, control_tokens, defuse
from polyjudge.llm.backends.weights import cache_folder, file_digest, smollm2
from polyjudge.llm.backends.wire import check_ability, extra_fields, read_reply, response_format
from polyjudge.llm.request import Abilities, Reply, Request
from polyjudge.llm.secrets import quotable

EMBEDDED = "smollm2-135m"
ABILITIES = Abilities(
    logprobs=500, schema=True, begins=True, prefix_cache=True, slots=1, own_timeout=True, bounds=True
)

# The version of what changes answers here: how messages are prepared, and the engine's settings below.
_FORM = 1
_BATCH = 128
_PROMPT_CACHE_MIB = 64
_NOWHERE = "http://127.0.0.1:1"


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


class LocalModel:
    """A GGUF model in this process.

    Args:
        path: the weights.
        name: the model's name in replies.
        digest: sha256 of the weights.
        context: tokens of prompt and answer together.
        threads: one unless the cores are idle: spinning threads on busy cores are several times slower.
    """

    abilities = ABILITIES
    concurrency: int | None = 1

    def __init__(self, path: Path, *, name: str, digest: str, context: int = 4096, threads: int = 1) -> None:
        self._path = path
        self._name = Path(name).name
        self._context = context
        self._threads = threads
        self.identity = f"local:{digest} ctx={context} xllamacpp={version('xllamacpp')} form={_FORM}"
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="llama.cpp")
        self._closing = threading.Event()
        self._engine: Any = None
        self._controls: re.Pattern[str] | None = None

    async def complete(self, request: Request) -> Reply:
        """One answer.

        Raises:
            CallFailed: llama.cpp refuses the request; a prompt longer than the context among others.
            ModelError: the weights cannot be loaded, or the request asks for what this backend cannot do.
        """
        check_ability(request, ABILITIES)
        if self._closing.is_set():
            raise CallFailed(f"the model {self._name!r} is closed", retryable=False)
        abandoned = threading.Event()
        answer = self._worker.submit(self._answer, request, abandoned)
        try:
            return await asyncio.wrap_future(answer)
        finally:
            abandoned.set()

    async def close(self) -> None:
        """Stop the call under way, free the model, end the thread."""
        if self._closing.is_set():
            return
        self._closing.set()
        await asyncio.wrap_future(self._worker.submit(self._unload))
        self._worker.shutdown(wait=False)

    def _answer(self, request: Request, abandoned: threading.Event) -> Reply:
        """On the worker thread: load if need be, ask, and read the stream."""
        if self._engine is None:
            self._load()
        stream = _Stream(lambda: abandoned.is_set() or self._closing.is_set())
        try:
            self._engine.handle_chat_completions(self._body(request), stream.take)
        except (ValueError, RuntimeError) as error:
            raise CallFailed(
                f"llama.cpp refuses the request: {quotable(str(error))}", retryable=False, scope="request"
            ) from None
        if stream.error:
            reason, code = quotable(str(stream.error.get("message", "no reason given"))), stream.error.get("code")
            is_server_error = isinstance(code, int) and code >= 500
            message = f"llama.cpp refuses the request: {reason}"
            raise CallFailed(message, retryable=is_server_error, scope="request")
        if not stream.ended:
            raise CallFailed(f"the model {self._name!r} was closed during the call", retryable=False)
        return read_reply(stream.document(self._name))

    def _body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        fields: dict[str, Any] = {
            "messages": [
                {"role": message.role, "content": defuse(message.content, self._controls)}
                for message in request.messages
            ],
            "max_tokens": max(1, min(sampling.max_tokens, self._context)),
            # Each request has a seed of its own, so that chance differs between requests and not between runs.
            "seed": int.from_bytes(hashlib.sha256(request.key(self.identity).encode()).digest()[:4], "big") >> 1,
            "cache_prompt": True,
        }
        if sampling.temperature is not None:
            fields["temperature"] = sampling.temperature
        if request.top_logprobs:
            fields |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        if request.schema:
            fields["response_format"] = response_format(request.schema)
        # With progress reports the engine can be stopped between the batches of a long prompt.
        streaming = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        return fields | extra_fields(request) | streaming

    def _load(self) -> None:
        import xllamacpp

        self._controls = control_pattern(control_tokens(self._path))
        settings = xllamacpp.CommonParams()
        settings.model.path = str(self._path)
        settings.n_ctx = self._context
        settings.n_batch = _BATCH
        settings.n_parallel = 1
        settings.cpuparams.n_threads = self._threads
        settings.cpuparams_batch.n_threads = self._threads
        settings.cache_ram_mib = _PROMPT_CACHE_MIB
        settings.verbosity = 0
        # The engine opens a port on 127.0.0.1 that polyjudge does not use. A random key closes it to other programs,
        # and an origin that does not exist closes it to web pages. Calls inside the process need neither.
        settings.api_keys = [secrets.token_hex(32)]
        settings.cors_origins = _NOWHERE
        settings.ui = False
        settings.endpoint_slots = False
        settings.offline = True
        try:
            self._engine = xllamacpp.Server(settings)
        except (RuntimeError, ValueError):
            raise ModelError(
                f"llama.cpp cannot load {str(self._path)!r}: it is damaged, its architecture is unknown, or memory is "
                f"short for a context of {self._context} tokens; try another file or a smaller context"
            ) from None

    def _unload(self) -> None:
        self._engine = None


class _Stream:
    """Collects the chunks of one streamed answer; llama.cpp calls ``take`` with each."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        self._text: list[str] = []
        self._tokens: list[Any] = []
        self._finish = ""
        self._counts: dict[str, Any] = {}
        self.error: Mapping[str, Any] = {}

    @property
    def ended(self) -> bool:
        return bool(self._finish)

    def take(self, chunk: Mapping[str, Any]) -> bool:
        """Keep one chunk; True stops the answer."""
        self.error = chunk.get("error") or self.error
        self._counts |= {name: chunk[name] for name in ("usage", "timings") if chunk.get(name)}
        for choice in chunk.get("choices") or ():
            self._text.append(choice.get("delta", {}).get("content") or "")
            self._tokens += (choice.get("logprobs") or {}).get("content") or ()
            self._finish = choice.get("finish_reason") or self._finish
        return self._stopped()

    def document(self, model: str) -> dict[str, Any]:
        """The answer in the form of an unstreamed chat completion."""
        message = {"role": "assistant", "content": "".join(self._text)}
        logprobs = {"content": self._tokens}
        choice = {"message": message, "finish_reason": self._finish, "logprobs": logprobs}
        return {"model": model, "choices": [choice], **self._counts}
