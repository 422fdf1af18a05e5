"""A judge in memory, to be called on one item at a time."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from polyjudge.concurrency import in_turn
from polyjudge.datasets.table import input_text
from polyjudge.datasets.transcript import Message, messages_of
from polyjudge.domain.example import Example
from polyjudge.domain.records import Prediction
from polyjudge.errors import ConfigError
from polyjudge.formatting.notebook import snippet
from polyjudge.formatting.text import clipped
from polyjudge.llm.cache.store import AnswerStore
from polyjudge.llm.client import Client
from polyjudge.llm.request import Backend
from polyjudge.results.judge_file import JudgeFile, read_judge
from polyjudge.results.score_table import value
from polyjudge.settings.config import RunConfig
from polyjudge.settings.given import Budget, ModelLike, ScoringLike, Settings, explicit, suggests
from polyjudge.workflows.client import FileAddress, open_client
from polyjudge.workflows.events import unwatched
from polyjudge.workflows.functions import takes_functions
from polyjudge.workflows.panel import Answered, member_configs, open_panel
from polyjudge.workflows.score import WAVES, settings_of

T = TypeVar("T")
# A text, or a conversation.
Input = str | Sequence[Message]


class LoadedJudge:
    """A judge in memory: ``judge(note=..., summary=...)`` gives its scores, ``await judge.acall(...)`` the same.

    The model stays open between calls; ``close()`` it, or use it in a ``with`` block. It can be pickled, and opens its
    model again where it is called.
    """

    def __init__(
        self,
        file: JudgeFile,
        config: RunConfig,
        backends: Mapping[str, Backend] | None = None,
        store: AnswerStore | None = None,
        scoring: ScoringLike | None = None,
        address: FileAddress | None = None,
    ) -> None:
        self.file = file
        self._config = config
        self._address = address
        self._backends = backends or {}
        self._store = store
        self._scoring = scoring
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: Client | None = None
        self._entered: AbstractAsyncContextManager[Client] | None = None
        self._asking: set[asyncio.Task[Any]] = set()
        self._starting = threading.Lock()
        self._opening = asyncio.Lock()

    def __call__(self, **inputs: Input) -> dict[str, float | str | None]:
        """Criterion -> score (a label on a categorical scale), None where no score could be read."""
        return self._submit(self._ask(self._example(inputs))).result()

    async def acall(self, **inputs: Input) -> dict[str, float | str | None]:
        """The same, without blocking the caller's event loop."""
        return await asyncio.wrap_future(self._submit(self._ask(self._example(inputs))))

    def map(self, rows: Iterable[Mapping[str, Input]]) -> list[dict[str, float | str | None]]:
        """The scores of many rows, aligned with them, several asked at once; other columns than the inputs are free.

        Raises:
            ConfigError: a row without the judge's inputs, before any is asked.
        """
        wanted = [column for column, _ in self.file.rubric.inputs]
        examples = [self._example({name: row[name] for name in wanted if name in row}) for row in rows]
        return self._submit(self._ask_all(examples)).result()

    def __reduce__(self) -> tuple[Any, ...]:
        if self._backends or self._store is not None:
            raise TypeError("a judge with backends or a store cannot be pickled; load it where it is called")
        return LoadedJudge, (self.file, self._config, None, None, self._scoring, self._address)

    def _repr_html_(self) -> str:
        tested = self.file.lineage.get("test")
        verdict = tested.get("verdict") if isinstance(tested, Mapping) else None
        told = f"{self.file.model}, layout {self.file.layout}, scoring {self.file.scoring}"
        rows = [(one.name, one.scale.describe(), one.instruction) for one in self.file.rubric.criteria]
        said = [told, *([str(verdict)] if verdict else [])]
        return snippet("Judge", said, ("criterion", "scale", "instruction"), rows, words=True)

    def close(self) -> None:
        """Wait for calls under way, and close the model and the cache; a later call opens them again."""
        if self._loop is not None and self._thread is not None:
            self._submit(self._leave()).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop = self._thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<judge of {', '.join(self.file.rubric.names)} on {self.file.model}>"

    def _example(self, inputs: Mapping[str, Input]) -> Example:
        wanted = [column for column, _ in self.file.rubric.inputs]
        if sorted(inputs) != sorted(wanted):
            raise ConfigError(f"this judge takes the inputs {wanted!r}, not {sorted(inputs)!r}")
        texts: dict[str, str] = {}
        for column, given in inputs.items():
            if not isinstance(given, str) and messages_of(given) is None:
                raise ConfigError(f"the input {column!r} must be a text or a list of messages, not {clipped(given)}")
            try:
                texts[column] = input_text(given)
            except ValueError as error:
                raise ConfigError(f"the input {column!r} {error}") from None
        return Example("call", texts)

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="polyjudge-judge", daemon=True)
                self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _ask_all(self, examples: Sequence[Example]) -> list[dict[str, float | str | None]]:
        found: list[dict[str, float | str | None]] = []
        await in_turn((self._ask(example) for example in examples), found.append, WAVES * self._config.max_concurrency)
        return found

    def members(self, **inputs: str) -> dict[str, dict[str, float | str | None]]:
        """Member of the jury -> its scores; a single judge is its only member."""
        answered = self._submit(self._answer(self._example(inputs))).result()
        names = [member.name for member in self.file.panel]
        return {name: self._values(said) for name, said in zip(names, answered.members, strict=True)}

    async def _ask(self, example: Example) -> dict[str, float | str | None]:
        return self._values((await self._answer(example)).prediction)

    def _values(self, prediction: Prediction) -> dict[str, float | str | None]:
        return {c.name: value(c.scale, prediction.score(c.name)) for c in self.file.rubric.criteria}

    async def _answer(self, example: Example) -> Answered:
        task = asyncio.current_task()
        if task is not None:
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        async with self._opening:
            if self._client is None:
                first, *also = member_configs(self.file, self._config)
                self._entered = open_client(
                    first, self._backends, unwatched, store=self._store, also=also, address=self._address
                )
                self._client = await self._entered.__aenter__()
        return await open_panel(self.file, self._config, self._client, self._scoring).predict(example)

    async def _leave(self) -> None:
        await asyncio.gather(*self._asking, return_exceptions=True)
        if self._entered is not None:
            await self._entered.__aexit__(None, None, None)
            self._client = self._entered = None


@suggests
@takes_functions
def load(
    path: str | Path,
    *,
    model: ModelLike | None = None,
    scoring: ScoringLike | None = None,
    budget: Budget | None = None,
    settings: Settings | None = None,
    backends: Mapping[str, Backend] | None = None,
    store: AnswerStore | None = None,
    config: str | Path | None = None,
    trust_address: bool = False,
) -> LoadedJudge:
    """A judge from its file, ready to be called; the keywords are those of ``score``."""
    file = read_judge(path)
    given = explicit(settings, budget, {"model": model})
    taken, address = settings_of(file, given, config, str(path), trust_address)
    if address is not None:
        for one in member_configs(file, taken):
            address.check(one, backends or {}, lambda text: None)
    return LoadedJudge(file, taken, backends, store, scoring, address)
