"""The guard of the repository's text, on repositories and evaluation data made up here."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

GUARD = Path(__file__).resolve().parents[2] / "scripts" / "guard.py"
FOREIGN = "Seven green kettles hummed below the harbour bridge while nobody counted."
INSIDE = runpy.run_path(str(GUARD), run_name="guard")


class Repository:
    """A git repository in a folder, and beside it, when asked for, evaluation data."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repository"
        self.data = folder / "shared" / "data"
        self.root.mkdir()
        subprocess.run(["git", "init", "--quiet", str(self.root)], check=True)

    def write(self, path: str, text: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        subprocess.run(["git", "-C", str(self.root), "add", path], check=True)

    def write_data(self, columns: dict[str, list[object]]) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table(columns), self.data / "test.parquet")

    def guard(self) -> tuple[int, list[str]]:
        """The guard's exit code and its lines."""
        done = subprocess.run(
            [sys.executable, str(GUARD), "--root", str(self.root)], capture_output=True, text=True, check=False
        )
        assert not done.stderr
        return done.returncode, done.stdout.splitlines()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_clean_text_passes_and_says_what_was_read(repository: Repository) -> None:
    repository.write("README.md", "# Title\n\nNothing of interest.\n")
    repository.write_data({"text": [FOREIGN]})
    code, lines = repository.guard()
    assert code == 0
    assert lines == ["guard: compared with 1 files of evaluation data", "guard: 1 files read, 0 findings"]


def test_eight_shared_words_fail_and_seven_do_not(repository: Repository) -> None:
    repository.write_data({"text": [FOREIGN]})
    repository.write("seven.txt", "It was seven green kettles hummed below the harbour and that was all")
    assert repository.guard()[0] == 0
    repository.write("eight.txt", "first line\nSEVEN green kettles -- hummed\nbelow, the harbour bridge!\n")
    code, lines = repository.guard()
    assert code == 1
    assert [line for line in lines if line.startswith("eight.txt")] == [
        "eight.txt:2: shares 8 words in a row with the evaluation data: "
        "'seven green kettles hummed below the harbour bridge'"
    ]


def test_one_long_stretch_is_one_finding_and_two_stretches_are_two(repository: Repository) -> None:
    repository.write_data({"text": [FOREIGN]})
    repository.write("twice.txt", f"{FOREIGN}\nsomething else entirely\n{FOREIGN}\n")
    _, lines = repository.guard()
    assert [line.split(" ")[0] for line in lines if line.startswith("twice")] == ["twice.txt:1:", "twice.txt:3:"]


def test_text_deep_in_lists_and_records_is_compared_too(repository: Repository) -> None:
    repository.write_data({"rows": [[{"summary": FOREIGN}], []], "score": [1, 2]})
    repository.write("module.py", f"# {FOREIGN}\n")
    assert repository.guard()[0] == 1


def test_a_file_that_git_does_not_know_yet_counts_and_an_ignored_one_does_not(repository: Repository) -> None:
    repository.write_data({"text": [FOREIGN]})
    repository.write(".gitignore", "ignored.txt\n")
    (repository.root / "ignored.txt").write_text(FOREIGN)
    assert repository.guard()[0] == 0
    (repository.root / "new.txt").write_text(FOREIGN)
    assert repository.guard()[0] == 1


def test_without_data_it_says_so_and_still_checks_the_rest(repository: Repository) -> None:
    repository.write("notes.txt", FOREIGN)
    code, lines = repository.guard()
    assert code == 0
    assert "not checked" in lines[0]
    repository.write("setup.txt", f"see {'.'.join(['pypi', 'org'])} for more")
    assert repository.guard()[0] == 1


@pytest.mark.parametrize(
    "text",
    [
        "packages from https://{}/x".format(".".join(["files", "pythonhosted", "org"])),
        "REGISTRY={}".format(".".join(["registry", "NPMJS", "org"])),
        "--index-url https://mirror.invalid/repository/{}".format("simple"),
    ],
)
def test_a_registry_named_by_its_address_fails_anywhere(repository: Repository, text: str) -> None:
    repository.write("tests/test_it.py", f"# one\n# {text}\n")
    code, lines = repository.guard()
    assert code == 1
    assert any(line.startswith("tests/test_it.py:2: names a package registry") for line in lines)


@pytest.mark.parametrize("text", ["my-pypi.organic", "a simple https://example.org/page", "crates.iouyt"])
def test_names_that_only_look_like_a_registry_pass(repository: Repository, text: str) -> None:
    repository.write("page.txt", text)
    assert repository.guard()[0] == 0


@pytest.mark.parametrize("path", ["/tmp/x", '"/work/main"', "cd /root/.cache", "(/home/alice/data)", "/Users/bob/x"])
def test_a_path_of_one_machine_fails_outside_the_tests(repository: Repository, path: str) -> None:
    repository.write("tests/test_it.py", path)
    assert repository.guard()[0] == 0
    repository.write("src/module.py", f"x = 1\n{path}\n")
    code, lines = repository.guard()
    assert code == 1
    assert any(line.startswith("src/module.py:2: names a path of one machine") for line in lines)


@pytest.mark.parametrize("path", ["https://example.org/work/x", "src/work/y", "$HOME/work/z", "../tmp/x", "~/work/a"])
def test_paths_that_hold_on_any_machine_pass(repository: Repository, path: str) -> None:
    repository.write("page.txt", path)
    assert repository.guard()[0] == 0


@pytest.mark.parametrize(
    "link",
    [
        "[there](absent.md)",
        "[up](../absent.md)",
        "![picture](absent.png)",
        "[![badge](there.md)](absent.md)",
        "[ref]: absent.md",
        "[part](there.md#no-such-heading)",
        "[here](#nowhere)",
    ],
)
def test_a_link_that_leads_nowhere_fails(repository: Repository, link: str) -> None:
    repository.write("docs/there.md", "# There\n\n## A `part` of it\n")
    repository.write("docs/page.md", f"# Page\n\n{link}\n")
    code, lines = repository.guard()
    assert code == 1
    assert any(line.startswith("docs/page.md:3: links to") for line in lines)


@pytest.mark.parametrize(
    "link",
    [
        "[there](there.md)",
        "[there](./there.md#a-part-of-it 'title')",
        "[again](there.md#there-1)",
        "[page](#page)",
        "[root](/docs/there.md)",
        "[site](https://example.org/absent.md)",
        "[mail](mailto:someone@example.org)",
        "`code[0](absent.md)`",
        "```\n[there](absent.md)\n```",
    ],
)
def test_a_link_that_leads_somewhere_passes(repository: Repository, link: str) -> None:
    repository.write("docs/there.md", "# There\n\n## A `part` of it\n\n# There\n")
    repository.write("docs/page.md", f"# Page\n\n{link}\n")
    code, lines = repository.guard()
    assert code == 0, lines


def test_files_that_are_no_text_are_named_and_not_read(repository: Repository) -> None:
    repository.write("picture.png", b"\x89PNG\xff\xfe")
    code, lines = repository.guard()
    assert code == 0
    assert "guard: not text, not read: picture.png" in lines


plain_words = st.lists(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=4), min_size=1, max_size=20)


@given(plain_words, st.lists(st.sampled_from([" ", "\n", ", ", " -- ", "\n# ", '", "', "_", r"\n"]), min_size=20))
def test_runs_depend_on_the_words_alone(spoken: list[str], gaps: list[str]) -> None:
    def runs(text: str) -> list[str]:
        return [run for run, _ in INSIDE["runs"](text)]

    written = "".join(word.upper() + gap for word, gap in zip(spoken, gaps, strict=False))
    assert runs(written) == runs(" ".join(spoken))
    assert len(runs(written)) == max(0, len(spoken) - 7)
