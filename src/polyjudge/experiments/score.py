"""Apply a judge to a table of texts."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polyjudge.datasets.examples import rating_columns
from polyjudge.datasets.load import Data, load
from polyjudge.datasets.tables import is_there
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import Scale, show
from polyjudge.errors import ConfigError
from polyjudge.experiments.access import open_client
from polyjudge.experiments.assemble import open_readout
from polyjudge.experiments.bridge import run
from polyjudge.experiments.config import RunConfig, resolve
from polyjudge.experiments.events import Noted, Observer, unwatched
from polyjudge.experiments.judge_file import JudgeFile, read_judge
from polyjudge.experiments.lost import lost_lines
from polyjudge.experiments.simulated import SIMULATED, simulated
from polyjudge.experiments.unscored import check_unscored
from polyjudge.judge.predict import Judge
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.client import Client
from polyjudge.llm.request import Backend
from polyjudge.llm.role import Role
from polyjudge.runs.store import write_whole

# Rows asked about at a time; more tasks than this would only wait.
CHUNK = 1000
# The settings that scoring understands; the rest of a judge is its file's.
SCORE_SETTINGS = frozenset(
    {"model", "base_url", "endpoint_name", "limit", "max_calls", "max_tokens", "max_cost", "prices"}
    | {"max_concurrency", "attempt_timeout", "threads", "no_cache", "fail_on_error"}
)


@dataclass(frozen=True, slots=True)
class Scores:
    """Scored rows.

    Attributes:
        dataset: the rows, in file order.
        predictions: aligned with them.
        path: the file that was written; None when none was asked for.
        accounts: what was asked of whom.
        simulated: what of it comes from a simulated world, by name.
    """

    dataset: Dataset
    predictions: tuple[Prediction, ...]
    path: Path | None
    accounts: tuple[RoleAccount, ...]
    simulated: tuple[str, ...] = ()

    @property
    def unscored(self) -> int:
        """How many single scores are missing."""
        return sum(len(prediction.unscored) for prediction in self.predictions)


def score(
    judge: str | Path | JudgeFile,
    data: Data,
    *,
    output: str | Path | None = None,
    distribution: bool = False,
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
        distribution: whether the file also gives each label's probability.
        config: a TOML file with settings.
        backends: model name -> an opened backend.
        observer: told of calls as they happen.
        options: settings of ``SCORE_SETTINGS``; a ``model`` replaces the judge's own, and its address too.

    Raises:
        InputError: the judge or the data cannot be used.
        Stopped: budget or provider; the same call goes on from the journal.
        TooManyUnscored: after the file is written.
    """
    file = judge if isinstance(judge, JudgeFile) else read_judge(judge)
    settings = settings_of(file, options, config)
    target = _writable(output, [source for source in (judge, data) if isinstance(source, str | Path)])
    dataset = load(data, replace(file.rubric, split=None), limit=settings.limit, ratings_required=False)
    for note in dataset.notes:
        observer(Noted(note))
    if settings.model != file.model:
        observer(Noted(f"this judge was fitted for {file.model}; {settings.model} may agree with people less"))
    asking = _score(file, settings, dataset, backends or {}, observer, distribution=distribution)
    predictions, accounts, labels, parts = run(asking)
    done = Scores(dataset, predictions, target, accounts, parts)
    if target:
        write_whole(target, scores_csv(dataset, predictions, labels, simulated=bool(parts)))
    for line in lost_lines(predictions):
        observer(Noted(line))
    check_unscored(done.unscored, len(predictions) * len(dataset.rubric.names), settings.fail_on_error, "the rows")
    return done


def scores_csv(
    dataset: Dataset,
    predictions: Sequence[Prediction],
    labels: Sequence[tuple[str, str]] = (),
    *,
    simulated: bool = False,
) -> str:
    """The text of scores.csv: id, document, a column a criterion, error, and the rating columns of the input.

    Args:
        dataset: the rows.
        predictions: aligned with them.
        labels: (criterion, label) whose probabilities get a column ``CRITERION.p_LABEL``.
        simulated: whether every row says in a column ``notice`` that it is.
    """
    criteria = dataset.rubric.criteria
    told = [f"{name}.p_{label}" for name, label in labels]
    documents = any(example.document is not None for example in dataset.examples)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = ["id", *(["document"] if documents else []), *dataset.rubric.names, *told, "error"]
    header += ["notice"] if simulated else []
    rated = _carried(dataset)
    writer.writerow([*header, *_renamed([rating_columns(criterion)[k] for criterion, k in rated], header)])
    for example, prediction in zip(dataset.examples, predictions, strict=True):
        missing = prediction.unscored
        writer.writerow(
            [
                example.id,
                *([example.document or ""] if documents else []),
                *(show(criterion.scale, prediction.score(criterion.name)) for criterion in criteria),
                *(_probability(prediction, name, label) for name, label in labels),
                f"unscored: {', '.join(missing)}" if missing else "",
                *([SIMULATED] if simulated else []),
                *(_rating(example, criterion.name, k, criterion.scale) for criterion, k in rated),
            ]
        )
    return text.getvalue()


def _carried(dataset: Dataset) -> list[tuple[Criterion, int]]:
    """The rating columns that the rows have, each once, as a criterion and the place among its columns."""
    found: dict[str, tuple[Criterion, int]] = {}
    for criterion in dataset.rubric.criteria:
        for place, column in enumerate(rating_columns(criterion)):
            if any(len(example.ratings.get(criterion.name, ())) > place for example in dataset.examples):
                found.setdefault(column, (criterion, place))
    return list(found.values())


def _renamed(columns: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Column names for carried ratings: ``NAME.rating`` where a column of ours is called NAME."""
    names: list[str] = []
    for column in columns:
        name = column
        while name in (*taken, *names) or (name != column and name in columns):
            name += ".rating"
        names.append(name)
    return names


def settings_of(file: JudgeFile, options: Mapping[str, Any], config: str | Path | None) -> RunConfig:
    """The judge's own model and address, unless the user names others; another model has not the judge's address.

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
    return settings.config.model_copy(update={k: v for k, v in own.items() if k not in settings.origins})


async def _score(
    file: JudgeFile,
    config: RunConfig,
    dataset: Dataset,
    backends: Mapping[str, Backend],
    observer: Observer,
    *,
    distribution: bool,
) -> tuple[tuple[Prediction, ...], tuple[RoleAccount, ...], tuple[tuple[str, str], ...], tuple[str, ...]]:
    async with open_client(config, backends, observer) as client:
        judge, prompt = judge_of(file, config, client), file.prompt
        labels = tuple((c.name, label) for c in prompt.criteria for label in judge.readout.labels(c))
        if distribution and not labels:
            raise ConfigError(
                f"readout {file.readout!r} gives no probabilities of labels; leave out --distribution, or fit the "
                f"judge with --readout expected"
            )
        predictions: list[Prediction] = []
        for start in range(0, len(dataset.examples), CHUNK):
            chunk = await judge.evaluate(prompt, dataset.examples[start : start + CHUNK])
            predictions += [replace(prediction, calls=()) for prediction in chunk]
        parts = simulated([config.model], client, dataset)
        return tuple(predictions), client.accounts.snapshot(), labels if distribution else (), parts


def judge_of(file: JudgeFile, config: RunConfig, client: Client) -> Judge:
    """The judge of a file over an open client.

    Raises:
        ConfigError: the model's endpoint does not allow the readout.
    """
    prompt: JudgePrompt = file.prompt
    role, used = Role("judge", config.model, file.sampling, file.seed), layout(file.layout, prompt.names)
    readout = open_readout(
        file.readout,
        prompt,
        used,
        role,
        client,
        structured=file.structured,
        samples=file.samples,
        remedy="choose another --model, or correct the judge file",
    )
    return Judge(client, role, used, readout, file.re_asks)


def _writable(output: str | Path | None, sources: Sequence[str | Path]) -> Path | None:
    """The file to write, looked at before anything is paid."""
    if output is None:
        return None
    target = Path(output)
    reason = ""
    if is_there(target) and any(is_there(Path(source)) and target.samefile(source) for source in sources):
        reason = "it is read from too"
    elif is_there(target) and not target.is_file():
        reason = "it is no file"
    elif not os.access(target.absolute().parent, os.W_OK | os.X_OK):
        reason = "its folder does not exist, or may not be written to"
    if reason:
        raise ConfigError(f"cannot write {str(target)!r}: {reason}; name another file with --output")
    return target


def _probability(prediction: Prediction, name: str, label: str) -> str:
    probability = prediction.distributions.get(name, {}).get(label)
    return "" if probability is None else f"{probability:.6g}"


def _rating(example: Example, name: str, rater: int, scale: Scale) -> str:
    raters = example.ratings.get(name, ())
    return show(scale, raters[rater]) if rater < len(raters) else ""
