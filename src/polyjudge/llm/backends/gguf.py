"""What is needed of a GGUF file: whether it is one, and which texts its model reads as control tokens.

llama.cpp reads control tokens wherever they stand in a chat message, judged texts included. A text could close its
own message that way and speak as the assistant. Their spelling is broken by one blank before a message is sent.

Source: the GGUF specification, version 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
"""

from __future__ import annotations

import mmap
import re
import struct
from pathlib import Path

from polyjudge.errors import ModelError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY, _INT32 = 8, 9, 5
_UNKNOWN_TOKEN, _CONTROL_TOKEN = 2, 3


def check_gguf(path: Path) -> None:
    """Refuse a file that is no GGUF model.

    Raises:
        ModelError: missing, not readable, or something else.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ModelError(f"cannot read the model file {str(path)!r}: {error.strerror}; check the path") from None
    if head[:4] != _MAGIC or len(head) < 8 or struct.unpack("<I", head[4:])[0] not in _VERSIONS:
        raise ModelError(f"{str(path)!r} is not a GGUF model file of version 2 or 3; give one that llama.cpp reads")


def control_tokens(path: Path) -> tuple[str, ...]:
    """The texts that the model's tokenizer reads as control tokens, longest first.

    Raises:
        ModelError: the file's metadata ends early or is not as the format says.
    """
    check_gguf(path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            tokens, kinds = _Metadata(data).vocabulary()
    except (OSError, struct.error, KeyError, IndexError, ValueError):
        raise ModelError(f"the metadata of the model file {str(path)!r} is damaged; fetch it again") from None
    marked = {
        token.decode("utf-8", "replace")
        for token, kind in zip(tokens, kinds, strict=False)
        if kind in (_UNKNOWN_TOKEN, _CONTROL_TOKEN) and len(token) > 1
    }
    return tuple(sorted(marked, key=lambda token: (-len(token), token)))


def defuse(text: str, controls: re.Pattern[str] | None) -> str:
    """``text`` with a blank after the first character of every control token, so that it is read as text."""
    return text if controls is None else controls.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)


def control_pattern(tokens: tuple[str, ...]) -> re.Pattern[str] | None:
    """One pattern that finds any of the tokens; None when there is none."""
    return re.compile("|".join(map(re.escape, tokens))) if tokens else None


class _Metadata:
    """A reader of the key-value part, which comes first in the file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 24  # magic, version, number of tensors, number of pairs

    def vocabulary(self) -> tuple[list[bytes], list[int]]:
        """The tokens' texts and kinds; empty for a model without them."""
        tokens: list[bytes] = []
        kinds: list[int] = []
        for _ in range(struct.unpack_from("<Q", self._data, 16)[0]):
            name, kind = self._string(), self._number("<I")
            if name == b"tokenizer.ggml.tokens" and kind == _ARRAY:
                _, count = self._number("<I"), self._number("<Q")
                tokens = [self._string() for _ in range(count)]
            elif name == b"tokenizer.ggml.token_type" and kind == _ARRAY:
                element, count = self._number("<I"), self._number("<Q")
                if element != _INT32:
                    raise ValueError("token kinds are 32-bit integers")
                kinds = list(struct.unpack_from(f"<{count}i", self._data, self._at))
                self._at += 4 * count
            else:
                self._skip(kind)
            if tokens and kinds:
                break
        return tokens, kinds

    def _skip(self, kind: int) -> None:
        if kind == _STRING:
            self._string()
        elif kind == _ARRAY:
            element, count = self._number("<I"), self._number("<Q")
            if element in _WIDTHS:
                self._at += _WIDTHS[element] * count
            else:
                for _ in range(count):
                    self._skip(element)
        else:
            self._at += _WIDTHS[kind]

    def _string(self) -> bytes:
        length = self._number("<Q")
        start, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise ValueError("the file ends within a string")
        return self._data[start : self._at]

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return int(value)
