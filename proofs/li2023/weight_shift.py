"""A gradient step on x, or on A, changes the residual exactly as replacing b by b~ = b - (f(new) - f(old)) does.

Paper    The Closeness of In-Context Learning and Weight Shifting for Softmax Regression, arXiv 2304.13276
Source   published: the shift of b that a step amounts to
Assumes  any n, d, A, b, x, step size
Tight    an identity, and one that holds for every map f and every step: it is the definition of b~ written twice. It
         says nothing of how large the shift is, and nothing of softmax; what does is the bound on |b~ - b| (see
         ``lipschitz``)
"""

import sympy as sp

from symicl import claim, equal, update

from .notation import A, b, columns, i, j, rows, x
from .systems import regression, weights


def softmax_at(matrix, point):
    """``f_i`` at a matrix and a point given entry by entry."""

    def weight(i):
        return sp.exp(columns(lambda j: matrix(i, j) * point(j)))

    return lambda i: weight(i) / rows(weight)


step_on_x, step_on_A = update(regression(), x[j]), update(weights(), A[i, j])
before = softmax_at(lambda i, j: A[i, j], lambda j: x[j])
after_x = softmax_at(lambda i, j: A[i, j], lambda r: x[r] + step_on_x.xreplace({j: r}))
after_A = softmax_at(lambda m, r: A[m, r] + step_on_A.xreplace({i: m, j: r}), lambda j: x[j])


def shifted(after):
    """The target that the old prediction misses as the new one misses b."""
    return b[i] - (after(i) - before(i))


in_x = claim(equal(regression(), after_x(i) - b[i], before(i) - shifted(after_x)))
in_A = claim(equal(weights(), after_A(i) - b[i], before(i) - shifted(after_A)))
