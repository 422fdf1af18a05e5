"""The words of the field as frozen values: no I/O, no LLM, no numpy.

Import from the modules, for example ``from polyjudge.domain.scale import Ordinal``.
"""
