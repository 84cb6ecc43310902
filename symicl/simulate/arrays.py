"""What every oracle reads: arrays of finite float64 numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symicl.errors import InputError

Array = NDArray[np.float64]


def float_array(value: object, where: str, largest: float) -> Array:
    """Return a float64 copy; every entry is at most ``largest`` in magnitude, so NaN is refused too."""
    try:
        raw = np.asarray(value)
        if np.iscomplexobj(raw):  # NumPy would drop the imaginary part with no more than a warning
            raise TypeError("complex entries")
        array: Array = raw.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as problem:
        raise InputError(f"not an array of numbers: {problem}", where=where, remedy="give real numbers") from None
    bad = np.argwhere(~(np.abs(array) <= largest))
    if len(bad):
        entry = tuple(int(i) for i in bad[0])
        raise InputError(
            f"{where}{''.join(f'[{i}]' for i in entry)} is {array[entry]}",
            where=where,
            remedy=f"give finite numbers of magnitude at most {largest:g}",
        )
    return array
