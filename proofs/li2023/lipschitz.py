"""The softmax of A x is Lipschitz in x with constant |A| / 2, in A with |x| / 2: so |b~ - b| <= |A| |step| / 2.

Paper    The Closeness of In-Context Learning and Weight Shifting for Softmax Regression, arXiv 2304.13276
Source   reconstructed: the paper has exp(O(R^2 + log n)) in its place, R bounding |A| and |x|
Assumes  any n, d, A, b, x; u is a direction of x, D a direction of A (Frobenius norm)
Tight    the derivative in x along u is M A u, and |M w| = |w| / 2 at n = 2, f = (1/2, 1/2), w = (1, -1); the
         published constant exceeds this one by a factor exp(R^2 + log n) / (R / 2) and more: see ``symicl constants``
"""

import sympy as sp

from symicl import claim, equal, nonnegative, partial
from symicl.systems.softmax_regression import exponent, softmax

from .notation import OVER, A, applied, columns, i, norm2, rows, x
from .softmax_jacobian import square_below_quarter
from .systems import regression, weights

u = sp.IndexedBase(sp.Symbol("u", real=True))
D = sp.IndexedBase(sp.Symbol("D", real=True))
f_i = softmax(lambda row: exponent(OVER, row), OVER.rows, i)


def along_u(i):
    """``(A u)_i``."""
    return columns(lambda j: A[i, j] * u[j])


def along_D(i):
    """``(D x)_i``."""
    return columns(lambda j: D[i, j] * x[j])


def gap(matrix, vector):
    """``|matrix|^2 |vector|^2 - |matrix vector|^2`` as a sum of squares, |matrix| the Frobenius norm."""
    return (
        rows(
            lambda i: columns(
                lambda j: columns(lambda k: (matrix[i, j] * vector[k] - matrix[i, k] * vector[j]) ** 2, other_than=j)
            )
        )
        / 2
    )


def squared(matrix):
    """``|matrix|^2``, the Frobenius norm."""
    return rows(lambda i: columns(lambda j: matrix[i, j] ** 2))


def squared_vector(vector):
    """``|vector|^2``."""
    return columns(lambda j: vector[j] ** 2)


derivative_in_x = claim(equal(regression(), columns(lambda j: partial(f_i, x[j]) * u[j]), applied(along_u)(i)))
derivative_in_A = claim(
    equal(weights(), rows(lambda m: columns(lambda j: partial(f_i, A[m, j]) * D[m, j])), applied(along_D)(i))
)
in_x = claim(
    nonnegative(regression(), norm2(along_u) / 4 - norm2(applied(along_u)), because=square_below_quarter(along_u))
)
in_A = claim(
    nonnegative(weights(), norm2(along_D) / 4 - norm2(applied(along_D)), because=square_below_quarter(along_D))
)
in_x_frobenius = claim(nonnegative(regression(), squared(A) * squared_vector(u) - norm2(along_u), because=gap(A, u)))
in_A_frobenius = claim(nonnegative(weights(), squared(D) * squared_vector(x) - norm2(along_D), because=gap(D, x)))
