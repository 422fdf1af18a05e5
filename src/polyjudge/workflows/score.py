"""Apply a judge to a table of texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Self, TextIO, cast

from polyjudge.concurrency import in_turn
from polyjudge.datasets.load import Data
from polyjudge.datasets.table import Row
from polyjudge.datasets.textfiles import ending_of
from polyjudge.domain.example import Example
from polyjudge.domain.records import Prediction
from polyjudge.errors import ConfigError
from polyjudge.judge.scoring import prose_of
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.cache.store import AnswerStore
from polyjudge.llm.request import Backend
from polyjudge.results.judge_file import JudgeFile, dump_judge, read_judge
from polyjudge.results.money import PlannedRole
from polyjudge.results.outcome import Lost, Positions, simulated
from polyjudge.results.score_forms import (
    Form,
    check_own,
    ending_of_scores,
    form_of,
    kinds_of,
    stamp_own,
    write_parquet,
)
from polyjudge.results.score_table import ScoreTable
from polyjudge.results.scores import Scores, check_unscored
from polyjudge.results.store import GrowingFile, writable
from polyjudge.settings.config import RunConfig
from polyjudge.settings.given import Budget, ModelLike, ScoringLike, Settings, explicit, suggests
from polyjudge.settings.merged import resolve
from polyjudge.workflows.client import FileAddress, open_client
from polyjudge.workflows.costs import priced
from polyjudge.workflows.events import Expected, Noted, Observer, unwatched
from polyjudge.workflows.functions import takes_functions
from polyjudge.workflows.panel import Answered, member_configs, open_panel
from polyjudge.workflows.plan import ROWS, added, planned_judging
from polyjudge.workflows.score_rows import ScoredRows, scored_rows
from polyjudge.workflows.sync import run

# Rows begun at a time, over those that can be asked about at once: a slow answer holds the rest up only so far.
WAVES = 4
# The settings that scoring understands; the rest of a judge is its file's.
SCORE_SETTINGS = frozenset(
    {"model", "base_url", "endpoint_name", "limit", "max_calls", "max_tokens", "max_cost", "prices"}
    | {"max_concurrency", "attempt_timeout", "threads", "no_cache", "fail_on_error"}
)


@dataclass(slots=True)
class _Tally:
    """What is known of the rows scored so far; predictions are kept for rows in memory alone."""

    kept: list[Prediction] | None
    rows: int = 0
    unscored: int = 0
    lost: Lost = field(default_factory=Lost)
    positions: Positions = field(default_factory=Positions)
    absent: int = 0
    asked: int = 0

    def add(self, answered: Answered) -> None:
        prediction = answered.prediction
        self.rows += 1
        self.unscored += len(prediction.unscored)
        for member in answered.members:
            self.lost.add(member)
            self.positions.add(member)
            self.absent += len(member.unscored)
            self.asked += len(member.scores)
        if self.kept is not None:
            self.kept.append(replace(prediction, calls=()))


@suggests
@takes_functions
def score(
    judge: str | Path | JudgeFile,
    data: Data,
    *,
    model: ModelLike | None = None,
    output: str | Path | TextIO | None = None,
    distribution: bool = False,
    reasons: bool = False,
    members: bool = False,
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
        data: new texts with the judge's input columns; all columns are carried along.
        model: replaces the judge's own, and its address too.
        output: a file to write, in the form of its ending: .csv, .jsonl or .parquet; or an open text stream, which
            gets JSON lines if the data are JSON, else CSV. A file that is scored into a file is streamed: memory does
            not grow with it. A file that is there is only written over if it was written for the same judge and data.
        distribution: whether the output also gives each label's probability.
        reasons: whether the output also gives the judge's reason for each score (scoring ``reasoned``).
        members: whether the output also has each member's score, in columns ``CRITERION.judge_MEMBER``.
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
    to = _Output.of(output, judge, data)
    rubric = replace(file.rubric, split=None)
    rows = scored_rows(data, rubric, taken.limit, stream=to is not None)
    for note in rows.notes:
        observer(Noted(note))
    if taken.model != file.model:
        observer(Noted(f"this judge was fitted for {file.model}; {taken.model} may agree with people less"))
    if to is not None:
        to.check_own(file, taken.model, rows)
    tally = _Tally([] if rows.dataset else None)
    asking = _score(
        file,
        scoring,
        taken,
        address,
        rows,
        to,
        tally,
        backends or {},
        store,
        observer,
        distribution=distribution,
        reasons=reasons,
        members=members,
    )
    accounts, parts = run(asking)
    kept = (rows.dataset, tuple(tally.kept)) if rows.dataset and tally.kept is not None else None
    if to is not None:
        to.stamp(file, taken.model, rows)
    path = to.path if to is not None else None
    done = Scores(rubric, rows.count, tally.unscored, path, accounts, kept, parts)
    for line in (*tally.lost.lines(), *tally.positions.lines()):
        observer(Noted(line))
    if tally.absent and len(file.members) > 1:
        observer(
            Noted(
                f"{tally.absent:,} of {tally.asked:,} scores of the jury's members could not be read; the other "
                f"members decide there"
            )
        )
    check_unscored(done.unscored, done.rows * len(rubric.names), taken.fail_on_error, "the rows")
    return done


@dataclass(frozen=True, slots=True)
class _Output:
    """Where the scores go: a file of a known form, or a stream.

    Attributes:
        path: of the file; None for a stream.
        stream: None for a file.
        ending: of the form.
    """

    path: Path | None
    stream: TextIO | None
    ending: str

    @classmethod
    def of(cls, output: str | Path | TextIO | None, judge: object, data: object) -> Self | None:
        if output is None:
            return None
        if not isinstance(output, str | Path):
            is_json = isinstance(data, str | Path) and ending_of(Path(data)) in (".json", ".jsonl", ".ndjson")
            return cls(None, output, ".jsonl" if is_json else ".csv")
        path = writable(output, [source for source in (judge, data) if isinstance(source, str | Path)])
        return cls(path, None, ending_of_scores(Path(output)))

    def check_own(self, judge: JudgeFile, model: str, rows: ScoredRows) -> None:
        if self.path is not None:
            check_own(self.path, _judge_digest(judge, model), rows.digest)

    def stamp(self, judge: JudgeFile, model: str, rows: ScoredRows) -> None:
        if self.path is not None:
            stamp_own(self.path, _judge_digest(judge, model), rows.digest)

    @contextmanager
    def opened(self, table: ScoreTable, rows: ScoredRows) -> Iterator[_Lines]:
        form = form_of(self.ending, table.scored)
        if self.stream is not None:
            yield _Lines(table, form, self.stream.write, self.stream.flush)
            return
        convert: Callable[[Path, Path], None] | None = None
        if self.ending == ".parquet":
            kinds = table.kinds(kinds_of(table.carried, (table.carried_cells(*row) for row in rows.rows())))
            convert = partial(write_parquet, kinds=kinds)
        with GrowingFile(cast(Path, self.path)) as file:
            yield _Lines(table, form, file.write, lambda: file.finish(convert))


@dataclass(slots=True)
class _Lines:
    """Writes rows as text, their head first."""

    table: ScoreTable
    form: Form
    write: Callable[[str], object]
    finish: Callable[[], object]
    begun: bool = False

    def add(self, example: Example, answered: Answered, row: Row) -> None:
        head = "" if self.begun else self.form.head(self.table.columns)
        self.begun = True
        self.write(
            head
            + self.form.line(self.table.columns, self.table.row(example, answered.prediction, row, answered.members))
        )


def _judge_digest(judge: JudgeFile, model: str) -> str:
    """What identifies a judge and the model that it is asked with."""
    return f"sha256:{hashlib.sha256(f'{model} {dump_judge(judge)}'.encode()).hexdigest()}"


@takes_functions
def plan_score(
    judge: str | Path | JudgeFile,
    data: Data,
    *,
    model: ModelLike | None = None,
    scoring: ScoringLike | None = None,
    budget: Budget | None = None,
    settings: Settings | None = None,
    config: str | Path | None = None,
    backends: Mapping[str, Backend] | None = None,
) -> tuple[PlannedRole, ...]:
    """The most calls that ``score`` would make, with an estimate of their tokens and money; no model is asked.

    Answers in the cache are not subtracted.

    Raises:
        InputError: as ``score``.
    """
    file = judge if isinstance(judge, JudgeFile) else read_judge(judge)
    taken, _ = settings_of(file, explicit(settings, budget, {"model": model}), config, _source(judge))
    rows = scored_rows(data, replace(file.rubric, split=None), taken.limit, stream=True)
    return run(_plan(file, scoring, taken, rows, backends or {}))


async def _plan(
    file: JudgeFile,
    method: ScoringLike | None,
    config: RunConfig,
    rows: ScoredRows,
    backends: Mapping[str, Backend],
) -> tuple[PlannedRole, ...]:
    first, *also = member_configs(file, config)
    async with open_client(first, backends, unwatched, planning=True, also=also) as client:
        panel = open_panel(file, config, client, method)
        step = max(1, rows.count // ROWS)
        some = [example for example, _ in islice(rows.rows(), 0, None, step)][:ROWS]
        planned = [planned_judging(seat.judge, seat.prompt, some, rows.count) for seat in panel.seats]
        return priced(added(planned), client.tariffs)


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
    taken = settings.config.model_copy(update=used)
    only_there = used.get("base_url") or any(one.base_url != taken.base_url for one in member_configs(file, taken))
    return taken, FileAddress(source, trust_address) if only_there and source else None


async def _score(
    file: JudgeFile,
    method: ScoringLike | None,
    config: RunConfig,
    address: FileAddress | None,
    rows: ScoredRows,
    output: _Output | None,
    tally: _Tally,
    backends: Mapping[str, Backend],
    store: AnswerStore | None,
    observer: Observer,
    *,
    distribution: bool,
    reasons: bool,
    members: bool,
) -> tuple[tuple[RoleAccount, ...], tuple[str, ...]]:
    configs = member_configs(file, config)
    async with open_client(configs[0], backends, observer, store=store, also=configs[1:], address=address) as client:
        panel = open_panel(file, config, client, method)
        asked = (len(s.judge.groups(s.prompt)) * s.judge.scoring.samples * s.prompt.orders for s in panel.seats)
        observer(Expected(rows.count * sum(asked)))
        labels = tuple((c.name, label) for c in file.rubric.criteria for label in panel.labels(c))
        if distribution and not labels:
            raise ConfigError(
                f"scoring {file.scoring!r} gives no probabilities of labels; leave out --distribution, or fit the "
                f"judge with --scoring expected"
                if panel.fitted is None
                else "a jury, or a calibrated judge, gives no probabilities of labels; leave out --distribution"
            )
        if reasons and not any(prose_of(seat.judge.scoring) for seat in panel.seats):
            raise ConfigError(
                f"scoring {file.scoring!r} asks for no reasons; leave out --reasons, or fit the judge with --scoring "
                f"reasoned"
            )
        known = rows.dataset.examples if rows.dataset else tuple(example for example, _ in islice(rows.rows(), 1))
        parts = simulated(dict.fromkeys(one.model for one in configs), client, rows.dataset)
        table = ScoreTable(
            file.rubric,
            rows.columns,
            known,
            labels if distribution else (),
            reasons=reasons,
            named_by=rows.named_by,
            simulated=bool(parts),
            members=[seat.name for seat in panel.seats] if members else (),
        )

        async def one(row: tuple[Example, Row]) -> tuple[tuple[Example, Row], Answered]:
            return row, await panel.predict(row[0])

        with output.opened(table, rows) if output is not None else nullcontext() as lines:

            def take(scored: tuple[tuple[Example, Row], Answered]) -> None:
                (example, row), answered = scored
                if lines is not None:
                    lines.add(example, answered, row)
                tally.add(answered)

            await in_turn(map(one, rows.rows()), take, WAVES * config.max_concurrency)
            if lines is not None:
                lines.finish()
        return client.accounts.snapshot(), parts
