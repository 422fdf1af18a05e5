"""The whole way with a real, tiny model: embedded in the process, and behind llama.cpp's HTTP server."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.support import MODEL, Moment, Workplace, ended, figures, script, stop_and_go_on

SERVER = Path(__file__).parents[1] / "llm" / "backends" / "llama_server.py"
EMBEDDED = "local/smollm2-135m"
KILLS = 3
# The embedded model answers so many calls at once; a kill may lose what they had answered and nobody had noted.
SLOTS = 4
# Of twelve documents of one row.
VALIDATION, TEST = 3, 6
OPTIMIZE = (
    *("optimize", "moods.csv", "--criteria", "criteria.yaml", "--config", "short.toml"),
    *("--preset", "cheap", "--steps", "1", "--batch", "1"),
)
CRITERIA = """
task: How strongly does the writer feel each emotion?
inputs: {message: Message}
document: writer
id: id
reply_begins: The writer feels
scoring: cloze
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
    "moods.csv", criteria="criteria.yaml", config="short.toml", model=name,
    settings=polyjudge.Settings(preset="cheap", steps=1, batch=1),
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
    stops = [Moment(3, 0.1), Moment(8, 0.2), Moment(13, 0.05)]
    killed = stop_and_go_on(place, lambda: place.python("counted.py", "run"), stops)
    assert killed.stops == KILLS
    assert killed.again == ()
    assert killed.double <= KILLS * SLOTS
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


def test_the_same_run_over_http_with_one_model_for_all_roles(address: str, tmp_path: Path) -> None:
    place = prepared(tmp_path)
    command = [*OPTIMIZE, *over(address), "--scoring", "json", "--mode", "CCC", "--output", "run"]
    result = place.run(*command)
    assert result.code == 0, result
    first, second = (json.loads(line) for line in place.lines("run"))
    assert first["measured"]["coverage"] == {"joy": 1.0, "fear": 1.0}
    assert second["status"] in ("accepted", "rejected", "failed")
    assert all(score in range(4) for one in second["predictions"] for score in one["scores"].values())
    accounts = figures(tmp_path / "run")
    assert len(second["critiques"]) == len(second["gradients"]) == 1
    # Of the writers' calls one may have tried what the model takes, and a revision is asked for up to three times.
    most = {"loss": 2, "gradient": 2, "optimizer": 4}
    assert all(1 <= accounts[role]["answered"] <= calls for role, calls in most.items())
    assert accounts["judge"]["answered"] >= VALIDATION + TEST + 1
    for account in accounts.values():
        assert account["failures"] == account["retries"] == account["estimated_tokens"] == 0
        assert account["sent"] == account["answered"]
        assert account["prompt_tokens"] > account["cached_tokens"] > 0
        assert account["completion_tokens"] > 0
    assert place.run(*command[:-1], "replayed").code == 0
    assert place.digests("replayed") == place.digests("run")
    assert all(account["sent"] == 0 for account in figures(tmp_path / "replayed").values())


def test_the_judge_fitted_over_http_scores_as_the_embedded_one(address: str, tmp_path: Path) -> None:
    place = prepared(tmp_path)
    script(place, names=("joy", "fear"))
    writers = ["--optimizer-model", MODEL, "--gate", "none"]
    writers += ["--scoring", "cloze", "--layout", "joint"]
    result = place.run(*OPTIMIZE, *over(address), *writers, "--output", "run")
    assert result.code == 0, result
    _, step = (json.loads(line) for line in place.lines("run"))
    assert step["status"] == "accepted"
    assert set(step["instructions"].values()).isdisjoint({"How much joy?", "How much fear?"})
    # Both prompts read the test rows, the batch's row is judged once, and one call may try what the model takes.
    assert figures(tmp_path / "run")["judge"]["answered"] - (2 * TEST + 1) in (0, 1)
    for name, model in (("http.csv", ["--base-url", address]), ("embedded.csv", ["--model", EMBEDDED])):
        scored = place.run("score", "run/judge.yaml", "moods.csv", *model, "--output", name)
        assert scored.code == 0, scored
    over_http, embedded = (strengths(place.folder / name) for name in ("http.csv", "embedded.csv"))
    assert len(embedded) == len(MESSAGES)
    # Both cache and cut prompts differently, which the weights' few bits turn into a few hundredths. A word may then
    # be among the 500 most probable for one alone: for the other its share is next to nothing.
    for one, other in zip(over_http, embedded, strict=True):
        shares = [[0.0 if math.isnan(share) else share for share in row] for row in (one, other)]
        assert shares[0] == pytest.approx(shares[1], abs=0.1)


def over(address: str) -> list[str]:
    return ["--model", "llamacpp/tiny", "--base-url", address]


def strengths(path: Path) -> list[list[float]]:
    """The cloze scores of a table as shares of probability; nan = unscored."""
    with path.open(encoding="utf-8", newline="") as file:
        return [[math.exp(float(row[name] or "nan")) for name in ("joy", "fear")] for row in csv.DictReader(file)]
