"""What is printed for people: names and texts of others steer no terminal, and files get them as they are."""

import os
import subprocess
import sys

import pytest

pty = pytest.importorskip("pty", reason="needs terminals as POSIX has them")

PRINTS = r"from polyjudge.cli.printing import print_lines; print_lines(['judge \x1b]0;title\x07 é', 'two'])"


def test_a_terminal_is_not_steered_by_a_name():
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", PRINTS], stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert shown.splitlines() == [r"judge \x1b]0;title\x07 é", "two"]


def test_a_file_gets_the_name_as_it_is():
    done = subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["judge \x1b]0;title\x07 é", "two"]
