"""polyjudge: fit multi-criteria LLM judges to human ratings with textual gradients, and prove it.

The public face. Names are imported when they are first used, so that ``import polyjudge`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from polyjudge.version import __version__

if TYPE_CHECKING:
    from polyjudge.experiments.audit import Audit, audit
    from polyjudge.experiments.check import Check, check
    from polyjudge.experiments.diagnose.verb import Diagnosed, diagnose, plan_diagnosis
    from polyjudge.experiments.optimize.result import Run
    from polyjudge.experiments.optimize.verb import optimize
    from polyjudge.experiments.report.verb import report
    from polyjudge.experiments.score.loaded import LoadedJudge
    from polyjudge.experiments.score.loaded import load_judge as load
    from polyjudge.experiments.score.scores import Scores
    from polyjudge.experiments.score.verb import score
    from polyjudge.experiments.study.run import StudyResult, plan_study, study
    from polyjudge.experiments.upkeep import cache_merge, cache_prune, cache_show, pull
    from polyjudge.llm.backends.scripted import Scripted


__all__ = [
    "Audit",
    "Check",
    "Diagnosed",
    "LoadedJudge",
    "Run",
    "Scores",
    "Scripted",
    "StudyResult",
    "__version__",
    "audit",
    "cache_merge",
    "cache_prune",
    "cache_show",
    "check",
    "diagnose",
    "load",
    "optimize",
    "plan_diagnosis",
    "plan_study",
    "pull",
    "report",
    "score",
    "study",
]


def __getattr__(name: str) -> Any:
    places = {
        "Audit": "experiments.audit:Audit",
        "Check": "experiments.check:Check",
        "LoadedJudge": "experiments.score.loaded:LoadedJudge",
        "Run": "experiments.optimize.result:Run",
        "Scores": "experiments.score.scores:Scores",
        "Scripted": "llm.backends.scripted:Scripted",
        "cache_merge": "experiments.upkeep:cache_merge",
        "cache_prune": "experiments.upkeep:cache_prune",
        "cache_show": "experiments.upkeep:cache_show",
        "audit": "experiments.audit:audit",
        "check": "experiments.check:check",
        "Diagnosed": "experiments.diagnose.verb:Diagnosed",
        "diagnose": "experiments.diagnose.verb:diagnose",
        "plan_diagnosis": "experiments.diagnose.verb:plan_diagnosis",
        "load": "experiments.score.loaded:load_judge",
        "optimize": "experiments.optimize.verb:optimize",
        "pull": "experiments.upkeep:pull",
        "report": "experiments.report.verb:report",
        "StudyResult": "experiments.study.run:StudyResult",
        "plan_study": "experiments.study.run:plan_study",
        "score": "experiments.score.verb:score",
        "study": "experiments.study.run:study",
    }
    if name not in places:
        raise AttributeError(f"module 'polyjudge' has no attribute {name!r}")
    module, _, attribute = places[name].partition(":")
    return getattr(import_module(f"polyjudge.{module}"), attribute)


def __dir__() -> list[str]:
    return __all__
