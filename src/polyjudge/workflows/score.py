"""Apply a judge to a table of texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from polyjudge import registry
from polyjudge.concurrency import in_turn
from polyjudge.datasets.examples import open_examples
from polyjudge.datasets.load import Data, load_dataset
from polyjudge.datasets.readers import is_there
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.errors import ConfigError
from polyjudge.judge.predict import Judge
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.cache.store import AnswerStore
from polyjudge.llm.client import Client
from polyjudge.llm.request import Backend, Role
from polyjudge.results.judge_file import JudgeFile, read_judge
from polyjudge.results.outcome import Lost, simulated
from polyjudge.results.scores import Scores, ScoreTable, check_unscored
from polyjudge.results.store import GrowingFile, writable
from polyjudge.settings.config import RunConfig
from polyjudge.settings.given import Budget, ScoringLike, Settings, explicit, suggests
from polyjudge.settings.merged import resolve
from polyjudge.workflows.assemble import open_judge, open_scoring
from polyjudge.workflows.client import FileAddress, open_client
from polyjudge.workflows.events import Noted, Observer, unwatched
from polyjudge.workflows.sync import run

# Names that say of a file what a CSV is not.
OTHER_FORMS = frozenset({".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".xlsx", ".yaml", ".yml"})
# Rows begun at a time, over those that can be asked about at once: a slow answer holds the rest up only so far.
WAVES = 4
# The settings that scoring understands; the rest of a judge is its file's.
SCORE_SETTINGS = frozenset(
    {"model", "base_url", "endpoint_name", "limit", "max_calls", "max_tokens", "max_cost", "prices"}
    | {"max_concurrency", "attempt_timeout", "threads", "no_cache", "fail_on_error"}
)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What is to be scored: a file that is read row by row, or rows in memory.

    Attributes:
        dataset: None where the rows are streamed.
        notes: of the reader.
    """

    count: int
    notes: tuple[str, ...]
    dataset: Dataset | None
    examples: Callable[[], Iterator[Example]]


@dataclass(slots=True)
class _Tally:
    """What is known of the rows scored so far; predictions are kept for rows in memory alone."""

    kept: list[Prediction] | None
    rows: int = 0
    unscored: int = 0
    lost: Lost = field(default_factory=Lost)

    def add(self, prediction: Prediction) -> None:
        self.rows += 1
        self.unscored += len(prediction.unscored)
        self.lost.add(prediction)
        if self.kept is not None:
            self.kept.append(replace(prediction, calls=()))


@suggests
def score(
    judge: str | Path | JudgeFile,
    data: Data,
    *,
    model: str | None = None,
    output: str | Path | None = None,
    distribution: bool = False,
    scoring: ScoringLike | None = None,
    budget: Budget | None = None,
    settings: Settings | None = None,
    config: str | Path | None = None,
    trust_address: bool = False,
    backends: Mapping[str, Backend] | None = None,
    store: AnswerStore | None = None,
    observer: Observer = unwatched,
) -> Scores:
    """Score rows with a judge file.

    Args:
        judge: a judge.yaml.
        data: new texts with the judge's input columns; rating columns are carried along where they are.
        model: replaces the judge's own, and its address too.
        output: a CSV file to write. A file that is scored into a file is streamed: memory does not grow with it.
        distribution: whether the file also gives each label's probability.
        scoring: the judge's scoring method, where a run was given it as an object and no package registers it.
        budget: the most that this call may ask or pay.
        settings: those of ``SCORE_SETTINGS``; the others are the judge's own.
        config: a TOML file with settings.
        trust_address: whether the texts, but no key, may be sent to an address that only the judge file names.
        backends: model name -> an opened backend.
        store: as for ``optimize``.
        observer: told of calls as they happen.

    Raises:
        InputError: the judge or the data cannot be used.
        Stopped: budget or provider; the same call goes on from the cache.
        TooManyUnscored: after the file is written.
    """
    file = judge if isinstance(judge, JudgeFile) else read_judge(judge)
    taken, address = settings_of(
        file, explicit(settings, budget, {"model": model}), config, _source(judge), trust_address
    )
    target = writable(output, [source for source in (judge, data) if isinstance(source, str | Path)])
    if target is not None and target.suffix.casefold() in OTHER_FORMS:
        raise ConfigError(f"cannot write {str(target)!r}: scores are written as CSV; call it {target.stem + '.csv'!r}")
    rubric = replace(file.rubric, split=None)
    rows = _rows(data, rubric, taken.limit, stream=target is not None)
    for note in rows.notes:
        observer(Noted(note))
    if taken.model != file.model:
        observer(Noted(f"this judge was fitted for {file.model}; {taken.model} may agree with people less"))
    tally = _Tally([] if rows.dataset else None)
    asking = _score(
        file, scoring, taken, address, rows, target, tally, backends or {}, store, observer, distribution=distribution
    )
    accounts, parts = run(asking)
    kept = (rows.dataset, tuple(tally.kept)) if rows.dataset and tally.kept is not None else None
    done = Scores(rubric, rows.count, tally.unscored, target, accounts, kept, parts)
    for line in tally.lost.lines():
        observer(Noted(line))
    check_unscored(done.unscored, done.rows * len(rubric.names), taken.fail_on_error, "the rows")
    return done


def _rows(data: Data, rubric: Rubric, limit: int | None, *, stream: bool) -> _Rows:
    """The rows, checked; those of a file are streamed where nobody wants to have them in memory."""
    path = Path(data) if isinstance(data, str | Path) else None
    if not stream or path is None or data in registry.names("datasets") or not is_there(path):
        dataset = load_dataset(data, rubric, limit=limit, ratings_required=False)
        return _Rows(len(dataset.examples), dataset.notes, dataset, lambda: iter(dataset.examples))
    if limit is not None and limit < 1:
        raise ConfigError(f"limit={limit!r}: at least one row is needed")
    found = open_examples(path, rubric)
    count = found.rows if limit is None else min(limit, found.rows)
    limited = (f"limited to {count} of {found.rows} rows",) if count < found.rows else ()
    return _Rows(count, (*found.notes, *limited), None, lambda: islice(found.examples(), count))


def _source(judge: str | Path | JudgeFile) -> str:
    """The file of a judge; "" for one from memory, whose address is the caller's own."""
    return "" if isinstance(judge, JudgeFile) else str(judge)


def settings_of(
    file: JudgeFile,
    options: Mapping[str, Any],
    config: str | Path | None,
    source: str = "",
    trust_address: bool = False,
) -> tuple[RunConfig, FileAddress | None]:
    """The judge's own model and address, unless the user names others; another model has not the judge's address.

    Returns:
        The settings, and their address if only the file named ``source`` says it.

    Raises:
        ConfigError: a setting that scoring does not know, or a value that does not fit.
    """
    given = {name: value for name, value in options.items() if value is not None}
    strange = sorted(set(given) - SCORE_SETTINGS)
    if strange:
        raise ConfigError(f"scoring takes no setting {strange!r}; it takes {', '.join(sorted(SCORE_SETTINGS))}")
    settings = resolve(given, config_file=config)
    address = {"base_url": file.base_url, "endpoint_name": file.endpoint_name}
    own = {"model": file.model, **address} if "model" not in settings.origins else {}
    used = {name: value for name, value in own.items() if name not in settings.origins}
    url = used.get("base_url", "")
    return (
        settings.config.model_copy(update=used),
        FileAddress(url, source, trust_address) if url and source else None,
    )


async def _score(
    file: JudgeFile,
    method: ScoringLike | None,
    config: RunConfig,
    address: FileAddress | None,
    rows: _Rows,
    target: Path | None,
    tally: _Tally,
    backends: Mapping[str, Backend],
    store: AnswerStore | None,
    observer: Observer,
    *,
    distribution: bool,
) -> tuple[tuple[RoleAccount, ...], tuple[str, ...]]:
    async with open_client(config, backends, observer, store=store, address=address) as client:
        judge, prompt = judge_of(file, config, client, method), file.prompt
        labels = tuple((c.name, label) for c in prompt.criteria for label in judge.scoring.labels(c))
        if distribution and not labels:
            raise ConfigError(
                f"scoring {file.scoring!r} gives no probabilities of labels; leave out --distribution, or fit the "
                f"judge with --scoring expected"
            )
        known = rows.dataset.examples if rows.dataset else tuple(islice(rows.examples(), 1))
        parts = simulated([config.model], client, rows.dataset)
        table = ScoreTable(file.rubric, known, labels if distribution else (), simulated=bool(parts))

        async def one(example: Example) -> tuple[Example, Prediction]:
            return example, await judge.predict(prompt, example)

        with GrowingFile(target) if target else nullcontext() as output:

            def take(scored: tuple[Example, Prediction]) -> None:
                if output is not None:
                    output.write((table.header() if tally.rows == 0 else "") + table.line(*scored))
                tally.add(scored[1])

            await in_turn(map(one, rows.examples()), take, WAVES * config.max_concurrency)
            if output is not None:
                output.finish()
        return client.accounts.snapshot(), parts


def judge_of(file: JudgeFile, config: RunConfig, client: Client, method: ScoringLike | None = None) -> Judge:
    """The judge of a file over an open client; ``method`` is its scoring method where no name stands for that.

    Raises:
        ConfigError: the model's endpoint does not allow the scoring.
    """
    prompt: JudgePrompt = file.prompt
    role, used = Role("judge", config.model, file.sampling, file.seed), layout(file.layout, prompt.names)
    scoring = open_scoring(
        file.scoring if method is None else method, prompt, role, structured=file.structured, samples=file.samples
    )
    return open_judge(
        scoring,
        used,
        prompt,
        role,
        client,
        parse_retries=file.parse_retries,
        max_concurrency=config.max_concurrency,
        remedy="choose another --model, or correct the judge file",
    )
