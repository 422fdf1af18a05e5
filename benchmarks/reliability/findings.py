"""What a campaign found: figures in the order they were taken, and what broke, with the first cases of each kind."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

SHOWN = 5


@dataclass
class Findings:
    """Figures, and faults by kind.

    Attributes:
        figures: name -> what was counted or measured.
        faults: kind -> how often it was seen; a campaign holds when there is none.
        cases: kind -> the first cases, for whoever mends it.
    """

    figures: dict[str, object] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    cases: dict[str, list[str]] = field(default_factory=dict)

    def fault(self, kind: str, case: object = "") -> None:
        """Something did not hold."""
        self.faults[kind] += 1
        cases = self.cases.setdefault(kind, [])
        if len(cases) < SHOWN:
            cases.append(str(case)[:2000])

    def require(self, holds: bool, kind: str, case: object = "") -> bool:
        """Note a fault unless something holds."""
        if not holds:
            self.fault(kind, case)
        return holds

    def count(self, name: str, more: int = 1) -> None:
        """Add to a figure that counts."""
        before = self.figures.get(name, 0)
        assert isinstance(before, int)
        self.figures[name] = before + more

    def lines(self) -> list[str]:
        told = [f"{name}: {figure}" for name, figure in self.figures.items()]
        for kind, times in self.faults.items():
            told += [f"BROKEN {kind}: {times}", *(f"    {case}" for case in self.cases[kind])]
        return [*told, "held" if not self.faults else f"{sum(self.faults.values())} faults"]


def main(about: str | None, campaign: Callable[[int, int], Findings], full: int, short: int) -> None:
    """The command line of a campaign.

    Args:
        about: its module's docstring.
        campaign: (count, seed) -> what was found.
        full: the count by default.
        short: the count with ``--short``.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=None, help=f"how many (default {full})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help=f"the form that the tests run: {short}")
    given = parser.parse_args()
    count = given.count if given.count is not None else short if given.short else full
    began, cpu = time.monotonic(), time.process_time()
    found = campaign(count, given.seed)
    found.figures["seconds"] = round(time.monotonic() - began, 1)
    found.figures["seconds of CPU, this process"] = round(time.process_time() - cpu, 1)
    print("\n".join(found.lines()))
    sys.exit(1 if found.faults else 0)
