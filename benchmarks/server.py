"""An OpenAI-compatible server on this machine with seeded latencies, for measuring clients and not models.

    python benchmarks/server.py [--port 0] [--latency constant|heavy|none] [--seed 0] [--log FILE]

It prints its address and answers until it is killed. A request's latency hangs on the seed and the request alone:
200 ms, or log-normal with median 200 ms and 99th percentile 2 s. Its replies follow no model but can be read by
whoever asked: ratings where ratings are asked for, instructions where instructions are, and else a sentence. Each
holds a mark of its own, so that a request tells by the marks in it which replies it waited for; with --log a line of
JSON a request says when it came, what it took and which marks it held.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import IO, Any

from aiohttp import web

MEDIAN, P99 = 0.2, 2.0
SIGMA = math.log(P99 / MEDIAN) / NormalDist().inv_cdf(0.99)
MARK = re.compile(r"<<(\d+)>>")
ROW = re.compile(r"item-(\d+)-")
CRITERIA = ("coherence", "consistency", "fluency", "relevance")
_ASKED = re.compile(rf"\b({'|'.join(CRITERIA)})\b")
_FIELD = re.compile(r"\[\[ ## (\w+) ## \]\]")
_STAGES = {
    "You are an impartial evaluator": "judge",
    "You check the work of an LLM judge": "loss",
    "You improve the instruction": "gradient",
    "You rewrite the instruction": "optimizer",
}


def latency(kind: str, chance: Random) -> float:
    """Seconds that a reply takes."""
    if kind == "none":
        return 0.0
    return MEDIAN if kind == "constant" else MEDIAN * math.exp(SIGMA * chance.gauss(0, 1))


class Server:
    """Answers and notes."""

    def __init__(self, kind: str, seed: int, log: IO[str] | None) -> None:
        self._kind = kind
        self._seed = seed
        self._log = log
        self._count = 0

    async def complete(self, request: web.Request) -> web.Response:
        came = time.monotonic()
        body = await request.read()
        chance = Random(blake2b(body, key=str(self._seed).encode(), digest_size=16).digest())
        took = latency(self._kind, chance)
        self._count += 1
        number = self._count
        fields = json.loads(body)
        text = "\n".join(_said(message) for message in fields["messages"])
        reply = _reply(text, number, chance)
        await asyncio.sleep(max(0.0, took - (time.monotonic() - came)))
        if self._log is not None:
            marks = sorted({int(found) for found in MARK.findall(text)})
            rows = sorted({int(found) for found in ROW.findall(text)})
            note = {"id": number, "kind": kind_of(text), "criteria": asked(text), "marks": marks, "rows": rows}
            note |= {"latency": took, "size": len(body)}
            self._log.write(json.dumps({**note, "came": came, "left": time.monotonic()}) + "\n")
            self._log.flush()
        usage = {"prompt_tokens": len(text) // 4, "completion_tokens": len(reply) // 4}
        choice = {"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}
        head = {"id": f"c{number}", "object": "chat.completion", "created": int(time.time()), "model": "served"}
        usage["total_tokens"] = sum(usage.values())
        return web.json_response({**head, "choices": [choice], "usage": usage})


def kind_of(text: str) -> str:
    """Which stage asks, by the first words of our templates; "other" for everybody else."""
    return next((kind for words, kind in _STAGES.items() if text.startswith(words)), "other")


def asked(text: str) -> list[str]:
    """The criteria that a prompt of ours names."""
    found = set(_ASKED.findall(text))
    return [name for name in CRITERIA if name in found]


def _said(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _reply(text: str, number: int, chance: Random) -> str:
    mark, kind = f"<<{number}>>", kind_of(text)
    if kind == "judge":
        # The same for every prompt: a gate that takes ties lets each pass, so that all test rows are read each time.
        rated = {name: Random(f"{ROW.findall(text)} {name}").randint(1, 5) for name in asked(text)}
        return json.dumps({**rated, "note": mark})
    if kind == "optimizer" and "<new_instructions>" in text:
        texts = {name: f"Weigh what readers would say of {name}, {mark} first." for name in asked(text)}
        return f"<new_instructions>\n{json.dumps(texts)}\n</new_instructions>"
    advice = f"Weigh what readers would say, first of all {mark}, and mind the small differences."
    if kind == "optimizer":
        return f"<new_instruction>\n{advice}\n</new_instruction>"
    # The forms in which other packages want their answers.
    if "<IMPROVED_VARIABLE>" in text:
        return f"<IMPROVED_VARIABLE>{advice}</IMPROVED_VARIABLE>"
    if "[[ ## " in text:
        wanted = dict.fromkeys(_FIELD.findall(text.rpartition("Respond with")[2]))
        return "\n\n".join(f"[[ ## {name} ## ]]\n{_field(name, advice, chance)}" for name in wanted)
    if "<final_answer>" in text:
        return f"{mark} <final_answer>{chance.randint(1, 5)}</final_answer>"
    if "<prompt>" in text:
        return f"<prompt>{advice}</prompt>"
    return f"```\n{advice}\n```" if "```" in text else f"{chance.randint(1, 5)}. {advice}"


def _field(name: str, advice: str, chance: Random) -> str:
    return {"rating": str(chance.randint(1, 5)), "completed": ""}.get(name, advice)


async def serve(port: int, kind: str, seed: int, log: IO[str] | None) -> None:
    application = web.Application(client_max_size=2**26)
    application.router.add_post("/v1/chat/completions", Server(kind, seed, log).complete)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", choices=["constant", "heavy", "none"], default="constant")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path)
    given = parser.parse_args()
    log = given.log.open("w", encoding="utf-8") if given.log else None
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(given.port, given.latency, given.seed, log))


if __name__ == "__main__":
    main()
