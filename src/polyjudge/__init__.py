"""polyjudge: fit multi-criteria LLM judges to human ratings with textual gradients, and prove it.

The public face. ``__init__.pyi`` lists its names, each of which is imported when it is first used, so that
``import polyjudge`` stays light.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
