"""Guards the text of this repository against what no test of the code would see.

Four rules, over every file that git tracks or would track:

- no run of eight words (case and punctuation aside) stands in the evaluation data too: those texts are other
  people's, and a judge must not have met them;
- no package registry or index is named by its address: where packages come from is the user's own setting;
- no path of one particular machine, outside the tests;
- every relative link of a Markdown page leads to a file, and to a heading where it names one.

Prints one line a finding and returns 1, or says what was read and returns 0.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

RUN = 8

# Written in pieces, so that this file names none of them.
HOSTS = tuple(
    ".".join(pieces)
    for pieces in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("golang", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("rubygems", "org"),
        ("maven", "org"),
        ("maven", "apache", "org"),
        ("ghcr", "io"),
        ("docker", "io"),
    )
)
HOST = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, HOSTS))})(?![\w-])", re.IGNORECASE)
INDEX = re.compile(r"https?://[^\s\"'<>]+/simple\b", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.~})$*-])/(?:tmp|work|root|home/[a-z]\w*|Users/[A-Za-z]\w*)(?=/)")

WORD = re.compile(r"[^\W_]+")
ESCAPE = re.compile(r"\\[nrt\"']")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)", re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")
FENCE = re.compile(r"^( {0,3})(```+|~~~+).*?^ {0,3}\2`*\s*$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must not stand where it stands; ``line`` counts from 1."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def words(text: str) -> list[tuple[str, int]]:
    """The words of a text, case folded, with the line (from 1) that each stands on."""
    return [
        (match.group(), number)
        for number, line in enumerate(text.split("\n"), start=1)
        for match in WORD.finditer(ESCAPE.sub(" ", line).casefold())
    ]


def runs(text: str, length: int = RUN) -> Iterator[tuple[str, int]]:
    """Every run of ``length`` words of a text, joined by spaces, with the line where it begins."""
    found = words(text)
    for start in range(len(found) - length + 1):
        yield " ".join(word for word, _ in found[start : start + length]), found[start][1]


def shared_runs(texts: dict[str, str], foreign: frozenset[str]) -> Iterator[Finding]:
    """The first line of every stretch that a text shares with the foreign runs."""
    for path, text in texts.items():
        inside = False
        for run, line in runs(text):
            if run in foreign and not inside:
                yield Finding(path, line, f"shares {RUN} words in a row with the evaluation data: {run!r}")
            inside = run in foreign


def addresses(texts: dict[str, str]) -> Iterator[Finding]:
    """Every line that names a package registry or index."""
    for path, text in texts.items():
        for number, line in enumerate(text.split("\n"), start=1):
            match = HOST.search(line) or INDEX.search(line)
            if match:
                yield Finding(path, number, f"names a package registry: {match.group()!r}")


def machine_paths(texts: dict[str, str]) -> Iterator[Finding]:
    """Every line outside the tests that names a folder of one particular machine."""
    for path, text in texts.items():
        if path.startswith("tests/"):
            continue
        for number, line in enumerate(text.split("\n"), start=1):
            match = MACHINE_PATH.search(line)
            if match:
                yield Finding(path, number, f"names a path of one machine: {match.group() + '/'!r}")


def broken_links(texts: dict[str, str], root: Path) -> Iterator[Finding]:
    """Every relative link of a Markdown page that leads nowhere."""
    pages = {path: _without_code(text) for path, text in texts.items() if path.endswith(".md")}
    for path, text in pages.items():
        prose = CODE.sub("", text)
        for match in LINK.finditer(prose):
            target = unquote(match.group(1) or match.group(2))
            if not SCHEME.match(target) and not target.startswith("//") and not _leads(root, path, target, pages):
                yield Finding(
                    path, prose.count("\n", 0, match.start()) + 1, f"links to {target!r}, which is not there"
                )


def _leads(root: Path, page: str, target: str, pages: dict[str, str]) -> bool:
    file, _, heading = target.partition("#")
    # A leading slash means the repository, as on the sites that show these pages.
    place = (root / file.lstrip("/") if file.startswith("/") else (root / page).parent / file) if file else root / page
    if not place.exists():
        return False
    text = pages.get(os.path.relpath(place.resolve(), root.resolve()).replace(os.sep, "/"))
    return not heading or text is None or heading.casefold() in _anchors(text)


def _anchors(text: str) -> set[str]:
    titles = (re.sub(r"[^\w\- ]", "", title.casefold()).replace(" ", "-") for title in HEADING.findall(text))
    found: set[str] = set()
    for title in titles:
        number = 0
        while (anchor := f"{title}-{number}" if number else title) in found:
            number += 1
        found.add(anchor)
    return found


def _without_code(text: str) -> str:
    """The page with its code blocks blanked, line for line."""
    return FENCE.sub(lambda block: "\n" * block.group().count("\n"), text)


def tracked_texts(root: Path) -> tuple[dict[str, str], list[str]]:
    """The text files that git tracks or would track, and the names of those that are no UTF-8 text."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
    ).stdout
    texts: dict[str, str] = {}
    unread: list[str] = []
    for path in sorted({os.fsdecode(name) for name in listed.split(b"\0") if name}):
        if not (root / path).is_file():
            continue
        content = (root / path).read_bytes()
        try:
            texts[path] = content.decode("utf-8")
        except UnicodeDecodeError:
            unread.append(path)
    return texts, unread


def foreign_texts(files: Iterable[Path]) -> Iterator[str]:
    """Every string in the Parquet files, however deep it lies in lists and records."""
    try:
        from ftfy import fix_encoding
        from pyarrow import parquet
    except ImportError:
        sys.exit("guard: reading the evaluation data needs pyarrow; scripts/check brings an environment that has it")
    for file in files:
        for column in parquet.read_table(file).columns:
            for value in column.to_pylist():
                for text in _strings(value):
                    yield text
                    # Loading repairs the data's encoding: the repaired words are theirs too.
                    yield fix_encoding(text)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings(inner)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a repository; 0 when nothing was found."""
    here = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description="Guard the text of this repository.")
    parser.add_argument("--root", type=Path, default=here, help="the repository (default: this one)")
    parser.add_argument("--data", type=Path, help="the evaluation data (default: ../shared/data beside it)")
    options = parser.parse_args(arguments)
    root: Path = options.root.resolve()
    data: Path = options.data or root.parent / "shared" / "data"

    texts, unread = tracked_texts(root)
    findings = [*addresses(texts), *machine_paths(texts), *broken_links(texts, root)]
    files = sorted(data.rglob("*.parquet")) if data.is_dir() else []
    if files:
        findings += shared_runs(texts, frozenset(run for text in foreign_texts(files) for run, _ in runs(text)))
        print(f"guard: compared with {len(files)} files of evaluation data")
    else:
        print(f"guard: no evaluation data in {os.path.relpath(data)!r}: shared runs of words not checked")
    if unread:
        print(f"guard: not text, not read: {', '.join(unread)}")
    for finding in sorted(findings, key=lambda finding: (finding.path, finding.line)):
        print(finding)
    print(f"guard: {len(texts)} files read, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
