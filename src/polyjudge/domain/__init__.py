"""The domain as frozen values: criteria, scales, examples, prompts, records. No I/O, no LLM, no numpy.

Import from the modules, for example ``from polyjudge.domain.scale import Ordinal``.
"""
