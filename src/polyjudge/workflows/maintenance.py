"""The verbs that ask no model: fetching data, and keeping the response cache in order."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from polyjudge.connect.annotations import rated_rows_of
from polyjudge.datasets.download import Downloaded, download
from polyjudge.errors import ConfigError
from polyjudge.llm.cache import maintenance
from polyjudge.llm.cache.maintenance import Contents, Merged, Pruned, contents
from polyjudge.results.store import write_whole
from polyjudge.workflows.client import cache_folder
from polyjudge.workflows.sync import run


def _untold(line: str) -> None:
    """Nobody listens."""


def pull(name: str, *, source: str | None = None, notify: Callable[[str], None] = _untold) -> tuple[Downloaded, ...]:
    """Fetch a published data set into ``POLYJUDGE_DATA``; ``source`` is a mirror, ``notify`` hears the licence first.

    Raises:
        ConfigError: an unknown name, no folder, or another file in a file's place.
        DownloadFailed: a file cannot be fetched, is cut off, or is another one than was published.
    """
    return run(download(name, source, os.environ, notify))


def cache_show() -> Contents:
    """What the response cache holds."""
    return contents(cache_folder())


def cache_merge(folders: Sequence[str | Path]) -> Merged:
    """Copy the answers of other response caches into this one."""
    return maintenance.merge(cache_folder(), [Path(folder) for folder in folders])


def cache_prune(*, older_than: float | None = None, model: str | None = None, dry_run: bool = False) -> Pruned:
    """Remove answers by age in days, by model, or by both, for good."""
    return maintenance.prune(cache_folder(), older_than=older_than, model=model, dry_run=dry_run)


def convert(file: str | Path, *, form: str, output: str | Path) -> int:
    """Write the rated rows of an annotation tool's export as JSON lines.

    Args:
        file: the export, JSON.
        form: ``label-studio``, ``argilla`` or ``langfuse``.
        output: the file to write, which must not be there yet.

    Returns:
        How many rows there are.

    Raises:
        DataError: the export cannot be read as one of this form.
        ConfigError: the output is there already.
    """
    target = Path(output)
    if target.exists():
        raise ConfigError(f"{str(target)!r} is there already; choose another --output, or remove it")
    rows = rated_rows_of(Path(file), form)
    write_whole(target, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return len(rows)
