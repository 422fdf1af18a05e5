"""Break one critical line at a time, and see which tests notice.

    python scripts/mutants.py                 # all
    python scripts/mutants.py budget cache    # those of some groups
    python scripts/mutants.py --check         # only that every line is still there, once
    python scripts/mutants.py --table         # after a run: the rows of docs/reliability.md

Each mutant is a copy of the package with one change. The tests named with it run against the copy until the first
failure; a mutant that none of them notices has survived. Results are kept in ``--results`` (JSON lines), so that a
stopped run goes on. The exit code is 1 if more than three of sixty survive.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "polyjudge"
# The share of survivors that is borne.
BORNE = 3 / 60
# A mutant may wait for ever; the tests take seconds.
HANGING = 600


@dataclass(frozen=True)
class Mutant:
    """One change of one line.

    Attributes:
        group: what breaks.
        file: under src/polyjudge.
        old: stands there once.
        new: what stands there instead.
        breaks: what a user would see, in words.
        tests: files, under tests, that must notice.
    """

    group: str
    file: str
    old: str
    new: str
    breaks: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.group}: {self.breaks}"

    def mutated(self) -> str:
        """The file's text with the change.

        Raises:
            ValueError: the line is not there, or more than once.
        """
        text = (PACKAGE / self.file).read_text("utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.old!r} stands {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)


CLIENT = "llm/client.py"
ASKED = ("llm/test_client.py", "llm/test_client_attempts.py", "llm/test_client_landing.py", "llm/test_together.py")
CACHE = "llm/cache/sqlite.py"
CACHED = ("llm/cache/test_sqlite.py", "llm/cache/test_maintenance.py", "llm/test_together.py")
BUDGET = "llm/budget.py"
BUDGETED = ("llm/test_budget.py",)
STORE = "results/store.py"
FOLDER = "results/run_folder.py"
WRITTEN = ("results/test_store.py", "results/test_growing.py", "workflows/test_final_folder.py")
GATED = ("gates/test_per_criterion.py", "gates/test_mean.py", "gates/test_contract.py")
PER = "gates/per_criterion.py"
MEAN = "gates/mean.py"
BASE = "gates/base.py"
READER = "templates/score_parser.py"
READ = ("templates/test_score_parser.py", "templates/test_odd_replies.py", "templates/test_doubtful_replies.py")
EXPECTED = "judge/expected.py"
EXPECTING = ("judge/test_expected.py",)
SPLIT = "datasets/split.py"
PARTED = ("datasets/test_split.py",)
WIRE = "llm/backends/wire.py"
WIRED = ("llm/backends/test_openai.py", "llm/backends/test_wire.py")


def _of(group: str, file: str, tests: tuple[str, ...], *changes: tuple[str, str, str]) -> Iterator[Mutant]:
    for breaks, old, new in changes:
        yield Mutant(group, file, old, new, breaks, tests)


MUTANTS = (
    *_of(
        "client",
        CLIENT,
        ASKED,
        ("identical calls under way are not shared", "shared.set_result(outcome)", "shared.set_result(None)"),
        (
            "a joined caller never hears of the leader's error",
            "            if outcome is not None:\n                self.accounts.failed(request)\n",
            "            if False:\n                self.accounts.failed(request)\n",
        ),
        (
            "the cache is not looked at again before a call is sent",
            "        if stored is not None:\n            model.endpoint.rates.unused",
            "        if False:\n            model.endpoint.rates.unused",
        ),
        ("what was sent is cancelled with its caller", "if task not in self._sent:", "if True:"),
        ("an unsent attempt goes on without its caller", "if task not in self._sent:", "if False:"),
        ("a refusal is tried again", "        if not failure.retryable:\n            raise failure", "        pass"),
        ("an overlong wait is waited", "        if exhausted or too_long:", "        if exhausted:"),
        ("the last attempt is never the last", "        if exhausted or too_long:", "        if too_long:"),
        (
            "one bad request gives the model up",
            "if exhausted and not too_long and is_of_request:",
            "if False:",
        ),
        ("a failed attempt is never charged", "charged = failure.charged", "charged = False"),
        ("a time-out is charged as nothing", "retryable=True, charged=True, overloaded", "retryable=True, overloaded"),
        ("closing does not wait for what was sent", "await self._in_flight.wait()", "pass"),
        ("a slot is not given back", "        slot.release()\n        self._store", "        self._store"),
        ("another process's call is made as well", "if self._store.claim(call.key) or", "if True or"),
        ("a claim is kept for ever", "        self._store.release(key)", "        pass"),
    ),
    *_of(
        "request",
        "llm/request.py",
        ("llm/test_request.py",),
        ("the key forgets the model", "            self.model,\n            [[", "            [["),
        ("the key forgets the sampling", "self.sampling.max_tokens, list", "0, list"),
        ("the key forgets seed and sample", "[self.seed, self.sample, self.retry],", "[self.retry],"),
        (
            "temperature 0 answers differ by seed",
            "seed = 0 if sampling.temperature == 0 else self.seed",
            "seed = self.seed",
        ),
    ),
    *_of(
        "cache",
        CACHE,
        CACHED,
        ("--no-cache finds old answers", "if self._reuse else self._own.get(key)", "if True else self._own.get(key)"),
        ("the first answer does not stay", "answer = newest(answers) if self._reuse else None", "answer = None"),
        (
            "a damaged answer is given back as none at once",
            "for row in reversed(rows or ()):",
            "for row in (rows or ())[:0]:",
        ),
        ("the oldest answer counts", "for row in reversed(rows or ()):", "for row in rows or ():"),
        ("new answers are not written", "            self._database.add(new)", "            pass"),
        ("an answer on its way is not found", "        if coming is not None:", "        if False:"),
        (
            "a replaced file is written on",
            "        if file_id(self._path) == self._database.file:\n            return",
            "        return",
        ),
        (
            "a claim is everybody's",
            "        except (BlockingIOError, PermissionError):\n            return False",
            "        except (BlockingIOError, PermissionError):\n            return True",
        ),
    ),
    *_of(
        "budget",
        BUDGET,
        BUDGETED,
        ("one call too many", "self.calls + 1 > self.max_calls", "self.calls > self.max_calls"),
        (
            "reserved tokens are forgotten",
            "self.tokens + self._held + bound.tokens > self.max_tokens",
            "self.tokens + bound.tokens > self.max_tokens",
        ),
        (
            "reserved money is forgotten",
            "self.cost + self._held_cost + bound.cost <= self.max_cost",
            "self.cost + bound.cost <= self.max_cost",
        ),
        ("free models stop with the money", "not bound.cost or self.cost", "self.cost"),
        (
            "unreported usage is free",
            "prompt = bound.prompt if usage.prompt is None",
            "prompt = 0 if usage.prompt is None",
        ),
        ("an attempt is settled twice", "        if not reservation.open:\n            return Charge()\n", ""),
        ("a withdrawn call counts", "            self.calls -= 1\n", ""),
        (
            "the budget is spent while reservations are out",
            "            elif not self._outstanding:",
            "            elif True:",
        ),
    ),
    *_of(
        "results writer",
        STORE,
        WRITTEN,
        ("another line is taken for the same", "elif line == self._standing[self._confirmed]:", "elif True:"),
        (
            "missing lines are no difference",
            "        if not self.confirmed:\n            raise self._other",
            "        if False:\n            raise self._other",
        ),
        ("a torn line stays", '.split(b"\\n")[:-1]]', '.split(b"\\n")]'),
        (
            "lines are appended behind a torn one",
            "            file.truncate(self._end)\n            file.seek(self._end)",
            "            file.seek(0, 2)",
        ),
        ("links are followed", 'flags | getattr(os, "O_NOFOLLOW", 0) |', "flags |"),
        ("a file is seen in part", "os.replace(draft, target)", "target.write_text(text); draft.unlink()"),
    ),
    *_of(
        "results writer",
        FOLDER,
        (*WRITTEN, "workflows/test_going_on.py"),
        (
            "another configuration's folder is taken",
            "elif (held := file.read_bytes()) != config.encode():",
            "elif (held := b'') and False:",
        ),
        ("a stranger's folder is taken", "            if strangers:", "            if False:"),
        (
            "an old report stays beside a new run",
            "PREDICTIONS, JUDGE, INITIAL_JUDGE, ARCHIVE, SUMMARY, REPORT,",
            "PREDICTIONS, ARCHIVE,",
        ),
        ("one file is written before all are confirmed", "if all(lines.confirmed for", "if any(lines.confirmed for"),
        (
            "a folder is final before it is whole",
            "        self._write(JUDGE, dump_judge(run.judge))",
            "        self._write(RESULT, '{}')\n        self._write(JUDGE, dump_judge(run.judge))",
        ),
    ),
    *_of(
        "gates",
        PER,
        GATED,
        ("no effect is an improvement", "return effect.difference > 0,", "return effect.difference >= 0,"),
        (
            "a credible loss is let through",
            "if effect.difference < 0 and effect.high < 0]",
            "if effect.difference > 0 and effect.high < 0]",
        ),
        (
            "the worst candidate is taken",
            "best = passing[gains.index(max(gains))]",
            "best = passing[gains.index(min(gains))]",
        ),
        ("another criterion's gain counts", "if name in verdict.passed]", "if verdict.passed]"),
        (
            "the merged prompt's mean may tie",
            "higher_is_better=True, strict=True)",
            "higher_is_better=True, strict=False)",
        ),
    ),
    *_of(
        "gates",
        MEAN,
        GATED,
        ("a lower error is worse", "sign = 1 if self.higher_is_better else -1", "sign = 1"),
        ("an undefined mean is the best", "-math.inf if math.isnan(each.mean)", "math.inf if math.isnan(each.mean)"),
    ),
    *_of(
        "readers",
        READER,
        READ,
        ("a cut reply gives a score", "    elif not (cut or any(", "    elif not (any("),
        ("talk behind an object is no matter", "    return members if behind == end else None", "    return members"),
        (
            "a truth value is a score",
            "    if isinstance(value, bool) or not isinstance(value, int | float):",
            "    if not isinstance(value, int | float):",
        ),
        ("a key that repeats has any of its values", "(len(named) > 1 and not _agree(named))", "False"),
        (
            "a contradiction within an object is no matter",
            "return None if any(score != statement.score for score in further) else statement",
            "return statement",
        ),
    ),
    *_of(
        "readers",
        EXPECTED,
        EXPECTING,
        ("a probability above 1 is taken", "    if total > 1 + _ROUNDING:", "    if False:"),
        ("doubtful labels are taken", "and not self.doubtful", "and True"),
        ("off-scale mass counts as nothing", "lost = min(1.0, max(0.0, 1 - total))", "lost = 0.0"),
    ),
    *_of(
        "splits",
        SPLIT,
        PARTED,
        ("equal texts stand in two parts", '[("content", exact(example.inputs))]', '[("content", position)]'),
        ("a document stands in two parts", "if by_document and example.document is not None:", "if False:"),
        ("the seed does not matter", "keys = [random.random() for _ in together]", "keys = [0.0 for _ in together]"),
        (
            "a carved validation part shares documents",
            "for position in train], by_document=True)",
            "for position in train], by_document=False)",
        ),
        ("too few documents are enough", "len(together) < FEWEST_DOCUMENTS", "len(together) < 1"),
    ),
)


def run(mutant: Mutant) -> str:
    """The test that notices; "" when none does."""
    with tempfile.TemporaryDirectory(prefix="polyjudge-mutant-") as folder:
        copy = Path(folder, "src")
        shutil.copytree(PACKAGE, copy / "polyjudge", ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "polyjudge" / mutant.file).write_text(mutant.mutated(), "utf-8")
        tests = [str(ROOT / "tests" / test) for test in mutant.tests]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header"]
        # The project's own setting would put the whole package first.
        command += ["-o", f"pythonpath={copy} {ROOT} {ROOT / 'scripts'}", *tests]
        environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=HANGING, check=False
            )
        except subprocess.TimeoutExpired:
            return "it hangs"
    if done.returncode == 0:
        return ""
    found = re.search(r"^(?:FAILED|ERROR) tests/(\S+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(
            f"{mutant.name}: pytest ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-500:]}"
        )
    return found[1].split("[")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", help="client, request, cache, budget, results, gates, readers, splits")
    parser.add_argument("--results", type=Path, default=Path(tempfile.gettempdir(), "polyjudge-mutants.jsonl"))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    mutants = [one for one in MUTANTS if not chosen.groups or one.group.split()[0] in chosen.groups]
    for mutant in mutants:
        compile(mutant.mutated(), mutant.file, "exec")
    if chosen.check:
        print(f"{len(mutants)} mutants, every line stands where it should")
        return 0
    known = {}
    if chosen.results.exists():
        known = dict(map(json.loads, chosen.results.read_text("utf-8").splitlines()))
    if chosen.table:
        print(
            "\n".join(f"| {one.group} | {one.breaks} | `{known[one.name]}` |" for one in mutants if one.name in known)
        )
        return 0
    for mutant in mutants:
        if not known.get(mutant.name):
            known[mutant.name] = run(mutant)
            with chosen.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps([mutant.name, known[mutant.name]]) + "\n")
            print(f"{'caught' if known[mutant.name] else 'SURVIVED'}  {mutant.name}  {known[mutant.name]}", flush=True)
    survived = [mutant.name for mutant in mutants if not known[mutant.name]]
    print(f"{len(mutants) - len(survived)} of {len(mutants)} mutants caught")
    return 1 if len(survived) > BORNE * len(mutants) else 0


if __name__ == "__main__":
    sys.exit(main())
