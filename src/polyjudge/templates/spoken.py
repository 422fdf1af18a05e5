"""What of a reply the model says itself: without its thoughts, what it quotes and what it takes back.

The word lists are English and can only take a score away: a judge whose reply is doubted is asked again, while one
that is misread is believed.
"""

from __future__ import annotations

import re
from functools import lru_cache

_NAMES = r"(?:seed:|ant)?(?:think|thinking|thought|thoughts|reason|reasoning|analysis|reflection|scratchpad)"
_OPENING = rf"(?:<{_NAMES}>|\[{_NAMES}\]|◁think▷|<\|(?:begin_of_thought|start_thinking)\|>)"
_CLOSING = rf"(?:</{_NAMES}>|\[/{_NAMES}\]|◁/think▷|<\|(?:end_of_thought|end_thinking)\|>)"
_OPENED = re.compile(rf"\s*{_OPENING}", re.IGNORECASE)
_CLOSED = re.compile(_CLOSING, re.IGNORECASE)
# Some endpoints swallow the opening tag; the closing one then ends its line, which a mere mention of it seldom does.
_SWALLOWED = re.compile(rf"{_CLOSING}[ \t]*(?:\n|\Z)", re.IGNORECASE)
_THOUGHT = re.compile(rf"{_OPENING}|{_CLOSING}|<\|", re.IGNORECASE)
_CHANNELS = re.compile(r"\s*<\|(?:start|channel)\|>")
_FINAL = "<|channel|>final<|message|>"
_ENDED = re.compile(r"<\|(?:return|end)\|>\s*\Z")

_BREAK = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]")
_TAG = re.compile(r"<(?P<closes>/?)(?P<name>[a-z][\w-]{0,30})>", re.IGNORECASE)
_OWN_TAGS = frozenset({"answer", "output", "json", "result", "response"})
_FENCE = re.compile(r'[ \t]*("{3,}|\'{3,})[ \t]*')
_QUOTED = re.compile(r"^[ \t]*[>|].*$", re.MULTILINE)

_POLITE = re.compile(
    r"\bI(?: would|'d|’d)\b|\b(?:in|as) (?:the|this|your|that|an?) (?:[\w-]+ ){0,2}(?:format|form|structure|schema)\b",
    re.IGNORECASE,
)
_FOREIGN = re.compile(
    r"\b(?:not|never|no|cannot|\w+n['’]t|if|unless|would|could|might|may|ignor\w*|refus\w*|reject\w*|examples?|e\.g|"
    r"perfect|ideal|worst|best|templates?|formats?|forms?|schemas?|instead|sa(?:y|ys|id|ying)|t(?:ell|ells|old)|"
    r"asks?|asked|demand\w*|wants?|wanted|order\w*|claim\w*|instruct\w*|inject\w*|manipulat\w*|quot\w*|compar\w*|"
    r"suppos\w*|hypothe\w*|others?|another|first|initial\w*|draft|contain\w*|includ\w*|reads|begins?|ends|prompt\w*|"
    r"between|or|wrote|written|insists?|attempt\w*|tr(?:y|ies|ied)|material|alternative\w*|previous\w*|reference)\b",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"\bI(?:['’]m| am)? (?:\w+ )?(?:can(?:no|['’])t|can not|won['’]t|will not|refuse to|decline to|unable to|"
    r"not able to) (?:\w+ )?(?:rate|score|judge|evaluate|assess|decide|give|comply|assign)\b",
    re.IGNORECASE,
)
_RETRACTED = re.compile(
    r"\b(?:wait|on reflection|on second thoughts?|second thoughts|correction|reconsider\w*|revis(?:e|ed|ing)|scratch "
    r"that|i mean|i meant|or rather|mistake on my|my mistake|my error|should be|should have been|should read|strike|"
    r"retract\w*|withdraw\w*|change (?:my|it|this|that|to)|changed? my|not my|oops|sorry|nope|manipulat\w*|inject\w*|"
    r"quot(?:e|ed|ing)|(?:above|that|this|which) (?:is|was) (?:not|what|only|just|an?)|for (?:comparison|example)|"
    r"template|lower (?:it|that|this|my)|raise (?:it|that|this|my)|"
    r"too (?:high|low|harsh|generous|lenient|strict)|just kidding|"
    r"disregard|ignore (?:that|this|the above)|instead|hm+)\b"
    r"|\bI (?:\w+ )?(?:cannot|can['’]t|can not|won['’]t|will not|would not|wouldn['’]t|refuse|do not|don['’]t|did not|"
    r"didn['’]t|am not|decline|reject)\b"
    r"|(?:\A|[\n.!?])[\s*_\-]*(?:no\b|not\b|actually\b|but\b|or\b|to\b|would\b|is what\b|in fact\b)",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"[\s*_\"'`()\[\]]*(?:[\d/+~%.,;:–—]|-\s*\d|(?:to|or|out|of|and|through)\b)", re.IGNORECASE)
_LABEL = re.compile(r"[\s\-*_#\"'`]*\w[\w -]{0,60}[*_\"'`]*\s*[:=]|[\s*\-#]*\**\w[\w -]{0,60}\**\s+is\b")


def without_thought(text: str) -> str:
    """What follows the thought that a reasoning model writes first; nothing when the thought does not end."""
    if _CHANNELS.match(text):
        return _ENDED.sub("", text.partition(_FINAL)[2]) if text.count(_FINAL) == 1 else ""
    position = 0
    while opened := _OPENED.match(text, position):
        closed = _CLOSED.search(text, opened.end())
        if closed is None:
            return ""
        position = closed.end()
    swallowed = _SWALLOWED.search(text, position)
    if swallowed and not re.search(_OPENING, text[position : swallowed.start()], re.IGNORECASE):
        position = swallowed.end()
    return text[position:]


def own_words(text: str) -> str:
    """A reply without what it quotes: each quotation becomes one "…", and a thought that is left over spoils all."""
    spoken = _without_tags(_BREAK.sub("\n", without_thought(text)))
    if _THOUGHT.search(spoken):
        return ""
    spoken = _QUOTED.sub("…", _without_fences(spoken))
    return re.sub(r"```[\w-]*", "\n", spoken)


@lru_cache(maxsize=64)  # each criterion asks it of the same object
def doubtful(text: str, start: int, end: int) -> bool:
    """Whether what surrounds a statement presents it as another's, or takes it back."""
    before, after = text[:start], text[end:]
    lead = before.rstrip().rpartition("\n")[2].rstrip(" \t*_`")[-300:]
    introduced = re.split(r"[.!?]\s", lead)[-1] if lead[-1:] not in (".", "!", "?") else ""
    return bool(
        _FOREIGN.search(_POLITE.sub("", introduced)) or _REFUSED.search(text) or _RETRACTED.search(after.lstrip())
    )


def goes_on(after: str) -> bool:
    """Whether a line's value may go on in the lines behind it: "1" with "to 5", "0." with "7"."""
    following = after.lstrip()
    if not following:
        return False
    begun = following.lstrip(" \t*_\"'`()[]-")
    return bool(_GOES_ON.match(following)) or (begun[:1].islower() and not _LABEL.match(following))


def _without_tags(text: str) -> str:
    """The text without what stands between two tags of one name, unless the name says that it is the answer."""
    tags = list(_TAG.finditer(text))
    last = {tag["name"].lower(): tag.start() for tag in tags if tag["closes"]}
    kept: list[str] = []
    position, name = 0, ""
    for tag in tags:
        own = tag["name"].lower()
        if own in _OWN_TAGS and not name:
            kept += text[position : tag.start()], "\n"
            position = tag.end()
        elif not name and not tag["closes"] and last.get(own, -1) > tag.start():
            kept += text[position : tag.start()], "…"
            position, name = tag.end(), own
        elif name == own and tag["closes"]:
            position, name = tag.end(), ""
    return "".join((*kept, text[position:]))


def _without_fences(text: str) -> str:
    """The text without its parts between lines of quotation marks, unless it is one such part as a whole."""
    kept: list[str] = []
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.fullmatch(line)
        if mark and mark[1] == fence:
            fence = ""
        elif mark and not fence:
            fence = mark[1]
            kept.append("…")
        elif not fence:
            kept.append(line)
    return text if all(not line.strip() or line == "…" for line in kept) and not fence else "\n".join(kept)
