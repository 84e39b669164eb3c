"""The types of arrays: what they hold. Docstrings give their shapes, in the letters of layers.py."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]  # float32 in training, float64 in checks
Integers = NDArray[np.integer[Any]]
