"""Contracts as test classes, from which the tests of a new optimizer, backend or metric inherit.

    from polyjudge.testing.metric import MetricContract

    class TestMine(MetricContract):
        metric = MINE

pytest collects the inherited tests; nothing here imports it.
"""
