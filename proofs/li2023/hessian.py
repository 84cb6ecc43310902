"""The Hessian of the loss is A' B A, with B_im = f_i h_i [i = m] + f_i f_m (|f|^2 - h_i - h_m), h = 2f - b - <f, c>.

Paper    The Closeness of In-Context Learning and Weight Shifting for Softmax Regression, arXiv 2304.13276
Source   reconstructed: the papers split B in other ways; it is one matrix
Assumes  any n, d, A, b, x
Tight    an identity; B 1 = 0, so the Hessian is singular wherever 1 lies in the range of A
"""

import sympy as sp

from symicl import claim, equal, hessian

from .notation import A, all_pairs, b, c, f, i, j, k, m, rows, x, z
from .systems import logits, regression

squared = rows(lambda i: f[i] ** 2)


def h(i):
    """``2 f_i - b_i - <f, c>``."""
    return 2 * f[i] - b[i] - rows(lambda m: f[m] * c[m])


def B(u, w):
    """``u' B w``."""
    return rows(lambda i: f[i] * h(i) * u(i) * w(i)) + all_pairs(
        lambda i, m: f[i] * f[m] * (squared - h(i) - h(m)) * u(i) * w(m)
    )


in_logits = claim(
    equal(
        logits(),
        hessian(logits(), z[i], z[m]),
        f[i] * h(i) * sp.KroneckerDelta(i, m) + f[i] * f[m] * (squared - h(i) - h(m)),
    )
)
in_x = claim(equal(regression(), hessian(regression(), x[j], x[k]), B(lambda i: A[i, j], lambda i: A[i, k])))
singular = claim(equal(logits(), rows(lambda m: hessian(logits(), z[i], z[m])), 0))
