"""The loss is convex in W: its second derivative along U is the mean of sigma'(s) (p'Uq/2)^2, with s = p'Wq/2.

Paper    On the Training Convergence of Transformers for In-Context Classification of Gaussian Mixtures, arXiv
         2410.11778
Source   reconstructed: what makes gradient descent converge
Assumes  any d, W and law of the means of equal norm; finite N, and N = inf
Tight    strict at every finite N: the form vanishes only if p'Uq = 0 for almost all p and q, both of which have a
         density. At N = inf, p = delta, and it vanishes exactly where delta'U = 0 for almost every pair of means:
         strict where the differences span R^d and only there.
"""

import sympy as sp

from symicl import claim, equal, hessian, load_system, nonnegative
from symicl.expectation import Expectation

from .notation import U, W, along, delta, form, h, j, k, l, likelihoods, p, q

finite, infinite = (load_system("shen2025.mixture")(**values) for values in ({}, {"N": "inf"}))
plus, minus = likelihoods()


def square(system, statistic):
    """``E[sigma'(s) (p'Uq/2)^2]``."""
    second = hessian(system, W[j, k], W[l, h])
    (node,) = second.atoms(Expectation)
    s = form(statistic, lambda a, b: W[a, b], lambda i: q[i]) / 2
    change = form(statistic, lambda a, b: U[a, b], lambda i: q[i]) / 2
    return along(second), Expectation((plus + minus) / 2 * sp.exp(s) / (1 + sp.exp(s)) ** 2 * change**2, node.law)


at_finite_length = claim(
    nonnegative(finite, square(finite, lambda i: p[i])[0], because=square(finite, lambda i: p[i])[1])
)
at_infinite_length = claim(nonnegative(infinite, square(infinite, delta)[0], because=square(infinite, delta)[1]))
as_expectation = claim(equal(finite, *square(finite, lambda i: p[i])))
