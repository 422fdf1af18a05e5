"""The tables of a study: pure functions from its records to rows, and one renderer."""

from __future__ import annotations

from polyjudge.experiments.tables.study import all_tables
from polyjudge.experiments.tables.table import Column, Span, Table

__all__ = ["Column", "Span", "Table", "all_tables"]
