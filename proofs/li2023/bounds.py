"""Sizes along the way: 1 / sqrt(n) <= |f| <= 1, |c| <= sqrt(2), |grad L| <= |A| |c| / 2 and <= sqrt(27/128) |A|.

Paper    The Closeness of In-Context Learning and Weight Shifting for Softmax Regression, arXiv 2304.13276
Source   reconstructed: what the derivations of the papers bound on their way, in the form it is true in
Assumes  any n, any logits; b any vector, or in the simplex (``mixture``, or the vertex e_q)
Tight    |f| = 1/sqrt(n) at equal weights; 1 and sqrt(2) are suprema. A search finds |M c| <= 8 sqrt(2) / 27 = 0.4190
         for b in the simplex, at n = 2, f = (1/3, 2/3), b = e_1: 0.4593 is 10 % loose. |M c| = |c| / 2 at f = (1/2,
         1/2), c = (1, -1)
"""

import sympy as sp

from symicl import claim, equal, nonnegative

from .curvature import is_not, mixture, vertex
from .notation import all_pairs, applied, b, c, f, n, norm2, pairs, q, rows, variance
from .softmax_jacobian import square_below_half, square_below_quarter
from .systems import logits

S = rows(lambda i: f[i] ** 2)


def residual(target):
    """``f - b`` for a target given by its components."""
    return lambda i: f[i] - target(i)


def quarter_gap(k):
    """``27/64 - c' M c`` at b = e_k as a sum of what is nonnegative: 11 - 8 f_k is 3 + 8 (1 - f_k)."""
    t = f[k]
    beside = rows(lambda i: f[i] * is_not(i, k))
    triples = pairs(lambda i, m: f[i] ** 2 * f[m] * is_not(i, k) * is_not(m, k))
    return (1 - 4 * t) ** 2 * (3 + 8 * beside) / 64 + (S - (1 + t) / 2) ** 2 + triples


def mixing_gap():
    """What ``c' M c`` at a mixture of vertices falls short of the mixture of its values there."""
    weight = pairs(lambda k, m: mixture(k) * mixture(m) * (f[k] * (1 - f[k]) + f[m] * (1 - f[m]) + 2 * f[k] * f[m]))
    return weight / 2


f_at_most = claim(nonnegative(logits(), 1 - S, because=pairs(lambda i, m: f[i] * f[m])))
f_at_least = claim(nonnegative(logits(), n * S - 1, because=all_pairs(lambda i, m: (f[i] - f[m]) ** 2) / 2))
c_at_most = claim(
    nonnegative(
        logits(),
        2 - norm2(residual(mixture)),
        because=pairs(lambda i, m: f[i] * f[m] + mixture(i) * mixture(m)) + 2 * rows(lambda i: f[i] * mixture(i)),
    )
)
c_any_target = claim(
    nonnegative(
        logits(),
        2 * (S + rows(lambda i: b[i] ** 2)) - norm2(residual(lambda i: b[i])),
        because=norm2(lambda i: f[i] + b[i]),
    )
)
gradient_any_target = claim(
    nonnegative(
        logits(),
        norm2(lambda i: c[i]) / 4 - norm2(applied(lambda i: c[i])),
        because=square_below_quarter(lambda i: c[i]),
    )
)
at_a_vertex = claim(nonnegative(logits(), sp.Rational(27, 64) - variance(residual(vertex(q))), because=quarter_gap(q)))
mixed = claim(
    equal(
        logits(),
        rows(lambda k: mixture(k) * variance(residual(vertex(k)))) - variance(residual(mixture)),
        mixing_gap(),
    )
)
gradient = claim(
    nonnegative(
        logits(),
        sp.Rational(27, 128) - norm2(applied(residual(vertex(q)))),
        because=square_below_half(residual(vertex(q))) + quarter_gap(q) / 2,
    )
)
gradient_fifth = claim(nonnegative(logits(), sp.Rational(1, 6) - norm2(applied(residual(vertex(q))))), expect="refuted")
