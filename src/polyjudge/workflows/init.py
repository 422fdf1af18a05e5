"""A criteria file made from a table of ratings; it passes ``check`` before anybody sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyjudge.datasets.criteria import rubric_from
from polyjudge.datasets.load import Rows, table_from
from polyjudge.datasets.starter import Starter, starter
from polyjudge.datasets.yamlfile import dump_yaml, parse_yaml
from polyjudge.domain.dataset import Rubric
from polyjudge.errors import ConfigError, DataError, InputError
from polyjudge.formatting.text import listed
from polyjudge.results.store import write_whole
from polyjudge.settings.given import Settings
from polyjudge.workflows.check import check
from polyjudge.workflows.init_prompt import brought_in, has_ratings, judge_in


@dataclass(frozen=True, slots=True)
class CriteriaDraft:
    """A criteria file for its owner to correct.

    Attributes:
        text: of the file, with comments on what was left out.
        left_out: column -> why the file does not use it.
        notes: what was guessed.
        refused: what ``check`` still says of the data, such as too few rows; "" if it passes.
    """

    text: str
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    refused: str = ""

    @property
    def rubric(self) -> Rubric:
        """The rubric that the file holds."""
        return rubric_from(parse_yaml(self.text, "the criteria file"), "the criteria file")


def init(
    data: Rows,
    *,
    output: str | Path | None = None,
    prompt: str | Path | None = None,
    source: str | Path | None = None,
    form: str | None = None,
    judge: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> CriteriaDraft:
    """Write a criteria file for rated data, guessed from the columns' names and cells.

    Raters, scales, labels, documents and inputs are recognised. A column that is no rating and no text to judge is
    left out and named with the reason. The file is read back and checked against the data.

    Args:
        data: a file of rated rows, or rows in memory.
        output: a file to write, which must not be there yet.
        prompt: a file with your own prompt, as text or as a list of messages; its placeholders become columns, and
            the text of each criterion is marked.
        source: a file of another tool, of which prompt, criteria and scales are taken. It is read, never run.
        form: the tool: "promptfoo", "deepeval", "mlflow" or "openevals".
        judge: the name of one of the judges in that file.
        columns: placeholder -> column, where the names do not tell.

    Raises:
        DataError: the data cannot be read, or no column holds ratings, or none holds text.
        ConfigError: the output is there already, or the prompt cannot be brought in as it is.
    """
    known = judge_in(prompt, source, form, judge)
    table = table_from(data)
    guessed = starter(table)
    if not guessed.rated and (known is None or not has_ratings(guessed, table)):
        raise DataError(_nothing_rated(table.source, table.columns, guessed))
    if known is not None:
        guessed = brought_in(*known, guessed, table, columns)
    draft = _checked(data, guessed, Path(table.source).name)
    if output is not None:
        write_draft(draft, Path(output))
    return draft


def write_draft(draft: CriteriaDraft, path: Path) -> None:
    """Write a draft's file; one that is there already is left alone.

    Raises:
        ConfigError: it is there.
    """
    if path.exists():
        raise ConfigError(f"{str(path)!r} is there already; choose another --output, or remove it")
    write_whole(path, draft.text)


def _checked(data: Rows, guessed: Starter, source: str) -> CriteriaDraft:
    mapping, notes, refused = dict(guessed.mapping), guessed.notes, ""
    try:
        check(data, criteria=mapping)
    except ConfigError as error:
        # Too few documents or rows to split.
        refused = str(error)
        document = mapping.pop("document", None)
        if document is not None and not _refusal(data, mapping):
            notes, refused = (*notes, f"column {document!r} names too few documents to split by; rows are split"), ""
        elif document is not None:
            mapping = dict(guessed.mapping)
    return CriteriaDraft(commented(mapping, guessed.left_out, notes, source), guessed.left_out, notes, refused)


def _refusal(data: Rows, mapping: Mapping[str, Any]) -> str:
    try:
        check(data, criteria=mapping, settings=Settings())
    except InputError as error:
        return str(error)
    return ""


def commented(mapping: Mapping[str, Any], left_out: Mapping[str, str], notes: tuple[str, ...], source: str) -> str:
    """A criteria file with comments at its head: where it came from, what was guessed, what was left out."""
    read = "the prompt" if "prompt" in mapping else "the task and the definitions"
    lines = [f"Made from {source} by polyjudge init. The judge reads {read}: correct what is wrong."]
    lines += [f"Note: {note}." for note in notes]
    lines += [f"Left out: {column!r}, because {reason}." for column, reason in left_out.items()]
    return "".join(f"# {' '.join(line.split())}\n" for line in lines) + dump_yaml(mapping)


def _nothing_rated(source: str, columns: tuple[str, ...], guessed: Starter) -> str:
    left = [f"{column!r} is left out, because {reason}" for column, reason in guessed.left_out.items()]
    texts = "text to judge" if "criteria" in guessed.mapping and guessed.left_out else "ratings"
    return (
        f"{source}: no column holds ratings beside {texts}; the columns are {listed(map(repr, columns))}. "
        + "".join(f"{line}. " for line in left)
        + "Ratings are numbers, labels or lists of them, one column a rater, or one row a rater with a column "
        "'annotator'. Rename a column that was misread, or write the criteria file by hand"
    )
