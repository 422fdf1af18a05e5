"""Every code block of the README and of docs/ runs, page by page in order, or says why it does not.

A block is excused by a comment on the line above it: ``<!-- needs a key -->``, ``<!-- needs a server -->``, or
``<!-- run by scripts/demo -->``, where that script must hold its lines. Excused commands must still be commands that
exist, with options that exist.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from polyjudge.cli import polyjudge
from polyjudge.datasets.yamlfile import read_yaml

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?:<!-- (?P<excuse>[^\n]*?) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
EXCUSES = ("needs a key", "needs a server", "run by scripts/demo", "set-up of a machine")
RUN = ("bash", "python")
KINDS = (*RUN, "toml", "yaml", "text", "json", "csv", "console")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    kind: str
    text: str
    excuse: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(
            str(page.relative_to(ROOT)),
            text.count("\n", 0, match.start("kind")) + 1,
            match["kind"],
            match["text"],
            match["excuse"] or "",
        )
        for match in BLOCK.finditer(text)
    ]


ALL = [block for page in PAGES for block in blocks(page)]


def commands(block: Block) -> list[list[str]]:
    """The words of each command line of ours in a shell block, comments and continuations resolved."""
    lines = block.text.replace("\\\n", " ").splitlines()
    split = [shlex.split(line, comments=True) for line in lines if line.strip().startswith("polyjudge ")]
    return [words[: words.index("&&")] if "&&" in words else words for words in split]


def test_every_block_has_a_kind_and_every_excuse_is_known():
    fences = {page: page.read_text().count("\n```") for page in PAGES}
    assert all(count % 2 == 0 for count in fences.values())
    assert {block.kind for block in ALL} <= set(KINDS)
    odd = [block.where for block in ALL if block.kind in RUN and block.excuse and block.excuse not in EXCUSES]
    assert not odd


@pytest.mark.parametrize("block", [b for b in ALL if b.kind == "bash"], ids=lambda b: b.where)
def test_every_command_exists_with_its_options(block):
    for words in commands(block):
        command: click.Command = polyjudge
        # A command keeps the help option of the first context that it meets.
        context = click.Context(polyjudge, info_name="polyjudge", **polyjudge.context_settings)
        rest = [word for word in words[1:] if not word.startswith((">", "|"))]
        while isinstance(command, click.Group):
            name = rest.pop(0)
            below = command.get_command(context, name)
            assert below is not None, f"{block.where}: no command {name!r}"
            command = below
        command.make_context(command.name, rest, parent=context)


@pytest.mark.parametrize("block", [b for b in ALL if b.excuse == "run by scripts/demo"], ids=lambda b: b.where)
def test_what_the_demo_runs_is_in_the_demo(block):
    demo = (ROOT / "scripts/demo").read_text().replace("$model", "local/smollm2-135m").replace('"', "")
    for words in commands(block):
        assert " ".join(words) in demo or words[1] == "check"


@pytest.mark.parametrize("block", [b for b in ALL if b.kind in ("toml", "yaml")], ids=lambda b: b.where)
def test_every_file_that_is_shown_can_be_read(block, tmp_path):
    if block.kind == "toml":
        tomllib.loads(block.text)
        return
    file = tmp_path / "shown.yaml"
    file.write_text(block.text)
    assert read_yaml(file)


def runnable(page: str) -> str:
    """The blocks of a page as one shell script, python through a heredoc, so that each sees what came before."""
    parts = ["set -euo pipefail"]
    for block in ALL:
        if block.page == page and block.kind in RUN and not block.excuse:
            mark = f"END_OF_{block.line}"
            script = block.text if block.kind == "bash" else f"python - <<'{mark}'\n{block.text}{mark}\n"
            parts.append(f"echo '== {block.where}'\n{script}")
    return "\n".join(parts)


WITH_CODE = list(dict.fromkeys(b.page for b in ALL if b.kind in RUN and not b.excuse))


@pytest.mark.parametrize("page", WITH_CODE)
def test_every_block_runs(page, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, words in (("polyjudge", "-m polyjudge"), ("python", ""), ("pytest", "-m pytest")):
        (bin_ / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (bin_ / name).chmod(0o755)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("POLYJUDGE_")},
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "POLYJUDGE_CACHE": str(tmp_path / "cache"),
    }
    result = subprocess.run(
        ["bash", "-c", runnable(page)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, f"{result.stdout[-2000:]}\n{result.stderr[-3000:]}"


def test_the_example_of_a_test_of_a_judge_passes_and_can_fail(tmp_path):
    (shown,) = [b for b in ALL if b.page == "docs/audit.md" and "def test_" in b.text]
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

    def outcome(text: str) -> int:
        (tmp_path / "test_judge.py").write_text(text)
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_judge.py"]
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, timeout=120).returncode

    assert outcome(shown.text) == 0
    assert outcome(shown.text.replace(">= 0.4", ">= 0.99")) == 1
