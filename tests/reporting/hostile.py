"""A run all of whose texts try to be code: items, ids, gradients, instructions, the folder.

A criteria file keeps such names out; ``page`` of test_browser has them.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import polyjudge
from polyjudge.llm.request import Request
from polyjudge.testing.asking import instructions_for

ATTACK = (
    "</script><script>window.hurt = 1</script><img src=x onerror='window.hurt = 2'>{{ title }}\u2028&amp; \"'`${1}"
)
NAMES = ("clarity", "warm-th_2", "Güte und mehr")
LABEL = ATTACK.replace("\u2028", " ")


def hostile_run(place: Path, *, mode: str = "SSS", steps: int = 3, length: int = 0) -> polyjudge.Run:
    """Fitted by a script, accepted at least once, with everything that a report shows of a run.

    Args:
        place: where its folder is made.
        mode: of the run.
        steps: of the run.
        length: characters added to every written text.
    """
    rows = _rows()
    backend = polyjudge.Scripted(lambda request: _answer(request, length), identity=f"long {length}")
    criteria = {
        "task": f"Judge it. {ATTACK}",
        "inputs": {"text": f"The text {LABEL}"},
        "document": "document",
        "id": "id",
        "criteria": [{"name": name, "scale": [1, 5], "ratings": [f"r{k}"]} for k, name in enumerate(NAMES)],
    }
    return polyjudge.optimize(
        rows,
        criteria=criteria,
        model="test/judge",
        backends={"test/judge": backend},
        gate="none",
        output=place / "run <i>",
        settings=polyjudge.Settings(mode=mode, steps=steps),
    )


def _rows() -> list[dict[str, str]]:
    random = Random("hostile")
    return [
        {
            "id": f"<u>{place}</u>",
            "document": f"d{place // 2}",
            "text": f"Text {place}. {ATTACK}",
            **{f"r{k}": str(random.randint(1, 5)) for k in range(len(NAMES))},
        }
        for place in range(60)
    ]


def _answer(request: Request, length: int) -> str:
    random = Random(request.key("here"))
    if request.role == "judge":
        return json.dumps({name: random.randint(1, 5) for name in NAMES})
    text = f"{request.role} {random.randint(0, 99)} {ATTACK}{' more' * (length // 5)}"
    if request.role != "optimizer":
        return text
    return instructions_for(request, lambda name: f"{text} {name}".strip())
