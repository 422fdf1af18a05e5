"""Campaigns that try to break polyjudge. Each is one command, and its figure stands in ``docs/reliability.md``.

    python -m benchmarks.reliability.CAMPAIGN [--seed N] [--short]

A campaign prints what it did and what it found, one ``name: figure`` a line, and leaves with 1 when something broke.
The short forms run in the tests.
"""
