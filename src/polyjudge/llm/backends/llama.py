"""llama.cpp inside this process, through the package ``xllamacpp``: several sequences at once, each in a slot.

The engine evaluates the tokens of all its slots in one batch. Each slot keeps the tokens that it saw last, and a call
that begins with them goes on from there. What a slot holds can be copied into another: the engine writes it into a
file and reads it from there, which takes some milliseconds where evaluating it again takes seconds.
"""

from __future__ import annotations

import http.client
import json
import secrets
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from polyjudge.errors import CallFailed, ModelError
from polyjudge.llm.secrets import quotable

# A prompt's tokens that are evaluated between two looks at whether the answer is still wanted.
_BATCH = 128
_NOWHERE = "http://127.0.0.1:1"


class Engine:
    """A loaded model; ``ask``, ``save`` and ``restore`` may be called from one thread a slot.

    Args:
        path: the weights.
        context: tokens of prompt and answer together, of each slot.
        slots: how many calls it takes at once.
        threads: of its evaluation.

    Raises:
        ModelError: the weights cannot be loaded.
    """

    def __init__(self, path: Path, *, context: int, slots: int, threads: int) -> None:
        import xllamacpp

        self._name = path.name
        # What slots share lies here for as long as the model is loaded; others cannot read it.
        self._folder = tempfile.TemporaryDirectory(prefix="polyjudge-")
        self._key = secrets.token_hex(32)
        settings = xllamacpp.CommonParams()
        settings.model.path = str(path)
        settings.n_ctx = context * slots
        settings.n_batch = _BATCH
        settings.n_parallel = slots
        settings.cpuparams.n_threads = threads
        settings.cpuparams_batch.n_threads = threads
        # With flash attention, or keys and values of half precision, the rounding of an answer would depend on how
        # many tokens of other calls share its batch.
        settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        settings.cache_ram_mib = 0
        settings.slot_save_path = f"{self._folder.name}/"
        settings.verbosity = 0
        # The engine opens a port on 127.0.0.1, through which slots are copied. A random key closes it to other
        # programs, and an origin that does not exist closes it to web pages. Calls do not pass through it.
        settings.api_keys = [self._key]
        settings.cors_origins = _NOWHERE
        settings.ui = False
        settings.endpoint_slots = False
        settings.offline = True
        try:
            self._server: Any = xllamacpp.Server(settings)
        except (RuntimeError, ValueError):
            self._folder.cleanup()
            raise ModelError(
                f"llama.cpp cannot load {str(path)!r}: it is damaged, its architecture is unknown, or memory is "
                f"short for a context of {context} tokens; try another file or a smaller context"
            ) from None

    def ask(self, fields: Mapping[str, Any], slot: int, stopped: Callable[[], bool]) -> dict[str, Any]:
        """The answer in the form of an unstreamed chat completion.

        Args:
            fields: of a chat completion's body.
            slot: where it is evaluated.
            stopped: whether the answer is no longer wanted; the engine asks at each token.

        Raises:
            CallFailed: llama.cpp refuses the request, or the answer was stopped.
        """
        stream = _Stream(stopped)
        # With progress reports the engine can be stopped between the batches of a long prompt.
        streaming = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        try:
            self._server.handle_chat_completions({**fields, **streaming, "id_slot": slot}, stream.take)
        except (ValueError, RuntimeError) as error:
            raise _refused(str(error), retryable=False) from None
        if stream.error:
            code = stream.error.get("code")
            reason = str(stream.error.get("message", "no reason given"))
            raise _refused(reason, retryable=isinstance(code, int) and code >= 500)
        if not stream.ended:
            raise CallFailed(f"the model {self._name!r} was closed during the call", retryable=False)
        return stream.document(self._name)

    def save(self, slot: int, name: str) -> bool:
        """Keep what an idle slot holds; returns whether it could be kept."""
        return self._post(f"/slots/{slot}?action=save", {"filename": name}) is not None

    def restore(self, slot: int, name: str) -> bool:
        """Put what ``save`` kept into an idle slot; returns whether it is there now."""
        return self._post(f"/slots/{slot}?action=restore", {"filename": name}) is not None

    def forget(self, name: str) -> None:
        """Remove what ``save`` kept."""
        Path(self._folder.name, name).unlink(missing_ok=True)

    def pieces(self, text: str) -> list[str]:
        """The texts of a text's tokens; bytes that are no text of their own are replaced."""
        found = self._post("/tokenize", {"content": text, "with_pieces": True}) or {}
        return [_text(token.get("piece")) for token in found.get("tokens", ())]

    def close(self) -> None:
        """Free the model; no call may be under way."""
        self._server = None
        self._folder.cleanup()

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """An answer of the engine's own port; None when there is none, as where memory or disk are short."""
        address = urlsplit(self._server.listening_address)
        connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            found = json.loads(answer.read())
            return found if answer.status == 200 and isinstance(found, dict) else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


def _refused(reason: str, *, retryable: bool) -> CallFailed:
    return CallFailed(f"llama.cpp refuses the request: {quotable(reason)}", retryable=retryable, scope="request")


def _text(piece: object) -> str:
    """A token's text; llama.cpp writes a token that is no whole text as a list of bytes."""
    return bytes(piece).decode("utf-8", "replace") if isinstance(piece, list) else str(piece)


class Prefixes:
    """The beginnings of prompts that were evaluated once and are kept for all slots; the latest few.

    Args:
        engine: it holds them.
        most: how many are kept.
    """

    # Below this gain, in characters, evaluating is as fast as copying.
    WORTH = 256

    def __init__(self, engine: Engine, most: int = 4) -> None:
        self._engine = engine
        self._most = most
        self._files: dict[str, str] = {}
        self._made = 0
        self._lock = threading.Lock()

    def provide(self, slot: int, text: str, held: str, others: list[str], evaluate: Callable[[str], None]) -> None:
        """Put the longest beginning of ``text`` that is worth it into an idle slot.

        Args:
            slot: the text's.
            text: the prompt that will be asked there.
            held: the prompt that was asked there last.
            others: prompts that wait or are being asked elsewhere.
            evaluate: evaluates a beginning in the slot.
        """
        if len(text) - common(text, held) < self.WORTH:
            return
        with self._lock:
            best = max(self._files, key=lambda kept: common(text, kept), default="")
            shared = max((common(text, other) for other in others), default=0)
            if shared >= max(common(text, best), common(text, held)) + self.WORTH:
                self._keep(slot, text[:shared], evaluate)
            elif common(text, best) >= common(text, held) + self.WORTH:
                # The latest used stand last.
                self._files[best] = self._files.pop(best)
                self._engine.restore(slot, self._files[best])

    def _keep(self, slot: int, beginning: str, evaluate: Callable[[str], None]) -> None:
        evaluate(beginning)
        self._made += 1
        if not self._engine.save(slot, f"{self._made}"):
            return
        self._files[beginning] = f"{self._made}"
        while len(self._files) > self._most:
            self._engine.forget(self._files.pop(next(iter(self._files))))


def common(one: str, other: str) -> int:
    """How many characters two texts share at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


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
