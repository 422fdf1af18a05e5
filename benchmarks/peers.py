"""Other packages on the same server: what they ask, how long they take, and what they take of the machine.

    python benchmarks/peers.py [--latency constant] [--venvs FOLDER]

Each package is installed from PyPI into an environment of its own and fits one prompt for one rating (1 to 5) on 100
rows by its own algorithm, at the concurrency its documentation offers, up to 64: TextGrad three steps of a batch of 3
(its steps run in series) and one reading of the 100 rows by 64 threads; DSPy's COPRO, breadth 4 and depth 2, 64
threads; GEPA 600 metric calls, 64 workers of litellm; promptolution's OPRO, two steps of 4 prompts, 64 calls at once.
They do not do the same work, so each is set against its own bound: the longest chain of replies that stand in
requests, or all latencies over 64, whichever is longer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

PACKAGES = {
    "textgrad": ["textgrad"],
    "dspy": ["dspy"],
    "gepa": ["gepa", "litellm"],
    "promptolution": ["promptolution"],
}
_MEASURED = """
import json, os, resource, sys, time
began = time.monotonic()
import {package}
imported = time.monotonic() - began
address, rows = sys.argv[1], json.loads(open(sys.argv[2]).read())
TASK = "Rate the quality of the summary from 1 to 5."
used = resource.getrusage(resource.RUSAGE_SELF)
cpu, began = used.ru_utime + used.ru_stime, time.monotonic()
{work}
used = resource.getrusage(resource.RUSAGE_SELF)
found = dict(wall=time.monotonic() - began, cpu=used.ru_utime + used.ru_stime - cpu, imported=imported,
             peak=used.ru_maxrss / 1024)
print(json.dumps(found), flush=True)
os._exit(0)
"""
WORK = {
    "textgrad": """
from concurrent.futures import ThreadPoolExecutor
from openai import OpenAI
import textgrad as tg
from textgrad.engine.local_model_openai_api import ChatExternalClient
engine = ChatExternalClient(client=OpenAI(base_url=address, api_key="none"), model_string="served")
tg.set_backward_engine(engine, override=True)
prompt = tg.Variable(TASK, requires_grad=True, role_description="the prompt of a judge of summaries")
model = tg.BlackboxLLM(engine, system_prompt=prompt)
optimizer = tg.TextualGradientDescent(engine=engine, parameters=[prompt])
for step in range(3):
    optimizer.zero_grad()
    losses = []
    for row in rows[3 * step : 3 * step + 3]:
        answer = model(tg.Variable(row["x"], requires_grad=False, role_description="the summary to rate"))
        losses.append(tg.TextLoss(f"People rate it {row['y']}. Criticise the rating.", engine=engine)(answer))
    tg.sum(losses).backward()
    optimizer.step()
with ThreadPoolExecutor(64) as pool:
    list(pool.map(lambda row: model(tg.Variable(row["x"], requires_grad=False, role_description="it")), rows))
""",
    "dspy": """
import dspy
dspy.configure(lm=dspy.LM("openai/served", api_base=address, api_key="none", cache=False))
data = [dspy.Example(summary=row["x"], rating=row["y"]).with_inputs("summary") for row in rows]
judge = dspy.Predict(dspy.Signature("summary -> rating", TASK))
metric = lambda example, found, trace=None: float(str(found.rating).strip() == example.rating)
dspy.COPRO(metric=metric, breadth=4, depth=2).compile(
    judge, trainset=data, eval_kwargs=dict(num_threads=64, display_progress=False, display_table=0))
""",
    "gepa": """
from gepa.adapters.default_adapter.default_adapter import DefaultAdapter
os.environ.update(OPENAI_API_KEY="none", OPENAI_API_BASE=address)
data = [dict(input=row["x"], additional_context={}, answer=row["y"]) for row in rows]
gepa.optimize(
    seed_candidate=dict(system_prompt=TASK), trainset=data, valset=data, max_metric_calls=600,
    adapter=DefaultAdapter("openai/served", max_litellm_workers=64), reflection_lm="openai/served", seed=0)
""",
    "promptolution": """
import pandas as pd
from promptolution.llms.api_llm import APILLM
from promptolution.optimizers.opro import OPRO
from promptolution.predictors.maker_based_predictor import MarkerBasedPredictor
from promptolution.tasks.classification_tasks import ClassificationTask
llm = APILLM(api_url=address, model_id="served", api_key="none", max_concurrent_calls=64)
task = ClassificationTask(pd.DataFrame(rows), task_description=TASK)
predictor = MarkerBasedPredictor(llm)
OPRO(predictor, task, llm, initial_prompts=[TASK + " Answer within <final_answer>."], num_instructions_per_step=4
     ).optimize(n_steps=2)
""",
}


def install(package: str, folder: Path) -> Path:
    """The interpreter of an environment that holds the package; what stands there is used again."""
    python = folder / package / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / package)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES[package]]
        subprocess.run(command, check=True, timeout=600)
    return python


def measure(package: str, python: Path, latency: str) -> dict[str, Any]:
    """One run of a peer in a process of its own, and its bound from what the server noted."""
    from benchmarks.items import items
    from benchmarks.ideal import PLACES, Node, ideal
    from benchmarks.serving import served

    rows = [{"x": one["summary"], "y": str(one["coherence_a"])} for one in items(100)]
    with tempfile.TemporaryDirectory() as name:
        data, log = Path(name) / "rows.json", Path(name) / "server.log"
        data.write_text(json.dumps(rows), "utf-8")
        # No cache of an earlier run.
        fresh = {**os.environ, "HOME": name, "XDG_CACHE_HOME": name, "DSPY_CACHEDIR": name}
        script = _MEASURED.format(package=package, work=WORK[package])
        with served(latency, log) as address:
            began = time.monotonic()
            done = subprocess.run(
                [str(python), "-c", script, address, str(data)],
                capture_output=True,
                text=True,
                timeout=300,
                cwd=name,
                env=fresh,
            )
        if done.returncode or not done.stdout.strip().endswith("}"):
            raise RuntimeError((done.stderr.strip().splitlines() or ["it said nothing"])[-1][:200])
        notes = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        assert all(note["came"] >= began for note in notes)
    known = {note["id"] for note in notes}
    nodes = {note["id"]: Node(note["latency"], (set(note["marks"]) & known) - {note["id"]}) for note in notes}
    _, _, chain, work = ideal(nodes)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    size = sum(file.stat().st_size for file in python.parents[1].joinpath("lib").rglob("*") if file.is_file())
    return {**found, "calls": len(notes), "bound": max(chain, work), "size": size / 2**20, "places": PLACES}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", choices=["constant", "heavy"], default="constant")
    parser.add_argument("--venvs", type=Path, help="where the environments are kept; default: a temporary folder")
    parser.add_argument("--packages", nargs="+", choices=sorted(PACKAGES), default=list(PACKAGES))
    given = parser.parse_args()
    table(given.packages, given.latency, given.venvs)


def table(packages: Sequence[str], latency: str, venvs: Path | None) -> None:
    print("package        calls   wall s  bound s  ratio  CPU ms/call  peak MB  install MB  import s")
    with tempfile.TemporaryDirectory() as name:
        for package in packages:
            try:
                found = measure(package, install(package, venvs or Path(name)), latency)
            except (RuntimeError, subprocess.SubprocessError, OSError) as error:
                print(f"{package:14} could not be measured: {error}", flush=True)
                continue
            print(
                f"{package:14} {found['calls']:5} {found['wall']:8.2f} {found['bound']:8.2f} "
                f"{found['wall'] / found['bound']:6.2f} {1000 * found['cpu'] / found['calls']:12.2f} "
                f"{found['peak']:8.0f} {found['size']:11.0f} {found['imported']:9.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
