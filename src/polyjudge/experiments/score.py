"""Apply a judge to texts: a table of scores, or one item at a time."""

from __future__ import annotations

import asyncio
import concurrent.futures
import csv
import io
import math
import threading
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from polyjudge.datasets.load import Data, load
from polyjudge.domain.dataset import Dataset
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import Categorical, show
from polyjudge.errors import ConfigError, TooManyUnscored
from polyjudge.experiments.access import open_client
from polyjudge.experiments.assemble import open_readout
from polyjudge.experiments.bridge import run
from polyjudge.experiments.config import RunConfig, resolve
from polyjudge.experiments.events import Noted, Observer, unwatched
from polyjudge.experiments.judge_file import JudgeFile, read_judge
from polyjudge.judge.predict import Judge
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.client import Client
from polyjudge.llm.request import Backend
from polyjudge.llm.role import Role
from polyjudge.runs.store import write_whole

T = TypeVar("T")

# Rows asked about at a time; more tasks than this would only wait.
CHUNK = 1000
# The settings that scoring understands; the rest of a judge is its file's.
SCORE_SETTINGS = frozenset(
    {"model", "base_url", "endpoint_name", "limit", "max_calls", "max_tokens", "max_concurrency"}
    | {"attempt_timeout", "threads", "no_cache", "fail_on_error"}
)


@dataclass(frozen=True, slots=True)
class Scores:
    """Scored rows.

    Attributes:
        dataset: the rows, in file order.
        predictions: aligned with them.
        path: the file that was written; None when none was asked for.
        accounts: what was asked of whom.
    """

    dataset: Dataset
    predictions: tuple[Prediction, ...]
    path: Path | None
    accounts: tuple[RoleAccount, ...]

    @property
    def unscored(self) -> int:
        """How many single scores are missing."""
        return sum(len(prediction.unscored) for prediction in self.predictions)


def score(
    judge: str | Path | JudgeFile,
    data: Data,
    *,
    output: str | Path | None = None,
    config: str | Path | None = None,
    backends: Mapping[str, Backend] | None = None,
    observer: Observer = unwatched,
    **options: Any,
) -> Scores:
    """Score rows with a judge file.

    Args:
        judge: a judge.yaml.
        data: new texts with the judge's input columns; rating columns are carried along where they are.
        output: a CSV file to write.
        config: a TOML file with settings.
        backends: model name -> an opened backend.
        observer: told of calls as they happen.
        options: settings of ``SCORE_SETTINGS``; ``model`` and the address replace the judge's own.

    Raises:
        InputError: the judge or the data cannot be used.
        Stopped: budget or provider; the same call goes on from the journal.
        TooManyUnscored: after the file is written.
    """
    strange = sorted(name for name, value in options.items() if value is not None and name not in SCORE_SETTINGS)
    if strange:
        raise ConfigError(f"scoring takes no setting {strange!r}; it takes {', '.join(sorted(SCORE_SETTINGS))}")
    file = judge if isinstance(judge, JudgeFile) else read_judge(judge)
    settings = _settings(file, options, config)
    dataset = load(data, file.rubric, limit=settings.limit, ratings_required=False)
    for note in dataset.notes:
        observer(Noted(note))
    target = _writable(output)
    predictions, accounts = run(_score(file, settings, dataset, backends or {}, observer))
    done = Scores(dataset, predictions, target, accounts)
    if target:
        write_whole(target, scores_csv(dataset, predictions))
    _check_unscored(done, settings)
    return done


def scores_csv(dataset: Dataset, predictions: Sequence[Prediction]) -> str:
    """The text of scores.csv: id, document, a column a criterion, error, and the rating columns of the input."""
    criteria = dataset.rubric.criteria
    carried = [(criterion, k, column) for criterion in criteria for k, column in enumerate(criterion.ratings)]
    rated = [
        (c, k, f"{column}.rating" if column in dataset.rubric.names else column)
        for c, k, column in carried
        if any(len(example.ratings.get(c.name, ())) > k for example in dataset.examples)
    ]
    documents = any(example.document is not None for example in dataset.examples)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = ["id", *(["document"] if documents else []), *dataset.rubric.names, "error"]
    writer.writerow([*header, *(column for _, _, column in rated)])
    for example, prediction in zip(dataset.examples, predictions, strict=True):
        missing = prediction.unscored
        writer.writerow(
            [
                example.id,
                *([example.document or ""] if documents else []),
                *(show(criterion.scale, prediction.score(criterion.name)) for criterion in criteria),
                f"unscored: {', '.join(missing)}" if missing else "",
                *(_rating(example, criterion.name, k, criterion.scale) for criterion, k, _ in rated),
            ]
        )
    return text.getvalue()


class LoadedJudge:
    """A judge in memory: ``judge(note=..., summary=...)`` gives its scores, ``await judge.acall(...)`` the same.

    The model stays open between calls; ``close()`` it, or use it in a ``with`` block.
    """

    def __init__(
        self, file: JudgeFile, config: RunConfig, backends: Mapping[str, Backend] | None = None
    ) -> None:
        self.file = file
        self._config = config
        self._backends = backends or {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: Client | None = None
        self._entered: Any = None
        self._starting = threading.Lock()

    def __call__(self, **inputs: str) -> dict[str, float | str | None]:
        """Criterion -> score (a label on a categorical scale), None where no score could be read."""
        return self._submit(self._ask(self._example(inputs))).result()

    async def acall(self, **inputs: str) -> dict[str, float | str | None]:
        """The same, without blocking the caller's event loop."""
        return await asyncio.wrap_future(self._submit(self._ask(self._example(inputs))))

    def close(self) -> None:
        """Close the model and the journal."""
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

    def _example(self, inputs: Mapping[str, str]) -> Example:
        wanted = [column for column, _ in self.file.rubric.inputs]
        if sorted(inputs) != sorted(wanted):
            raise ConfigError(f"this judge takes the inputs {wanted!r}, not {sorted(inputs)!r}")
        return Example("call", dict(inputs))

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="polyjudge-judge", daemon=True)
                self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _ask(self, example: Example) -> dict[str, float | str | None]:
        if self._client is None:
            self._entered = open_client(self._config, self._backends, unwatched)
            self._client = await self._entered.__aenter__()
        prompt = self.file.prompt
        prediction = await _judge(self.file, self._config, self._client).predict(prompt, example)
        return {c.name: _value(c.scale, prediction.score(c.name)) for c in prompt.criteria}

    async def _leave(self) -> None:
        if self._entered is not None:
            await self._entered.__aexit__(None, None, None)
            self._client = self._entered = None


def load_judge(
    path: str | Path,
    *,
    backends: Mapping[str, Backend] | None = None,
    config: str | Path | None = None,
    **options: Any,
) -> LoadedJudge:
    """A judge from its file, ready to be called; options as for ``score``."""
    file = read_judge(path)
    return LoadedJudge(file, _settings(file, options, config), backends)


def _settings(file: JudgeFile, options: Mapping[str, Any], config: str | Path | None) -> RunConfig:
    """The judge's own model and address, unless the user names others."""
    given = {name: value for name, value in options.items() if value is not None}
    settings = resolve(given, config_file=config)
    own = {
        name: value
        for name, value in (("model", file.model), ("base_url", file.base_url), ("endpoint_name", file.endpoint_name))
        if name not in settings.origins
    }
    return settings.config.model_copy(update=own)


async def _score(
    file: JudgeFile, config: RunConfig, dataset: Dataset, backends: Mapping[str, Backend], observer: Observer
) -> tuple[tuple[Prediction, ...], tuple[RoleAccount, ...]]:
    async with open_client(config, backends, observer) as client:
        judge, prompt = _judge(file, config, client), file.prompt
        predictions: list[Prediction] = []
        for start in range(0, len(dataset.examples), CHUNK):
            chunk = await judge.evaluate(prompt, dataset.examples[start : start + CHUNK])
            predictions += [replace(prediction, calls=()) for prediction in chunk]
        return tuple(predictions), client.accounts.snapshot()


def _judge(file: JudgeFile, config: RunConfig, client: Client) -> Judge:
    prompt: JudgePrompt = file.prompt
    readout = open_readout(file.readout, prompt, file.structured, config.model, client)
    return Judge(
        client, Role("judge", config.model, file.sampling), layout(file.layout, prompt.names), readout
    )


def _writable(output: str | Path | None) -> Path | None:
    if output is None:
        return None
    target = Path(output)
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise ConfigError(f"cannot write {str(target)!r}: it is a folder, or its folder does not exist")
    return target


def _check_unscored(done: Scores, config: RunConfig) -> None:
    total = len(done.predictions) * len(done.dataset.rubric.names)
    limit = config.fail_on_error
    if limit is None or not total:
        return
    found = done.unscored if limit >= 1 else done.unscored / total
    if found > limit:
        raise TooManyUnscored(f"{done.unscored} of {total} scores are unreadable, more than --fail-on-error {limit:g}")


def _rating(example: Example, name: str, rater: int, scale: Any) -> str:
    raters = example.ratings.get(name, ())
    return show(scale, raters[rater]) if rater < len(raters) else ""


def _value(scale: Any, value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return show(scale, value) if isinstance(scale, Categorical) else value
