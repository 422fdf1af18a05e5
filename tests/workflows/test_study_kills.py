"""A kill at any write of a study leaves a folder that holds one study, and the same command goes on from there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.rights import POSIX

ROOT = Path(__file__).parents[2]

PROGRAM = """
import os, shutil, sys
from pathlib import Path
os.chdir(sys.argv[1])
os.environ["POLYJUDGE_CACHE"] = "cache"
from tests.workflows.test_study import STUDY, go
from polyjudge.results.store import EXTRAS
from polyjudge.results.study import read_study_folder

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
left = None

def watch(event, arguments):
    "Count the writes into the study's own files; its runs have a test of their own."
    global left
    if left is None or event not in ("open", "os.rename", "os.remove"):
        return
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITES):
        return
    parts = Path(os.fsdecode(arguments[0]) if not isinstance(arguments[0], int) else "").parts
    if "s" not in parts or "runs" in parts:
        return
    if left == 0:
        os._exit(9)
    left -= 1

sys.addaudithook(watch)

def study(*modes):
    head = STUDY["study"] | {"seeds": [0]}
    return {"study": head, "axes": {"mode": list(modes), "gate": ["mae"]}, "options": STUDY["options"] | {"steps": 1}}

def killed(writes):
    global left
    child = os.fork()
    if child == 0:
        left = writes
        try:
            go(Path("."), study("SSS", "CCC"), output="s")
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(2)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9), (writes, code)
    return code == 9

def pair():
    "What the folder says that the study is, and what belongs to no single run."
    extras = Path("s", EXTRAS)
    return Path("s/study.json").read_bytes(), extras.read_bytes() if extras.exists() else None

def drafts():
    return [one.name for one in Path("s").rglob(".*") if one.name != ".lock" and "runs" not in one.parts]

go(Path("."), study("SSS"), output="s")
short = pair()
shutil.copytree("s", "kept")
go(Path("."), study("SSS", "CCC"), output="s")
whole = pair()
assert None not in (*short, *whole) and short[1] != whole[1]
writes = 0
while True:
    shutil.rmtree("s")
    shutil.copytree("kept", "s")
    if not killed(writes):
        break
    found = pair()
    assert found[1] is None or found in (short, whole), writes
    read_study_folder(Path("s"))
    if writes % 4 == 0:
        assert not killed(1000)
        assert pair() == whole, writes
        assert not drafts(), drafts()
    writes += 1
print(writes)
"""


@POSIX
@pytest.mark.parametrize("fewest", [8])
def test_a_kill_at_any_write_of_a_study_leaves_one_study(fewest: int, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=environment, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    assert int(result.stdout) >= fewest
