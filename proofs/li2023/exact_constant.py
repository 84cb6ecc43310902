"""On |A| <= R, |x| <= R, d = 1, the constant in x is R/2 at n = 2 and, to 1 %, 3R/8 at n = 3, for R = 1 and 2.

Paper    The Closeness of In-Context Learning and Weight Shifting for Softmax Regression, arXiv 2304.13276
Source   reconstructed: the exact value of what the paper bounds by exp(O(R^2 + log n))
Assumes  d = 1; A orthogonal to (1, ..., 1) and of norm R, which loses nothing: softmax does not see the rest, and a
         smaller A does what a multiple of it does at a smaller x, times less
Tight    certified to one part in a hundred; at n = 2 it is the proved |A| / 2. With R^2 + log n in an exponent the
         published form is 10 times as large at R = 1, n = 2, and 218 times at R = 2, n = 3
"""

import sympy as sp

from symicl import claim, norm_at_most
from symicl.lipschitz import jacobian

from .systems import regression

x, t = sp.symbols("x t", real=True)


def two_rows(radius):
    """The derivative of softmax(A x) in x for A = R (1, -1)' / sqrt(2)."""
    half = radius / sp.sqrt(2)
    return jacobian([[half], [-half]], [x])


def three_rows(radius):
    """The same for every A of norm R orthogonal to (1, 1, 1), by its direction t."""
    first, second = 2 * t / (1 + t**2), (1 - t**2) / (1 + t**2)
    entries = (
        first / sp.sqrt(2) + second / sp.sqrt(6),
        -first / sp.sqrt(2) + second / sp.sqrt(6),
        -2 * second / sp.sqrt(6),
    )
    return jacobian([[radius * entry] for entry in entries], [x])


def constant(matrix, radius, bound):
    """The norm is at most the bound for all x in [-R, R] and all directions."""
    box = [(x, -radius, radius), *([(t, -1, 1)] if t in sp.Matrix(matrix).free_symbols else [])]
    return norm_at_most(regression(), matrix, bound, box)


n2_R1 = claim(constant(two_rows(1), 1, "0.505"), expect="certified")
n2_R2 = claim(constant(two_rows(2), 2, "1.01"), expect="certified")
n2_less = claim(constant(two_rows(1), 1, "0.499"), expect="refuted")
n3_R1 = claim(constant(three_rows(1), 1, "0.379"), expect="certified")
n3_R2 = claim(constant(three_rows(2), 2, "0.758"), expect="certified")
n3_less = claim(constant(three_rows(1), 1, "0.374"), expect="refuted")
