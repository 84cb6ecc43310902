"""The Hessian of the loss is Lipschitz, |A|^3 (sqrt(6)/6 + |c| / 2), at any n: three derivatives along a line, bounded.

Paper    The Closeness of In-Context Learning and Weight Shifting for Softmax Regression, arXiv 2304.13276
Source   reconstructed: the paper and arXiv 2304.10411 have exp(O(R^2 + log n)) in its place
Assumes  any n, any logits, b any vector (c = f - b); v is any vector. D2 f[v, v] v and D3 f[v, v, v] v are the third
         and fourth cumulants of v under f, derivatives of log alpha; a symmetric form has its norm on the diagonal
         (Banach), so with |v| = 1 they give |D2 f| <= sqrt(2/27) and |D3 f| <= 1/2, and D3 L = 3 <M v, D2 f> + <c, D3
         f>
Tight    each of the two is sharp at n = 2; the sum is not: for b in the simplex a search finds 0.5714 where it gives
         at most sqrt(6)/6 + sqrt(2)/2 = 1.1154
"""

import sympy as sp

from symicl import claim, equal, nonnegative, partial
from symicl.systems.softmax_regression import softmax

from .notation import OVER, all_pairs, any_vector, applied, c, f, i, mean, norm2, pairs, rows, v, variance, z
from .softmax_jacobian import below_half
from .systems import logits

N, V = norm2(any_vector), variance(any_vector)
f_i = softmax(z.__getitem__, OVER.rows, i)


def d(i):
    """``v_i - <f, v>``."""
    return v[i] - mean(any_vector)


def along(expression):
    """The derivative along v."""
    return rows(lambda m: partial(expression, z[m]) * v[m])


cubed = mean(lambda i: d(i) ** 3)
first = claim(equal(logits(), along(f_i), f[i] * d(i)))
second = claim(equal(logits(), along(along(f_i)), f[i] * (d(i) ** 2 - V)))
third = claim(equal(logits(), along(along(along(f_i))), f[i] * (d(i) ** 3 - 3 * V * d(i) - cubed)))
of_loss = claim(
    equal(
        logits(),
        along(along(along(logits().loss))),
        3 * rows(lambda i: f[i] ** 2 * d(i) * (d(i) ** 2 - V))
        + rows(lambda i: c[i] * f[i] * (d(i) ** 3 - 3 * V * d(i) - cubed)),
    )
)

fourth = mean(lambda i: d(i) ** 4) - 3 * V**2
spread = all_pairs(lambda i, m: f[i] * f[m] * (v[i] - v[m]) ** 2) / 2  # V again, as a sum that shows its sign
image = applied(any_vector)
cauchy = all_pairs(lambda i, m: (image(i) * v[m] - image(m) * v[i]) ** 2) / 2  # N |M v|^2 - V^2
spread_of_squares = all_pairs(lambda i, m: f[i] * f[m] * (d(i) ** 2 - d(m) ** 2) ** 2) / 2  # the variance of d^2
skew = all_pairs(lambda i, m: f[i] * f[m] * (d(i) * (d(m) ** 2 - V) - d(m) * (d(i) ** 2 - V)) ** 2) / 2


def beside(i, m):
    """``2 |v|^2 - (v_i - v_l)^2`` for two rows, as a sum of squares."""
    rest = rows(lambda r: v[r] ** 2 * (1 - sp.KroneckerDelta(r, i)) ** 2 * (1 - sp.KroneckerDelta(r, m)) ** 2)
    return (v[i] + v[m]) ** 2 + 2 * rest


room = pairs(lambda i, m: f[i] * f[m] * beside(i, m) * (d(i) + d(m)) ** 2) / 2  # 2NV - 4N |M v|^2 - the variance of d^2

third_cumulant = claim(
    nonnegative(
        logits(),
        2 * N**3 / 27 - cubed**2,
        because=skew + spread * room + 4 * spread * cauchy + 4 * (V - N / 3) ** 2 * (spread + N / 6),
    )
)
fourth_cumulant_above = claim(
    nonnegative(logits(), N**2 / 6 - fourth, because=room + 4 * cauchy + 6 * (V - N / 6) ** 2)
)
fourth_cumulant_below = claim(
    nonnegative(logits(), N**2 / 2 + fourth, because=spread_of_squares + 2 * below_half(any_vector) * (N / 2 + spread))
)
third_is_cumulant = claim(equal(logits(), rows(lambda r: along(along(f_i)).xreplace({i: r}) * v[r]), cubed))
fourth_is_cumulant = claim(equal(logits(), rows(lambda r: along(along(along(f_i))).xreplace({i: r}) * v[r]), fourth))
