from __future__ import annotations

from tests.isolation import place

__all__ = ["place"]
