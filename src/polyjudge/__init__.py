"""polyjudge: fit multi-criteria LLM judges to human ratings with textual gradients, and prove it.

The public face. Names are imported when they are first used, so that ``import polyjudge`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from polyjudge.version import __version__

if TYPE_CHECKING:
    from polyjudge.llm.backends.scripted import Scripted
    from polyjudge.optimizers.opro import OPRO
    from polyjudge.optimizers.textgrad import TextGrad
    from polyjudge.reporting.report import report
    from polyjudge.results.audit import Audit
    from polyjudge.results.result import Run
    from polyjudge.results.scores import Scores
    from polyjudge.workflows.audit import audit
    from polyjudge.workflows.check import Check, check
    from polyjudge.workflows.diagnose import Diagnosed, diagnose, plan_diagnosis
    from polyjudge.workflows.export import export
    from polyjudge.workflows.loaded_judge import LoadedJudge
    from polyjudge.workflows.loaded_judge import load_judge as load
    from polyjudge.workflows.maintenance import cache_merge, cache_prune, cache_show, pull
    from polyjudge.workflows.optimize import optimize
    from polyjudge.workflows.score import score
    from polyjudge.workflows.study import StudyResult, plan_study, study


__all__ = [
    "OPRO",
    "Audit",
    "Check",
    "Diagnosed",
    "LoadedJudge",
    "Run",
    "Scores",
    "Scripted",
    "StudyResult",
    "TextGrad",
    "__version__",
    "audit",
    "cache_merge",
    "cache_prune",
    "cache_show",
    "check",
    "diagnose",
    "export",
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
        "Audit": "results.audit:Audit",
        "Check": "workflows.check:Check",
        "LoadedJudge": "workflows.loaded_judge:LoadedJudge",
        "Run": "results.result:Run",
        "Scores": "results.scores:Scores",
        "OPRO": "optimizers.opro:OPRO",
        "TextGrad": "optimizers.textgrad:TextGrad",
        "Scripted": "llm.backends.scripted:Scripted",
        "cache_merge": "workflows.maintenance:cache_merge",
        "cache_prune": "workflows.maintenance:cache_prune",
        "cache_show": "workflows.maintenance:cache_show",
        "audit": "workflows.audit:audit",
        "check": "workflows.check:check",
        "Diagnosed": "workflows.diagnose:Diagnosed",
        "diagnose": "workflows.diagnose:diagnose",
        "plan_diagnosis": "workflows.diagnose:plan_diagnosis",
        "export": "workflows.export:export",
        "load": "workflows.loaded_judge:load_judge",
        "optimize": "workflows.optimize:optimize",
        "pull": "workflows.maintenance:pull",
        "report": "reporting.report:report",
        "StudyResult": "workflows.study:StudyResult",
        "plan_study": "workflows.study:plan_study",
        "score": "workflows.score:score",
        "study": "workflows.study:study",
    }
    if name not in places:
        raise AttributeError(f"module 'polyjudge' has no attribute {name!r}")
    module, _, attribute = places[name].partition(":")
    return getattr(import_module(f"polyjudge.{module}"), attribute)


def __dir__() -> list[str]:
    return __all__
