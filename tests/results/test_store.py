"""A run's folder: one process, one configuration, whole files, and lines that a replay confirms."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rights import POSIX, without_rights

import polyjudge
from polyjudge import codec
from polyjudge.domain.records import Step
from polyjudge.errors import ConfigError, DataError
from polyjudge.results.run_folder import RunFolder
from polyjudge.results.store import ReplayedLines, StudyFolder, read_steps, write_whole

law = settings(deadline=None, max_examples=40)

CONFIG = codec.line({"mode": "SSS", "seed": 0, "steps": 12})
SOURCE = str(Path(polyjudge.__file__).parents[1])


def step(index: int, reason: str = "") -> Step:
    return Step(index, ("a",), "initial", reason, (), (), (), (), (), None, {"a": "Rate."}, None)


HOLDER = """
import sys
sys.path.insert(0, {source!r})
from pathlib import Path
from polyjudge.results.run_folder import RunFolder
with RunFolder(Path({folder!r}), {config!r}):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held_by_another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    code = HOLDER.format(source=SOURCE, folder=str(folder), config=CONFIG)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        yield other
        other.stdin.close()


def test_another_process_in_the_folder_is_refused_until_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with held_by_another_process(folder), pytest.raises(ConfigError, match=r"another process runs in .*run"):
        RunFolder(folder, CONFIG)
    RunFolder(folder, CONFIG).close()


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with held_by_another_process(folder) as other:
        other.kill()
        other.wait(30)
        RunFolder(folder, CONFIG).close()


def test_the_same_configuration_opens_the_same_folder_again(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    for _ in range(2):
        with RunFolder(folder, CONFIG) as opened:
            assert opened.path == folder
            assert (folder / "config.json").read_text("utf-8") == CONFIG


def test_another_configuration_is_refused_with_the_names_that_differ(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    RunFolder(folder, CONFIG).close()
    other = codec.line({"mode": "CCC", "seed": 0, "batch": 3, "steps": 12})
    with pytest.raises(ConfigError, match=r"another configuration \(it differs in batch, mode\); choose .* --output"):
        RunFolder(folder, other)
    assert (folder / "config.json").read_text("utf-8") == CONFIG
    RunFolder(folder, CONFIG).close()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"{", "not readable"), (b"\xff\xfe", "not readable"), (b"[1]", "no settings"), (b"", "not")],
)
def test_a_spoiled_configuration_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=f"another configuration .*{words}"):
        RunFolder(folder, CONFIG)
    assert (folder / "config.json").read_bytes() == content


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"is not a run of polyjudge \(it holds 'thesis.txt' and no config.json\)"):
        RunFolder(tmp_path, CONFIG)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert not (tmp_path / "config.json").exists()


def test_an_empty_folder_and_one_of_a_run_killed_at_once_are_taken(tmp_path: Path) -> None:
    RunFolder(tmp_path, CONFIG).close()
    (tmp_path / "config.json").unlink()
    (tmp_path / ".config.json.4711").write_text("{to")
    RunFolder(tmp_path, CONFIG).close()
    assert (tmp_path / "config.json").read_text("utf-8") == CONFIG


def test_drafts_that_a_kill_left_are_swept_and_nothing_else(tmp_path: Path) -> None:
    RunFolder(tmp_path, CONFIG).close()
    for name in (".judge.yaml.4711", "notes.4711", "judge.yaml", ".hidden"):
        (tmp_path / name).write_text("kept?")
    RunFolder(tmp_path, CONFIG).close()
    assert {entry.name for entry in tmp_path.iterdir()} == {
        *("config.json", ".lock", "notes.4711", "judge.yaml", ".hidden")
    }


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ConfigError, match=r"run folder .* cannot be used: .*; choose another with --output"):
            RunFolder(path, CONFIG)


def test_a_folder_in_the_place_of_the_configuration_is_refused_and_released(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    for _ in range(2):
        with pytest.raises(ConfigError, match="cannot be used: Is a directory"):
            RunFolder(tmp_path, CONFIG)


@POSIX
def test_a_folder_without_write_permission_is_a_clear_error() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        try:
            with without_rights():
                for path in (folder, folder / "run"):
                    with pytest.raises(ConfigError, match="cannot be used: Permission denied"):
                        RunFolder(path, CONFIG)
                with pytest.raises(ConfigError, match=r"cannot write .*judge.yaml.*Permission denied"):
                    write_whole(folder / "judge.yaml", "text")
        finally:
            folder.chmod(0o755)


def test_a_whole_file_replaces_the_old_one_and_leaves_no_draft(tmp_path: Path) -> None:
    for text in ("one\n", "two\r\nand é 😀\n", "half a pair \ud83d\n"):
        write_whole(tmp_path / "judge.yaml", text)
        assert (tmp_path / "judge.yaml").read_bytes() == text.encode(errors="backslashreplace")
    assert [entry.name for entry in tmp_path.iterdir()] == ["judge.yaml"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "judge.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"cannot write .*judge.yaml"):
        write_whole(tmp_path / "judge.yaml", "text")
    assert [entry.name for entry in tmp_path.iterdir()] == ["judge.yaml"]


def write_lines(path: Path, *lines: str) -> ReplayedLines:
    written = ReplayedLines(path)
    for line in lines:
        written.append(line)
    return written


def test_lines_are_written_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    written = ReplayedLines(path)
    for count in range(1, 4):
        written.append(f"line {count} é")
        assert path.read_bytes() == "".join(f"line {at} é\n" for at in range(1, count + 1)).encode()


def test_a_replay_confirms_lines_without_writing_them(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    write_lines(path, "one", "two", "three").finish()
    os.utime(path, ns=(1, 1))
    before = path.stat()
    write_lines(path, "one", "two", "three").finish()
    after = path.stat()
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    assert after.st_ino == before.st_ino
    write_lines(path, "one", "two")
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_confirming_leaves_the_time_of_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    write_lines(path, "one", "two")
    os.utime(path, ns=(1, 1))
    write_lines(path, "one", "two")
    assert path.stat().st_mtime_ns == 1


@law
@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=5), st.lists(st.sampled_from("ab"), max_size=5))
def test_a_line_that_differs_is_refused_and_leaves_the_file_alone(standing: list[str], come: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "steps.jsonl"
        write_lines(path, *standing).finish()
        before = path.read_bytes()
        if come[: len(standing)] == standing:
            write_lines(path, *come).finish()
            assert path.read_bytes() == "".join(f"{line}\n" for line in come).encode()
        else:
            with pytest.raises(ConfigError, match=r"steps.jsonl', line \d: .*other answers.*--output"):
                write_lines(path, *come).finish()
            assert path.read_bytes() == before


def test_a_file_that_is_not_there_needs_no_finish(tmp_path: Path) -> None:
    ReplayedLines(tmp_path / "absent.jsonl").finish()
    assert not (tmp_path / "absent.jsonl").exists()


def test_no_file_grows_before_the_lines_of_all_are_confirmed(tmp_path: Path) -> None:
    with RunFolder(tmp_path, CONFIG) as folder:
        folder.begin(diagnostics=False)
        folder.steps.append("step 0")
        folder.tests.append("test 0")
    with RunFolder(tmp_path, CONFIG) as folder:
        folder.begin(diagnostics=False)
        folder.steps.append("step 0")
        folder.steps.append("step 1")
        assert (tmp_path / "steps.jsonl").read_text() == "step 0\n"
        with pytest.raises(ConfigError, match="other answers"):
            folder.tests.append("another test 0")
        assert (tmp_path / "steps.jsonl").read_text() == "step 0\n"
        folder.tests.append("test 0")
        assert (tmp_path / "steps.jsonl").read_text() == "step 0\nstep 1\n"


def test_what_a_run_derived_goes_when_it_is_taken_up_again(tmp_path: Path) -> None:
    derived = ("judge.yaml", "judge.initial.yaml", "predictions.jsonl", "archive.json", "summary.md", "report.html")
    RunFolder(tmp_path, CONFIG).close()
    for name in (*derived, "steps.jsonl", "diagnostics.jsonl", "notes.txt"):
        (tmp_path / name).write_text("one\n")
    with RunFolder(tmp_path, CONFIG) as folder:
        assert not folder.finished
        folder.begin(diagnostics=False)
    assert {one.name for one in tmp_path.iterdir()} == {".lock", "config.json", "steps.jsonl", "notes.txt"}


@POSIX
@pytest.mark.parametrize("name", [".lock", "steps.jsonl", "tests.jsonl", "diagnostics.jsonl"])
def test_a_link_in_a_run_folder_is_not_followed(name: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    RunFolder(tmp_path / "run", CONFIG).close()
    (tmp_path / "run" / name).unlink(missing_ok=True)
    (tmp_path / "run" / name).symlink_to(victim)
    with pytest.raises(ConfigError, match=f"{name}' is a link"), RunFolder(tmp_path / "run", CONFIG) as folder:
        folder.begin(diagnostics=True)
    assert victim.read_text() == "precious\n"


@POSIX
def test_a_whole_file_replaces_a_link_and_leaves_alone_what_it_leads_to(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    for name in ("judge.yaml", f".judge.yaml.{os.getpid()}"):
        (tmp_path / name).symlink_to(victim)
    write_whole(tmp_path / "judge.yaml", "text\n")
    assert victim.read_text() == "precious\n"
    assert (tmp_path / "judge.yaml").read_text() == "text\n"
    assert not (tmp_path / "judge.yaml").is_symlink()


@POSIX
@pytest.mark.parametrize("name", ["tables", "runs", "runs/one", "extras.jsonl"])
def test_a_link_in_the_folder_of_a_study_is_refused(name: str, tmp_path: Path) -> None:
    study, victim = tmp_path / "study", tmp_path / "victim"
    victim.mkdir()
    with StudyFolder(study) as folder:
        folder.write("study.json", "{}")
    (study / name).parent.mkdir(exist_ok=True)
    (study / name).symlink_to(victim)
    with pytest.raises(ConfigError, match=f"{name}' is a link"):
        StudyFolder(study)
    assert not [*victim.iterdir()]


@law
@given(st.lists(st.text(alphabet="aé😀\u2028\x85 ", max_size=6), max_size=5), st.data())
def test_a_file_torn_anywhere_is_healed_by_a_replay(lines: list[str], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "steps.jsonl"
        whole = "".join(f"{line}\n" for line in lines).encode()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
        write_lines(path, *lines).finish()
        assert path.read_bytes() == whole


def test_steps_are_read_back_and_a_torn_last_line_counts_as_not_written(tmp_path: Path) -> None:
    steps = [step(0, "plain"), step(1, "\u2028 \x85 \x0b \r\n é"), step(2, "😀")]
    whole = "".join(f"{codec.line(one)}\n" for one in steps).encode()
    path = tmp_path / "steps.jsonl"
    path.write_bytes(whole)
    assert list(read_steps(tmp_path)) == steps
    third = whole.rindex(b"\n", 0, -1) + 1
    for end in range(third, len(whole)):
        path.write_bytes(whole[:end])
        assert list(read_steps(tmp_path)) == steps[:2]


def test_steps_that_cannot_be_read_name_their_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*steps.jsonl"):
        list(read_steps(tmp_path))
    good = codec.line(step(0))
    for bad in (b"{}", b"nonsense", b"\xff", json.dumps([1]).encode(), b""):
        (tmp_path / "steps.jsonl").write_bytes(good.encode() + b"\n" + bad + b"\n" + good.encode() + b"\n")
        read = read_steps(tmp_path)
        assert next(read) == step(0)
        with pytest.raises(DataError, match=r"steps.jsonl', line 2 does not hold a Step"):
            next(read)


def test_a_folder_gives_its_lines(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run", CONFIG) as folder:
        folder.begin(diagnostics=False)
        folder.steps.append(codec.line(step(0)))
    assert list(read_steps(tmp_path / "run")) == [step(0)]
