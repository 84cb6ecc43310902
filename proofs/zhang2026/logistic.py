"""For the logistic loss the layer is no longer exact: it is off by at most exp(-least margin) times the largest |x_i|.

Paper    A softmax layer is one step of normalised gradient descent, arXiv 2605.06609
Source   reconstructed: the abstract is about the exponential loss; this is what changes
Assumes  any n, d, data and labels; the logistic step is -grad L / (sum of its weights) with weights sigma(-m_i), m_i
         = y_i w'x_i, so that it too is a weighted mean of y_i x_i. In the bounds every u_i = exp(-m_i) is at most U:
         U = exp(-least margin), written u_i = U / (1 + g_i) with g_i >= 0, positive margins or not
Tight    the difference vanishes where all margins are equal, and as the least margin grows: from below q_i >= (1 - U)
         a_i, from above q_i <= (1 + U) a_i, each attained in the limit of one point far out among points at the least
         margin
"""

import sympy as sp

from symicl import claim, equal, nonnegative, partial
from symicl.systems.normalized_descent import margin

from .notation import OVER, data, i, j, m, signed, w
from .systems import normalized

U = sp.Symbol("U", positive=True)
g = sp.IndexedBase(sp.Symbol("g", positive=True))


def loss_at(i):
    """``log(1 + exp(-m_i))``."""
    return sp.log(1 + sp.exp(-margin(OVER, i)))


def sigma(i):
    """``1 / (1 + exp(m_i))``, written with the exponential that the layer has."""
    return sp.exp(-margin(OVER, i)) / (1 + sp.exp(-margin(OVER, i)))


def softmax(i):
    """The layer's weights a_i."""
    return sp.exp(-margin(OVER, i)) / data(lambda m: sp.exp(-margin(OVER, m)))


def logistic(i):
    """The weights q_i of the logistic step."""
    return sigma(i) / data(sigma)


gradient = claim(equal(normalized(), -partial(data(loss_at), w[j]), data(lambda i: sigma(i) * signed(i)(j))))


def r(i):
    """``q_i / a_i`` up to a factor common to all i."""
    return 1 / (1 + sp.exp(-margin(OVER, i)))


average = data(lambda m: softmax(m) * r(m))
difference = claim(equal(normalized(), logistic(i) - softmax(i), softmax(i) * (r(i) - average) / average))


def small(i):
    """``u_i = U / (1 + g_i)``: any numbers in (0, U]."""
    return U / (1 + g[i])


def weight(i):
    """The layer's weights in these terms."""
    return small(i) / data(small)


def above(i, m):
    """``(1 + U) r_m - r_i``: nonnegative for all i and m, so ``(1 + U) <a, r> >= r_i`` and ``q_i <= (1 + U) a_i``."""
    return (1 + U) / (1 + small(m)) - 1 / (1 + small(i))


def below(i, m):
    """``r_i - (1 - U) r_m``: nonnegative for all i and m, so ``q_i >= (1 - U) a_i``."""
    return 1 / (1 + small(i)) - (1 - U) / (1 + small(m))


at_most = claim(
    nonnegative(
        normalized(),
        above(i, m),
        because=U * g[m] / (1 + g[m]) / (1 + small(m)) + small(i) / (1 + small(i)),
    )
)
at_least = claim(
    nonnegative(
        normalized(),
        below(i, m),
        because=(small(m) + U * g[i] / (1 + g[i]) + U * small(i)) / ((1 + small(i)) * (1 + small(m))),
    )
)
averaged_above = claim(
    equal(
        normalized(),
        (1 + U) * data(lambda m: weight(m) / (1 + small(m))) - 1 / (1 + small(i)),
        data(lambda m: weight(m) * above(i, m)),
    )
)
averaged_below = claim(
    equal(
        normalized(),
        1 / (1 + small(i)) - (1 - U) * data(lambda m: weight(m) / (1 + small(m))),
        data(lambda m: weight(m) * below(i, m)),
    )
)
equal_margins = claim(equal(normalized(), (1 / (1 + U)) / data(lambda m: weight(m) / (1 + U)), 1))
