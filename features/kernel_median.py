"""The median in linear time."""

import numpy as np
from numpy.typing import NDArray

from features.kernel_jit import jit

Reals = NDArray[np.float64]


@jit
def nth(values: Reals, count: int, rank: int) -> float:
    """Return the value of that rank among the first ``count`` (Hoare's quickselect); reorders them around it."""
    low, high = 0, count - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if rank <= right:
            high = right
        elif rank >= left:
            low = left
        else:
            break
    return float(values[rank])


@jit
def median(values: Reals, count: int) -> float:
    """Return the median of the first ``count`` > 0 values, the mean of the middle two if even; reorders them."""
    upper = nth(values, count, count // 2)
    if count % 2:
        return upper
    lower = float(values[0])
    for at in range(1, count // 2):
        lower = max(lower, values[at])
    return 0.5 * (lower + upper)
