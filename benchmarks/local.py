"""Models in this process: rows a second of each layout and scoring method, beside the engine's own batches.

    python benchmarks/local.py [moods:24 brighter:24] [--model local/smollm2-135m] [--threads 1]

Four ways to ask the same rows take turns, so that a shared machine slows them alike:

- alone: the model writes each whole answer, one call after another;
- batched: the same calls, several at once;
- forms: as a run asks them, several at once, of which only the blanks are asked;
- engine: llama.cpp alone, handed the bodies of ``forms`` (or of ``batched``, where there is no form) by as many
  threads as there are slots, each in its slot, after one call that evaluates what they share.

CPU seconds say more than seconds on a machine that others use. Each way begins with a freshly loaded model; loading is
not counted, the evaluation of the shared beginning is. Last, the largest differences of the scores are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from polyjudge.datasets.load import load_dataset
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.errors import ReplyError
from polyjudge.judge.predict import Judge
from polyjudge.llm.backends.local import LocalModel
from polyjudge.llm.models import open_backend
from polyjudge.llm.request import Abilities, Message, Reply, Request, Role, Sampling
from polyjudge.workflows.assemble import open_scoring, refusal

LAYOUTS = ("joint", "separate", "forked")
METHODS = ("json", "expected", "yes-no", "cloze")
HELLO = (Message("user", "Say hello."),)


@dataclass
class Recorder:
    """An asker that notes requests and answers none."""

    able: Abilities
    requests: list[Request] = field(default_factory=list)

    async def ask(self, request: Request) -> Reply:
        self.requests.append(request)
        raise ReplyError("only noted")

    def abilities(self, model: str) -> Abilities:
        return self.able


@dataclass(frozen=True)
class Timed:
    """What one way took."""

    replies: tuple[Reply, ...]
    seconds: float
    cpu: float


def noted(judge: Judge, prompt: JudgePrompt, rows: Sequence[object], able: Abilities) -> list[Request]:
    """The calls that a judge makes of some rows, when each is unreadable."""
    recorder = Recorder(able)
    asyncio.run(replace(judge, asker=recorder, parse_retries=0, slots=None).evaluate(prompt, rows))  # type: ignore[arg-type]
    return recorder.requests


def ours(path: Path, requests: Sequence[Request], slots: int | None, threads: int) -> Timed:
    """The calls through the backend."""

    async def run() -> Timed:
        model = LocalModel(path, name=path.name, digest="benchmark", threads=threads, slots=slots)
        await model.complete(Request("local/any", HELLO, sampling=Sampling(0.0, 1)))
        seconds, cpu = time.perf_counter(), time.process_time()
        replies = await asyncio.gather(*map(model.complete, requests))
        took = Timed(tuple(replies), time.perf_counter() - seconds, time.process_time() - cpu)
        await model.close()
        return took

    return asyncio.run(run())


def engine(path: Path, requests: Sequence[Request], threads: int) -> Timed:
    """The same tokens through llama.cpp alone: plain threads, no queue, no forms to fill, no copies of prefixes.

    A form is asked as its steps are: each with the begun reply that ``forms`` had there.
    """
    import xllamacpp

    slots = 4
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx, settings.n_parallel, settings.n_batch = 4096 * slots, slots, 128
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    settings.cache_ram_mib, settings.verbosity, settings.offline, settings.ui = 0, 0, True, False
    server = xllamacpp.Server(settings)

    def row(at: int) -> None:
        request = requests[at]
        body = {
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "max_tokens": request.sampling.max_tokens,
            "temperature": 0.0,
            "cache_prompt": True,
            "id_slot": at % slots,
        }
        if request.top_logprobs:
            body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        if not request.form:
            server.handle_chat_completions(body)
        begun = ""
        for blank in request.form:
            begun += blank.before
            if blank.choices:
                messages = [*body["messages"], {"role": "assistant", "content": begun}]  # type: ignore[misc]
                server.handle_chat_completions({**body, "messages": messages, "max_tokens": 1})
                begun += blank.choices[0]

    def lane(slot: int) -> None:
        for at in range(slot, len(requests), slots):
            row(at)

    seconds, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(slots) as pool:
        list(pool.map(lane, range(slots)))
    return Timed((), time.perf_counter() - seconds, time.process_time() - cpu)


def cells(name: str, count: int, path: Path, able: Abilities, chosen: argparse.Namespace) -> None:
    dataset = load_dataset(name)
    prompt = JudgePrompt.initial(dataset.rubric)
    rows = dataset.examples[:count]
    role = Role("judge", "local/any", Sampling(0.0, 0))
    print(f"\n{name}: {count} rows, {path.name}, {chosen.threads} threads\n", flush=True)
    show(("layout", "scoring", "way", "calls a row", "rows a second", "CPU s a row", "times alone", "of the engine"))
    show(("---",) * 8)
    for one in chosen.layouts:
        for method in chosen.scoring:
            scoring = open_scoring(method, prompt, role, structured=True)
            used = layout(one, prompt.names)
            if refusal(scoring, used, prompt, able):
                continue
            judge = Judge(Recorder(able), role, used, scoring)
            forms = noted(judge, prompt, rows, able)
            whole = noted(judge, prompt, rows, replace(able, fills=False))
            ways = {
                "alone": ours(path, whole, 1, chosen.threads),
                "batched": ours(path, whole, None, chosen.threads),
                "forms": ours(path, forms, None, chosen.threads) if forms != whole else None,
                "engine": engine(path, forms, chosen.threads),
            }
            alone, bare = ways["alone"], ways["engine"]
            assert alone is not None
            assert bare is not None
            for way, took in ways.items():
                if took is not None:
                    figures = (len(forms) / count, count / took.seconds, took.cpu / count, alone.cpu / took.cpu)
                    show((one, method, way, *(f"{figure:.3g}" for figure in figures), f"{bare.cpu / took.cpu:.0%}"))
            if len(prompt.names) > 1 and used.groups[0] == prompt.names:
                differences(scoring, prompt, {way: took for way, took in ways.items() if took is not None})


def differences(scoring: object, prompt: JudgePrompt, ways: dict[str, Timed]) -> None:
    """The largest difference of scores from those of ``alone``, over what both read."""
    read = scoring.read  # type: ignore[attr-defined]

    def scores(reply: Reply) -> dict[str, float]:
        try:
            return dict(read(reply, prompt).scores)
        except ReplyError:
            return {}

    base = [scores(reply) for reply in ways["alone"].replies]
    for way in ("batched", "forms"):
        if way in ways:
            other = [scores(reply) for reply in ways[way].replies]
            gaps = [
                abs(one[name] - two[name]) for one, two in zip(base, other, strict=True) for name in one if name in two
            ]
            text = sum(a.text == b.text for a, b in zip(ways["alone"].replies, ways[way].replies, strict=True))
            if gaps:
                gaps.sort()
                print(
                    f"<!-- {way}: {text} of {len(base)} texts equal; scores differ by at most {gaps[-1]:.3g}, "
                    f"median {gaps[len(gaps) // 2]:.2g}, {len(gaps)} pairs -->",
                    flush=True,
                )


def show(texts: Sequence[str]) -> None:
    print("| " + " | ".join(texts) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=["moods:24", "brighter:24"], help="NAME:ROWS")
    parser.add_argument("--model", default="local/smollm2-135m")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layouts", type=lambda text: text.split(","), default=list(LAYOUTS))
    parser.add_argument("--scoring", type=lambda text: text.split(","), default=list(METHODS))
    chosen = parser.parse_args()
    model = open_backend(chosen.model, environment=dict(os.environ))
    assert isinstance(model, LocalModel)
    for one in chosen.data:
        name, _, count = one.partition(":")
        cells(name, int(count or 24), model.path, model.abilities, chosen)


if __name__ == "__main__":
    main()
