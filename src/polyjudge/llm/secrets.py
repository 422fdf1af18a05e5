"""Keys: found in the environment or a ``.env`` file, held so that no repr shows them, masked in foreign text."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from urllib.parse import quote

from polyjudge.errors import ModelError

MASK = "***"
_LONGEST_QUOTE = 300
_LONGEST_READ = 65_536
# Servers of one's own take any word for a key; what is as short as a word is none, and may stand in an answer.
_SHORTEST_KEY = 16

_ESCAPES = ("\\", "%", "&#")

_PATTERNS = (
    (re.compile(r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic)\s+)?)[^\s\"',;]+"), rf"\1{MASK}"),
    # Anthropic's, Gemini's and Azure's headers
    (
        re.compile(r"(?i)\b((?:x-|x-goog-)?api-key(?:[\"']?\s*[:=]\s*b?[\"']?|[\"'],\s*b?[\"']))[^\s\"',;&]{6,}"),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=*-]{6,}"), rf"\1{MASK}"),
    (re.compile(r"\b(sk-|gsk_|hf_|xai-|AIza)[\w*.-]{6,}"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b((?:[\w-]*[_-])?(?:key|token|secret|password))=[^&\s\"'<>#]+"), rf"\1={MASK}"),
    # Up to the last @: a password that was not quoted may hold a slash or another one.
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s\"'<>]+@"), rf"\1{MASK}@"),
)

_KEY_NAME = re.compile(r"(?i)key|token|secret|password|authorization")
_NO_KEYS = ("prompt_cache_key",)


class Secret:
    """A key. Only ``reveal()`` gives its value; printing, formatting and comparing do not."""

    __slots__ = ("_encoded", "_escaped", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        long = len(value) >= _SHORTEST_KEY
        self._encoded = _encodings(value.encode()) if long else ()
        self._escaped = re.compile("".join(map(_spellings, value)), re.IGNORECASE) if long else None

    def reveal(self) -> str:
        return self._value

    def mask(self, text: str) -> str:
        """``text`` without the key: as it is, with characters escaped (JSON, HTML, addresses), in hexadecimal, and in
        base64, alone or within a longer text."""
        # First, because what is left of an escape would stand before the mask otherwise.
        if self._escaped is not None and any(mark in text for mark in _ESCAPES):
            text = self._escaped.sub(MASK, text)
        text = text.replace(self._value, MASK).replace(quote(self._value, safe=""), MASK)
        for encoded in self._encoded:
            if encoded in text:
                text = text.replace(encoded, MASK)
        return text

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __reduce__(self) -> str:
        raise TypeError("a key is never pickled")


def _spellings(character: str) -> str:
    """A pattern for a character of a key, escaped or not; an escape may be escaped again."""
    code = ord(character)
    escaped = rf"\\{{1,8}}(?:u00|x){code:02x}|%(?:25){{0,2}}{code:02x}|&#0{{0,4}}{code};|&#x0{{0,4}}{code:x};"
    return rf"(?:{escaped}|\\{{0,8}}{re.escape(character)})"


def _encodings(key: bytes) -> tuple[str, ...]:
    """A key in hexadecimal and in base64, the latter at each of the three places where it may begin in a text."""
    found = [key.hex(), key.hex().upper()]
    for before in range(3):
        text = base64.b64encode(bytes(before) + key).decode()
        # The characters that hang on the key alone.
        core = text[-(-before * 8 // 6) : (before + len(key)) * 8 // 6]
        found += [core, core.replace("+", "-").replace("/", "_")]
    return tuple(dict.fromkeys(found))


def find_key(variable: str, environment: Mapping[str, str], folder: Path) -> Secret | None:
    """The key named ``variable``: from the environment, else from ``.env`` in ``folder`` or the nearest parent
    whose file has it; None when there is none.

    Raises:
        ModelError: the value cannot be sent in a header; it is not shown.
    """
    value = environment.get(variable, "").strip()
    for parent in (folder, *folder.parents) if not value else ():
        value = _read_env(parent / ".env").get(variable, "").strip()
        if value:
            break
    if not value:
        return None
    if not (value.isascii() and value.isprintable() and " " not in value):
        raise ModelError(
            f"the key in {variable!r} holds blanks, control or non-ASCII characters and cannot be a key; "
            "copy it again from the provider's page"
        )
    return Secret(value)


def parse_env(text: str) -> dict[str, str]:
    """``KEY=VALUE`` lines as a mapping: ``export``, comments and quotes are understood, nothing is expanded."""
    from dotenv import dotenv_values

    found = dotenv_values(stream=StringIO(text.removeprefix("\ufeff")), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def name_of_a_key(fields: object) -> str:
    """The first name in a JSON value that speaks of a key and holds a text; "" when there is none."""
    if isinstance(fields, list):
        return next(filter(None, map(name_of_a_key, fields)), "")
    for name, value in fields.items() if isinstance(fields, Mapping) else ():
        if isinstance(value, str) and _KEY_NAME.search(str(name)) and name not in _NO_KEYS:
            return str(name)
        found = name_of_a_key(value)
        if found:
            return found
    return ""


def redact(text: str, secrets: Iterable[Secret] = ()) -> str:
    """``text`` without the given keys and without whatever looks like one: bearer tokens, ``sk-...``, ``key=``
    values, and names and passwords in addresses."""
    for secret in secrets:
        text = secret.mask(text)
    for pattern, mask in _PATTERNS:
        text = pattern.sub(mask, text)
    return text


def without_keys(text: str, secrets: Iterable[Secret]) -> str:
    """A reply's text without the given keys, should the server send one back."""
    for secret in secrets:
        if len(secret.reveal()) >= _SHORTEST_KEY:
            text = secret.mask(text)
    return text


def quotable(text: str, secrets: Iterable[Secret] = ()) -> str:
    """Foreign text fit for an error message: one printable line of at most 300 characters, without secrets."""
    text = redact(text[:_LONGEST_READ], secrets)
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + "…"


def _read_env(path: Path) -> dict[str, str]:
    try:
        return parse_env(path.read_text("utf-8", errors="replace")) if path.is_file() else {}
    except OSError:
        return {}
