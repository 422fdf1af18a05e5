"""The user's own variants of instructions, chosen among and combined by the gate; no model writes anything.

A turn offers the variants whose prompt was not measured yet, each beside the current instructions of the other
criteria. When the current prompt changes, the variants are offered again in the new company. Texts that passed, but
were refused together, are offered one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from polyjudge.datasets.yamlfile import read_yaml
from polyjudge.domain.records import Candidate
from polyjudge.errors import ConfigError, CriteriaError
from polyjudge.formatting.text import clipped, nearest
from polyjudge.optimizers.base import Context, Proposal, Turn, TurnPlan
from polyjudge.optimizers.estimate import tokens_of

Variant = Mapping[str, str]
_FORM = "write criteria: {NAME: [TEXT, ...]}, or sets: [{NAME: TEXT, ...}, ...], or both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pool of the user's own instructions. Under a gate that takes parts, the best of each criterion are combined.

    Attributes:
        variants: each maps criteria to instructions; the other criteria keep theirs.
        candidates: variants per turn, in the given order; None: the run's, else all.
        mode: "ST" fits each criterion in a run of its own; any other fits all of them together. None: the run's.
    """

    variants: Sequence[Variant] = ()
    candidates: int | None = None
    mode: str | None = None

    roles: ClassVar[tuple[str, ...]] = ()
    # One turn measures every variant, the others measure them beside what was accepted.
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({"steps": 3})

    @classmethod
    def read(cls, path: str | Path) -> Pool:
        """The pool in a file.

        Raises:
            ConfigError: it cannot be read, or does not have the form; the message names file and key.
        """
        return cls(variants=read_variants(path))

    def build(self, context: Context) -> PoolOptimizer:
        """The optimizer over the context's criteria.

        Raises:
            ConfigError: no variants, one that is no text of a known criterion, or a gate that measures nothing.
        """
        if not context.measures:
            raise ConfigError("optimizer 'pool' lets the gate choose, and gate 'none' measures none; choose another")
        if not self.variants:
            raise ConfigError("optimizer 'pool' has no variants; name a file with --candidates-file prompts.yaml")
        names = context.prompt.names
        if not isinstance(self.variants, list | tuple):
            raise ConfigError(f"'variants' of optimizer 'pool' is {clipped(self.variants)}; write a list of mappings")
        checked = [_checked(variant, f"variants[{at}]", names, self.mode) for at, variant in enumerate(self.variants)]
        variants = tuple(variant for variant in checked if variant)
        return PoolOptimizer(variants, self.candidates or max(1, len(variants)))


@dataclass(frozen=True, slots=True)
class PoolOptimizer:
    """The optimizer of a run.

    Attributes:
        variants: criterion -> instruction, in the order in which they are tried.
        candidates: variants per turn.
    """

    variants: tuple[Variant, ...]
    candidates: int

    async def propose(self, turn: Turn) -> Proposal:
        current = turn.prompt.instructions
        seen = {tuple(scored.instructions[name] for name in current) for scored in turn.scored}
        offered: list[Candidate] = []
        alone = [{edit.criterion: edit.text} for edit in turn.rejected if edit.together]
        for variant in (*self.variants, *alone):
            texts = tuple((current | dict(variant)).values())
            if texts not in seen and len(offered) < self.candidates:
                seen.add(texts)
                offered.append(Candidate(variant))
        return Proposal(tuple(offered) or (Candidate({}, "no variant is left to measure beside the current prompt"),))

    def plan(self, turn: Turn) -> TurnPlan:
        return TurnPlan(
            instruction_tokens=max((tokens_of(text) for one in self.variants for text in one.values()), default=0)
        )


def read_variants(path: str | Path) -> list[dict[str, str]]:
    """The variants in a YAML file: ``criteria`` has several texts a criterion, ``sets`` has whole sets.

    The n-th texts of the criteria under ``criteria`` are measured together in one prompt.

    Raises:
        ConfigError: the file cannot be read, or does not have the form; the message names file and key.
    """
    try:
        content = read_yaml(Path(path))
    except CriteriaError as error:
        raise ConfigError(str(error)) from None
    unknown = sorted(map(str, set(content) - {"criteria", "sets"}))
    if unknown:
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}{nearest(unknown[0], ('criteria', 'sets'))}; {_FORM}")
    apart, together = content.get("criteria") or {}, content.get("sets") or []
    if not isinstance(apart, Mapping) or not isinstance(together, list):
        raise ConfigError(f"{path}: 'criteria' must be a mapping and 'sets' a list; {_FORM}")
    texts = {name: given if isinstance(given, list) else [given] for name, given in apart.items()}
    rows = max(map(len, texts.values()), default=0)
    by_criterion = [{name: given[row] for name, given in texts.items() if row < len(given)} for row in range(rows)]
    variants = [
        *(_checked(one, f"{path}: criteria, text {number + 1}") for number, one in enumerate(by_criterion)),
        *(_checked(one, f"{path}: sets[{number}]") for number, one in enumerate(together)),
    ]
    if not variants:
        raise ConfigError(f"{path}: holds no variants; {_FORM}")
    return variants


def _checked(variant: Any, where: str, names: Sequence[str] = (), mode: str | None = None) -> dict[str, str]:
    """A variant whose criteria are known and whose instructions are texts.

    Args:
        variant: as it was given.
        where: for messages.
        names: the known criteria; empty where they are not known yet.
        mode: under "ST" the criteria of other runs are left out.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(variant, Mapping) or not variant:
        raise ConfigError(f"{where} is {clipped(variant)}; write criterion: instruction")
    for name, text in variant.items():
        if not isinstance(text, str) or not text.strip():
            raise ConfigError(f"{where}, key {name!r}: {clipped(text)} is no instruction; write a text")
        if names and name not in names and mode != "ST":
            raise ConfigError(
                f"{where} of optimizer 'pool': unknown criterion {name!r}{nearest(str(name), names)}; "
                f"the criteria are {', '.join(names)}"
            )
    return {name: text.strip() for name, text in variant.items() if not names or name in names}
