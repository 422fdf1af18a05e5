"""Figures as a report says them; what is undefined is said, never shown as a number."""

from __future__ import annotations

import math


def figure(value: float, unknown: str = "undefined") -> str:
    """``0.305``."""
    return unknown if math.isnan(value) else f"{value:.3f}"


def signed(value: float) -> str:
    """``+0.031``."""
    return "undefined" if math.isnan(value) else f"{value:+.3f}"


def span(low: float, high: float) -> str:
    """``-0.010 to +0.183``."""
    return "undecided" if math.isnan(low) or math.isnan(high) else f"{low:+.3f} to {high:+.3f}"


def share(value: float) -> str:
    """``98%``."""
    return "undefined" if math.isnan(value) else f"{value:.0%}"


def duration(seconds: float) -> str:
    """``3 min 20 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"
