"""Where an audit's scores come from: files, Inspect logs, rows in memory, or recorded scores by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from polyjudge import registry
from polyjudge.audits.read import THE_JUDGE, NamedTable, Rows, judge_names, read_files, rows_table, score_table
from polyjudge.audits.table import ScoreTable
from polyjudge.connect.inspect import inspect_table, is_inspect_log
from polyjudge.datasets.criteria import rubric_from
from polyjudge.datasets.load import Criteria, load_rubric
from polyjudge.datasets.yamlfile import read_yaml
from polyjudge.domain.dataset import Rubric
from polyjudge.errors import ConfigError, DataError

Files = str | Path | Sequence[str | Path]


def read_scores(
    scores: Files | Rows,
    criteria: Criteria | None = None,
    along: str = "",
    *,
    rated: bool = True,
    beside: Sequence[str] = (),
) -> ScoreTable:
    """One table of the scores of one or more judges with people's ratings.

    Args:
        scores: one or several files, Inspect logs among them, rows, a data frame, or the name of recorded scores.
        criteria: a criteria file or mapping, of which names and scales suffice; None: guessed from the columns.
        along: the column along which drift is measured; "" = none.
        rated: whether every criterion needs a human rating.
        beside: columns whose cells are kept for each item.

    Raises:
        InputError: files or criteria that cannot be used.
    """
    if (name := _recording(scores)) is not None:
        if along or beside or (criteria is not None and rated):
            raise ConfigError(f"the recorded scores {name!r} have criteria of their own and no further columns")
        table: ScoreTable = registry.lookup("recordings", name)()
        return table
    rubric = _rubric(criteria) if criteria is not None else None
    return score_table(_tables(scores, rubric), rubric, along, rated=rated, beside=beside)


def _recording(scores: Files | Rows) -> str | None:
    """The name of recorded scores, unless a file has this name."""
    alone = scores[0] if isinstance(scores, (list, tuple)) and len(scores) == 1 else scores
    if not isinstance(alone, str) or alone not in registry.names("recordings") or Path(alone).exists():
        return None
    return alone


def _rubric(criteria: Criteria) -> Rubric:
    """The rubric of a criteria file, whose task and inputs may be left out for an audit."""
    mapping = read_yaml(Path(criteria)) if isinstance(criteria, (str, Path)) else criteria
    if not isinstance(mapping, Mapping):
        return load_rubric(criteria)
    source = str(criteria) if isinstance(criteria, (str, Path)) else "the given criteria"
    # An audit asks nothing, so that the user's own prompt need not be whole.
    asked = {key: value for key, value in mapping.items() if key != "prompt"}
    return rubric_from({"task": "Audit.", "inputs": {"(item)": "Item"}} | asked, source)


def _tables(scores: Files | Rows, rubric: Rubric | None) -> list[NamedTable]:
    if isinstance(scores, (str, Path)):
        scores = [scores]
    if isinstance(scores, Sequence) and all(isinstance(source, (str, Path)) for source in scores):
        paths = [Path(str(source)) for source in scores]
        if not paths:
            raise DataError("no file of scores was named; give one or more")
        named = dict(zip(paths, judge_names(paths), strict=True)) if len(paths) > 1 else {paths[0]: ""}
        logs = {path: judge for path, judge in named.items() if is_inspect_log(path)}
        tables = [NamedTable(judge, inspect_table(path, rubric, judge)) for path, judge in logs.items()]
        return [*tables, *read_files({path: judge or THE_JUDGE for path, judge in named.items() if path not in logs})]
    return rows_table(scores)  # type: ignore[arg-type]
