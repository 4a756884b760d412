"""What a vector is: contiguous float64, finite. Parameters, moments and design rows are all made of these."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

LARGEST = 1e100
"""Values beyond it are refused: sums and squares of what is within it cannot overflow, however many rows there are."""


def all_usable(values: FloatArray) -> bool:
    """Whether every value lies within +-``LARGEST``; NaN and infinity do not. Any shape with at least one value."""
    return bool(values.min() >= -LARGEST) and bool(values.max() <= LARGEST)


def all_finite(values: FloatArray) -> bool:
    """Whether no value is NaN or infinite; any shape.

    A finite sum proves it at a third of the price of looking at each value; a sum may overflow though every value is
    finite, so only then is each one looked at.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        total = values.sum()
    return bool(np.isfinite(total)) or bool(np.isfinite(values).all())
