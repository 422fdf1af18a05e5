"""Everything that is wrong with a file is told at once, so that it is mended in one go."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable

from polyjudge.errors import InputError

MOST = 10


class ErrorCollector:
    """Collects what is wrong with one source.

    Args:
        source: the file or object, for messages.
        error: the family that is raised.
    """

    def __init__(self, source: str, error: type[InputError]) -> None:
        self._source = source
        self._error = error
        self._first: list[str] = []
        self._count = 0

    def add(self, text: str) -> None:
        self._count += 1
        if len(self._first) < MOST:
            self._first.append(text)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self._count > 0

    def check(self) -> None:
        """Go on when nothing was collected.

        Raises:
            InputError: one line when there is one problem, else a heading and the first ten.
        """
        if not self._count:
            return
        if self._count == 1:
            raise self._error(f"{self._source}: {self._first[0]}")
        lines = [f"{self._source}: {self._count} problems", *(f"  - {text}" for text in self._first)]
        if self._count > len(self._first):
            lines.append(f"  ... and {self._count - len(self._first)} more")
        raise self._error("\n".join(lines))


def clipped(value: object, width: int = 60) -> str:
    """``repr`` of a value, shortened in its middle; safe for nested, endless or huge values."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = width
    return brief.repr(value)


def listed(values: Iterable[object], most: int = MOST) -> str:
    """``3, 9, 17 and 5 more``."""
    shown = [str(value) for value in values]
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {more} more" if more > 0 else "")


def nearest(name: object, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` when a known name is close, else nothing."""
    folded = {option.casefold(): option for option in known}
    close = difflib.get_close_matches(str(name).strip().casefold(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""
