"""The guest's own package is found beside these tests, as an installed one would be."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
