"""Fuzzed replies through every reader: nothing crashes, no score is made up, every unreadable one is counted.

    python -m benchmarks.reliability.fuzz [--count 100000] [--seed 0] [--short]

A reply is a good one, a good one with damage, one that quotes foreign scores beside its own, one that states no score
(refusals, error texts, ranges, templates, values off the scale), or rubbish. Each goes through all scoring methods,
through
the readers of texts and instructions, and, wrapped in a damaged chat completion, through the reader of the wire.

A score is called made up when it is off the scale, when its value stands nowhere in the reply, when the reply states
another one, or none. Whether a judge counts what it could not read is asked of ``Judge.evaluate``.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from benchmarks.reliability.findings import Findings, main
from benchmarks.reliability.mutation import mutated, mutated_bytes

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Ordinal
from polyjudge.errors import PolyjudgeError, ReplyError
from polyjudge.judge.cloze import ClozeScoring
from polyjudge.judge.expected import ExpectedScoring
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.predict import Judge
from polyjudge.judge.scoring import Scoring
from polyjudge.judge.yes_no import YesNoScoring
from polyjudge.llm.backends import OpenOptions
from polyjudge.llm.backends.endpoint import open_endpoint
from polyjudge.llm.backends.failures import error_in_reply
from polyjudge.llm.backends.http import parse
from polyjudge.llm.backends.wire import read_reply
from polyjudge.llm.request import Reply, Request, Sampling, TokenChoice
from polyjudge.llm.request import Role
from polyjudge.templates.instruction_parser import read_instruction, read_instructions, read_text
from polyjudge.testing.asking import ScriptedAsker

NAMES = ("fluency", "depth", "tone")
CRITERIA = (
    Criterion("fluency", Ordinal(1, 5), instruction="Rate.", words=("fluent", "smooth")),
    Criterion("depth", Ordinal(0, 10), instruction="Rate.", words=("deep",)),
    Criterion("tone", Categorical(("warm", "cold", "neither")), instruction="Say.", words=("tone",)),
)
PROMPT = JudgePrompt("Judge.", (("text", "Text"),), CRITERIA, reply_begins="It is")
ORDINAL = PROMPT.only(("fluency", "depth"))
# A reply is read within this, be it a megabyte; anything slower would stop all other calls.
LONGEST_READ = 3.0
BATCH = 500

REFUSALS = (
    "I'm sorry, but I can't rate this.",
    "As an AI I cannot judge the fluency of this text.",
    "Error: 503 Service Unavailable (attempt 3 of 5)",
    '{"error": {"message": "rate limited", "code": 4}}',
    "fluency: 3-4\ndepth: 2 to 5\ntone: warm or cold",
    "fluency: 7\ndepth: 11\ntone: hot",
    '{"fluency": 1 | 2 | 3 | 4 | 5, "depth": "0-10", "tone": "warm | cold"}',
    '{"fluency": null, "depth": [3], "tone": {"reason": "warm"}}',
    '{"fluency": 4.5, "depth": 1e3, "tone": ""}',
    "Fluency would be a 4 if the text were longer.",
    "Not fluency: 4!",
    'The text demands {"fluency": 5, "depth": 10, "tone": "warm"}, which I refuse.',
    "4 out of 10",
    "1. The text is short.\n2. It is clear.\n3. It ends.",
    "fluency: high\ndepth: medium\ntone: fine",
    "<think>fluency: 4, depth: 3, tone: warm",
    "", " \n\t", "N/A", "-", "{}", "[]", "null", "nan", "?", "{", "```json\n```", '"""', "fluency", "fluency:",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A reply and what it states.

    Attributes:
        states: the scores that may be read; None when the damage leaves open which, so that each score that is read
            must at least stand in the text.
        plain: whether a reader that reads nothing of it is too strict.
    """

    kind: str
    text: str
    states: Mapping[str, float] | None
    plain: bool = False


def case(random: Random) -> Case:
    """One reply."""
    truth = {"fluency": random.randint(1, 5), "depth": random.randint(0, 10), "tone": random.randrange(3)}
    values = dict(truth) | {"tone": CRITERIA[2].scale.labels[truth["tone"]]}
    states = {name: float(value) for name, value in truth.items()}
    body = json.dumps(values, indent=random.choice((None, None, 2)))
    way = random.random()
    if way < 0.15:
        frames = ("{}", "\n{}\n", "```json\n{}\n```", "Here is my answer:\n{}", "<think>Is it a 2? Hm.</think>\n{}")
        return Case(
            "good", random.choice(frames).format(body) if random.random() < 0.9 else prose(values), states, True
        )
    if way < 0.55:
        return Case("damaged", mutated(random.choice((body, prose(values))), random), None)
    if way < 0.70:
        return quoting(random, body, states)
    if way < 0.85:
        return Case("none", random.choice(REFUSALS), {})
    return Case("rubbish", rubbish(random), None)


def prose(values: Mapping[str, object]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in values.items())


def quoting(random: Random, body: str, states: Mapping[str, float]) -> Case:
    """A reply that quotes scores which are not its own."""
    foreign = json.dumps({"fluency": states["fluency"] % 5 + 1, "depth": (states["depth"] + 1) % 11, "tone": "warm"})
    frames = (
        'The text says "{0}".\n{1}',
        '"""\n{0}\n"""\n{1}',
        "> {0}\n\n{1}",
        "<text>{0}</text>\n{1}",
        "The material orders me to answer {0}; I do not.\n\n{1}",
        "{1}\n\nFor comparison, a perfect text would get {0}.",
        "{0}\n\nWait, that is what the text asked for. Mine:\n\n{1}",
    )
    text = random.choice(frames).format(foreign, body)
    return Case("quoting", text, states)


def rubbish(random: Random) -> str:
    way = random.randrange(8)
    size = random.choice((1, 10, 100, 1000))
    if way == 0:
        return "".join(chr(random.choice((random.randrange(128), random.randrange(0x3000)))) for _ in range(size))
    if way == 1:
        return random.randbytes(size).decode("utf-8", "replace")
    if way == 2:
        return random.choice(('{"fluency":', "[", "{", '{"a":[', '"', "```", "<a>", "<think>", "(")) * size
    if way == 3:
        return f'{{"fluency": {"9" * size}, "depth": {"1" * size}.{"0" * size}, "tone": "{"w" * size}"}}'
    if way == 4:
        return '{"fluency": 3} ' * size
    if way == 5:
        return random.choice(("fluency: ", "- ", "4 ", "4/5 ", ": ", "* ", "fluency is ")) * size
    if way == 6:
        return mutated(mutated('{"fluency": 3, "depth": 4, "tone": "cold"}', random, 20), random, 20)
    return json.dumps(
        {random.choice((*NAMES, "x")): random.choice((1, 2.0, "3", True, None, [], {})) for _ in range(4)}
    )


def long_replies(random: Random) -> list[str]:
    """Replies of a megabyte in shapes that a careless reader takes quadratic time for."""
    units = ("a long tail ", '{"fluency": 3}\n', "{", '"', '{"a": ', "fluency: 3\n", " ", "\n", "<a>", "<b></b>",
             "```\n", '"""\n', "> x\n", "1", "4 out of ", "I mean ", "no ", "*", "\\", "é", "fluency ", "- ", "[",
             "<think>", "a:", "</think>\n", "would be ", "\t:", "'", "(", "of the ", "_", "is ", "## ")  # fmt: skip
    return [unit * (1_000_000 // len(unit)) + random.choice(("", '{"fluency": 3}', "\nfluency: 2")) for unit in units]


def tokens_of(text: str, random: Random) -> tuple[TokenChoice, ...]:
    """The text as tokens with alternatives, at times with figures no server should give."""
    pieces = re.findall(r"\w+|\s+|.", text[:400], re.DOTALL)

    def one(piece: str) -> TokenChoice:
        odd = random.choice((-0.1, -3.0, -50.0, 0.0, 0.7, -1e308))
        others = tuple(
            (random.choice(("1", " 2", "3", "10", "yes", "no", "flu", "warm", "")), -random.random() * 20)
            for _ in range(3)
        )
        return TokenChoice(piece, odd, random.choice(((), ((piece, odd), *others), others)))

    return tuple(map(one, pieces))


def on_scale(criterion: Criterion, score: float) -> bool:
    scale = criterion.scale
    if isinstance(scale, Categorical):
        return score in range(len(scale.labels))
    return math.isfinite(score) and scale.low <= score <= scale.high


def stands(criterion: Criterion, score: float, text: str) -> bool:
    """Whether a score's value can be seen in a text."""
    scale = criterion.scale
    if isinstance(scale, Categorical):
        return scale.labels[int(score)] in text.casefold()
    digits = re.sub(r"\d", lambda found: str(int(found.group())), text)
    return bool(re.search(rf"(?<![1-9]){score:g}(?!\d)", digits)) or (score == 0 and "0" in digits)


def check_integer(one: Case, found: Findings) -> dict[str, float]:
    """What the strict reader makes of a reply."""
    try:
        scores = dict(JsonScoring().read(Reply(one.text, "stop"), PROMPT).scores)
    except ReplyError:
        scores = {}
    for name, score in scores.items():
        criterion = next(c for c in CRITERIA if c.name == name)
        found.require(on_scale(criterion, score), "score off its scale", (name, score, one.text))
        if one.states is None:
            found.require(stands(criterion, score, one.text), "score that stands nowhere", (name, score, one.text))
        else:
            found.require(score == one.states.get(name), f"made-up score ({one.kind})", (name, score, one.text))
    if one.plain:
        found.count("good replies")
        found.count("of them read", scores == one.states)
    found.count("scores read", len(scores))
    return scores


def check_probabilities(text: str, random: Random, found: Findings) -> None:
    reply = Reply(text, "stop", tokens=tokens_of(text, random))
    cloze = ClozeScoring({c.name: c.words for c in CRITERIA})
    methods: tuple[tuple[Scoring, JudgePrompt], ...] = (
        (ExpectedScoring(), PROMPT), (cloze, ORDINAL), (YesNoScoring(), PROMPT.only(("fluency",)))
    )  # fmt: skip
    for scoring, prompt in methods:
        try:
            read = scoring.read(reply, prompt)
        except ReplyError:
            continue
        for criterion in prompt.criteria:
            score = read.scores.get(criterion.name)
            if score is None:
                continue
            good = on_scale(criterion, score) if scoring.on_scale else math.isfinite(score)
            found.require(good, f"{scoring.name}: score off its scale", (criterion.name, score, text))
            shares = read.distributions.get(criterion.name)
            total = math.fsum(shares.values()) if shares else 1.0
            found.require(abs(total - 1) < 1e-9, f"{scoring.name}: shares that do not add up", (total, text))


def check_texts(text: str, found: Findings) -> None:
    for read in (read_text, read_instruction, lambda reply: read_instructions(reply, NAMES)):
        try:
            said = read(text)
        except ReplyError:
            continue
        texts = said.values() if isinstance(said, dict) else (said,)
        found.require(all(one.strip() for one in texts), "an empty text was taken", text)


def check_wire(text: str, random: Random, found: Findings) -> None:
    """The reply in a chat completion that is damaged, as JSON or as bytes."""
    endpoint = open_endpoint("", "m", OpenOptions(base_url="http://127.0.0.1:1/v1", environment={}))
    usage = {"prompt_tokens": random.choice((3, -1, None, "x", 1e99, True)), "completion_tokens": 2}
    logprobs = {
        "content": [
            {
                "token": "a",
                "logprob": random.choice((-1, "x", None, 1e400)),
                "top_logprobs": [None, {"token": "b", "logprob": -2}],
            }
        ]
    }
    choice = {"message": {"content": text}, "finish_reason": random.choice(("stop", None, 4)), "logprobs": logprobs}
    body = json.dumps({"model": "m", "choices": [choice], "usage": usage}).encode()
    if random.random() < 0.7:
        body = mutated_bytes(body, random)
    document = parse(body)
    if not isinstance(document, dict):
        found.count("bodies that are no JSON object")
        return
    try:
        failed = error_in_reply(endpoint, document)
        if failed is not None:
            raise failed
        reply = read_reply(document)
    except PolyjudgeError:
        found.count("bodies without a reply")
        return
    reply.text.encode()


def check_counting(cases: list[Case], found: Findings) -> None:
    """A judge counts as unscored exactly what its reader cannot read, also after asking again."""
    by_example = {f"<{place}>": one for place, one in enumerate(cases)}

    def reply(request: Request) -> Reply:
        marks = re.findall(r"<\d+>", request.messages[0].content)
        return Reply(by_example[marks[-1]].text, "stop")

    judge = Judge(ScriptedAsker(reply), Role("judge", "m", Sampling()), layout("joint", NAMES), JsonScoring(), 1)
    examples = [Example(mark, {"text": mark}, None, {}) for mark in by_example]
    predictions = asyncio.run(judge.evaluate(PROMPT, examples))
    for one, prediction in zip(cases, predictions, strict=True):
        together = readable(one.text, PROMPT)
        alone = {name for name in NAMES if name in readable(one.text, PROMPT.only((name,)))} if together else set()
        missing = set(NAMES) - together - alone
        found.require(
            set(prediction.unscored) == missing, "unreadable and not counted", (prediction.unscored, one.text)
        )
        found.count("scores counted as missing", len(prediction.unscored))
        whole = all(math.isnan(prediction.score(name)) == (name in missing) for name in NAMES)
        found.require(whole, "a missing score that is a number", one.text)


def readable(text: str, prompt: JudgePrompt) -> set[str]:
    try:
        return set(JsonScoring().read(Reply(text, "stop"), prompt).scores)
    except ReplyError:
        return set()


def campaign(count: int, seed: int) -> Findings:
    """Fuzz ``count`` replies."""
    found = Findings()
    cases: list[Case] = []
    for place in range(count):
        random = Random(f"fuzz/{seed}/{place}")
        one = case(random)
        try:
            check_integer(one, found)
            check_probabilities(one.text, random, found)
            check_texts(one.text, found)
            check_wire(one.text, random, found)
        except Exception as error:
            found.fault(f"crash: {type(error).__name__}", (error, one.text))
        cases.append(one)
        if len(cases) == BATCH or place == count - 1:
            check_counting(cases, found)
            cases = []
    found.figures["replies"] = count
    check_long(Random(f"fuzz/long/{seed}"), found, 30 if count < 10_000 else 1)
    return found


def check_long(random: Random, found: Findings, shorter: int) -> None:
    """Megabytes are read in time."""
    slowest = 0.0
    for text in long_replies(random):
        part = text[-(len(text) // shorter) :]
        began = time.process_time()
        check_integer(Case("long", part, None), found)
        check_texts(part, found)
        took = time.process_time() - began
        slowest = max(slowest, took)
        found.require(took < LONGEST_READ, "slow to read", f"{took:.1f} s for {len(part)} of {part[:20]!r}")
    found.figures["slowest of the long replies, seconds"] = round(slowest, 2)


if __name__ == "__main__":
    main(__doc__, campaign, full=100_000, short=1_500)
