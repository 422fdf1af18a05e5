"""Reports all mistakes of a file at once, so that the user can correct them in one go."""

from __future__ import annotations

from polyjudge.errors import InputError

SHOWN = 10


class ErrorCollector:
    """Collects the mistakes of one source.

    Args:
        source: the file or object, for messages.
        error: the class of the error that ``check`` raises.
    """

    def __init__(self, source: str, error: type[InputError]) -> None:
        self._source = source
        self._error = error
        self._first: list[str] = []
        self._count = 0

    def add(self, text: str) -> None:
        self._count += 1
        if len(self._first) < SHOWN:
            self._first.append(text)

    def __bool__(self) -> bool:
        """Whether there is any mistake."""
        return self._count > 0

    def check(self) -> None:
        """Raise what was collected; without mistakes, nothing happens.

        Raises:
            InputError: a single mistake stands on one line; several stand below a heading, the first ten of them.
        """
        if not self._count:
            return
        if self._count == 1:
            raise self._error(f"{self._source}: {self._first[0]}")
        lines = [f"{self._source}: {self._count} problems", *(f"  - {text}" for text in self._first)]
        if self._count > len(self._first):
            lines.append(f"  ... and {self._count - len(self._first)} more")
        raise self._error("\n".join(lines))
