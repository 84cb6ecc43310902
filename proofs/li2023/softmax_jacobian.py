"""The Jacobian M = diag f - f f' of a softmax lies between 0 and 1/2, so its norm is at most 1/2.

Paper    The Closeness of In-Context Learning and Weight Shifting for Softmax Regression, arXiv 2304.13276
Source   reconstructed: the constant behind the paper's exp(O(R^2 + log n))
Assumes  any n and any logits; v is any vector; ``interior`` has f_i >= 1/(n + s), n >= 2
Tight    1/2 is attained at n = 2, f = (1/2, 1/2), v = (1, -1); for n >= 3 it is a supremum, approached as f tends to
         (1/2, 1/2, 0, ...), and not attained: where every f_i is at least m, v' M v <= (1/2 - (n - 2) m^2) |v|^2
"""

import sympy as sp

from symicl import claim, equal, nonnegative

from .notation import all_pairs, any_vector, applied, f, mean, n, norm2, pairs, rows, v, variance
from .systems import logits

form = variance(any_vector)


def below_half(u):
    """``|u|^2 / 2 - u' M u`` as a sum of squares."""
    own = rows(lambda i: (1 - 2 * f[i]) ** 2 * u(i) ** 2)
    return own / 2 + pairs(lambda i, m: f[i] * f[m] * (u(i) + u(m)) ** 2) / 2


def square_below_half(u):
    """``u' M u / 2 - |M u|^2`` as a sum of squares."""
    average = mean(u)
    return pairs(lambda i, m: f[i] * f[m] * (u(i) + u(m) - 2 * average) ** 2) / 4


def square_below_quarter(u):
    """``|u|^2 / 4 - |M u|^2`` as a sum of squares."""
    return square_below_half(u) + below_half(u) / 2


positive = claim(nonnegative(logits(), form, because=all_pairs(lambda i, m: f[i] * f[m] * (v[i] - v[m]) ** 2) / 2))
at_most_half = claim(nonnegative(logits(), norm2(any_vector) / 2 - form, because=below_half(any_vector)))
square = claim(nonnegative(logits(), form / 2 - norm2(applied(any_vector)), because=square_below_half(any_vector)))
norm_at_most_half = claim(
    nonnegative(logits(), norm2(any_vector) / 4 - norm2(applied(any_vector)), because=square_below_quarter(any_vector))
)
norm_at_most_third = claim(nonnegative(logits(), norm2(any_vector) / 9 - norm2(applied(any_vector))), expect="refuted")


def inner(i):
    """Any point of the simplex with every component at least 1/(n + s): a softmax mixed with the centre."""
    return (1 + s * f[i]) / (n + s)


s = sp.Symbol("s", nonnegative=True)
least = 1 / (n + s)
inner_form = rows(lambda i: inner(i) * v[i] ** 2) - rows(lambda i: inner(i) * v[i]) ** 2
interior = claim(
    nonnegative(
        logits(),
        norm2(any_vector) / 2 - inner_form - (n - 2) * least**2 * norm2(any_vector),
        because=rows(lambda i: (1 - 2 * inner(i)) ** 2 * v[i] ** 2) / 2
        + pairs(lambda i, m: least**2 * (s * f[i] + s * f[m] + s**2 * f[i] * f[m]) * (v[i] + v[m]) ** 2) / 2
        + least**2 * rows(any_vector) ** 2,
    )
)


def ratio(shares, u):
    """``v' M v / |v|^2`` at a point of the simplex."""
    average = sp.Add(*(p * y for p, y in zip(shares, u, strict=True)))
    return sp.Add(*(p * (y - average) ** 2 for p, y in zip(shares, u, strict=True))) / sp.Add(*(y**2 for y in u))


epsilon = sp.Symbol("epsilon", positive=True)
attained_at_two = claim(equal(logits(), ratio((sp.Rational(1, 2),) * 2, (1, -1)), sp.Rational(1, 2)))
approached_at_three = claim(
    equal(
        logits(), ratio((1 / (2 + epsilon), 1 / (2 + epsilon), epsilon / (2 + epsilon)), (1, -1, 0)), 1 / (2 + epsilon)
    )
)
