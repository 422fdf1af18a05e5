"""The whole way with a real, tiny model: embedded in the process, and behind llama.cpp's HTTP server."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.acceptance.support import Moment, Workplace, ended, figures, stop_and_go_on

SERVER = Path(__file__).parents[1] / "llm" / "backends" / "llama_server.py"
EMBEDDED = "local/smollm2-135m"
KILLS = 3
CRITERIA = """
task: How strongly does the writer feel each emotion?
inputs: {message: Message}
document: writer
id: id
reply_begins: The writer feels
readout: cloze
criteria:
  - {name: joy, scale: [0, 3], instruction: How much joy?, words: [happy, glad, pleased]}
  - {name: fear, scale: [0, 3], instruction: How much fear?, words: [afraid, worried, scared]}
"""
MESSAGES = (
    "We won the cup!", "Somebody is at the door.", "The lights went out again.", "My sister is coming home.",
    "I got the job!", "The brakes failed.", "Cake for everyone!", "I heard steps upstairs.",
    "The garden is in bloom.", "The doctor wants to see me.", "Our team danced all night.", "The ice is cracking.",
)  # fmt: skip
SHORT_ANSWERS = """
[parameters.loss]
max_tokens = 12
[parameters.gradient]
max_tokens = 12
[parameters.optimizer]
max_tokens = 24
"""
# The command line's own function, with the model's calls counted as they are sent.
COUNTED = """
import sys
from pathlib import Path
import polyjudge
from polyjudge.llm.models import open_backend

class Counted:
    def __init__(self, inner):
        self.inner = inner
        self.identity, self.abilities, self.concurrency = inner.identity, inner.abilities, inner.concurrency

    async def complete(self, request):
        with open("asked.log", "a") as log:
            print(request.key(self.identity), file=log)
        return await self.inner.complete(request)

    async def close(self):
        await self.inner.close()

name = "local/smollm2-135m"
polyjudge.optimize(
    "moods.csv", criteria="criteria.yaml", config="short.toml", model=name, recipe="thrifty", steps=1, batch=1,
    output=sys.argv[1], backends={name: Counted(open_backend(name))},
)
"""


def prepared(folder: Path) -> Workplace:
    place = Workplace.at(folder)
    place.write("criteria.yaml", CRITERIA)
    place.write("short.toml", SHORT_ANSWERS)
    place.write("counted.py", COUNTED)
    with (folder / "moods.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "writer", "message", "joy", "fear"])
        for at, message in enumerate(MESSAGES):
            writer.writerow([f"m{at}", f"w{at}", message, *((3, at % 2) if at % 2 == 0 else (at % 3, 2))])
    return place


def test_the_embedded_model_killed_thrice_repeats_no_answer_and_replays_to_the_byte(
    smollm2: Path, tmp_path: Path
) -> None:
    place = prepared(tmp_path)
    stops = [Moment(3, 0.1), Moment(9, 0.2), Moment(17, 0.05)]
    killed = stop_and_go_on(place, lambda: place.python("counted.py", "run"), stops)
    assert killed.stops == KILLS
    assert killed.again == ()
    assert killed.double <= KILLS
    answered = len(place.asked())
    artefacts = place.digests("run")
    result = ended(place.python("counted.py", "replayed"))
    assert result.code == 0, result
    assert place.digests("replayed") == artefacts
    assert len(place.asked()) == answered
    assert all(account["sent"] == 0 for account in figures(tmp_path / "replayed").values())


@pytest.fixture(scope="module")
def address(smollm2: Path) -> Iterator[str]:
    """llama.cpp's own server, in a process that stops when this one does."""
    command = [sys.executable, str(SERVER), str(smollm2), "180"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"{server.stdout.readline().strip()}/v1"
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(timeout=30) == 0


def steps(place: Workplace) -> list[Mapping[str, object]]:
    return [json.loads(line) for line in place.lines("run")]


@pytest.mark.parametrize("readout", ["integer", "cloze"])
def test_the_same_run_over_http(readout: str, address: str, tmp_path: Path) -> None:
    place = prepared(tmp_path)
    model = ["--model", "llamacpp/tiny", "--base-url", address, "--readout", readout]
    short = ["--config", "short.toml", "--recipe", "thrifty", "--steps", "1", "--batch", "1", "--mode", "CCC"]
    command = ["optimize", "moods.csv", "--criteria", "criteria.yaml", *model, *short, "--output", "run"]
    result = place.run(*command, "--json")
    assert result.code == 0, result
    done = json.loads(result.out)
    print(readout, json.dumps(done, indent=1), result.err)
    print(steps(place))
    accounts = figures(tmp_path / "run")
    print(accounts)
