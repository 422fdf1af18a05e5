"""``polyjudge report`` and ``view``: one HTML file of a run or a study."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polyjudge.datasets.load import Data
from polyjudge.domain.dataset import Dataset
from polyjudge.errors import ConfigError, DataError, InputError
from polyjudge.llm.request import SIMULATED
from polyjudge.reporting.html.page import Page, html
from polyjudge.reporting.report_data import read_report_data
from polyjudge.reporting.sections.run import run_page
from polyjudge.reporting.sections.study import study_page
from polyjudge.reporting.tables.study import Table, all_tables
from polyjudge.results.finished import how_to_go_on, read_finished
from polyjudge.results.store import REPORT, RESULT, write_whole
from polyjudge.results.study import read_study_folder


def report(
    path: str | Path,
    *,
    output: str | Path | None = None,
    figures: str | Path | None = None,
    data: Data | None = None,
) -> Path:
    """Write the report of a run or a study.

    Args:
        path: its folder.
        output: the file; default ``report.html`` in the folder.
        figures: also export every chart into this folder, as SVG and PNG.
        data: of a run, if they are not where they were; without them the worst disagreements are shown by their ids.

    Returns:
        The file.

    Raises:
        DataError: the folder holds neither, a file of it cannot be read, or ``data`` are not those of the run.
        ConfigError: ``output`` is the name of a file of another kind, such as a PDF.
        MissingExtra: ``figures`` without the extra of that name.
    """
    folder = Path(path)
    target = Path(output) if output is not None else folder / REPORT
    _check_is_page(target)
    page = _page(folder, data)
    if figures is not None:
        from polyjudge.reporting.html.export import export

        export(page.charts(), Path(figures), SIMULATED if page.banner else "")
    write_whole(target, html(page))
    return target


def _check_is_page(target: Path) -> None:
    """Refuse a name that says of the file that it is no page."""
    page = target.with_suffix(".html").name
    if target.suffix.casefold() == ".pdf":
        raise ConfigError(
            f"cannot write {str(target)!r}: a report is a page; write {page!r} and print it as PDF from a browser, or "
            f"by: chromium --headless --print-to-pdf={target.name} {page}"
        )
    if target.suffix.casefold() not in ("", ".html", ".htm"):
        raise ConfigError(f"cannot write {str(target)!r}: a report is a page; call it {page!r}")


@dataclass(frozen=True, slots=True)
class Viewed:
    """A report, and whether a browser took it."""

    file: Path
    opened: bool


def view(path: str | Path) -> Viewed:
    """Open the report of a run or a study in the user's browser; where it is missing it is written first.

    Raises:
        DataError: as ``report``.
    """
    file = Path(path) / REPORT
    if not file.exists():
        report(path)
    try:
        return Viewed(file, webbrowser.open(file.resolve().as_uri()))
    except webbrowser.Error:
        return Viewed(file, False)


def report_run(folder: Path, dataset: Dataset) -> Path:
    """The report of a run that has just ended, or was diagnosed, and whose data are at hand."""
    target = folder / REPORT
    write_whole(target, html(run_page(read_report_data(read_finished(folder), dataset))))
    return target


def report_study(folder: Path, tables: Sequence[Table]) -> Path:
    """The report of a study that has just ended, with the tables that it made."""
    target = folder / REPORT
    write_whole(target, html(study_page(folder, read_study_folder(folder), tables)))
    return target


def _page(folder: Path, data: Data | None) -> Page:
    if (folder / "study.json").exists():
        study = read_study_folder(folder)
        return study_page(folder, study, tuple(all_tables(study)))
    if not (folder / RESULT).exists():
        if (folder / "config.json").exists():
            raise DataError(how_to_go_on(folder))
        raise DataError(
            f"{str(folder)!r} is neither a finished run nor a study; name a folder that holds result.json or "
            f"study.json"
        )
    run = read_finished(folder)
    dataset = None
    try:
        dataset = run.dataset(data)
    except InputError:
        if data is not None:
            raise
    return run_page(read_report_data(run, dataset))
