"""Progress: a bar on a terminal, plain lines elsewhere; what models and data say is shown as text, never as markup."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.support import Workplace
from tests.commands import criteria_yaml, polyjudge, rated_csv, script_yaml, write_table

pty = pytest.importorskip("pty", reason="needs terminals as POSIX has them")

FIT = ("ratings.csv", "--criteria", "criteria.yaml", "--model", "scripted/script.yaml")
FIT += ("--steps", "1", "--layout", "joint")
MARKUP = "[bold red]shout[/bold red] [/] :smile: [link=x]"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(folder: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output, and all that a terminal as standard error was sent, without control sequences."""
    place = Workplace.at(folder)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "polyjudge", *words],
        cwd=folder,
        env=place.environment | {"TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    sent = bytearray()
    try:
        while chunk := os.read(ours, 65536):
            sent += chunk
    except OSError:  # what Linux says instead of an end of file
        pass
    finally:
        os.close(ours)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out, CONTROL.sub("", sent.decode())


def shouting() -> str:
    """A script whose optimizer never writes what was asked for."""
    script = json.loads(script_yaml())
    return json.dumps({**script, "rules": [{"role": "optimizer", "replies": [MARKUP]}, *script["rules"]]})


def test_a_terminal_gets_a_bar_that_ends_full(tmp_path: Path) -> None:
    write_table(tmp_path)
    code, out, seen = on_a_terminal(tmp_path, "optimize", *FIT, "--output", "run")
    assert code == 0, seen
    assert "sealed test rows" in out
    assert "run run: 1 step, about 79 calls planned" in seen
    assert "step 0: initial" in seen
    assert re.search(r"calls .*73/73 calls, \d+ from the cache", seen.splitlines()[-1])


def test_a_quiet_terminal_stays_empty(tmp_path: Path) -> None:
    write_table(tmp_path)
    code, out, seen = on_a_terminal(tmp_path, "optimize", *FIT, "--quiet")
    assert (code, seen) == (0, "")
    assert "sealed test rows" in out


def test_an_error_on_a_terminal_is_one_line_still(tmp_path: Path) -> None:
    write_table(tmp_path)
    code, out, seen = on_a_terminal(tmp_path, "optimize", *FIT, "--gate", "accuracy", "--mode", "CSS")
    assert (code, out) == (2, "")
    assert seen.startswith("error: 'mode'")
    assert len(seen.splitlines()) == 1


def test_markup_in_replies_and_columns_is_text_on_a_terminal(tmp_path: Path) -> None:
    write_table(tmp_path, {"ratings.csv": marked_csv(), "criteria.yaml": marked_yaml(), "script.yaml": shouting()})
    code, _, seen = on_a_terminal(tmp_path, "optimize", *FIT, "--mode", "CCC", "--output", "[red]run[/red]")
    assert code == 0, seen
    told = " ".join(seen.split())
    assert f'in the reply "{MARKUP}"' in told
    assert "column '[b]letter[/b]' is empty in row 3" in told
    assert "run [red]run[/red]: 1 step" in told


def test_markup_is_text_on_plain_lines_too(place: Path) -> None:
    write_table(place, {"ratings.csv": marked_csv(), "criteria.yaml": marked_yaml(), "script.yaml": shouting()})
    ended = polyjudge("optimize", *FIT, "--mode", "CCC")
    assert ended.code == 0
    assert f'in the reply "{MARKUP}"' in ended.err
    assert "note: column '[b]letter[/b]' is empty in row 3; kept" in ended.err.splitlines()
    steps = [line for line in ended.err.splitlines() if line.startswith("step ")]
    assert [line.partition(",")[0] for line in steps] == ["step 0: initial", "step 1: failed"]


def test_a_long_reason_is_shortened_to_one_line(place: Path) -> None:
    script = json.loads(script_yaml())
    long = {"role": "optimizer", "replies": ["never mind\n" * 90]}
    write_table(place, {"script.yaml": json.dumps({**script, "rules": [long, *script["rules"]]})})
    ended = polyjudge("optimize", *FIT, "--mode", "CCC", "--candidates", "4")
    assert all(len(line) < 200 for line in ended.err.splitlines())
    assert ended.err.splitlines()[-1].startswith("step 1: failed, ")


def marked_csv() -> str:
    lines = rated_csv().replace("letter", "[b]letter[/b]", 1).splitlines()
    lines[3] = re.sub(r",Dear[^,]*,", ",,", lines[3])
    return "\n".join(lines) + "\n"


def marked_yaml() -> str:
    return criteria_yaml().replace("{letter:", "{'[b]letter[/b]':")


def test_a_log_file_gets_a_line_every_half_minute() -> None:
    from polyjudge.cli.progress import Lines
    from polyjudge.workflows.events import Counted, Expected, Noted

    clock, lines = [0.0], list[str]()
    show = Lines(lambda: clock[0], lines.append)
    for seconds, asked, cached in (
        (0, 1, 0),
        (10, 100, 20),
        (29, 290, 20),
        (30, 300, 20),
        (59, 600, 20),
        (60, 600, 20),
    ):
        clock[0] = float(seconds)
        show(Expected(920) if not seconds else Counted(asked, cached))
    show(Noted("ready"))
    assert lines == [
        "320 of about 920 calls, 20 from the cache, 10.0 a second, about 1 min 0 s left",
        "620 of about 920 calls, 20 from the cache, 10.0 a second, about 30.0 s left",
        "note: ready",
    ]


def test_a_terminal_sees_the_rate_of_a_scoring(tmp_path: Path) -> None:
    write_table(tmp_path)
    code, _, seen = on_a_terminal(tmp_path, "score", "judge.yaml", "ratings.csv")
    assert code == 0, seen
    assert "28/28" in seen
    assert "left" not in seen.splitlines()[-1]


def test_an_unfinished_run_says_how_to_go_on(place: Path) -> None:
    write_table(place)
    assert polyjudge("optimize", *FIT, "--output", "run").code == 0
    (place / "run" / "result.json").unlink()
    for verb in ("report", "diagnose"):
        ended = polyjudge(verb, "run")
        assert ended.code == 2
        assert "has not ended: it holds 2 steps, and goes on with its own command" in ended.err
        assert f"polyjudge optimize {place / 'ratings.csv'} --output run" in ended.err
