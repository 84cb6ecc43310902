"""With w_i^2 >= 1/4 + r, r > 0, the regularised Hessian is at least r A'A: positive definite at full column rank.

Paper    The Closeness of In-Context Learning and Weight Shifting for Softmax Regression, arXiv 2304.13276
Source   reconstructed: arXiv 2304.10411 asks for w_i^2 >= 4 + m / sigma_min(A)^2
Assumes  any n, d, A, x; b a vertex of the simplex, so any of its points (``curvature.affine``); u is a direction of x
Tight    by search 0.2404 in place of 1/4, taken at n = 2, and 4 is loose by a factor of 17. Without a regularization
         the Hessian need not be positive: it is -64/625 at A = (1, 0)', b = (1, 0), x = -log 4, where f = (1/5, 4/5)
"""

import sympy as sp

from symicl import claim, equal, hessian, nonnegative
from symicl.systems.softmax_regression import WEIGHTS

from .curvature import curvature, gap_below, vertex
from .lipschitz import along_u, u
from .notation import b, columns, j, k, norm2, q, rows, x
from .systems import logits, regularized

r = sp.Symbol("r", positive=True)
excess = sp.IndexedBase(sp.Symbol("e", real=True))
second = hessian(regularized(), x[j], x[k])
size = norm2(along_u)


def penalty(squared_weight):
    """``|diag(w) A u|^2`` from the squares of the weights."""
    return rows(lambda i: squared_weight(i) * along_u(i) ** 2)


form = claim(
    equal(
        regularized(),
        columns(lambda s: columns(lambda t: second.xreplace({j: s, k: t}) * u[s] * u[t])),
        curvature(lambda i: b[i], along_u) + penalty(lambda i: WEIGHTS[i] ** 2),
    )
)
positive = claim(
    nonnegative(
        regularized(),
        size * (curvature(vertex(q), along_u) + penalty(lambda i: sp.Rational(1, 4) + r + excess[i] ** 2) - r * size),
        because=gap_below(q, along_u) + size * penalty(lambda i: excess[i] ** 2),
    )
)


def at_numbers(f, b, v):
    """``v' B v`` at numbers, by the formula of ``curvature``."""
    mean = sp.Add(*(p * y for p, y in zip(f, v, strict=True)))
    s = sp.Add(*(p * (p - t) for p, t in zip(f, b, strict=True)))
    return sp.Add(*(p * (2 * p - t - s) * (y - mean) ** 2 for p, t, y in zip(f, b, v, strict=True)))


negative = claim(
    equal(logits(), at_numbers((sp.Rational(1, 5), sp.Rational(4, 5)), (1, 0), (1, 0)), sp.Rational(-64, 625))
)
