"""Presets: named sets of settings. A setting that the user names wins over the preset's."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from polyjudge.errors import ConfigError
from polyjudge.formatting.text import nearest


def _parameters(loss: int, gradient: int, optimizer: int, *, heat: float, judge_heat: float) -> dict[str, Any]:
    """Longest answers in tokens, and temperatures, by role; the judge's limit follows from the criteria."""
    return {
        "judge": {"temperature": judge_heat},
        "loss": {"temperature": heat, "max_tokens": loss},
        "gradient": {"temperature": heat, "max_tokens": gradient},
        "optimizer": {"temperature": heat, "max_tokens": optimizer},
    }


PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Splits by document, a gate that each new instruction must pass, and a test set that is read once, at the end.
        "default": {
            "steps": 12,
            "batch": 3,
            "protocol": "sealed",
            "gate": "per-criterion",
            "strict_gate": True,
            "parameters": _parameters(1024, 2048, 4096, heat=0.7, judge_heat=0.0),
        },
        # The same protocol where calls are slow or dear.
        "cheap": {
            "steps": 6,
            "batch": 2,
            "protocol": "sealed",
            "gate": "per-criterion",
            "strict_gate": True,
            "parameters": _parameters(512, 1024, 1024, heat=0.7, judge_heat=0.0),
        },
        # The same protocol where the best judge is worth its calls: more is measured, several judges become one.
        "thorough": {
            "steps": 12,
            "batch": 3,
            "rungs": "configure,words,jury,calibrate",
            "configure": "scoring,layout,reasoned,demonstrations",
            "members": 4,
            "protocol": "sealed",
            "gate": "per-criterion",
            "strict_gate": True,
            "parameters": _parameters(1024, 2048, 4096, heat=0.7, judge_heat=0.0),
        },
        # The same protocol for the embedded model, which writes 40 tokens a second and nothing worth more of them.
        "smoke": {
            # To measure layouts would cost more calls than all else, for a difference that this model cannot show.
            "rungs": "words",
            "confirm": False,
            "layout": "joint",
            "steps": 2,
            "batch": 1,
            "parse_retries": 1,
            "protocol": "sealed",
            "gate": "per-criterion",
            "strict_gate": True,
            "parameters": _parameters(48, 72, 96, heat=0.7, judge_heat=0.0),
        },
        # The protocol of arXiv 2605.26046, overlap of batches and gate rows and test after every step included.
        "paper": {
            "steps": 12,
            "batch": 3,
            "protocol": "paper",
            "rungs": "words",
            "layout": "joint",
            "strict_gate": False,
            "gate": "mae",
            "gate_rule": "point",
            "early_reject": False,
            "confirm": False,
            "show_rejected": False,
            "scoring": "json",
            "validation": 100,
            "evaluate_every": 1,
            "definitions": False,
            "structured": False,
            "loss_sees_input": False,
            "parameters": _parameters(1024, 8192, 16384, heat=0.7, judge_heat=0.1),
        },
    }
)


def preset(name: str) -> Mapping[str, Any]:
    """The settings of a preset.

    Raises:
        ConfigError: no such preset.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}{nearest(name, PRESETS)}; choose one of: {', '.join(PRESETS)}")
    return PRESETS[name]
