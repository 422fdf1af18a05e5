"""Contracts as test classes: a new optimizer, backend or metric inherits one and says how to make itself.

    from polyjudge.testing.metric import MetricContract

    class TestMine(MetricContract):
        metric = MINE

pytest collects the inherited tests; nothing here imports it.
"""
