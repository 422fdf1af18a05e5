"""A finished run folder is final, and a folder never holds parts of two runs, wherever a run is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, Recorder, by_chance, rated
from tests.rights import POSIX

from polyjudge import optimize
from polyjudge.errors import ConfigError, TooManyUnscored

DATA = rated({"clarity": FIVE, "warmth": FIVE}, documents=12)
ROOT = Path(__file__).parents[2]


def fitted(world: str, output: str = "run", **options: Any) -> Recorder:
    """A run whose models answer as those of a world do, over a cache of its own."""
    chance = by_chance(DATA)
    recorder = Recorder(lambda request: chance(request).replace("Mind", f"Mind {world}"))
    os.environ["POLYJUDGE_CACHE"] = f"cache-{world}"
    optimize(
        DATA.rows, criteria=DATA.criteria, output=output, backends={JUDGE: recorder.backend},
        **keywords(model=JUDGE, steps=2, batch=2, gate="none", **options),
    )  # fmt: skip
    return recorder


@pytest.fixture(autouse=True)
def _own_cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYJUDGE_CACHE", "cache")


def content(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file() and one.name != ".lock"}


def test_a_finished_run_is_shown_again_whatever_the_cache_holds(place: Path) -> None:
    fitted("a")
    before = content(place / "run")
    assert not fitted("b").asked
    assert content(place / "run") == before
    assert fitted("b", "other").asked
    assert content(place / "other")["steps.jsonl"] != before["steps.jsonl"]


def test_what_is_shown_again_is_what_was_found(place: Path) -> None:
    chance = Recorder(by_chance(DATA))
    options = keywords(criteria=DATA.criteria, model=JUDGE, steps=1, output="run")
    first = optimize(DATA.rows, backends={JUDGE: chance.backend}, **options)
    again = optimize(DATA.rows, backends={JUDGE: chance.backend}, **options)
    for name in ("steps", "outcome", "archive", "choice", "path"):
        assert repr(getattr(again, name)) == repr(getattr(first, name))
    assert again.judge.prompt == first.judge.prompt
    assert not again.paid


def test_new_answers_need_another_folder(place: Path) -> None:
    fitted("a")
    before = content(place / "run")
    with pytest.raises(ConfigError, match=r"--no-cache .* already holds steps; .*--output"):
        fitted("b", no_cache=True)
    assert content(place / "run") == before


def test_a_run_shown_again_still_fails_for_what_is_unscored(place: Path) -> None:
    chance = by_chance(DATA)
    backend = Recorder(lambda one: "?" if one.role == "judge" and "letter 00" in str(one) else chance(one)).backend
    options = {"criteria": DATA.criteria, "model": JUDGE, "output": "run"}
    optimize(DATA.rows, backends={JUDGE: backend}, **keywords(steps=0, **options))
    with pytest.raises(TooManyUnscored):
        optimize(DATA.rows, backends={JUDGE: backend}, **keywords(steps=0, fail_on_error=0, **options))


KILLER = """
import os, shutil, sys
from pathlib import Path
os.chdir(sys.argv[1])
from tests.workflows.test_final_folder import content, fitted

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
left = None

def watch(event, arguments):
    global left
    if left is None or event not in ("open", "os.rename", "os.remove"):
        return
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITES):
        return
    if "run" not in Path(os.fsdecode(arguments[0]) if not isinstance(arguments[0], int) else "").parts:
        return
    if left == 0:
        os._exit(9)
    left -= 1

sys.addaudithook(watch)

def killed(world, writes):
    "Whether a run of a world was killed before it had begun so many writes into its folder."
    global left
    child = os.fork()
    if child == 0:
        left = writes
        try:
            fitted(world)
        except BaseException as error:
            os._exit(1 if "other answers" in str(error) else 2)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code != 2, (world, writes)
    return code == 9

def whole(world):
    fitted(world)
    found = content(Path("run"))
    shutil.rmtree("run")
    return found

def belongs(found, whole):
    "Whether what a folder holds is a part of a whole run."
    for name, text in found.items():
        if name.startswith(".") or name in ("summary.md", "result.json", "report.html"):
            continue  # drafts, and what tells the time
        if name.endswith("s.jsonl") and name != "predictions.jsonl":
            text = text[:text.rfind(b"\\n") + 1]
            if not whole[name].startswith(text):
                return False
        elif text != whole[name]:
            return False
    return True

def check(wholes, *told):
    found = content(Path("run")) if Path("run").exists() else {}
    assert any(belongs(found, one) for one in wholes), (told, sorted(found))
"""
UNFINISHED = """
wholes = [whole("a"), whole("b")]
assert not any(belongs(one, other) for one in wholes for other in wholes if one is not other)
writes = 0
while killed("a", writes):
    check(wholes, writes)
    for more in (1, 5, 1000):
        shutil.copytree("run", "kept") if Path("run").exists() else None
        killed("b", more)
        check(wholes, writes, more)
        shutil.rmtree("run", ignore_errors=True)
        os.rename("kept", "run") if Path("kept").exists() else None
    shutil.rmtree("run", ignore_errors=True)
    writes += 1
print(writes)
"""
FINISHED = """
fitted("a")
before = content(Path("run"))
writes = 0
while killed("b", writes):
    assert content(Path("run")) == before, writes
    writes += 1
assert content(Path("run")) == before
print(writes)
"""


@POSIX
@pytest.mark.parametrize(("state", "fewest"), [(UNFINISHED, 20), (FINISHED, 1)], ids=["unfinished", "finished"])
def test_a_kill_at_any_write_leaves_parts_of_one_run(state: str, fewest: int, place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    result = subprocess.run(
        [sys.executable, "-c", KILLER + state, str(place)],
        env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= fewest


def test_the_last_file_of_a_run_is_its_result(place: Path) -> None:
    fitted("a")
    files = sorted((one.stat().st_mtime_ns, one.name) for one in (place / "run").iterdir() if one.name != ".lock")
    assert files[-2][1] == "result.json"
    assert json.loads((place / "run" / "result.json").read_bytes())["outcome"]
