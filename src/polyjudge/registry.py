"""Look up registered objects by name. Each kind has a table "name" -> "module:attribute", imported when it is used.

Other packages add rows through entry points of the group ``polyjudge.KIND``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

from polyjudge.errors import ConfigError
from polyjudge.formatting.text import nearest

TABLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "datasets": MappingProxyType(
            {
                "moods": "polyjudge.datasets.shipped:moods",
                "briefs": "polyjudge.datasets.shipped:briefs",
                "summeval": "polyjudge.datasets.summeval:summeval",
                "brighter": "polyjudge.datasets.brighter:brighter",
                "wildguard": "polyjudge.datasets.wildguard:wildguard",
                "simulated/default": "polyjudge.testing.simulation.data:default",
                "simulated/null": "polyjudge.testing.simulation.data:null",
                "simulated/joint-helps": "polyjudge.testing.simulation.data:joint_helps",
            }
        ),
        # Data that are named FAMILY/REST; each is a function of REST.
        "families": MappingProxyType({"simulated": "polyjudge.testing.simulation.data:simulated"}),
        # Scores that judges gave, with people's ratings: functions without arguments that return a ScoreTable.
        "recordings": MappingProxyType({"hanna": "polyjudge.audits.recordings:hanna"}),
        "scoring": MappingProxyType(
            {
                "json": "polyjudge.judge.json_scoring:JsonScoring",
                "expected": "polyjudge.judge.expected:ExpectedScoring",
                "reasoned": "polyjudge.judge.reasoned:ReasonedScoring",
                "reasoned-json": "polyjudge.judge.reasoned:ReasonedJsonScoring",
                "decisions": "polyjudge.judge.decisions:DecisionScoring",
                "yes-no": "polyjudge.judge.yes_no:YesNoScoring",
                "cloze": "polyjudge.judge.cloze:ClozeScoring",
            }
        ),
        "metrics": MappingProxyType(
            {
                name: f"polyjudge.metrics.statistics:{name}"
                for name in (
                    "spearman",
                    "kendall",
                    "pearson",
                    "qwk",
                    "kappa",
                    "mae",
                    "rmse",
                    "off_by_one",
                    "accuracy",
                    "macro_f1",
                    "primary",
                )
            }
        ),
        "gates": MappingProxyType(
            {
                "none": "polyjudge.gates.mean:no_gate",
                "per-criterion": "polyjudge.gates.empirical_bayes:per_criterion_gate",
            }
        ),
        "optimizers": MappingProxyType(
            {
                "textgrad": "polyjudge.optimizers.textgrad:TextGrad",
                "opro": "polyjudge.optimizers.opro:OPRO",
                "rubric": "polyjudge.optimizers.rubric:Rubric",
                "demonstrations": "polyjudge.optimizers.demonstrations:Demonstrations",
                "gepa": "polyjudge.optimizers.gepa:GEPA",
                "pool": "polyjudge.optimizers.pool:Pool",
            }
        ),
        "exporters": MappingProxyType(
            {"text": "polyjudge.results.exporters:text", "messages": "polyjudge.results.exporters:messages"}
        ),
        "backends": MappingProxyType(
            {
                "local": "polyjudge.llm.backends.local:open_local",
                "scripted": "polyjudge.llm.backends.scripted:open_scripted",
                "any": "polyjudge.llm.backends.any_llm:open_any",
                "simulated": "polyjudge.testing.simulation.backend:open_simulated",
            }
        ),
    }
)


def names(kind: str) -> tuple[str, ...]:
    """The registered names of a kind: the package's own first, then those of installed plug-ins."""
    plugins = tuple(entry.name for entry in _entry_points(kind) if entry.name not in TABLES[kind])
    return (*TABLES[kind], *plugins)


def lookup(kind: str, name: str) -> Any:
    """Import and return the object registered under ``name``.

    Raises:
        ConfigError: no such name; the message lists those that exist.
    """
    path = TABLES[kind].get(name)
    if path is not None:
        module, _, attribute = path.partition(":")
        return getattr(import_module(module), attribute)
    for entry in _entry_points(kind):
        if entry.name == name:
            return entry.load()
    raise ConfigError(
        f"unknown name {name!r} among {kind}{nearest(name, names(kind))}; choose one of: {', '.join(names(kind))}"
    )


def name_of(kind: str, built: object) -> str:
    """The name under which an object's type is registered, else where the type is defined, as ``module:Type``."""
    path = f"{type(built).__module__}:{type(built).__qualname__}"
    rows = {**{entry.name: entry.value for entry in _entry_points(kind)}, **TABLES[kind]}
    return next((name for name, registered in rows.items() if registered == path), path)


def _entry_points(kind: str) -> tuple[Any, ...]:
    return _installed(tuple(sys.path)).get(f"polyjudge.{kind}", ())


@lru_cache(maxsize=1)
def _installed(path: tuple[str, ...]) -> Mapping[str, tuple[Any, ...]]:
    """The entry points of installed packages by group; reading them takes as long as a judge call of ours."""
    from importlib.metadata import entry_points

    found = entry_points()
    return {group: tuple(found.select(group=group)) for group in found.groups if group.startswith("polyjudge.")}
