"""For b in the simplex the Hessian A' B A of the loss has -1/4 <= B <= 1/2: the gradient is Lipschitz with |A|^2 / 2.

Paper    The Closeness of In-Context Learning and Weight Shifting for Softmax Regression, arXiv 2304.13276
Source   reconstructed: arXiv 2304.10411, on which it builds, has -4 <= B <= 8 for |f|, |b| <= 1
Assumes  any n, any logits, b in the simplex (a vertex, or any point as a mixture of vertices); v is any vector
Tight    B is affine in b, so a vertex is the worst case. A search finds the range to be (39 -/+ 55 sqrt(33)) / 1152,
         that is -0.2404 and 0.3081, taken at n = 2: -1/4 is 4 % loose and 1/2 is 62 %, -4 and 8 are so by factors of
         17 and 26
"""

import sympy as sp

from symicl import claim, equal, hessian, nonnegative

from .notation import all_pairs, any_vector, applied, b, f, i, m, mean, norm2, pairs, q, rows, v, variance, z
from .systems import logits

w = sp.IndexedBase(sp.Symbol("w", positive=True))
N, V = norm2(any_vector), variance(any_vector)
S = rows(lambda i: f[i] ** 2)


def curvature(target, u=any_vector):
    """``u' B u`` for a target b given by its components."""
    s, average = S - rows(lambda i: f[i] * target(i)), mean(u)
    return rows(lambda i: f[i] * (2 * f[i] - target(i) - s) * (u(i) - average) ** 2)


def is_(i, k):
    """1 where two rows are the same, else 0."""
    return sp.KroneckerDelta(i, k)


def is_not(i, k):
    """1 where two rows differ, else 0; a square, so that its sign shows."""
    return (1 - sp.KroneckerDelta(i, k)) ** 2


def vertex(k):
    """The target e_k."""
    return lambda i: is_(i, k)


def mixture(i):
    """Any target in the interior of the simplex."""
    return w[i] / rows(lambda m: w[m])


def gap_below(k, u=any_vector):
    """``|u|^2 (u' B u + |u|^2 / 4)`` at the target e_k as a sum of what is nonnegative."""
    t, size, image = f[k], norm2(u), applied(u)
    beside = rows(lambda i: f[i] * is_not(i, k))  # 1 - t
    elsewhere = pairs(lambda i, m: f[i] * f[m] * is_not(i, k) * is_not(m, k))
    cauchy = all_pairs(lambda i, m: (image(i) * u(m) - image(m) * u(i)) ** 2) / 2
    spread = all_pairs(lambda i, m: f[i] * f[m] * (u(i) - u(m)) ** 2) / 2
    without_k = all_pairs(lambda i, m: f[i] * f[m] * is_not(i, k) * is_not(m, k) * (u(i) - u(m)) ** 2) / 2
    turned = all_pairs(lambda i, m: ((is_(i, k) - f[i]) * u(m) - (is_(m, k) - f[m]) * u(i)) ** 2) / 2
    return (
        2 * cauchy
        + size * spread * elsewhere
        + size / 3 * without_k
        + sp.Rational(2, 3) * t * size * (turned + size * elsewhere)
        + 2 * (variance(u) - (1 - t) * (2 - 3 * t) * size / 6) ** 2
        + size**2 / 36 * ((1 - 4 * t) ** 2 + 6 * t**2 * beside * (1 + 3 * t))
    )


def gap_above(k):
    """``v' M v - v' B v`` at the target e_k as a sum of what is nonnegative: B lies below M, and M below 1/2."""
    t, third = f[k], sp.Rational(1, 3)

    def others(*left_out):
        return rows(lambda r: f[r] ** 2 * sp.Mul(*(is_not(r, out) for out in left_out)))

    def apart(i, m):
        return 3 * ((f[i] - third) ** 2 + (f[m] - third) ** 2 + (t - third) ** 2 + others(i, m, k))

    def with_k(i):
        return third + 3 * ((t - 2 * third) ** 2 + (f[i] - third) ** 2 + others(i, k))

    def weight(i, m):
        return is_not(i, k) * is_not(m, k) * apart(i, m) + is_(i, k) * with_k(m) + is_(m, k) * with_k(i)

    return pairs(lambda i, m: f[i] * f[m] * weight(i, m) * (v[i] - v[m]) ** 2) / 2


second = hessian(logits(), z[i], z[m])
form = claim(
    equal(
        logits(),
        rows(lambda r: rows(lambda s: second.xreplace({i: r, m: s}) * v[r] * v[s])),
        curvature(lambda i: b[i]),
    )
)
at_least = claim(nonnegative(logits(), N * (curvature(vertex(q)) + N / 4), because=gap_below(q)))
at_most = claim(nonnegative(logits(), V - curvature(vertex(q)), because=gap_above(q)))
affine = claim(equal(logits(), curvature(mixture), rows(lambda k: mixture(k) * curvature(vertex(k)))))
indefinite = claim(nonnegative(logits(), curvature(mixture)), expect="refuted")
at_least_fifth = claim(nonnegative(logits(), curvature(vertex(q)) + N / 5), expect="refuted")
at_most_fifth = claim(nonnegative(logits(), N / 5 - curvature(vertex(q))), expect="refuted")
